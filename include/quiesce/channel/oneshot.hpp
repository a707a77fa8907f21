#pragma once
// oneshot: one value, from one task to another.
//
//   auto [tx, rx] = q::oneshot::channel<Answer>("answer");
//   tx.send(answer);                              // immediate, from any thread
//   Answer answer = co_await rx.recv(cx);         // Err(Disconnected): the sender went without having sent
//
// There is always room, so `send` needs no second phase: it cannot be cancelled, and only fails when nobody can receive; then the value
// comes back. A value that was sent and not received is destroyed with the receiver.
// Cancel-safety: a `recv` that is cancelled, or not chosen by its select, may be repeated. After one that has given the value another is
// a mistake, and gives Err(PolledAfterCompletion).
// Thread-safety: of each end none, of the two together any. Cost: one allocation for both ends, of less than 128 bytes and the value; one lock each.
// An end must outlive the waits made from it.
#include <expected>
#include <utility>

#include "quiesce/channel/errors.hpp"
#include "quiesce/cx.hpp"
#include "quiesce/detail/channel/operations.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce::oneshot {

template <class T>
class Sender {
  static_assert(quiesce::detail::MessageCheck<T>::done);

 public:
  Sender(Sender&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  Sender& operator=(Sender&& other) noexcept {
    Sender gone(std::move(*this));
    core_ = std::exchange(other.core_, nullptr);
    return *this;
  }
  ~Sender() {
    if (core_ != nullptr) core_->drop_sender();
  }

  /// Uses the sender up, also when the value comes back: Disconnected. InvalidArgument: it was used up before.
  std::expected<void, SendError<T>> send(T value) noexcept {
    if (core_ == nullptr) {
      return std::unexpected(
          SendError<T>(std::move(value), Error(ErrorCode::InvalidArgument,
                                               "oneshot channel: its sender has sent before, or was "
                                               "moved from: it sends one value")));
    }
    quiesce::detail::MessageHolder<T> holder(std::move(value));
    const Sender last(std::move(*this));
    holder.full = !last.core_->push(holder.memory());
    if (!holder.full) return {};
    return std::unexpected(SendError<T>(std::move(holder.message()), last.core_->no_receivers()));
  }
  /// Until the receiver has closed the channel or is gone: nobody wants the value.
  template <class Caps>
  auto closed(const BasicCx<Caps>& cx) const {
    using Closed = quiesce::detail::ClosedOperation;
    return Wait<Closed>(cx.core(), Closed(core()));
  }
  auto closed() const {
    using Closed = quiesce::detail::ClosedOperation;
    return Operation<Closed>(Closed(core()));
  }
  bool is_closed() const { return core().is_closed(); }
  ChannelStatistics statistics() const { return core().statistics(); }

  /// For the library.
  static Sender detail_adopt(quiesce::detail::QueueCore& core) noexcept { return Sender(core); }

 private:
  explicit Sender(quiesce::detail::QueueCore& core) noexcept : core_(&core) {}
  quiesce::detail::QueueCore& core() const {
    if (core_ == nullptr) [[unlikely]]
      quiesce::detail::moved_end_used("a oneshot channel's sender, or one that has sent,");
    return *core_;
  }

  quiesce::detail::QueueCore* core_;
};

template <class T>
class Receiver {
  static_assert(quiesce::detail::MessageCheck<T>::done);
  using Recv = quiesce::detail::OneshotRecvOperation<T>;

 public:
  Receiver(Receiver&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  Receiver& operator=(Receiver&& other) noexcept {
    Receiver gone(std::move(*this));
    core_ = std::exchange(other.core_, nullptr);
    return *this;
  }
  ~Receiver() {
    if (core_ != nullptr) core_->drop_receiver();
  }

  template <class Caps>
  auto recv(const BasicCx<Caps>& cx) const {
    return Wait<Recv>(cx.core(), Recv(core()));
  }
  /// For select and timeout.
  auto recv() const { return Operation<Recv>(Recv(core())); }
  /// `disconnected`: the sender is gone without having sent, or the value was received before.
  std::expected<T, TryRecvError> try_recv() const {
    return quiesce::detail::RecvOperation<T, quiesce::detail::QueueCore>(core()).try_recv();
  }
  /// The sender is refused from now on; a value that was sent is still received.
  void close() const { core().close(); }
  ChannelStatistics statistics() const { return core().statistics(); }

  /// For the library.
  static Receiver detail_adopt(quiesce::detail::QueueCore& core) noexcept { return Receiver(core); }

 private:
  explicit Receiver(quiesce::detail::QueueCore& core) noexcept : core_(&core) {}
  quiesce::detail::QueueCore& core() const {
    if (core_ == nullptr) [[unlikely]]
      quiesce::detail::moved_end_used("a oneshot channel's receiver");
    return *core_;
  }

  quiesce::detail::QueueCore* core_;
};

template <class T>
std::pair<Sender<T>, Receiver<T>> channel(Name name = {}) {
  using quiesce::detail::QueueCore;
  constexpr auto& ops = quiesce::detail::channel_ops<T, QueueCore>;
  QueueCore& core = *QueueCore::make(ops, "oneshot channel", name, 1);
  return {Sender<T>::detail_adopt(core), Receiver<T>::detail_adopt(core)};
}

}  // namespace quiesce::oneshot

namespace quiesce {
template <class T>
inline constexpr bool enable_sendable<oneshot::Sender<T>> = Sendable<T>;
template <class T>
inline constexpr bool enable_sendable<oneshot::Receiver<T>> = Sendable<T>;
}  // namespace quiesce
