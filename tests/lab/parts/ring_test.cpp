// The two ends of a ring: each message is received once, in order, and nobody waits for what is there. The list of who waits is two
// counts here; QueueCore (channel/queue.hpp) keeps it by the same rules.
#include "quiesce/detail/channel/ring.hpp"

#include <gtest/gtest.h>

#include <array>
#include <mutex>

#include "exploring.hpp"
#include "quiesce/detail/kernel/spin_lock.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

/// What a copy of the protocol with a mistake leaves out.
enum class Flaw : std::uint8_t {
  None,
  KeepsLimits,      // whoever comes to wait leaves the limits as they are
  NoSecondLook,     // waits because there was no room before it had both locks
  ForgetsToGoRound  // the limit does not end at the last place
};

class Ring {
 public:
  static constexpr std::uint32_t capacity = 2;

  explicit Ring(Flaw has = Flaw::None, std::uint32_t places = capacity) : flaw_(has), places_(places) {}

  bool try_push(int value) {
    const std::scoped_lock hold(senders_);
    const bool at_limit = tail_.is_at_limit();
    if (at_limit) {
      const std::uint32_t room = tail_.look(count_, places_);
      if (room == 0) return false;
      if (!receiver_waits_.read()) tail_.go_on(room, flaw_ == Flaw::ForgetsToGoRound ? 4 : places_);
      tail_.go_round(places_);
    }
    slots_.at(tail_.place()).write(value);
    tail_.did_put();
    if (!at_limit || !receiver_waits_.read()) return true;
    const std::scoped_lock besides(receivers_);
    wake(receiver_waits_, receiver_woken_);
    stop();
    return true;
  }
  int try_pop() {
    bool sender_waits = false;
    int value = 0;
    {
      const std::scoped_lock hold(receivers_);
      if (count_.is_at_limit()) {
        sender_waits = sender_waits_.read();
        const std::uint32_t messages = count_.look(tail_, 0);
        if (messages == 0) return 0;
        head_.go_on(count_, messages, places_);
      }
      value = slots_.at(head_.place()).read();
      head_.did_take(count_);
      if (sender_waits) count_.stop();
    }
    if (!sender_waits) return value;
    const std::scoped_lock hold(senders_, receivers_);
    if (sender_waits_.read()) wake(sender_waits_, sender_woken_);
    stop();
    return value;
  }
  void push(int value) {
    while (!try_push(value)) {
      {
        const std::scoped_lock hold(senders_);
        const std::scoped_lock besides(receivers_);
        if (flaw_ != Flaw::NoSecondLook && tail_.look(count_, places_) > 0) continue;
        sender_waits_.write(true);
        sender_woken_.store(0, std::memory_order_relaxed);
        if (flaw_ != Flaw::KeepsLimits) stop();
      }
      LabPlatform::wait(sender_woken_, 0);
    }
  }
  int pop() {
    for (;;) {
      if (const int value = try_pop(); value != 0) return value;
      {
        const std::scoped_lock hold(senders_);
        const std::scoped_lock besides(receivers_);
        if (count_.look(tail_, 0) > 0) continue;
        receiver_waits_.write(true);
        receiver_woken_.store(0, std::memory_order_relaxed);
        if (flaw_ != Flaw::KeepsLimits) stop();
      }
      LabPlatform::wait(receiver_woken_, 0);
    }
  }

 private:
  // Under both locks.
  void stop() {
    tail_.stop();
    count_.stop();
  }
  void wake(lab::shared<bool>& waits, LabPlatform::atomic<std::uint32_t>& word) {
    waits.write(false);
    word.store(1, std::memory_order_relaxed);
    LabPlatform::wake_one(word);
  }

  const Flaw flaw_;
  const std::uint32_t places_;
  quiesce::detail::SpinLock<LabPlatform> senders_, receivers_;
  quiesce::detail::RingTail<LabPlatform> tail_;
  quiesce::detail::TakenCount<LabPlatform> count_;
  quiesce::detail::RingHead<LabPlatform> head_;
  std::array<lab::shared<int>, 4> slots_;
  // Both locks to write, either to read.
  lab::shared<bool> sender_waits_{false}, receiver_waits_{false};
  LabPlatform::atomic<std::uint32_t> sender_woken_{0}, receiver_woken_{0};
};

/// One side of the ring is passed by one thread, the other by another.
std::function<void()> one_to_one(std::uint32_t places, int messages, Flaw flaw = Flaw::None) {
  return [=] {
    Ring ring(flaw, places);
    run_threads({[&] {
                   for (int i = 1; i <= messages; ++i) ring.push(i);
                 },
                 [&] {
                   for (int i = 1; i <= messages; ++i)
                     lab::check(ring.pop() == i, "messages come as they were sent");
                 }});
    lab::check(ring.try_pop() == 0, "nothing is left behind");
  };
}
/// Those who only try.
std::function<void()> tries(int before, int sending, int receiving) {
  return [=] {
    Ring ring;
    for (int i = 0; i < before; ++i) lab::check(ring.try_push(1), "there is room");
    int in = before, out = 0;
    run_threads({[&] {
                   for (int i = 0; i < sending; ++i) in += ring.try_push(1) ? 1 : 0;
                 },
                 [&] {
                   for (int i = 0; i < receiving; ++i) out += ring.try_pop();
                 }});
    while (ring.try_pop() != 0) ++out;
    lab::check(in == out, "what was put in is taken out, once");
  };
}
/// A ring with one lock: whoever looks without it is always sent to the slow way.
std::function<void()> looks_from_outside() {
  return [] {
    quiesce::detail::TakenCount<LabPlatform> count;
    quiesce::detail::RingHead<LabPlatform> head;
    run_threads({[&] {
                   for (int i = 0; i < 2; ++i) {
                     head.go_round(Ring::capacity);
                     head.did_take_and_stop(count, i == 1);
                   }
                 },
                 [&] {
                   for (int i = 0; i < 2; ++i) lab::check(count.is_at_limit(), "taken and limit move as one");
                 }});
  };
}
std::function<void()> two_to_one() {
  return [] {
    Ring ring(Flaw::None, 1);
    int sum = 0;
    run_threads({[&] { ring.try_push(1); }, [&] { ring.push(2); }, [&] { sum = ring.pop(); }});
    for (int left = ring.try_pop(); left != 0; left = ring.try_pop()) sum += left;
    lab::check(sum == 2 || sum == 3, "each message is received once");
  };
}
std::function<void()> one_to_two() {
  return [] {
    Ring ring;
    std::array<int, 2> got{};
    run_threads({[&] {
                   ring.push(1);
                   ring.push(2);
                 },
                 [&] { got[0] = ring.try_pop(); }, [&] { got[1] = ring.pop(); }});
    lab::check(got[0] + got[1] + ring.try_pop() <= 3 && got[0] != got[1], "each message is received once");
  };
}

/// Too many schedules to run each.
Scenario many(const char* name, std::function<void()> body) {
  return {.name = name,
          .body = std::move(body),
          .sc_exhausts = false,
          .weak_exhausts = false,
          .weak_runs = 300,
          .judges_mutants = false};
}

Part ring() {
  return {.name = "ring",
          .files = {"ring.hpp"},
          .scenarios = {{"a message into an empty ring", tries(0, 1, 1)},
                        {"a message out of a full ring", tries(2, 1, 1)},
                        {"two messages, tried twice", tries(1, 2, 2)},
                        {"around the ring", tries(1, 2, 3)},
                        {"a look from outside", looks_from_outside()},
                        many("three messages through two places", one_to_one(2, 3)),
                        many("two messages through one place", one_to_one(1, 2)),
                        many("two senders", two_to_one()),
                        many("two receivers", one_to_two())}};
}

TEST(RingInLab, EachMessageIsReceivedOnceAndInOrder) { expect_holds(ring()); }
TEST(RingInLab, EveryOrderIsNeeded) { expect_mutants_caught(ring()); }
TEST(RingInLab, EveryRuleIsNeeded) {
  expect_breaks("limits that are kept", one_to_one(2, 2, Flaw::KeepsLimits));
  expect_breaks("no second look", one_to_one(1, 2, Flaw::NoSecondLook));
  expect_breaks("no end of the ring", one_to_one(2, 3, Flaw::ForgetsToGoRound));
}

}  // namespace
}  // namespace quiesce::lab::parts
