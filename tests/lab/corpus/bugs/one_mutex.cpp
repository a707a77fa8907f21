// Bugs with one mutex: locked again by its holder, kept at an early return, given back twice, and not the same one for everybody.
#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

/// A full queue makes room by a member function that locks for itself.
template <bool Fixed>
void full_queue() {
  lab::mutex m("queue");
  lab::shared<int> length{1, "length"};
  const auto drop_oldest = [&] {
    std::lock_guard lock(m);
    length.update([](int& n) { n = 0; });
  };
  lab::thread pusher = start_thread("pusher", [&] {
    std::unique_lock lock(m);
    if (length.read() == 1) {
      if constexpr (Fixed) lock.unlock();
      drop_oldest();
    }
  });
  lab::thread popper = start_thread("popper", drop_oldest);
  pusher.join();
  popper.join();
}

struct Account {
  lab::mutex m{"account"};
  lab::shared<int> balance{50, "balance"};
};

/// A withdrawal that fails forgets to unlock.
template <bool Fixed>
void withdrawal() {
  Account account;
  lab::thread payer = start_thread("payer", [&] {
    std::lock_guard lock(account.m);
    account.balance.update([](int& money) { money += 50; });
  });
  lab::thread taker = start_thread("taker", [&] {
    account.m.lock();
    if (account.balance.read() < 80) {
      if constexpr (Fixed) account.m.unlock();
      return;
    }
    account.balance.update([](int& money) { money -= 80; });
    account.m.unlock();
  });
  payer.join();
  taker.join();
  std::lock_guard lock(account.m);
  lab::check(account.balance.read() >= 0, "overdrawn");
}

/// The path of the failure unlocks what its caller unlocks, too.
template <bool Fixed>
void refused_withdrawal() {
  Account account;
  lab::thread payer = start_thread("payer", [&] {
    std::lock_guard lock(account.m);
    account.balance.update([](int& money) { money += 50; });
  });
  lab::thread taker = start_thread("taker", [&] {
    account.m.lock();
    const bool enough = account.balance.read() >= 80;
    if (enough) account.balance.update([](int& money) { money -= 80; });
    if constexpr (!Fixed) {
      if (!enough) account.m.unlock();
    }
    account.m.unlock();
  });
  payer.join();
  taker.join();
}

/// A map and its size are behind two mutexes; one of the readers takes the wrong one.
template <bool Fixed>
void two_mutexes() {
  lab::mutex entries_mutex("entries mutex");
  lab::mutex size_mutex("size mutex");
  lab::shared<int> size{0, "size"};
  lab::thread writer = start_thread("writer", [&] {
    std::lock_guard lock(size_mutex);
    size.update([](int& n) { ++n; });
  });
  lab::thread reader = start_thread("reader", [&] {
    std::lock_guard lock(Fixed ? size_mutex : entries_mutex);
    lab::check(size.read() <= 1, "more than was put in");
  });
  writer.join();
  reader.join();
}

}  // namespace

Bug self_deadlock() {
  return {.name = "self-deadlock",
          .wrong = "a function that holds the mutex calls another that locks it",
          .kind = FailureKind::deadlock,
          .message = {"pusher holds mutex queue and waits to lock mutex queue"},
          .buggy = full_queue<false>,
          .fixed = full_queue<true>};
}

Bug missed_unlock() {
  return {.name = "missed unlock",
          .wrong = "an early return keeps the mutex locked",
          .kind = FailureKind::deadlock,
          .message = {"waits to lock mutex account, which taker still held when it ended"},
          .buggy = withdrawal<false>,
          .fixed = withdrawal<true>};
}

Bug double_unlock() {
  return {.name = "double unlock",
          .wrong = "the path of a refusal unlocks, and so does what comes after it",
          .kind = FailureKind::misuse,
          .message = {"taker unlocks mutex account"},
          .buggy = refused_withdrawal<false>,
          .fixed = refused_withdrawal<true>};
}

Bug wrong_mutex() {
  return {.name = "wrong mutex",
          .wrong = "reader and writer of one value hold different mutexes",
          .kind = FailureKind::data_race,
          .message = {"size", "reader", "writer"},
          .buggy = two_mutexes<false>,
          .fixed = two_mutexes<true>};
}

}  // namespace quiesce::lab::corpus
