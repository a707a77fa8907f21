#pragma once
// mpsc: a queue of messages from many senders to one receiver.
//
//   auto [tx, rx] = q::mpsc::channel<Job>(16, "jobs");        // room for 16; who sends more waits
//   co_await tx.send(cx, job);                                // or: auto permit = co_await tx.reserve(cx); permit.send(job);
//   while (auto next = co_await rx.recv(cx)) work(*next);
//   auto [log, lines] = q::mpsc::unbounded_channel<std::string>("log");
//   log.send("started");                                      // never waits, from any thread
//
// What is sent first is received first. Senders and permits: channel/sender.hpp; the receiver, closing, the end: channel/receiver.hpp.
// Memory: a channel of n places is one allocation of 112 bytes and n messages. An unbounded one allocates blocks of about 1 KiB when
// they are needed, frees them as they are emptied, and keeps the last.
// Refuses: UsageError (InvalidArgument) for a capacity of 0. Messages must be nothrow move constructible: they are moved under the lock.
#include <cstdint>
#include <expected>
#include <utility>

#include "quiesce/channel/receiver.hpp"
#include "quiesce/channel/sender.hpp"

namespace quiesce::mpsc {

template <class T>
using Sender = BasicSender<T, quiesce::detail::QueueCore>;
template <class T>
using SendPermit = BasicSendPermit<T, quiesce::detail::QueueCore>;
template <class T>
using Receiver = BasicReceiver<T, quiesce::detail::QueueCore, false>;

/// A sender that never waits. Copies are further senders. Thread-safety as of Sender.
template <class T>
class UnboundedSender {
  static_assert(quiesce::detail::MessageCheck<T>::done);
  using End = BasicSender<T, quiesce::detail::QueueCore>;

 public:
  /// Immediate. Comes back Disconnected when the receivers have closed the channel or are gone. May throw std::bad_alloc.
  std::expected<void, SendError<T>> send(T message) const {
    quiesce::detail::MessageHolder<T> holder(std::move(message));
    quiesce::detail::QueueCore& core = end_.detail_core();
    holder.full = !core.push(holder.memory());
    if (!holder.full) return {};
    return std::unexpected(SendError<T>(std::move(holder.message()), core.no_receivers()));
  }
  /// Until the receivers have closed the channel or are gone.
  template <class Caps>
  auto closed(const BasicCx<Caps>& cx) const {
    return end_.closed(cx);
  }
  auto closed() const { return end_.closed(); }
  bool is_closed() const { return end_.is_closed(); }
  bool same_channel(const UnboundedSender& other) const noexcept { return end_.same_channel(other.end_); }
  ChannelStatistics statistics() const { return end_.statistics(); }
  std::uint32_t len() const { return end_.len(); }

  /// For the library.
  static UnboundedSender detail_adopt(quiesce::detail::QueueCore& core) noexcept {
    return UnboundedSender(core);
  }

 private:
  explicit UnboundedSender(quiesce::detail::QueueCore& core) noexcept : end_(End::detail_adopt(core)) {}
  End end_;
};

template <class T>
std::pair<Sender<T>, Receiver<T>> channel(std::uint32_t capacity, Name name = {}) {
  using quiesce::detail::QueueCore;
  constexpr auto& ops = quiesce::detail::channel_ops<T, QueueCore>;
  QueueCore& core = *QueueCore::make(ops, "mpsc channel", name, capacity);
  return {Sender<T>::detail_adopt(core), Receiver<T>::detail_adopt(core)};
}

template <class T>
std::pair<UnboundedSender<T>, Receiver<T>> unbounded_channel(Name name = {}) {
  using quiesce::detail::QueueCore;
  constexpr auto& ops = quiesce::detail::channel_ops<T, QueueCore>;
  QueueCore& core = *QueueCore::make_unbounded(ops, "unbounded mpsc channel", name);
  return {UnboundedSender<T>::detail_adopt(core), Receiver<T>::detail_adopt(core)};
}

}  // namespace quiesce::mpsc

namespace quiesce {
template <class T>
inline constexpr bool enable_sendable<mpsc::UnboundedSender<T>> = Sendable<T>;
template <class T>
inline constexpr bool enable_sync<mpsc::UnboundedSender<T>> = Sendable<T>;
}  // namespace quiesce
