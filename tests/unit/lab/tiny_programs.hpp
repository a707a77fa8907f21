#pragma once
// Programs of a few threads over shared variables, run by a strategy as the engine would run them, without stacks: for tests that
// run millions of schedules.
//
//   Program p{.threads = {{read(0, 0), write(0, reg(0, 1))}, {write(0, 5)}}};
//   Exploration e = explore(*make_dpor(), p);
//
// A step is one visible operation and all that follows it up to the next one; `fused` operations are part of the step before them.
// A thread's registers are its own. Threads from `p.started` on wait to be spawned.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <ostream>
#include <set>
#include <utility>
#include <vector>

#include "quiesce/detail/lab/strategy.hpp"

namespace quiesce::lab::detail::tiny {

/// A constant, or a register and a constant.
struct Value {
  int constant = 0;
  int from = -1;
  Value() = default;
  Value(int value) : constant(value) {}  // NOLINT: as a number
  Value(int number, int plus) : constant(plus), from(number) {}
};
inline Value reg(int number, int plus = 0) { return {number, plus}; }

// clang-format off
enum class Kind : std::uint8_t {
  Read, Write, Add, Count, Leave, CompareExchange, Lock, TryLock, Unlock, Spawn, Join, Wait, Notify, NotifyAll,  // visible,
  WaitForChange, NotifyChange, Wake,                                                                            // too
  Sleep, Pause,                        // end the step
  Draw, Set, JumpIf, JumpIfNot, Check  // within it
};
constexpr const char* kind_names[] = {
  "read", "write", "add", "count", "leave", "compare_exchange", "lock", "try_lock", "unlock", "spawn", "join", "wait",
  "notify", "notify_all", "wait_for_change", "notify_change", "wake", "sleep", "pause", "draw", "set", "jump_if", "jump_if_not", "check"
};
// clang-format on

struct Op {
  Kind kind;
  Value object{};  // a variable, a mutex, a condition, a thread
  Value a{}, b{};
  int into = 0;  // a register, or where to jump
  bool is_fused = false;
};

inline Op read(Value variable, int into) { return {.kind = Kind::Read, .object = variable, .into = into}; }
inline Op write(Value variable, Value value) { return {.kind = Kind::Write, .object = variable, .a = value}; }
/// Fetches and adds.
inline Op add(Value variable, Value value, int into) {
  return {.kind = Kind::Add, .object = variable, .a = value, .into = into};
}
/// Adds and commutes with others that do.
inline Op count(Value variable, Value value) { return {.kind = Kind::Count, .object = variable, .a = value}; }
/// Counts one, and writes if it is the last of so many: as who leaves a region last closes it.
inline Op leave(Value variable, Value of) { return {.kind = Kind::Leave, .object = variable, .a = of}; }
/// `into`: 1 if it was `expected`.
inline Op compare_exchange(Value variable, Value expected, Value desired, int into) {
  return {.kind = Kind::CompareExchange, .object = variable, .a = expected, .b = desired, .into = into};
}
inline Op lock(Value mutex) { return {.kind = Kind::Lock, .object = mutex}; }
inline Op try_lock(Value mutex, int into) { return {.kind = Kind::TryLock, .object = mutex, .into = into}; }
/// Reads the mutex if another holds it or nobody does.
inline Op unlock(Value mutex) { return {.kind = Kind::Unlock, .object = mutex}; }
inline Op spawn(int thread) { return {.kind = Kind::Spawn, .object = thread}; }
inline Op join(int thread) { return {.kind = Kind::Join, .object = thread}; }
/// On a condition, with a mutex.
inline Op wait(Value condition, Value mutex) { return {.kind = Kind::Wait, .object = condition, .a = mutex}; }
inline Op notify(Value condition) { return {.kind = Kind::Notify, .object = condition}; }
inline Op notify_all(Value condition) { return {.kind = Kind::NotifyAll, .object = condition}; }
/// Until the variable is found with another value: at once, or when its change is notified.
inline Op wait_for_change(Value variable, Value from, int into) {
  return {.kind = Kind::WaitForChange, .object = variable, .a = from, .into = into};
}
/// To the one that waits longest.
inline Op notify_change(Value variable) { return {.kind = Kind::NotifyChange, .object = variable}; }
inline Op wake(int thread) { return {.kind = Kind::Wake, .object = thread}; }
/// Until it is woken, or at once if it has been.
inline Op sleep() { return {.kind = Kind::Sleep}; }
/// Until so much time has passed, which it does when nothing can move.
inline Op pause(Value time) { return {.kind = Kind::Pause, .a = time}; }
inline Op draw(Value n, int into) { return {.kind = Kind::Draw, .a = n, .into = into}; }
inline Op set(int into, Value value) { return {.kind = Kind::Set, .a = value, .into = into}; }
inline Op jump_if(Value is_not_zero, int to) { return {.kind = Kind::JumpIf, .a = is_not_zero, .into = to}; }
inline Op jump_if_not(Value is_zero, int to) { return {.kind = Kind::JumpIfNot, .a = is_zero, .into = to}; }
/// The program fails where it is not.
inline Op check(Value a, Value equals) { return {.kind = Kind::Check, .a = a, .b = equals}; }
inline Op fused(Op op) {
  op.is_fused = true;
  return op;
}

struct Program {
  std::vector<std::vector<Op>> threads;
  int started = std::numeric_limits<int>::max();
  bool fails_at_once = false;  // a failed check cuts the run off; otherwise it is a part of the final state
};

inline std::ostream& operator<<(std::ostream& out, const Op& op) {
  const auto show = [&](const Value& value) {
    if (value.from >= 0) out << 'r' << value.from << '+';
    out << value.constant << ' ';
  };
  out << (op.is_fused ? "+" : "") << kind_names[static_cast<int>(op.kind)] << '(';
  show(op.object);
  show(op.a);
  show(op.b);
  return out << op.into << ')';
}

inline std::ostream& operator<<(std::ostream& out, const Program& program) {
  for (const std::vector<Op>& thread : program.threads) {
    out << "\n  thread";
    for (const Op& op : thread) out << ' ' << op;
  }
  return out << "\n  started " << program.started << '\n';
}

constexpr int variables = 16;
constexpr int registers = 4;

inline LogicalId thread_id(int thread) { return child(LogicalId{}, static_cast<std::uint32_t>(thread)); }
inline LogicalId variable_id(int variable) { return child(LogicalId{1}, static_cast<std::uint32_t>(variable)); }
inline LogicalId mutex_id(int mutex) { return child(LogicalId{2}, static_cast<std::uint32_t>(mutex)); }
inline LogicalId condition_id(int condition) {
  return child(LogicalId{3}, static_cast<std::uint32_t>(condition));
}

struct Ran {
  std::vector<Step> steps;
  std::vector<std::uint32_t> choices;  // as the engine writes them down
  std::vector<int> state;              // of everything, at the end
  std::uint64_t hash = 0;              // of the class, and of what was drawn
  bool is_complete = false;
  bool has_failed = false;
  bool is_deadlock = false;
  int preemptions = 0;
};

class Machine {
 public:
  explicit Machine(const Program& program) : program_(program) {}

  Ran run(Strategy& strategy, std::size_t steps_max = 10'000) {
    strategy_ = &strategy;
    run_ = Ran{};
    reset();
    for (;;) {
      find_enabled();
      if (enabled_.empty() && !pass_time()) break;
      if (run_.steps.size() == steps_max || (run_.has_failed && program_.fails_at_once)) break;
      const LogicalId chosen = strategy.choose(enabled_);
      const auto at = std::ranges::find(enabled_, chosen);
      if (at == enabled_.end()) break;
      if (enabled_.size() > 1) run_.choices.push_back(static_cast<std::uint32_t>(at - enabled_.begin()));
      note_preemption(chosen);
      make_step(thread_of(chosen));
      strategy.executed(run_.steps.back());
    }
    conclude();
    return std::move(run_);
  }

 private:
  enum class Phase : std::uint8_t { Unborn, Ready, Asleep, Ended };
  struct Thread {
    Phase phase = Phase::Unborn;
    int at = 0;
    int regs[registers] = {};
    bool is_first = true;
    bool is_woken = false;
    bool is_waiting = false;  // for a call
    bool is_called = false;
    int due = -1;  // when time wakes it
  };

  void reset() {
    threads_.assign(program_.threads.size(), {});
    std::ranges::fill(values_, 0);
    std::ranges::fill(owners_, -1);
    waiters_.clear();
    now_ = 0;
    for (int t = 0; t < std::min<int>(program_.started, static_cast<int>(threads_.size())); ++t)
      threads_[static_cast<std::size_t>(t)].phase = Phase::Ready;
  }

  Thread& thread(int t) { return threads_[static_cast<std::size_t>(t)]; }
  const std::vector<Op>& code(int t) const { return program_.threads[static_cast<std::size_t>(t)]; }
  int count() const { return static_cast<int>(threads_.size()); }
  int thread_of(LogicalId id) const {
    int t = 0;
    while (thread_id(t) != id) ++t;
    return t;
  }
  int& variable(int v) { return values_[v]; }
  int get(int t, Value value) { return value.constant + (value.from >= 0 ? thread(t).regs[value.from] : 0); }

  static bool is_within(Kind kind) { return kind >= Kind::Draw; }
  bool is_guarded(int t) {
    if (thread(t).phase != Phase::Ready || thread(t).is_first ||
        thread(t).at == static_cast<int>(code(t).size()))
      return false;
    const Kind kind = op(t).kind;
    return kind == Kind::Lock || kind == Kind::Join || thread(t).is_waiting;
  }
  const Op& op(int t) { return code(t)[static_cast<std::size_t>(thread(t).at)]; }

  bool can_move(int t) {
    const Thread& self = thread(t);
    if (self.phase != Phase::Ready) return false;
    if (!is_guarded(t)) return true;
    const int object = get(t, op(t).object);
    switch (op(t).kind) {
      case Kind::Lock: return owners_[object] == -1;
      case Kind::Join: return thread(object).phase == Phase::Ended;
      case Kind::WaitForChange: return self.is_called;
      default: return self.is_called && owners_[get(t, op(t).a)] == -1;
    }
  }
  Touch pending(int t) {
    const int object = get(t, op(t).object);
    if (op(t).kind == Kind::Lock) return {mutex_id(object), Access::Acquire};
    if (op(t).kind == Kind::Join) return {thread_id(object), Access::Read};
    if (op(t).kind == Kind::Wait && thread(t).is_called) return {mutex_id(get(t, op(t).a)), Access::Acquire};
    return {call_of(thread_id(t)), Access::Read};
  }

  void find_enabled() {
    enabled_.clear();
    for (int t = 0; t < count(); ++t) {
      if (can_move(t)) enabled_.push_back(thread_id(t));
    }
    std::ranges::sort(enabled_);
  }

  bool pass_time() {
    int next = -1;
    for (const Thread& t : threads_) {
      if (t.due >= 0 && (next < 0 || t.due < next)) next = t.due;
    }
    if (next < 0) return false;
    now_ = next;
    for (Thread& t : threads_) {
      if (t.due != now_) continue;
      t.due = -1;
      t.phase = Phase::Ready;
    }
    strategy_->idled();
    find_enabled();
    return true;
  }

  void note_preemption(LogicalId chosen) {
    if (run_.steps.empty() || run_.steps.back().agent == chosen) return;
    if (std::ranges::find(enabled_, run_.steps.back().agent) != enabled_.end()) ++run_.preemptions;
  }

  void touch(LogicalId object, Access access) {
    std::vector<Touch>& touches = run_.steps.back().touches;
    if (std::ranges::find(touches, Touch{object, access}) == touches.end()) touches.push_back({object, access});
  }

  void make_step(int t) {
    Thread& self = thread(t);
    run_.steps.push_back({thread_id(t), {}, is_guarded(t), {}});
    if (std::exchange(self.is_first, false)) {
      touch(thread_id(t), Access::Write);
      if (is_guarded(t)) return;  // it is only there now
    }
    if (self.at < static_cast<int>(code(t).size())) {
      if (op(t).kind == Kind::Sleep || op(t).kind == Kind::Pause) {
        touch(thread_id(t), Access::Write);
        ++self.at;
      } else if (!is_within(op(t).kind)) {
        act(t, op(t));
      }
    }
    while (self.phase == Phase::Ready && !self.is_waiting && go_on(t)) {}
  }

  // What the step does besides its visible operation. False: it ends here.
  bool go_on(int t) {
    Thread& self = thread(t);
    if (self.at == static_cast<int>(code(t).size())) {
      self.phase = Phase::Ended;
      touch(thread_id(t), Access::Write);
      return false;
    }
    const Op& next = op(t);
    if (is_within(next.kind)) {
      ++self.at;
      compute(t, next);
      return true;
    }
    if (next.kind == Kind::Sleep) {
      touch(thread_id(t), Access::Write);
      if (!std::exchange(self.is_woken, false)) {
        self.phase = Phase::Asleep;
        return false;
      }
      ++self.at;
      return true;
    }
    if (next.kind == Kind::Pause) {
      touch(thread_id(t), Access::Write);
      self.phase = Phase::Asleep;
      self.due = now_ + get(t, next.a);
      return false;
    }
    if (!next.is_fused) return false;
    act(t, next);
    return true;
  }

  void compute(int t, const Op& next) {
    Thread& self = thread(t);
    switch (next.kind) {
      case Kind::Draw: {
        const std::uint32_t value = strategy_->draw(static_cast<std::uint32_t>(get(t, next.a)));
        run_.steps.back().draws.push_back(static_cast<std::uint32_t>(run_.steps.back().touches.size()));
        run_.choices.push_back(value);
        drawn_.push_back(static_cast<int>(value));
        self.regs[next.into] = static_cast<int>(value);
        break;
      }
      case Kind::Set: self.regs[next.into] = get(t, next.a); break;
      case Kind::JumpIf:
        if (get(t, next.a) != 0) self.at = next.into;
        break;
      case Kind::JumpIfNot:
        if (get(t, next.a) == 0) self.at = next.into;
        break;
      default:
        if (get(t, next.a) != get(t, next.b)) run_.has_failed = true;
        break;
    }
  }

  void act(int t, const Op& next) {
    Thread& self = thread(t);
    const int object = get(t, next.object);
    ++self.at;
    switch (next.kind) {
      case Kind::Read:
        touch(variable_id(object), Access::Read);
        self.regs[next.into] = variable(object);
        break;
      case Kind::Write:
        touch(variable_id(object), Access::Write);
        variable(object) = get(t, next.a);
        break;
      case Kind::Add:
        touch(variable_id(object), Access::Write);
        self.regs[next.into] = std::exchange(variable(object), variable(object) + get(t, next.a));
        break;
      case Kind::Count:
        touch(variable_id(object), Access::Update);
        variable(object) += get(t, next.a);
        break;
      case Kind::Leave:
        touch(variable_id(object), Access::Update);
        if (++variable(object) == get(t, next.a)) touch(variable_id(object), Access::Write);
        break;
      case Kind::CompareExchange: {
        const bool done = variable(object) == get(t, next.a);
        touch(variable_id(object), done ? Access::Write : Access::Read);
        if (done) variable(object) = get(t, next.b);
        self.regs[next.into] = done ? 1 : 0;
        break;
      }
      case Kind::Lock: take(t, object); break;
      case Kind::TryLock:
        self.regs[next.into] = owners_[object] == -1 ? 1 : 0;
        if (owners_[object] == -1) {
          take(t, object);
        } else {
          touch(mutex_id(object), Access::Read);
        }
        break;
      case Kind::Unlock: give_back(t, object); break;
      case Kind::Spawn:
        touch(thread_id(object), thread(object).phase == Phase::Unborn ? Access::Write : Access::Read);
        if (thread(object).phase == Phase::Unborn) thread(object).phase = Phase::Ready;
        break;
      case Kind::Join: touch(thread_id(object), Access::Read); break;
      case Kind::Wait: wait(t, object, get(t, next.a)); break;
      case Kind::Notify: notify(condition_id(object), 1); break;
      case Kind::NotifyAll: notify(condition_id(object), threads_.size()); break;
      case Kind::WaitForChange: wait_for_change(t, object, next); break;
      case Kind::NotifyChange: notify(variable_id(object), 1); break;
      default: wake(object); break;
    }
  }

  void take(int t, int mutex) {
    touch(mutex_id(mutex), Access::Acquire);
    owners_[mutex] = t;
  }
  void give_back(int t, int mutex) {
    touch(mutex_id(mutex), owners_[mutex] == t ? Access::Release : Access::Read);
    if (owners_[mutex] == t) owners_[mutex] = -1;
  }

  void wait_for_call(int t, LogicalId on) {
    Thread& self = thread(t);
    --self.at;
    self.is_waiting = true;
    waiters_.push_back({on, t});
  }
  // False: it did not wait.
  bool go_on_after_call(int t) {
    Thread& self = thread(t);
    if (!std::exchange(self.is_waiting, false)) return false;
    touch(call_of(thread_id(t)), Access::Read);
    self.is_called = false;
    return true;
  }
  // In two steps: the mutex goes; the thread has been called and takes it. Without the mutex it is nothing.
  void wait(int t, int condition, int mutex) {
    if (thread(t).is_waiting) take(t, mutex);
    if (go_on_after_call(t)) return;
    touch(condition_id(condition), Access::Write);
    const bool is_held = owners_[mutex] == t;
    give_back(t, mutex);
    if (is_held) wait_for_call(t, condition_id(condition));
  }
  void wait_for_change(int t, int variable_number, const Op& next) {
    go_on_after_call(t);
    touch(variable_id(variable_number), Access::Read);
    thread(t).regs[next.into] = variable(variable_number);
    if (variable(variable_number) != get(t, next.a)) return;
    touch(variable_id(variable_number), Access::Write);
    wait_for_call(t, variable_id(variable_number));
  }
  void notify(LogicalId on, std::size_t most) {
    touch(on, Access::Write);
    for (; most > 0; --most) {
      const auto waiter = std::ranges::find(waiters_, on, &Waiter::on);
      if (waiter == waiters_.end()) return;
      touch(call_of(thread_id(waiter->thread)), Access::Write);
      thread(waiter->thread).is_called = true;
      waiters_.erase(waiter);
    }
  }
  void wake(int t) {
    Thread& sleeper = thread(t);
    if (sleeper.phase == Phase::Unborn) return touch(thread_id(t), Access::Read);
    touch(thread_id(t), Access::Write);
    if (sleeper.phase == Phase::Asleep && sleeper.due < 0) {
      sleeper.phase = Phase::Ready;
    } else {
      sleeper.is_woken = true;
    }
  }

  void conclude() {
    run_.is_complete = enabled_.empty() && (!run_.has_failed || !program_.fails_at_once);
    for (int t = 0; t < count(); ++t) {
      const Thread& self = thread(t);
      run_.is_deadlock |= enabled_.empty() && self.phase != Phase::Ended && self.phase != Phase::Unborn;
      if (enabled_.empty() && is_guarded(t)) strategy_->blocked(thread_id(t), pending(t));
      run_.state.insert(run_.state.end(), {static_cast<int>(self.phase), self.at});
      run_.state.insert(run_.state.end(), self.regs, self.regs + registers);
    }
    run_.state.insert(run_.state.end(), values_, values_ + variables);
    run_.state.insert(run_.state.end(), owners_, owners_ + variables);
    run_.state.push_back(run_.has_failed);
    hash();
    strategy_->end_run(run_.is_complete);
  }

  // What a step drew counts as something that only it has touched.
  void hash() {
    std::vector<Step> steps = run_.steps;
    auto next = drawn_.begin();
    for (Step& step : steps) {
      for (std::size_t i = 0; i < step.draws.size(); ++i) {
        const LogicalId draw = child(step.agent, 1'000'000 + static_cast<std::uint32_t>(i));
        const LogicalId what = child(draw, static_cast<std::uint32_t>(*next++));
        step.touches.push_back({what, Access::Read});
      }
    }
    drawn_.clear();
    run_.hash = class_hash(steps);
  }

  const Program& program_;
  Strategy* strategy_ = nullptr;
  Ran run_;
  std::vector<Thread> threads_;
  int values_[variables] = {};
  int owners_[variables] = {};
  struct Waiter {
    LogicalId on;  // a condition or a variable
    int thread;
  };
  std::vector<Waiter> waiters_;  // for a call, in the order of waiting
  int now_ = 0;
  std::vector<LogicalId> enabled_;
  std::vector<int> drawn_;
};

/// What a strategy has found.
struct Exploration {
  std::map<std::uint64_t, int> classes;  // of complete runs, and how often each was run
  std::set<std::vector<int>> states;     // at the ends of complete runs
  std::uint64_t complete_runs = 0;
  std::uint64_t failed_runs = 0;
  std::uint64_t deadlocks = 0;
  bool is_at_end = false;  // the strategy had no more
  Strategy::Counts counts;
};

inline Exploration explore(Strategy& strategy, const Program& program, std::uint64_t runs_max = 10'000'000,
                           std::size_t steps_max = 10'000) {
  Exploration found;
  Machine machine(program);
  for (std::uint64_t runs = 0; runs < runs_max; ++runs) {
    if (!strategy.begin_run()) {
      found.is_at_end = true;
      break;
    }
    const Ran run = machine.run(strategy, steps_max);
    found.failed_runs += run.has_failed ? 1 : 0;
    if (!run.is_complete) continue;
    ++found.complete_runs;
    ++found.classes[run.hash];
    found.states.insert(run.state);
    found.deadlocks += run.is_deadlock ? 1 : 0;
  }
  found.counts = strategy.counts();
  return found;
}

}  // namespace quiesce::lab::detail::tiny
