#pragma once
// mpmc: a queue of messages from many senders to many receivers; each message goes to one of them.
//
//   auto [tx, rx] = q::mpmc::channel<Job>(16, "jobs");
//   for (int i = 0; i < 4; ++i) co_await scope.launch(cx, worker, rx);      // each has a receiver of its own
//
// As mpsc in everything else: messages are taken in the order in which they were sent, and waiting receivers are served in the order in
// which they came. The channel has lost its receivers when the last copy is gone. Memory: as mpsc.
// Refuses: UsageError (InvalidArgument) for a capacity of 0.
#include <cstdint>
#include <utility>

#include "quiesce/channel/receiver.hpp"
#include "quiesce/channel/sender.hpp"

namespace quiesce::mpmc {

template <class T>
using Sender = BasicSender<T, quiesce::detail::QueueCore>;
template <class T>
using SendPermit = BasicSendPermit<T, quiesce::detail::QueueCore>;
template <class T>
using Receiver = BasicReceiver<T, quiesce::detail::QueueCore, true>;

template <class T>
std::pair<Sender<T>, Receiver<T>> channel(std::uint32_t capacity, Name name = {}) {
  using quiesce::detail::QueueCore;
  constexpr auto& ops = quiesce::detail::channel_ops<T, QueueCore>;
  QueueCore& core = *QueueCore::make(ops, "mpmc channel", name, capacity);
  return {Sender<T>::detail_adopt(core), Receiver<T>::detail_adopt(core)};
}

}  // namespace quiesce::mpmc
