#pragma once
// What a channel answers when it refuses, and what it shows of itself. The other side being gone is a value, never a hang.
//
//   if (auto sent = tx.try_send(std::move(job)); !sent) {
//     if (sent.error().is_full()) keep(std::move(sent.error().value));   // a message that was not sent comes back
//   }
//
// Where an operation is awaited the same is Err(Disconnected), with a sentence that names the channel.
#include <cstdint>
#include <utility>

#include "quiesce/error.hpp"

namespace quiesce {

/// Why there was no message.
enum class TryRecvError : std::uint8_t {
  empty,        // not now: one may come
  disconnected  // and none will come
};

/// A message that a permit or an endpoint could not send, and why: Disconnected, or what a used token gives.
template <class T>
struct SendError {
  T value;
  Error error;
  SendError(T message, Error why) : value(std::move(message)), error(std::move(why)) {}
};

/// A message that `try_send` could not send.
template <class T>
struct TrySendError {
  T value;
  bool disconnected;  // else there is no place for it now; at a rendezvous: nobody waits
  TrySendError(T message, bool is_disconnected) : value(std::move(message)), disconnected(is_disconnected) {}
  bool is_full() const noexcept { return !disconnected; }
};

/// A look at a channel; the next moment it may be otherwise.
struct ChannelStatistics {
  std::uint32_t length = 0;    // messages that were sent and not yet received
  std::uint32_t capacity = 0;  // 0: unbounded, or rendezvous
  std::uint32_t reserved = 0;  // places that permits hold
  std::uint32_t senders = 0;   // endpoints, permits not counted
  std::uint32_t receivers = 0;
  std::uint32_t waiters = 0;  // tasks that wait at it, for whatever
  std::uint64_t waited = 0;   // waits that had to sleep, since it was made
  bool is_closed = false;     // by its receivers: they have closed it, or are gone
};

}  // namespace quiesce
