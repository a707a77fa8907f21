// Violations of atomicity: each access is right, and what another does between two of them is not thought of.
#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

template <bool Fixed>
void count() {
  lab::atomic<int> hits{0, "hits"};
  const auto hit = [&] {
    if constexpr (Fixed) {
      hits.fetch_add(1);
    } else {
      hits.store(hits.load() + 1);
    }
  };
  lab::thread a = start_thread("a", hit);
  lab::thread b = start_thread("b", hit);
  a.join();
  b.join();
  lab::check(hits.load() == 2, "a hit was lost");
}

/// Both functions lock; the booking needs both under one lock.
template <bool Fixed>
void book_last_seat() {
  lab::mutex m("seats mutex");
  lab::shared<int> seats{1, "seats"};
  const auto has_seat = [&] {
    std::lock_guard lock(m);
    return seats.read() > 0;
  };
  const auto take_seat = [&] {
    std::lock_guard lock(m);
    seats.update([](int& n) { --n; });
  };
  const auto book = [&] {
    if constexpr (Fixed) {
      std::lock_guard lock(m);
      if (seats.read() > 0) seats.update([](int& n) { --n; });
    } else if (has_seat()) {
      take_seat();
    }
  };
  lab::thread a = start_thread("guest a", book);
  lab::thread b = start_thread("guest b", book);
  a.join();
  b.join();
  lab::check(seats.read() >= 0, "a seat was sold twice");
}

/// Double-checked initialisation whose second check is missing.
template <bool Fixed>
void make_singleton() {
  lab::mutex m("m");
  lab::atomic<int> instance{0, "instance"};
  lab::atomic<int> made{0, "made"};
  const auto get = [&] {
    if (instance.load() != 0) return;
    std::lock_guard lock(m);
    if (Fixed && instance.load() != 0) return;
    instance.store(made.fetch_add(1) + 1);
  };
  lab::thread a = start_thread("user a", get);
  lab::thread b = start_thread("user b", get);
  a.join();
  b.join();
  lab::check(made.load() == 1, "the singleton was made twice");
}

/// Each balance changes under the lock; the audit may come between the two.
template <bool Fixed>
void audit_a_transfer() {
  lab::mutex m("bank");
  lab::shared<int> from{100, "from"};
  lab::shared<int> to{0, "to"};
  lab::thread transfer = start_thread("transfer", [&] {
    std::unique_lock lock(m);
    from.update([](int& money) { money -= 30; });
    if constexpr (!Fixed) {
      lock.unlock();
      lock.lock();
    }
    to.update([](int& money) { money += 30; });
  });
  lab::thread audit = start_thread("audit", [&] {
    std::lock_guard lock(m);
    lab::check(from.read() + to.read() == 100, "the audit sees money in flight");
  });
  transfer.join();
  audit.join();
}

/// The append of a string buffer to another, which may shrink meanwhile (known from the JDK's StringBuffer).
template <bool Fixed>
void append_buffer() {
  lab::mutex m("source mutex");
  lab::shared<int> length{2, "length"};
  const auto length_now = [&] {
    std::lock_guard lock(m);
    return length.read();
  };
  const auto copy = [&](int n) {
    std::lock_guard lock(m);
    if constexpr (Fixed) n = length.read();
    lab::check(n <= length.read(), "more is copied than there is");
  };
  lab::thread append = start_thread("append", [&] { copy(length_now()); });
  lab::thread clear = start_thread("clear", [&] {
    std::lock_guard lock(m);
    length.write(0);
  });
  append.join();
  clear.join();
}

/// What a failed compare-exchange says is not looked at.
template <bool Fixed>
void draw_tickets() {
  lab::atomic<int> next{1, "next ticket"};
  const auto draw = [&] {
    int ticket = next.load();
    if constexpr (Fixed) {
      while (!next.compare_exchange_strong(ticket, ticket + 1)) {}
    } else {
      int expected = ticket;
      next.compare_exchange_strong(expected, ticket + 1);
    }
    return ticket;
  };
  lab::atomic<int> first{0};
  lab::thread other = start_thread("other", [&] { first.store(draw()); });
  const int mine = draw();
  other.join();
  lab::check(first.load() != mine, "two have the same ticket");
}

/// The count is read and then lowered: both find two, and nobody is the last.
template <bool Fixed>
void drop_references() {
  lab::atomic<int> references{2, "references"};
  lab::atomic<int> destroyed{0, "destroyed"};
  const auto drop = [&] {
    bool is_last = false;
    if constexpr (Fixed) {
      is_last = references.fetch_sub(1) == 1;
    } else {
      const int seen = references.load();
      references.store(seen - 1);
      is_last = seen == 1;
    }
    if (is_last) destroyed.fetch_add(1);
  };
  lab::thread a = start_thread("owner a", drop);
  lab::thread b = start_thread("owner b", drop);
  a.join();
  b.join();
  lab::check(destroyed.load() == 1, "the object is never destroyed");
}

/// Lowered, and then read: both find none.
template <bool Fixed>
void drop_references_and_look() {
  lab::atomic<int> references{2, "references"};
  lab::atomic<int> destroyed{0, "destroyed"};
  const auto drop = [&] {
    const int left = references.fetch_sub(1) - 1;
    if ((Fixed ? left : references.load()) == 0) destroyed.fetch_add(1);
  };
  lab::thread a = start_thread("owner a", drop);
  lab::thread b = start_thread("owner b", drop);
  a.join();
  b.join();
  lab::check(destroyed.load() == 1, "the object is destroyed twice");
}

/// Closing is decided by a look at a flag.
template <bool Fixed>
void close_file() {
  lab::atomic<bool> is_open{true, "open"};
  lab::atomic<int> closes{0, "closes"};
  const auto close = [&] {
    if constexpr (Fixed) {
      if (!is_open.exchange(false)) return;
    } else {
      if (!is_open.load()) return;
      is_open.store(false);
    }
    lab::check(closes.fetch_add(1) == 0, "a file is closed twice");
  };
  lab::thread a = start_thread("closer a", close);
  lab::thread b = start_thread("closer b", close);
  a.join();
  b.join();
}

}  // namespace

Bug counter() {
  return {.name = "counter",
          .wrong = "a counter is read and written back one higher",
          .message = {"a hit was lost"},
          .buggy = count<false>,
          .fixed = count<true>};
}

Bug check_then_act() {
  return {.name = "check, then act",
          .wrong = "that a seat is free and its booking are under two locks",
          .message = {"a seat was sold twice"},
          .buggy = book_last_seat<false>,
          .fixed = book_last_seat<true>};
}

Bug double_checked() {
  return {.name = "double-checked initialisation",
          .wrong = "the second check, under the lock, is missing",
          .message = {"the singleton was made twice"},
          .buggy = make_singleton<false>,
          .fixed = make_singleton<true>};
}

Bug audited_transfer() {
  return {.name = "audit of a transfer",
          .wrong = "a transfer gives the lock back between its two halves",
          .message = {"the audit sees money in flight"},
          .buggy = audit_a_transfer<false>,
          .fixed = audit_a_transfer<true>};
}

Bug stale_size() {
  return {.name = "stale size",
          .wrong = "the length of a buffer is asked, and then as much is copied though it has shrunk",
          .message = {"more is copied than there is"},
          .buggy = append_buffer<false>,
          .fixed = append_buffer<true>};
}

Bug tickets() {
  return {.name = "ticket generator",
          .wrong = "a compare-exchange that fails is taken for one that succeeded",
          .message = {"two have the same ticket"},
          .buggy = draw_tickets<false>,
          .fixed = draw_tickets<true>};
}

Bug reference_leak() {
  return {.name = "reference count, never 0",
          .wrong = "the count is loaded, then decremented, and nobody is the last owner",
          .message = {"the object is never destroyed"},
          .buggy = drop_references<false>,
          .fixed = drop_references<true>};
}

Bug reference_twice() {
  return {.name = "reference count, 0 twice",
          .wrong = "the count is decremented, then loaded, and both are the last owner",
          .message = {"the object is destroyed twice"},
          .buggy = drop_references_and_look<false>,
          .fixed = drop_references_and_look<true>};
}

Bug double_close() {
  return {.name = "double close",
          .wrong = "two find the file open, and both close it",
          .message = {"a file is closed twice"},
          .buggy = close_file<false>,
          .fixed = close_file<true>};
}

}  // namespace quiesce::lab::corpus
