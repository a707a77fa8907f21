// What goes wrong between a condition and its mutex.
#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

/// Two consumers and two items: woken, but the other was faster.
template <bool Fixed>
void two_consumers() {
  lab::mutex m("m");
  lab::condition not_empty("not empty");
  lab::shared<int> items{0, "items"};
  const auto take = [&] {
    std::unique_lock lock(m);
    if constexpr (Fixed) {
      not_empty.wait(lock, [&] { return items.read() > 0; });
    } else if (items.read() == 0) {
      not_empty.wait(lock);
    }
    items.update([](int& n) { --n; });
    lab::check(items.read() >= 0, "an item was taken from an empty queue");
  };
  lab::thread a = start_thread("consumer a", take);
  lab::thread b = start_thread("consumer b", take);
  for (int i = 0; i < 2; ++i) {
    std::lock_guard lock(m);
    items.update([](int& n) { ++n; });
    not_empty.notify_one();
  }
  a.join();
  b.join();
}

/// One condition for "not full" and "not empty": the one that is woken may wait for the other.
template <bool Fixed>
void full_and_empty() {
  lab::mutex m("m");
  lab::condition changed("changed");
  bool is_full = false;  // one slot; guarded by m
  const auto tell = [&] { Fixed ? changed.notify_all() : changed.notify_one(); };
  const auto take = [&] {
    std::unique_lock lock(m);
    changed.wait(lock, [&] { return is_full; });
    is_full = false;
    tell();
  };
  lab::thread a = start_thread("consumer a", take);
  lab::thread b = start_thread("consumer b", take);
  lab::thread producer = start_thread("producer", [&] {
    for (int i = 0; i < 2; ++i) {
      std::unique_lock lock(m);
      changed.wait(lock, [&] { return !is_full; });
      is_full = true;
      tell();
    }
  });
  a.join();
  b.join();
  producer.join();
}

/// The flag is set and told without the mutex, between the waiter's look and its wait.
template <bool Fixed>
void notify_before_wait() {
  lab::mutex m("m");
  lab::condition changed("changed");
  lab::atomic<bool> ready{false, "ready"};
  lab::thread waiter = start_thread("waiter", [&] {
    std::unique_lock lock(m);
    while (!ready.load()) changed.wait(lock);
  });
  lab::thread teller = start_thread("teller", [&] {
    if constexpr (Fixed) {
      std::lock_guard lock(m);
      ready.store(true);
    } else {
      ready.store(true);
    }
    changed.notify_one();
  });
  waiter.join();
  teller.join();
}

/// Whoever fills the inner queue needs the outer mutex, which the waiter keeps (nested monitors: Lister, 1977).
template <bool Fixed>
void nested_monitors() {
  lab::mutex outer("outer");
  lab::mutex inner("inner");
  lab::condition filled("filled");
  bool is_filled = false;  // guarded by inner
  lab::thread consumer = start_thread("consumer", [&] {
    std::unique_lock whole(outer);
    if constexpr (Fixed) whole.unlock();
    std::unique_lock part(inner);
    filled.wait(part, [&] { return is_filled; });
  });
  lab::thread producer = start_thread("producer", [&] {
    std::lock_guard whole(outer);
    std::lock_guard part(inner);
    is_filled = true;
    filled.notify_one();
  });
  consumer.join();
  producer.join();
}

/// A worker finds no job, and only then says that it sleeps.
template <bool Fixed>
void sleeping_worker() {
  lab::atomic<int> jobs{0, "jobs"};
  lab::atomic<bool> sleeps{false, "sleeps"};
  lab::thread worker = start_thread("worker", [&] {
    if constexpr (Fixed) {
      sleeps.store(true);
      if (jobs.load() == 0) sleeps.wait(true);
    } else if (jobs.load() == 0) {
      sleeps.store(true);
      sleeps.wait(true);
    }
  });
  lab::thread giver = start_thread("giver", [&] {
    jobs.fetch_add(1);
    if (!sleeps.load()) return;
    sleeps.store(false);
    sleeps.notify_one();
  });
  worker.join();
  giver.join();
}

}  // namespace

Bug wait_without_loop() {
  return {.name = "wait without a loop",
          .wrong = "a consumer that was woken does not look again whether there is an item",
          .message = {"an item was taken from an empty queue"},
          .buggy = two_consumers<false>,
          .fixed = two_consumers<true>,
          .within = {.pct = 5'000},
          .depth = 3};
}

Bug notify_one_of_many() {
  return {.name = "notify_one for notify_all",
          .wrong = "one condition serves producers and consumers, and one notification wakes the wrong one",
          .kind = FailureKind::deadlock,
          .message = {"condition changed", "producer", "consumer"},
          .buggy = full_and_empty<false>,
          .fixed = full_and_empty<true>,
          .depth = 3};
}

Bug lost_wakeup() {
  return {.name = "lost wake-up",
          .wrong = "the notification comes between the waiter's look at the flag and its wait",
          .kind = FailureKind::deadlock,
          .message = {"waiter waits to be woken by condition changed"},
          .buggy = notify_before_wait<false>,
          .fixed = notify_before_wait<true>};
}

Bug nested_monitor() {
  return {.name = "nested monitors",
          .wrong = "a thread waits for a condition with a second mutex in its hands, which the notifier needs",
          .kind = FailureKind::deadlock,
          .message = {"consumer waits to be woken by condition filled", "producer waits to lock mutex outer"},
          .buggy = nested_monitors<false>,
          .fixed = nested_monitors<true>};
}

Bug idle_worker() {
  return {.name = "sleep after the look",
          .wrong = "an idle worker announces that it sleeps only after it has looked for jobs",
          .kind = FailureKind::deadlock,
          .message = {"worker", "atomic sleeps"},
          .buggy = sleeping_worker<false>,
          .fixed = sleeping_worker<true>};
}

}  // namespace quiesce::lab::corpus
