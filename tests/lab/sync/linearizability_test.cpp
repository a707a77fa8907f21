// Locks, permits and cells against their sequential models.
#include <compare>
#include <string>

#include "lab/history.hpp"
#include "lab/sync/exploring.hpp"
#include "quiesce/sync/mutex.hpp"
#include "quiesce/sync/once_cell.hpp"
#include "quiesce/sync/rw_lock.hpp"
#include "quiesce/sync/semaphore.hpp"

namespace quiesce::lab_tests {
namespace {

template <class Body>
void expect_linearizable(Body body) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 1000}, body));
  EXPECT_LAB_OK(lab::explore({.strategy = lab::pct(3), .seed = 2, .max_runs = 1000}, body));
  EXPECT_LAB_OK(lab::cancel_everywhere(body));
  EXPECT_LAB_OK(lab::cancel_everywhere(body, {.max_runs = 500}, true));
  EXPECT_GT(expect_exhausted(body), 1u);
}

/// What a value under a lock is: a register with an exchange.
struct RegisterModel {
  using State = int;
  struct Op {
    bool writes;
    int value = 0;
  };
  using Result = int;  // what it was before
  static std::optional<int> apply(int& state, const Op& op) {
    const int before = state;
    if (op.writes) state = op.value;
    return before;
  }
  static std::string text(const Op& op, const int* before) {
    return (op.writes ? "exchange for " + std::to_string(op.value) : std::string("read")) + " gave " +
           (before == nullptr ? "?" : std::to_string(*before));
  }
};
using Register = History<RegisterModel>;

/// In the middle it gives way: only the lock makes it one.
template <class Guard>
Task<int> exchange_inside(Cx cx, Guard& guard, int value) {
  const int before = *guard;
  co_await cx.yield();
  *guard = value;
  co_return before;
}

Task<> exchange(Cx cx, Mutex<int>* mutex, Register* history, int value) {
  auto call = history->invoke({true, value});
  auto guard = co_await mutex->lock(cx);
  auto inside = exchange_inside(cx, guard, value);
  const int before = co_await std::move(inside);
  guard.unlock();
  call.returned(before);
}

Task<> exchanges(Cx cx, Scope<>&) {
  Mutex<int> mutex(0, "register");
  Register history;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 1; i <= 3; ++i)
      co_await scope.launch(mine, exchange, unsafe_send(&mutex), unsafe_send(&history), i);
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  history.did({false}, **mutex.try_lock());
  history.check();
}

TEST(LabLinearizability, AValueUnderAMutexIsARegister) { expect_linearizable(exchanges); }

Task<> write_or_read(Cx cx, RwLock<int>* lock, Register* history, int value) {
  auto call = history->invoke({value > 0, value});
  if (value > 0) {
    auto guard = co_await lock->write(cx);
    auto inside = exchange_inside(cx, guard, value);
    const int before = co_await std::move(inside);
    guard.unlock();
    call.returned(before);
  } else {
    auto guard = co_await lock->read(cx);
    co_await cx.yield();
    call.returned(*guard);
  }
}

Task<> writes_and_reads(Cx cx, Scope<>&) {
  RwLock<int> lock(0, "register");
  Register history;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int value : {1, 0, 2})
      co_await scope.launch(mine, write_or_read, unsafe_send(&lock), unsafe_send(&history), value);
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  history.did({false}, **lock.try_read());
  history.check();
}

TEST(LabLinearizability, AValueUnderAReaderWriterLockIsARegister) { expect_linearizable(writes_and_reads); }

struct PermitsModel {
  struct State {
    int free = 2;
    auto operator<=>(const State&) const = default;
  };
  enum class Kind { Acquire, Release, Look };
  struct Op {
    Kind kind;
    int count = 0;
  };
  using Result = int;  // of a look: how many are free
  static std::optional<int> apply(State& state, const Op& op) {
    if (op.kind == Kind::Look) return state.free;
    if (op.kind == Kind::Acquire && state.free < op.count) return std::nullopt;
    state.free += op.kind == Kind::Acquire ? -op.count : op.count;
    return 0;
  }
  static std::string text(const Op& op, const int* seen) {
    const char* what = op.kind == Kind::Look ? "look" : op.kind == Kind::Acquire ? "acquire " : "release ";
    return what + std::to_string(op.count) + " gave " + (seen == nullptr ? "?" : std::to_string(*seen));
  }
};
using Permits = History<PermitsModel>;

Task<> acquire(Cx cx, Semaphore* semaphore, Permits* history, std::uint32_t count) {
  auto call = history->invoke({PermitsModel::Kind::Acquire, static_cast<int>(count)});
  auto permit = co_await semaphore->acquire_many(cx, count);
  call.returned(0);
  const MaskGuard uncancelled = cx.mask();
  co_await cx.yield();
  history->did({PermitsModel::Kind::Look}, static_cast<int>(semaphore->available_permits()));
  auto back = history->invoke({PermitsModel::Kind::Release, static_cast<int>(count)});
  permit.release();
  back.returned(0);
}

Task<> acquiring(Cx cx, Scope<>&) {
  Semaphore semaphore(2, "permits");
  Permits history;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (std::uint32_t count : {1u, 2u, 1u})
      co_await scope.launch(mine, acquire, unsafe_send(&semaphore), unsafe_send(&history), count);
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  history.did({PermitsModel::Kind::Look}, static_cast<int>(semaphore.available_permits()));
  history.check();
}

// A permit is taken for a task before that task has moved: a look in between sees fewer than its model says, where the model lets the
// acquisition happen in its call, which it does: the call has been invoked.
TEST(LabLinearizability, ASemaphoreIsANumberThatIsNeverBelowNone) { expect_linearizable(acquiring); }

struct CellModel {
  using State = int;  // 0: empty
  struct Op {
    bool makes;
    int value = 0;
  };
  using Result = int;
  static std::optional<int> apply(int& state, const Op& op) {
    if (op.makes && state == 0) state = op.value;
    return state;
  }
  static std::string text(const Op& op, const int* seen) {
    return (op.makes ? "get or make " + std::to_string(op.value) : std::string("get")) + " gave " +
           (seen == nullptr ? "?" : std::to_string(*seen));
  }
};
using Cells = History<CellModel>;

Task<int> make_slowly(Cx cx, int value) {
  co_await cx.yield();
  co_return value;
}
Task<> get_or_make(Cx cx, OnceCell<int>* cell, Cells* history, int value) {
  auto call = history->invoke({true, value});
  auto making = [value](Cx mine) { return make_slowly(mine, value); };
  const int* made = co_await cell->get_or_init(cx, making);
  call.returned(*made);
}
Task<> look(Cx cx, OnceCell<int>* cell, Cells* history) {
  for (int i = 0; i < 2; ++i) {
    const int* made = cell->get();
    history->did({false}, made == nullptr ? 0 : *made);
    co_await cx.yield();
  }
}

Task<> making(Cx cx, Scope<>&) {
  OnceCell<int> cell("cell");
  Cells history;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int value : {1, 2})
      co_await scope.launch(mine, get_or_make, unsafe_send(&cell), unsafe_send(&history), value);
    co_await scope.launch(mine, look, unsafe_send(&cell), unsafe_send(&history));
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  const int* made = cell.get();
  history.did({false}, made == nullptr ? 0 : *made);
  history.check();
}

TEST(LabLinearizability, AOnceCellIsWrittenOnce) { expect_linearizable(making); }

/// The same with a value that is not guarded at all: the checker sees it.
Task<> exchange_unguarded(Cx cx, int* value, Register* history, int next) {
  auto call = history->invoke({true, next});
  auto inside = exchange_inside(cx, value, next);
  const int before = co_await std::move(inside);
  call.returned(before);
}

Task<> unguarded(Cx cx, Scope<>&) {
  int value = 0;
  Register history;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 1; i <= 2; ++i)
      co_await scope.launch(mine, exchange_unguarded, unsafe_send(&value), unsafe_send(&history), i);
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  history.did({false}, value);
  history.check();
}

TEST(LabLinearizability, WithoutTheLockItIsNone) {
  const lab::Report report = lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 100}, unguarded);
  ASSERT_TRUE(report.failed());
  EXPECT_NE(report.failure()->message.find("no order of the operations explains what they gave"),
            std::string::npos);
}

}  // namespace
}  // namespace quiesce::lab_tests
