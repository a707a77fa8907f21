// The workloads whose instructions bench/instructions counts, on one worker: what one operation does, without what starting a process,
// a runtime and its threads does, since the script subtracts the count of a small size from that of a larger one.
// Run: instructions_workloads WORKLOAD SIZE     (exit status 1 when a sum is wrong); without arguments: the names
#include <quiesce/detail/kernel/kernel.hpp>
#include <quiesce/quiesce.hpp>
#include <quiesce/sync/notify.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

namespace q = quiesce;
using namespace std::chrono_literals;
using Size = std::int64_t;

namespace {

q::Task<> nothing(q::Cx) { co_return; }
q::Task<> sleeper(q::Cx cx) { co_await cx.sleep(1h); }

/// W1: one task spawns one empty child and awaits it, again and again.
q::Task<Size> spawn_join(q::Cx cx, q::Scope<>& scope, Size size) {
  Size joined = 0;
  for (; joined < size; ++joined) {
    auto handle = co_await scope.spawn(cx, nothing);
    co_await handle.join(cx);
  }
  co_return joined;
}

/// W2: spawn all, keeping the handles, then await all.
q::Task<Size> fan_out(q::Cx cx, q::Scope<>& scope, Size size) {
  std::vector<q::TaskHandle<>> handles;
  handles.reserve(static_cast<std::size_t>(size));
  for (Size i = 0; i < size; ++i) handles.push_back(co_await scope.spawn(cx, nothing));
  Size joined = 0;
  for (auto& handle : handles) {
    co_await handle.join(cx);
    ++joined;
  }
  co_return joined;
}

q::Task<> echo(q::Cx cx, q::mpsc::Receiver<Size> in, q::mpsc::Sender<Size> out) {
  while (auto message = co_await in.recv(cx)) co_await out.send(cx, *message + 1);
}

/// W4: two tasks, two channels of capacity 1.
q::Task<Size> ping_pong(q::Cx cx, q::Scope<>& scope, Size size) {
  auto [ping, pinged] = q::mpsc::channel<Size>(1);
  auto [pong, ponged] = q::mpsc::channel<Size>(1);
  auto partner = co_await scope.spawn(cx, echo, std::move(pinged), std::move(pong));
  Size at = 0;
  while (at < size) {
    co_await ping.send(cx, at);
    auto answer = co_await ponged.recv(cx);
    at = answer.value_or(size + 1);
  }
  { auto done = std::move(ping); }
  co_await partner.join(cx);
  co_return at;
}

q::Task<Size> yields(q::Cx cx, Size size) {
  Size done = 0;
  for (; done < size; ++done) co_await cx.yield();
  co_return done;
}

/// W6: two tasks that give way to each other, `size` times in all.
q::Task<Size> yield(q::Cx cx, q::Scope<>& scope, Size size) {
  auto a = co_await scope.spawn(cx, yields, size / 2);
  auto b = co_await scope.spawn(cx, yields, size / 2);
  const Size first = co_await a.join(cx);
  co_return first + co_await b.join(cx);
}

q::detail::Executor& executor_of(q::Cx cx) { return cx.core().task->kernel().executor(); }
q::Duration some_time(Size i) { return q::Duration(std::chrono::milliseconds(1 + i % 1000)); }
void never(q::detail::TimerEntry&) noexcept { std::abort(); }

/// W7: a timer is armed and cancelled at once, as the waits of the library do it.
q::Task<Size> timer(q::Cx cx, q::Scope<>&, Size size) {
  q::detail::Executor& executor = executor_of(cx);
  const q::Time start = cx.now() + 1h;
  Size cancelled = 0;
  for (Size i = 0; i < size; ++i) {
    q::detail::TimerEntry entry;
    entry.fire = never;
    entry.deadline = start + some_time(i);
    executor.arm(entry);
    if (executor.disarm(entry)) ++cancelled;
  }
  co_return cancelled;
}

/// W7, bulk: all live at a time, then all cancelled.
q::Task<Size> timer_bulk(q::Cx cx, q::Scope<>&, Size size) {
  q::detail::Executor& executor = executor_of(cx);
  const q::Time start = cx.now() + 1h;
  auto entries = std::make_unique<q::detail::TimerEntry[]>(static_cast<std::size_t>(size));
  for (Size i = 0; i < size; ++i) {
    entries[i].fire = never;
    entries[i].deadline = start + some_time(i);
    executor.arm(entries[i]);
  }
  Size cancelled = 0;
  for (Size i = 0; i < size; ++i) {
    if (executor.disarm(entries[i])) ++cancelled;
  }
  co_return cancelled;
}

/// W7 as a program has it: a Timer is made, armed for a point in time, and stopped.
q::Task<Size> timer_object(q::Cx cx, q::Scope<>&, Size size) {
  const q::Time start = cx.now() + 1h;
  Size stopped = 0;
  for (Size i = 0; i < size; ++i) {
    q::Timer timer(cx, start + some_time(i));
    if (timer.stop()) ++stopped;
  }
  co_return stopped;
}

/// One that is put off again and again, as an idle timeout is.
q::Task<Size> timer_reset(q::Cx cx, q::Scope<>&, Size size) {
  q::Timer timer(cx, 1h);
  const q::Time start = timer.deadline();
  Size put_off = 0;
  for (Size i = 0; i < size; ++i) {
    if (timer.reset(start + some_time(i))) ++put_off;
  }
  co_return put_off;
}

/// W7, bulk, of Timers.
q::Task<Size> timer_object_bulk(q::Cx cx, q::Scope<>&, Size size) {
  const q::Time start = cx.now() + 1h;
  auto timers = std::make_unique<std::optional<q::Timer>[]>(static_cast<std::size_t>(size));
  for (Size i = 0; i < size; ++i) timers[i].emplace(cx, start + some_time(i));
  Size stopped = 0;
  for (Size i = 0; i < size; ++i) {
    if (timers[i]->stop()) ++stopped;
  }
  co_return stopped;
}

q::Task<> notifies(q::Cx cx, std::shared_ptr<q::Notify> notify, Size size) {
  for (Size i = 0; i < size; ++i) {
    notify->notify_one();
    co_await cx.yield();
  }
}

/// W7 as a program meets it: a wait with a timeout, which another task ends each time.
q::Task<Size> timeout(q::Cx cx, q::Scope<>& scope, Size size) {
  auto notify = std::make_shared<q::Notify>();
  auto partner = co_await scope.spawn(cx, notifies, q::unsafe_send(notify), size);
  Size woken = 0;
  for (; woken < size; ++woken) co_await q::timeout(cx, 1h, notify->notified());
  co_await partner.join(cx);
  co_return woken;
}

using Counter = q::Mutex<Size>;
q::Task<> locks(q::Cx cx, std::shared_ptr<Counter> counter, Size times, bool waits) {
  for (Size i = 0; i < times; ++i) {
    auto guard = co_await counter->lock(cx);
    ++*guard;
    if (waits) co_await cx.yield();
  }
}

q::Task<Size> eight_lock(q::Cx cx, q::Scope<>& scope, Size size, bool waits) {
  auto counter = std::make_shared<Counter>(0);
  std::vector<q::TaskHandle<>> handles;
  for (int i = 0; i < 8; ++i)
    handles.push_back(co_await scope.spawn(cx, locks, q::unsafe_send(counter), size / 8, waits));
  for (auto& handle : handles) co_await handle.join(cx);
  auto guard = co_await counter->lock(cx);
  co_return *guard;
}

/// W8: eight tasks lock one mutex; a task alone on its worker finds it free.
q::Task<Size> mutex(q::Cx cx, q::Scope<>& scope, Size size) { return eight_lock(cx, scope, size, false); }
/// W8 where each holder gives way, so that every lock is handed over.
q::Task<Size> mutex_handed_over(q::Cx cx, q::Scope<>& scope, Size size) {
  return eight_lock(cx, scope, size, true);
}

/// W9: tasks in a long sleep are cancelled, and awaited.
q::Task<Size> cancel_storm(q::Cx cx, q::Scope<>& scope, Size size) {
  Size cancelled = 0;
  auto body = [&](q::Cx inner, q::Scope<q::CollectAll>& sleepers) -> q::Task<> {
    std::vector<q::TaskHandle<>> handles;
    handles.reserve(static_cast<std::size_t>(size));
    for (Size i = 0; i < size; ++i) handles.push_back(co_await sleepers.spawn(inner, sleeper));
    co_await inner.yield();
    q::MaskGuard mask = inner.mask();
    sleepers.cancel(q::CancelReason::user("the storm"));
    for (auto& handle : handles) {
      auto ended = co_await handle.join(inner).outcome();
      if (ended.is_cancelled()) ++cancelled;
    }
  };
  (void)co_await scope.region(cx, q::CollectAll{}, body).outcome();
  co_return cancelled;
}

struct Workload {
  const char* name;
  q::Task<Size> (*run)(q::Cx, q::Scope<>&, Size);
};
constexpr Workload workloads[] = {
    {"W1_spawn_join", spawn_join},
    {"W2_fan_out", fan_out},
    {"W4_ping_pong", ping_pong},
    {"W6_yield", yield},
    {"W7_timer", timer},
    {"W7_timer_bulk", timer_bulk},
    {"W7_timer_object", timer_object},
    {"W7_timer_object_bulk", timer_object_bulk},
    {"W7_timer_reset", timer_reset},
    {"W7_timeout", timeout},
    {"W8_mutex", mutex},
    {"W8_mutex_handed_over", mutex_handed_over},
    {"W9_cancel_storm", cancel_storm},
};

int run(const Workload& workload, Size size) {
  q::Runtime rt = q::Runtime::builder().workers(1).build();
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<Size> { return workload.run(cx, scope, size); };
  const q::Outcome<Size> done = rt.block_on(body);
  if (done.is_ok() && done.value() == size) return 0;
  std::fprintf(stderr, "%s: %lld operations were asked for, %lld were done\n", workload.name,
               static_cast<long long>(size), done.is_ok() ? static_cast<long long>(done.value()) : -1);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) {
    for (const Workload& workload : workloads) std::puts(workload.name);
    return 0;
  }
  const Size size = argc == 3 ? std::atoll(argv[2]) : 0;
  for (const Workload& workload : workloads) {
    if (size > 0 && std::strcmp(argv[1], workload.name) == 0) return run(workload, size);
  }
  std::fprintf(stderr,
               "usage: instructions_workloads WORKLOAD SIZE; without arguments it lists the workloads\n");
  return 2;
}
