#pragma once
// Receiver: the end of a channel through which tasks receive (mpsc, mpmc, rendezvous).
//
//   while (auto message = co_await rx.recv(cx)) use(std::move(*message));     // ends when the senders are gone and all is received
//
// `nullopt` is the end and no error: no sender is left, or the channel was closed, and everything sent and reserved before was
// delivered. Once it has been given it is always given.
// Cancel-safety: a `recv` that is cancelled, or not chosen by its select, has taken no message.
// `close()` refuses senders from now on; what was sent, and what permits that were given before still send, is received to the end.
// When the last receiver goes the messages that are left are destroyed there and then, each once, on its thread and under no lock, so
// that a sender that waits for the answer to a message learns that none will come.
// Fairness: first come, first served among the tasks that wait. A receiver must outlive the waits made from it.
// Thread-safety: all but moving and destroying it. Cost: one lock, which takes no locked instruction as long as one worker uses the
// channel; two where the task had to wait. A channel of 16 places or more has a lock for each side; to wait there takes both. Waiting
// allocates nothing.
#include <cstdint>
#include <expected>
#include <optional>
#include <utility>

#include "quiesce/channel/errors.hpp"
#include "quiesce/cx.hpp"
#include "quiesce/detail/channel/operations.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

/// With `Copies` further receivers of the same channel are made by copying it: each message goes to one of them.
template <class T, class Core, bool Copies>
class BasicReceiver {
  static_assert(detail::MessageCheck<T>::done);

 public:
  BasicReceiver(const BasicReceiver& other) requires Copies : core_(&other.core()) { core_->add_receiver(); }
  BasicReceiver(BasicReceiver&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
  BasicReceiver& operator=(const BasicReceiver& other) requires Copies {
    BasicReceiver copy(other);
    std::swap(core_, copy.core_);
    return *this;
  }
  BasicReceiver& operator=(BasicReceiver&& other) noexcept {
    BasicReceiver gone(std::move(*this));
    core_ = std::exchange(other.core_, nullptr);
    return *this;
  }
  ~BasicReceiver() {
    if (core_ != nullptr) core_->drop_receiver();
  }

  template <class Caps>
  auto recv(const BasicCx<Caps>& cx) const {
    using Recv = detail::RecvOperation<T, Core>;
    return Wait<Recv>(cx.core(), Recv(core()));
  }
  /// For select and timeout.
  auto recv() const {
    using Recv = detail::RecvOperation<T, Core>;
    return Operation<Recv>(Recv(core()));
  }
  std::expected<T, TryRecvError> try_recv() const { return detail::RecvOperation<T, Core>(core()).try_recv(); }
  void close() const { core().close(); }

  ChannelStatistics statistics() const { return core().statistics(); }
  std::uint32_t len() const { return core().length(); }
  std::uint32_t capacity() const { return core().statistics().capacity; }

  /// For the library: one of the receivers that the channel already counts.
  static BasicReceiver detail_adopt(Core& core) noexcept { return BasicReceiver(core); }

 private:
  explicit BasicReceiver(Core& core) noexcept : core_(&core) {}
  Core& core() const {
    if (core_ == nullptr) [[unlikely]]
      detail::moved_end_used("a channel's receiver");
    return *core_;
  }

  Core* core_;
};

template <class T, class Core, bool Copies>
inline constexpr bool enable_sendable<BasicReceiver<T, Core, Copies>> = Sendable<T>;
template <class T, class Core, bool Copies>
inline constexpr bool enable_sync<BasicReceiver<T, Core, Copies>> = Sendable<T>;

}  // namespace quiesce
