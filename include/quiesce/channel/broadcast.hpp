#pragma once
// broadcast: every receiver sees every value that is sent while it is subscribed, unless it lags too far behind.
//
//   auto [tx, rx] = q::broadcast::channel<Quote>(64, "quotes");
//   auto late = tx.subscribe();                       // sees what is sent from now on
//   auto seen_by = tx.send(quote);                    // never waits: how many will see it, or the value back if there is nobody
//
//   for (;;) {
//     auto quote = co_await rx.recv(cx);              // std::expected<Quote, RecvError>: none of these ends the coroutine
//     if (quote) show(*quote);
//     else if (quote.error().is_lagged()) warn(quote.error().missed());
//     else break;                                     // closed: every sender is gone, and all was received
//   }
//
// One ring of `capacity` values (1 at least) for all receivers. A send into a full ring pushes the oldest value out: a receiver that
// had not seen it is told how many it has missed, once, and then goes on with the oldest that is left. So no receiver holds up a sender
// or another receiver, and nothing is missed silently.
// Values: one that is trivially copyable, of 128 bytes at most, lies in the ring itself. Any other is made by `send` in a place of its
// own, immutable, and goes when every receiver has seen it or it is pushed out. A receive copies it. Copies and destructors of such a T
// run under no lock, in the task that receives or sends; copies of one value may be made on several threads at a time. A copy that
// throws panics the task that receives (out of `try_recv` the exception passes), and the value counts as seen.
// Order: every receiver sees values in the order of the sends. Cancel-safety: a `recv` that is cancelled, or loses a select, has seen
// nothing. Fairness: all that wait are woken by one send, in the order in which they came.
// Senders and receivers may be copied; a copied receiver goes on where the other was. Thread-safety: copies independently, from any
// thread, also one that runs no task; of one receiver one `recv` at a time: a second that waits beside it may get Err(InvalidArgument).
// A receiver stays where it is, and lives, while a `recv` of it is awaited. Cost: one lock. Memory: a channel of n places is one
// allocation of less than 128 bytes and n values, or n pointers where values have places of their own; then each send
// allocates one, of 16 bytes and the value. Copying or dropping a receiver that lags by k of those takes k steps.
#include <concepts>
#include <cstdint>
#include <expected>
#include <memory>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/channel/broadcast_core.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

namespace detail {

template <class T>
class BroadcastReceiveOf : public BroadcastReceive {
 public:
  using value_type = std::expected<T, broadcast::RecvError>;
  using error_type = Error;
  static constexpr const char* what = "a value of a broadcast";

  using BroadcastReceive::BroadcastReceive;
  Outcome<value_type> take() noexcept {
    using Result = Outcome<value_type>;
    const BroadcastReceived<T> received(*core_, *next_);
    if (received.got()) {
      try {
        return Result::ok(value_type(received.value()));
      } catch (...) { return Result::panicked(panic_by_exception()); }
    }
    if (received.error().is_empty())
      return Result::err(
          Error(ErrorCode::InvalidArgument,
                "broadcast: two tasks wait for one receiver, and the other has taken the value: give "
                "each a copy of it"));
    return Result::ok(value_type(std::unexpected(received.error())));
  }
};

}  // namespace detail

namespace broadcast {

/// Copyable. It keeps a place in the ring for no value: a slow one costs nobody anything.
template <class T>
class Receiver {
  using Receive = detail::BroadcastReceiveOf<T>;

 public:
  Receiver(const Receiver& other) noexcept
      : core_(other.core_), next_(core_ == nullptr ? 0 : core_->copy_receiver(other.next_)) {}
  Receiver(Receiver&& other) noexcept : core_(std::exchange(other.core_, nullptr)), next_(other.next_) {}
  Receiver& operator=(Receiver other) noexcept {
    std::swap(core_, other.core_);
    std::swap(next_, other.next_);
    return *this;
  }
  ~Receiver() {
    if (core_ != nullptr) core_->drop_receiver(next_);
  }

  template <class Caps>
  auto recv(const BasicCx<Caps>& cx) {
    return Wait<Receive>(cx.core(), Receive(core(), next_));
  }
  /// For select.
  auto recv() { return Operation<Receive>(Receive(core(), next_)); }
  /// Without waiting; RecvError is also Empty.
  std::expected<T, RecvError> try_recv() {
    const detail::BroadcastReceived<T> received(core(), next_);
    if (!received.got()) return std::unexpected(received.error());
    return received.value();
  }
  Statistics statistics() const noexcept { return core().statistics(); }

  /// For the library: a receiver that the channel already counts.
  static Receiver detail_adopt(detail::BroadcastCore& core, std::uint64_t next) noexcept {
    return Receiver(core, next);
  }

 private:
  Receiver(detail::BroadcastCore& core, std::uint64_t next) noexcept : core_(&core), next_(next) {}
  detail::BroadcastCore& core() const noexcept {
    QUIESCE_ASSERT(core_ != nullptr, "a receiver that was moved from receives nothing");
    return *core_;
  }
  detail::BroadcastCore* core_;
  std::uint64_t next_;
};

/// Copyable. With the last one the channel is closed.
template <class T>
class Sender {
 public:
  Sender(const Sender& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) core_->add_sender();
  }
  Sender(Sender&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  Sender& operator=(Sender other) noexcept {
    std::swap(core_, other.core_);
    return *this;
  }
  ~Sender() {
    if (core_ != nullptr) core_->drop_sender();
  }

  /// How many receivers will see it, unless they lag; or the value itself when there is none.
  std::expected<std::uint32_t, T> send(T value) const {
    std::uint32_t receivers = 0;
    if constexpr (detail::lies_in_slot<T>) {
      receivers = core().send(&value);
      if (receivers == 0) return std::unexpected(std::move(value));
    } else {
      auto* const message = new detail::SharedMessageOf<T>(std::move(value));
      detail::SharedMessage* const slot = message;
      receivers = core().send(&slot);
      if (receivers == 0) {
        const std::unique_ptr<detail::SharedMessageOf<T>> mine(message);
        return std::unexpected(std::move(mine->value));
      }
    }
    return receivers;
  }
  /// A receiver that sees what is sent from now on.
  Receiver<T> subscribe() const { return Receiver<T>::detail_adopt(core(), core().add_receiver()); }
  Statistics statistics() const noexcept { return core().statistics(); }

  /// For the library: a sender that the channel already counts.
  static Sender detail_adopt(detail::BroadcastCore& core) noexcept { return Sender(core); }

 private:
  explicit Sender(detail::BroadcastCore& core) noexcept : core_(&core) {}
  detail::BroadcastCore& core() const noexcept {
    QUIESCE_ASSERT(core_ != nullptr, "a sender that was moved from sends nothing");
    return *core_;
  }
  detail::BroadcastCore* core_;
};

template <class T>
std::pair<Sender<T>, Receiver<T>> channel(std::uint32_t capacity, Name name = {}) {
  static_assert(std::is_object_v<T> && std::copy_constructible<T>,
                "quiesce: broadcast::channel<T>: every receiver gets a copy, so T must be copyable; send a "
                "std::shared_ptr<const T> instead");
  auto& core = *detail::BroadcastCore::make(detail::broadcast_ops<T>, capacity == 0 ? 1 : capacity, name);
  const std::uint64_t next = core.add_receiver();
  return {Sender<T>::detail_adopt(core), Receiver<T>::detail_adopt(core, next)};
}

}  // namespace broadcast

template <class T>
inline constexpr bool enable_sendable<broadcast::Sender<T>> = static_cast<bool>(Sendable<T>);
template <class T>
inline constexpr bool enable_sendable<broadcast::Receiver<T>> = static_cast<bool>(Sendable<T>);

}  // namespace quiesce
