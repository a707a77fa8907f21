#pragma once
// rendezvous: a channel without room. A send completes when a receiver takes the message.
//
//   auto [tx, rx] = q::rendezvous::channel<Order>("counter");
//   co_await tx.send(cx, order);          // goes on when it was taken
//
// Senders that wait are served in the order in which they came, and so are receivers; each side may have many ends.
// `reserve` waits for a receiver that waits. Then it holds the only place at the counter: other senders wait until its permit was used
// or dropped. `permit.send` gives the message to the first receiver that waits.
// What was sent is not called back. If the receiver that a permit was given for is cancelled before the permit is used, or all waiting
// receivers in the very moment of a send, the message stays for the next receiver, and is destroyed when the last one goes.
// `try_send` sends if a receiver waits, `try_recv` takes if a sender waits. Everything else as channel/sender.hpp and
// channel/receiver.hpp say. Memory: one allocation, of less than 128 bytes and one message.
#include <utility>

#include "quiesce/channel/receiver.hpp"
#include "quiesce/channel/sender.hpp"

namespace quiesce::rendezvous {

template <class T>
using Sender = BasicSender<T, quiesce::detail::RendezvousCore>;
template <class T>
using SendPermit = BasicSendPermit<T, quiesce::detail::RendezvousCore>;
template <class T>
using Receiver = BasicReceiver<T, quiesce::detail::RendezvousCore, true>;

template <class T>
std::pair<Sender<T>, Receiver<T>> channel(Name name = {}) {
  using quiesce::detail::RendezvousCore;
  constexpr auto& ops = quiesce::detail::channel_ops<T, RendezvousCore>;
  RendezvousCore& core = *RendezvousCore::make(ops, "rendezvous channel", name);
  return {Sender<T>::detail_adopt(core), Receiver<T>::detail_adopt(core)};
}

}  // namespace quiesce::rendezvous
