#pragma once
// Sender: the end of a channel through which tasks send, where a message may have to wait for its place (mpsc, mpmc, rendezvous).
//
// Two phases (rule L4):
//   auto permit = co_await tx.reserve(cx);      // waits for a place; may be cancelled, and then nothing has happened
//   permit.send(build_message());               // immediate: no cancel point, cannot be refused while somebody can receive
// A permit is an obligation of kind SendPermit in the ledger of the task's region: the region does not close before it was used or
// dropped, and one that its task has left behind is reported as leaked. Dropping it gives the place to the next.
// If all receivers have gone since, nobody can receive the message, and `send` of the permit hands it back. Where a receiver has only
// closed the channel, what was reserved before is still delivered.
// In one phase: `co_await tx.send(cx, message)` keeps the same promise at no obligation, for nothing lies between its two phases.
// Cancelled before it has a place, or refused, it has not sent, and the message is destroyed with it: to keep it, reserve. The same
// holds of a `tx.send(message)` that a select does not choose.
// With g++ 12 a message that is an aggregate is named before it is sent in an awaited expression (docs/compilers.md).
// Without waiting: `try_send`, whose error has the message, from any thread; `try_reserve`, from a task.
// Refuses: Disconnected when the receivers have closed the channel or are gone; a reservation as every obligation is (RegionAtCapacity).
// Fairness: first come, first served among those who wait for a place; `try_` overtakes nobody. A permit is not overtaken in
// its place but has none in the order of messages: that is the order in which they are sent.
// Copies are further senders of the same channel. A sender must outlive the waits made from it. A permit keeps the channel alive.
// Thread-safety: all but moving and destroying it. Cost: one lock each, and the ledger's for a permit. A channel of 16 places or more has
// a lock for each side; waiting there, and waking who waits, takes both. Waiting allocates nothing.
#include <concepts>
#include <cstdint>
#include <expected>
#include <optional>
#include <source_location>
#include <utility>

#include "quiesce/channel/errors.hpp"
#include "quiesce/cx.hpp"
#include "quiesce/detail/channel/operations.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

/// The right to send one message. Move-only, and bound to the task that reserved it.
template <class T, class Core>
class [[nodiscard]] BasicSendPermit {
 public:
  BasicSendPermit(BasicSendPermit&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)), owed_(std::move(other.owed_)) {}
  BasicSendPermit& operator=(BasicSendPermit&& other) noexcept {
    BasicSendPermit gone(std::move(*this));
    core_ = std::exchange(other.core_, nullptr);
    owed_ = std::move(other.owed_);
    return *this;
  }
  ~BasicSendPermit() { release(); }

  /// Uses it up. The message comes back when nobody can receive it (Disconnected); when the permit was used or moved from
  /// (ObligationMoved); when it is another task's (ForeignContext) or has leaked (ObligationLeaked), and then it stays what it is.
  std::expected<void, SendError<T>> send(T message) noexcept {
    detail::MessageHolder<T> holder(std::move(message));
    std::optional<Error> refused = settle();
    if (!refused && core_->commit(holder.memory())) {
      holder.full = false;
      core_ = nullptr;
      return {};
    }
    if (!refused) {
      core_ = nullptr;
      refused.emplace(ErrorCode::Disconnected,
                      "a permit to send: every receiver of its channel is gone, so the message comes back");
    }
    return std::unexpected(SendError<T>(std::move(holder.message()), std::move(*refused)));
  }
  /// Gives the place back now, instead of at the end of its life.
  void release() noexcept {
    if (core_ == nullptr) return;
    (void)owed_.abort();
    std::exchange(core_, nullptr)->release();
  }
  /// Not yet used or moved from.
  explicit operator bool() const noexcept { return core_ != nullptr; }

 private:
  friend detail::ReserveOperation<T, Core>;
  BasicSendPermit(Core& core, Obligation owed) noexcept : core_(&core), owed_(std::move(owed)) {}

  std::optional<Error> settle() noexcept {
    if (core_ == nullptr)
      return Error(ErrorCode::ObligationMoved,
                   "a permit to send was used before, or moved from: reserve another");
    if (auto settled = owed_.commit(); !settled) return Error(std::move(settled).error());
    return std::nullopt;
  }

  Core* core_;
  Obligation owed_;
};

template <class T, class Core>
class BasicSender {
  static_assert(detail::MessageCheck<T>::done);

 public:
  using SendPermit = BasicSendPermit<T, Core>;

  BasicSender(const BasicSender& other) : core_(&other.core()) { core_->add_sender(); }
  BasicSender(BasicSender&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  BasicSender& operator=(BasicSender other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~BasicSender() {
    if (core_ != nullptr) core_->drop_sender();
  }

  template <class Caps>
  auto send(const BasicCx<Caps>& cx, T message) const {
    using Send = detail::SendOperation<T, Core>;
    return Wait<Send>(cx.core(), Send(core(), std::move(message)));
  }
  template <class Caps>
  auto reserve(const BasicCx<Caps>& cx, std::source_location where = std::source_location::current()) const {
    using Reserve = detail::ReserveOperation<T, Core>;
    return Wait<Reserve>(cx.core(), Reserve(core(), where));
  }
  /// Until the receivers have closed the channel or are gone.
  template <class Caps>
  auto closed(const BasicCx<Caps>& cx) const {
    return Wait<detail::ClosedOperation>(cx.core(), detail::ClosedOperation(core()));
  }
  // For select and timeout.
  auto send(T message) const {
    using Send = detail::SendOperation<T, Core>;
    return Operation<Send>(Send(core(), std::move(message)));
  }
  auto reserve(std::source_location where = std::source_location::current()) const {
    using Reserve = detail::ReserveOperation<T, Core>;
    return Operation<Reserve>(Reserve(core(), where));
  }
  auto closed() const { return Operation<detail::ClosedOperation>(detail::ClosedOperation(core())); }

  std::expected<void, TrySendError<T>> try_send(T message) const {
    detail::MessageHolder<T> holder(std::move(message));
    const detail::Tried tried = core().try_push(holder.memory());
    holder.full = tried != detail::Tried::Done;
    if (!holder.full) return {};
    return std::unexpected(TrySendError<T>(std::move(holder.message()), tried == detail::Tried::Refused));
  }
  /// `nullopt`: there is no place, or others wait for one. Must be called by a task.
  std::optional<Outcome<SendPermit>> try_reserve(
      std::source_location where = std::source_location::current()) const {
    detail::ReserveOperation<T, Core> reserve(core(), where);
    if (!reserve.try_now()) return std::nullopt;
    return reserve.take();
  }

  /// Nothing can be sent any more.
  bool is_closed() const { return core().is_closed(); }
  bool same_channel(const BasicSender& other) const noexcept { return core_ == other.core_; }
  ChannelStatistics statistics() const { return core().statistics(); }
  std::uint32_t len() const { return core().length(); }
  std::uint32_t capacity() const { return core().statistics().capacity; }

  /// For the library: one of the senders that the channel already counts.
  static BasicSender detail_adopt(Core& core) noexcept { return BasicSender(core); }
  Core& detail_core() const { return core(); }

 private:
  explicit BasicSender(Core& core) noexcept : core_(&core) {}
  Core& core() const {
    if (core_ == nullptr) [[unlikely]]
      detail::moved_end_used("a channel's sender");
    return *core_;
  }

  Core* core_;
};

template <class T, class Core>
inline constexpr bool enable_sendable<BasicSender<T, Core>> = Sendable<T>;
template <class T, class Core>
inline constexpr bool enable_sync<BasicSender<T, Core>> = Sendable<T>;
template <class T, class Core>
inline constexpr bool enable_sendable<BasicSendPermit<T, Core>> = false;

}  // namespace quiesce
