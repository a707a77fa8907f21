#pragma once
// The two ends of a bounded queue's ring, so that who sends and who receives need not share a lock or a cache line.
//
// Two locks (Michael and Scott, PODC 1996), and on each side a limit up to which it may go without a look at the other (the cached
// index of Lee, Bu and Chandranmenon: MCRingBuffer, IPDPS 2010):
//  1. A tail is of those who hold the senders' lock, a head of those who hold the receivers'. Each counts, modulo 2^32, the messages
//     that it has moved; the other side reads that count, and nothing else, without the lock. put - taken messages lie there.
//  2. put() is stored with release after a message was moved in, and read with acquire before one is moved out; taken() likewise,
//     the other way round. So a place is written and read by turns.
//  3. While a side has not reached its limit it goes on with its own lock and its own fields. At the limit it looks (`look`), under
//     its own lock, and the limit ends at the last place of the ring: so going round is no part of the short way.
//  4. Who changes what both sides must know – who waits, who has closed, what is promised – holds both locks, the senders' first,
//     and sets both limits back (`stop`). So a limit that is not reached also says: nobody waits, and nothing is closed.
// A small ring has one lock for both sides, and is always at its limits. Who comes to receive looks without it whether there is nothing.
#include <algorithm>
#include <cstdint>

#include "quiesce/detail/kernel/kept_lock.hpp"
#include "quiesce/detail/kernel/platform.hpp"

namespace quiesce::detail {

template <class Platform>
class RingTail;

/// How far the receivers' side is, and its limit. One word, so that whoever looks at it without a lock sees the two together: of a
/// ring with one lock they are always equal.
template <class Platform = RealPlatform>
class TakenCount {
 public:
  /// Of the limit.
  static constexpr std::uint32_t ahead_max = std::uint32_t{1} << 31;

  /// For the receivers' side.
  std::uint32_t taken() const noexcept { return low(word_.load(std::memory_order_relaxed)); }
  /// For the other side: what was taken so far has left its place (2).
  std::uint32_t taken_seen() const noexcept { return low(word_.load(std::memory_order_acquire)); }
  /// May be asked without the lock, by who asks again under it.
  bool is_at_limit() const noexcept {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    return low(word >> 32) - low(word) - 1 >= ahead_max;
  }
  /// Of one lock, without it: nothing lay there, and it had not ended, when the word was read. Since then at least as much has been put
  /// in as is seen, and no more than that can have been taken by then.
  bool is_empty_and_open(const RingTail<Platform>& tail) const noexcept {
    const std::uint64_t word = word_.load(std::memory_order_acquire);
    return low(word) == low(word >> 32) && low(word) == tail.put_seen();
  }

  // Each store is a release, also one that changes only the limit: it hides the one before from the other side.
  void did_take() noexcept {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    store(low(word) + 1, low(word >> 32));
  }
  void set_limit(std::uint32_t limit) noexcept { store(taken(), limit); }
  void stop() noexcept { stop_at(taken()); }
  /// Where nothing more comes than what lies there the limit is one behind: it says so, and is at the limit all the same.
  void stop_at(std::uint32_t taken, bool has_ended = false) noexcept {
    store(taken, taken - (has_ended ? 1 : 0));
  }
  /// How many messages lie there that are not promised to anybody.
  std::uint32_t look(const RingTail<Platform>& tail, std::uint32_t promised) const noexcept {
    return tail.put_seen() - taken() - promised;
  }

 private:
  static std::uint32_t low(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word); }
  void store(std::uint32_t taken, std::uint32_t limit) noexcept {
    word_.store(std::uint64_t{limit} << 32 | taken, std::memory_order_release);
  }

  typename Platform::template atomic<std::uint64_t> word_{0};
};

/// Where messages are put in.
template <class Platform = RealPlatform>
class RingTail {
 public:
  /// For the senders' side.
  std::uint32_t put() const noexcept { return put_.load(std::memory_order_relaxed); }
  /// For the other side: what was put in so far can be read (2).
  std::uint32_t put_seen() const noexcept { return put_.load(std::memory_order_acquire); }
  void set_put(std::uint32_t count) noexcept { put_.store(count, std::memory_order_release); }

  bool is_at_limit() const noexcept { return put() == limit_; }
  /// Of the next message.
  std::uint32_t place() const noexcept { return at_; }
  void did_put() noexcept {
    ++at_;
    set_put(put() + 1);
  }
  /// How many messages can be put in, where so many places are not promised to anybody.
  std::uint32_t look(const TakenCount<Platform>& head, std::uint32_t places) const noexcept {
    const std::uint32_t lying = put() - head.taken_seen();
    return lying < places ? places - lying : 0;
  }
  /// After a look: the place of the next message, and the limit.
  void go_on(std::uint32_t room, std::uint32_t capacity) noexcept {
    go_round(capacity);
    limit_ = put() + std::min(room, capacity - at_);
  }
  void go_round(std::uint32_t capacity) noexcept {
    if (at_ == capacity) at_ = 0;
  }
  void stop() noexcept { limit_ = put(); }

  // Of blocks instead of a ring, under the one lock: before which place of the last block, and from which of the first.
  std::uint32_t& last() noexcept { return at_; }
  std::uint32_t& first() noexcept { return limit_; }

 private:
  typename Platform::template atomic<std::uint32_t> put_{0};
  std::uint32_t limit_ = 0;
  std::uint32_t at_ = 0;
};

/// Where they are taken out. The count lies apart of it: it is all that a channel without a ring has of one.
template <class Platform = RealPlatform>
class RingHead {
  using Count = TakenCount<Platform>;

 public:
  KeptLock<Platform> lock;  // the receivers'

  std::uint32_t place() const noexcept { return at_; }
  void did_take(Count& count) noexcept {
    ++at_;
    count.did_take();
  }
  void did_take_and_stop(Count& count, bool has_ended) noexcept {
    ++at_;
    count.stop_at(count.taken() + 1, has_ended);
  }
  /// Of each message that is left behind in turn.
  std::uint32_t next_place(std::uint32_t capacity) noexcept {
    go_round(capacity);
    return at_++;
  }
  /// After a look: the place of the next message, and the limit.
  void go_on(Count& count, std::uint32_t messages, std::uint32_t capacity) noexcept {
    go_round(capacity);
    count.set_limit(count.taken() + std::min({messages, capacity - at_, Count::ahead_max}));
  }
  void go_round(std::uint32_t capacity) noexcept {
    if (at_ == capacity) at_ = 0;
  }

 private:
  std::uint32_t at_ = 0;
};

}  // namespace quiesce::detail
