#include "lab/determinism_support.hpp"

#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <utility>
#include <vector>

#include "quiesce/lab/trace_file.hpp"
#include "quiesce/quiesce.hpp"

namespace quiesce::lab::tests {

namespace {

using namespace std::chrono_literals;

/// Where what a program computes becomes a part of its trace. Tasks may outlive the body's frame, and share it.
struct Board {
  std::array<atomic<int>, 8> cells;
  void note(std::uint64_t what) { cells[what % cells.size()].fetch_add(1); }
};
using Shared = std::shared_ptr<Board>;

template <class F>
auto sent(F function) {
  return UnsafeSend(std::move(function));
}

std::uint64_t shape_of(const auto& outcome) { return static_cast<std::uint64_t>(outcome.kind()); }

// ---- nested regions with failing children ----

Task<> maybe_fail(Cx cx, Shared board, int depth) {
  for (std::uint64_t i = cx.random_index(3); i > 0; --i) co_await cx.yield();
  const std::uint64_t luck = cx.random_index(6);
  board->note(luck);
  if (luck == 0) throw 1;
  if (luck == 1) {
    auto failed = Outcome<>::err(Error(ErrorCode::User, "bad luck"));
    co_await std::move(failed);
  }
  if (depth == 0) co_return;
  auto body = [board, depth](Cx inner, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 0; i < 2; ++i) {
      auto child = [board, depth](Cx mine) -> Task<> {
        auto task = maybe_fail(mine, board, depth - 1);
        co_await std::move(task);
      };
      auto handle = scope.spawn(inner, sent(std::move(child)));
      if (i == 1 && handle) {
        auto join = handle->join(inner).outcome();
        auto outcome = co_await join;
        board->note(shape_of(outcome));
      }
    }
  };
  auto nested = quiesce::region(cx, CollectAll(), body);
  auto outcome = co_await std::move(nested).outcome();
  board->note(shape_of(outcome));
}

Task<> nested_regions(Cx cx, Scope<>&) {
  auto board = std::make_shared<Board>();
  auto body = [board](Cx inner, Scope<>& scope) -> Task<> {
    for (int i = 0; i < 3; ++i) {
      auto child = [board](Cx mine) -> Task<> {
        auto task = maybe_fail(mine, board, 1);
        co_await std::move(task);
      };
      (void)scope.spawn(inner, sent(std::move(child)));
    }
    co_await inner.yield();
  };
  auto region = quiesce::region(cx, FailFast(), body);
  auto outcome = co_await std::move(region).outcome();
  board->note(shape_of(outcome));
}

// ---- races, timeouts and hedges ----

Task<std::uint64_t> answer_late(Cx cx, Shared board, std::uint64_t value) {
  const std::uint64_t wait = cx.random_index(4);
  co_await cx.sleep(std::chrono::milliseconds(wait));
  board->note(value);
  co_return value + wait;
}

auto answer(Shared board, std::uint64_t value) {
  return sent([board = std::move(board), value](Cx mine) -> Task<std::uint64_t> {
    auto task = answer_late(mine, board, value);
    co_return co_await std::move(task);
  });
}

Task<> races_and_timers(Cx cx, Scope<>& scope) {
  auto board = std::make_shared<Board>();
  for (std::uint64_t round = 0; round < 2; ++round) {
    auto first = scope.spawn(cx, answer(board, round)).value();
    auto second = scope.spawn(cx, answer(board, round + 1)).value();
    auto third = scope.spawn(cx, answer(board, round + 2)).value();
    auto race = scope.race(cx, std::move(first), std::move(second), std::move(third));
    auto won = co_await std::move(race).outcome();
    board->note(won.is_ok() ? won.value() : shape_of(won));

    auto slow = scope.spawn(cx, answer(board, 5)).value();
    auto timed = scope.timeout(cx, 2ms, std::move(slow));
    auto in_time = co_await std::move(timed).outcome();
    board->note(shape_of(in_time));
  }
  auto hedge = scope.hedge(cx, 1ms, answer(board, 6), answer(board, 7));
  auto hedged = co_await std::move(hedge).outcome();
  board->note(hedged.is_ok() ? hedged.value() : shape_of(hedged));
  board->note(static_cast<std::uint64_t>(cx.now().nanos() / 1'000'000));
}

// ---- finalizers and obligations ----

Task<> finalizers_and_obligations(Cx cx, Scope<>&) {
  auto board = std::make_shared<Board>();
  auto body = [board](Cx inner, Scope<CollectAll>& scope) -> Task<> {
    auto last = [board] { board->note(1); };
    auto before_it = [board](Cx mine) -> Task<> {
      co_await mine.sleep(1ms);
      board->note(2);
    };
    (void)scope.defer_sync(last);
    (void)scope.defer_async(before_it);
    for (std::uint64_t i = 0; i < 3; ++i) {
      auto child = [board, scope, i](Cx mine) -> Task<> {
        auto permit = Obligation::reserve(mine, scope, ObligationKind::SendPermit);
        co_await mine.yield();
        if (mine.random_index(3) == 0) scope.cancel(CancelReason::user("enough"));
        co_await mine.yield();
        if (permit && i != 2) (void)permit->commit();
        board->note(3 + i);
      };
      (void)scope.spawn(inner, sent(std::move(child)));
    }
    auto heap = scope.heap_alloc<int>(7);
    co_await inner.yield();
    board->note(heap ? 6 : 7);
  };
  auto region = quiesce::region(cx, CollectAll(), body);
  auto outcome = co_await std::move(region).outcome();
  board->note(shape_of(outcome));
}

// ---- blocking jobs and local tasks, on several workers ----

Task<> jobs_and_local_tasks(Cx cx, Scope<>& scope) {
  auto board = std::make_shared<Board>();
  std::vector<TaskHandle<std::uint64_t>> jobs;
  for (std::uint64_t i = 0; i < 2; ++i) {
    auto work = [board, i](Cx) {
      board->note(i);
      board->note(i + 1);
      return i;
    };
    jobs.push_back(scope.spawn_blocking(cx, sent(std::move(work))).value());
  }
  auto local = [board](Cx mine) -> Task<> {
    for (int i = 0; i < 2; ++i) {
      board->note(3);
      co_await mine.yield();
    }
  };
  auto pinned = scope.spawn_local(cx, sent(local)).value();
  auto free = scope.spawn(cx, sent(local)).value();
  for (auto& handle : jobs) {
    auto join = handle.join(cx).outcome();
    auto outcome = co_await join;
    board->note(outcome.is_ok() ? 4 + outcome.value() : shape_of(outcome));
  }
  if (cx.random_index(2) == 0) free.abort();
  auto first = pinned.join(cx).outcome();
  auto second = free.join(cx).outcome();
  auto of_pinned = co_await first;
  auto of_free = co_await second;
  board->note(shape_of(of_pinned));
  board->note(shape_of(of_free));
}

// ---- the lab's own primitives, tasks and cancels ----

struct Queue {
  mutex lock;
  condition changed;
  shared<int> length{0};
  atomic<bool> is_closed{false};
  Board board;
};

Task<> mutexes_and_cancels(Cx cx, Scope<>& scope) {
  auto queue = std::make_shared<Queue>();
  auto producer = [queue](Cx mine) -> Task<> {
    for (int i = 0; i < 2; ++i) {
      {
        const std::scoped_lock hold(queue->lock);
        queue->length.update([](int& length) { ++length; });
      }
      queue->changed.notify_one();
      co_await mine.yield();
    }
  };
  auto consumer = [queue](Cx mine) -> Task<> {
    for (int taken = 0;; ++taken) {
      {
        std::unique_lock hold(queue->lock);
        queue->changed.wait(hold, [&] { return queue->length.read() > 0 || queue->is_closed.load(); });
        if (queue->length.read() == 0) break;
        queue->length.update([](int& length) { --length; });
      }
      queue->board.note(static_cast<std::uint64_t>(taken));
      co_await mine.yield();
    }
  };
  auto made = scope.spawn(cx, sent(producer)).value();
  auto also_made = scope.spawn(cx, sent(producer)).value();
  auto taking = scope.spawn(cx, sent(consumer)).value();
  if (cx.random_index(2) == 0) also_made.abort();
  for (auto* handle : {&made, &also_made}) {
    auto join = handle->join(cx).outcome();
    auto outcome = co_await join;
    queue->board.note(shape_of(outcome));
  }
  {
    const std::scoped_lock hold(queue->lock);
    queue->is_closed.store(true);
  }
  queue->changed.notify_all();
  auto join = taking.join(cx).outcome();
  auto outcome = co_await join;
  queue->board.note(shape_of(outcome));
}

template <Task<> (*body)(Cx, Scope<>&), std::uint32_t workers>
Report explore_body(const Options& options) {
  Options mine = options;
  mine.workers = workers;
  return lab::explore(mine, body);
}

constexpr Program all[] = {
    {"nested_regions", explore_body<nested_regions, 1>},
    {"races_and_timers", explore_body<races_and_timers, 2>},
    {"finalizers_and_obligations", explore_body<finalizers_and_obligations, 1>},
    {"jobs_and_local_tasks", explore_body<jobs_and_local_tasks, 4>},
    {"mutexes_and_cancels", explore_body<mutexes_and_cancels, 3>},
};

}  // namespace

std::span<const Program> programs() { return all; }

std::uint64_t hash_of_seeds(const Program& program, std::uint64_t seeds) {
  std::uint64_t hash = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed)
    hash = child(LogicalId{hash ^ program.explore({.seed = seed, .max_runs = 1}).hash}, 0).value;
  return hash;
}

std::string trace_of_seed(const Program& program, std::uint64_t seed, Lines lines) {
  const Report report = program.explore({.seed = seed, .max_runs = 1, .keep_trace = true});
  RunTrace trace = *report.trace;
  for (TraceEvent& event : trace.events) {
    if (lines == Lines::left_out) event.where.clear();
  }
  std::ostringstream text;
  write_trace(text, trace, {});
  return std::move(text).str();
}

std::uint64_t seeds_wanted() {
  if (const char* text = std::getenv("QUIESCE_DETERMINISM_SEEDS")) return std::strtoull(text, nullptr, 10);
#ifdef NDEBUG
  return 10'000;
#else
  return 500;
#endif
}

}  // namespace quiesce::lab::tests
