// What one cancel request in the wrong place breaks: found by a request at every cancel point.
#include <optional>

#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

template <bool Fixed>
q::Task<> transfer(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<int> from{100, "from"};
  lab::atomic<int> to{0, "to"};
  auto move_money = [&](q::Cx mine) -> q::Task<> {
    std::optional<q::MaskGuard> mask;
    if constexpr (Fixed) mask.emplace(mine.core());
    from.fetch_sub(30);
    co_await mine.yield();
    to.fetch_add(30);
  };
  auto moving = start_task(cx, scope, move_money);
  auto uncancelled = cx.mask();  // what a request does to the other is asked
  (void)co_await moving.join(cx).outcome();
  lab::check(from.load() + to.load() == 100, "money was lost between two accounts");
}

/// Given back at the end of the section instead of by its guard's destructor.
template <bool Fixed>
q::Task<> hold_lock(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<bool> is_held{false, "lock"};
  struct Guard {
    lab::atomic<bool>* held;
    ~Guard() {
      if (held != nullptr) held->store(false);
    }
  };
  auto work = [&](q::Cx mine) -> q::Task<> {
    is_held.store(true);
    Guard guard{Fixed ? &is_held : nullptr};
    co_await mine.yield();
    if constexpr (!Fixed) is_held.store(false);
  };
  auto working = start_task(cx, scope, work);
  auto uncancelled = cx.mask();  // what a request does to the other is asked
  (void)co_await working.join(cx).outcome();
  lab::check(!is_held.load(), "a cancelled task has kept the lock");
}

/// A job that was taken off the queue and not done is in neither place.
template <bool Fixed>
q::Task<> work_off(q::Cx cx, q::Scope<>& scope) {
  lab::atomic<int> queued{2, "queued"};
  lab::atomic<int> done{0, "done"};
  struct PutBack {
    lab::atomic<int>* queue;
    bool is_done = false;
    ~PutBack() {
      if (!is_done && queue != nullptr) queue->fetch_add(1);
    }
  };
  auto work = [&](q::Cx mine) -> q::Task<> {
    while (queued.load() > 0) {
      queued.fetch_sub(1);
      PutBack job{Fixed ? &queued : nullptr};
      co_await mine.yield();
      done.fetch_add(1);
      job.is_done = true;
    }
  };
  auto working = start_task(cx, scope, work);
  auto uncancelled = cx.mask();  // what a request does to the other is asked
  (void)co_await working.join(cx).outcome();
  lab::check(queued.load() + done.load() == 2, "a job is neither queued nor done");
}

}  // namespace

Bug cancelled_transfer() {
  return {.name = "cancelled transfer",
          .wrong = "a request between the two halves of a transfer loses the money",
          .message = {"money was lost between two accounts"},
          .buggy = Cancelled{transfer<false>},
          .fixed = Cancelled{transfer<true>}};
}

Bug leaked_lock() {
  return {.name = "lock leaked by a cancel",
          .wrong = "a hand-made lock is given back only where the section ends well",
          .message = {"a cancelled task has kept the lock"},
          .buggy = Cancelled{hold_lock<false>},
          .fixed = Cancelled{hold_lock<true>}};
}

Bug lost_job() {
  return {.name = "job lost by a cancel",
          .wrong = "a worker is cancelled between taking a job and doing it",
          .message = {"a job is neither queued nor done"},
          .buggy = Cancelled{work_off<false>},
          .fixed = Cancelled{work_off<true>}};
}

}  // namespace quiesce::lab::corpus
