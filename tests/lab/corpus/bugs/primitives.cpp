// Hand-made primitives: a reader-writer lock, a barrier, a semaphore, a once flag, a closing queue.
#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

class ReaderWriterLock {
 public:
  void lock_shared() {
    std::unique_lock lock(m_);
    changed_.wait(lock, [&] { return !is_writing_; });
    ++readers_;
  }
  void unlock_shared() {
    std::lock_guard lock(m_);
    --readers_;
    changed_.notify_all();
  }
  void lock() {
    std::unique_lock lock(m_);
    changed_.wait(lock, [&] { return !is_writing_ && readers_ == 0; });
    is_writing_ = true;
  }
  void unlock() {
    std::lock_guard lock(m_);
    is_writing_ = false;
    changed_.notify_all();
  }
  /// From a reader to the writer, without letting go.
  void upgrade() {
    std::unique_lock lock(m_);
    changed_.wait(lock, [&] { return !is_writing_ && readers_ == 1; });
    readers_ = 0;
    is_writing_ = true;
  }

 private:
  lab::mutex m_{"m"};
  lab::condition changed_{"changed"};
  int readers_ = 0;
  bool is_writing_ = false;
};

/// Two that find the cache empty as readers, and want to fill it.
template <bool Fixed>
void fill_cache() {
  ReaderWriterLock lock;
  lab::atomic<int> filled{0, "filled"};
  const auto use = [&] {
    lock.lock_shared();
    if (filled.load() != 0) return lock.unlock_shared();
    if constexpr (Fixed) {
      lock.unlock_shared();
      lock.lock();
    } else {
      lock.upgrade();
    }
    if (filled.load() == 0) filled.fetch_add(1);
    lock.unlock();
  };
  lab::thread a = start_thread("reader a", use);
  lab::thread b = start_thread("reader b", use);
  a.join();
  b.join();
  lab::check(filled.load() == 1, "filled once");
}

/// Everybody waits for "nobody is here any more", which is over when the fast ones are here again.
template <bool Fixed>
class Barrier {
 public:
  explicit Barrier(int parties) : parties_(parties) {}
  void arrive_and_wait() {
    std::unique_lock lock(m_);
    const int mine = round_;
    if (++here_ < parties_) {
      all_here_.wait(lock, [&] { return Fixed ? round_ != mine : here_ == 0; });
      return;
    }
    here_ = 0;
    ++round_;
    all_here_.notify_all();
  }

 private:
  lab::mutex m_{"m"};
  lab::condition all_here_{"all here"};
  const int parties_;
  int here_ = 0;
  int round_ = 0;
};

template <bool Fixed>
void two_rounds() {
  Barrier<Fixed> barrier(2);
  const auto work = [&] {
    barrier.arrive_and_wait();
    barrier.arrive_and_wait();
  };
  lab::thread a = start_thread("worker a", work);
  lab::thread b = start_thread("worker b", work);
  a.join();
  b.join();
}

/// A permit is looked for, and then taken.
template <bool Fixed>
void one_permit() {
  lab::atomic<int> permits{1, "permits"};
  lab::atomic<int> inside{0, "inside"};
  const auto take_permit = [&] {
    for (;;) {
      int left = permits.load();
      if (left == 0) {
        permits.wait(0);
      } else if (!Fixed) {
        permits.fetch_sub(1);
        return;
      } else if (permits.compare_exchange_strong(left, left - 1)) {
        return;
      }
    }
  };
  const auto work = [&] {
    take_permit();
    lab::check(inside.fetch_add(1) == 0, "two are inside with one permit");
    inside.fetch_sub(1);
    permits.fetch_add(1);
    permits.notify_one();
  };
  lab::thread a = start_thread("worker a", work);
  lab::thread b = start_thread("worker b", work);
  a.join();
  b.join();
}

/// Who comes second goes on while the first still prepares.
template <bool Fixed>
void once() {
  enum State { Fresh, Begun, Done };
  lab::atomic<int> state{Fresh, "once"};
  lab::atomic<int> table{0, "table"};
  const auto use = [&] {
    int seen = Fresh;
    if (state.compare_exchange_strong(seen, Begun)) {
      table.store(42);
      state.store(Done);
      state.notify_all();
    } else if (Fixed && seen == Begun) {
      state.wait(Begun);
    }
    lab::check(table.load() == 42, "the table is used before it was made");
  };
  lab::thread a = start_thread("user a", use);
  lab::thread b = start_thread("user b", use);
  a.join();
  b.join();
}

/// The last of two producers closes the queue; with a look and then a count, nobody is the last.
template <bool Fixed>
void last_producer_closes() {
  lab::atomic<int> producers{2, "producers"};
  lab::atomic<bool> is_closed{false, "closed"};
  const auto produce = [&] {
    bool is_last = false;
    if constexpr (Fixed) {
      is_last = producers.fetch_sub(1) == 1;
    } else {
      is_last = producers.load() == 1;
      producers.fetch_sub(1);
    }
    if (!is_last) return;
    is_closed.store(true);
    is_closed.notify_all();
  };
  lab::thread a = start_thread("producer a", produce);
  lab::thread b = start_thread("producer b", produce);
  lab::thread consumer = start_thread("consumer", [&] { is_closed.wait(false); });
  a.join();
  b.join();
  consumer.join();
}

}  // namespace

Bug lock_upgrade() {
  return {.name = "lock upgrade",
          .wrong = "two readers wait to become the writer, each for the other to leave",
          .kind = FailureKind::deadlock,
          .message = {"reader a waits to be woken by condition changed",
                      "reader b waits to be woken by condition changed"},
          .buggy = fill_cache<false>,
          .fixed = fill_cache<true>};
}

Bug barrier_reuse() {
  return {.name = "barrier without rounds",
          .wrong = "a barrier is used again before all have left it, and the slow one waits for ever",
          .kind = FailureKind::deadlock,
          .message = {"worker a waits to be woken by condition all here",
                      "worker b waits to be woken by condition all here"},
          .buggy = two_rounds<false>,
          .fixed = two_rounds<true>};
}

Bug semaphore() {
  return {.name = "semaphore",
          .wrong = "that a permit is there and its taking are two operations",
          .message = {"two are inside with one permit"},
          .buggy = one_permit<false>,
          .fixed = one_permit<true>,
          .within = {.pct = 5'000},
          .depth = 3};
}

Bug once_flag() {
  return {.name = "once flag",
          .wrong = "who comes second does not wait until the first has finished",
          .message = {"the table is used before it was made"},
          .buggy = once<false>,
          .fixed = once<true>};
}

Bug termination() {
  return {.name = "termination lost",
          .wrong = "two producers both find that the other is still there, so nobody closes the queue",
          .kind = FailureKind::deadlock,
          .message = {"consumer", "atomic closed"},
          .buggy = last_producer_closes<false>,
          .fixed = last_producer_closes<true>};
}

}  // namespace quiesce::lab::corpus
