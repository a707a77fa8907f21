// The points of the curves that bench/scale draws: what one task costs among so many.
// Run: scale_workloads MEASURE COUNT [--workers N] [--batches N]     prints "<figure> <value>" lines; without arguments: the measures
//      scale_workloads soak COUNT [--workers N]                      resident bytes after 10^6, 10^7, … spawns
//
// A cost is processor time of the whole process, in nanoseconds a task: what other programs do shows in it less than in the time of
// day. A measure is made in batches; the first, in which memory is touched for the first time, is `<figure>_first`, the least of the
// others `<figure>`. With one batch (as under callgrind) there is only the first.
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <quiesce/detail/exec/timer_wheel.hpp>
#include <quiesce/detail/kernel/kernel.hpp>
#include <quiesce/quiesce.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace q = quiesce;
using namespace std::chrono_literals;
using Size = std::int64_t;

namespace {

struct Point {
  Size count = 0;
  std::uint32_t workers = 1;
  std::uint32_t batches = 0;  // 0: as many as the count needs
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "scale_workloads: %s\n", what);
  std::exit(1);
}
void require(bool holds, const char* what) {
  if (!holds) fail(what);
}

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}
std::int64_t processor_ns() { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

std::int64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  long total = 0, resident = 0;
  if (file == nullptr || std::fscanf(file, "%ld %ld", &total, &resident) != 2)
    fail("/proc/self/statm cannot be read");
  std::fclose(file);
  return resident * sysconf(_SC_PAGESIZE);
}

void print(const std::string& figure, double value) { std::printf("%s %.3f\n", figure.c_str(), value); }

/// Costs of the phases of a batch, by name; a batch is begun by `start`.
class Costs {
 public:
  void start() {
    ++batch_;
    last_ = processor_ns();
    begun_ = clock_ns(CLOCK_MONOTONIC);
  }
  void phase(const char* name, Size count) {
    const std::int64_t now = processor_ns();
    const double each = static_cast<double>(now - last_) / static_cast<double>(count);
    if (batch_ == 1) {
      first_[name] = each;
    } else {
      again_[name].push_back(each);
    }
    last_ = processor_ns();
  }
  /// The end of a batch: what all of its phases took, of the day.
  void end(const char* name, Size count) {
    walls_[name].push_back(static_cast<double>(clock_ns(CLOCK_MONOTONIC) - begun_) /
                           static_cast<double>(count));
  }
  /// What has passed since the last phase is nobody's.
  void skip() { last_ = processor_ns(); }
  void report() const {
    for (const auto& [name, value] : first_) print(name + "_first", value);
    for (const auto& [name, values] : again_) print(name, median(values));
    for (const auto& [name, values] : walls_) print(name + "_wall", median(values));
  }

 private:
  std::uint32_t batch_ = 0;
  std::int64_t last_ = 0, begun_ = 0;
  // Not the least of them: of a thread that runs on another processor the system counts only what has been till its last tick.
  static double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
  }

  std::map<std::string, double> first_;
  std::map<std::string, std::vector<double>> again_, walls_;
};

/// Small batches are repeated until they are long enough to be measured.
std::uint32_t batches_of(const Point& point) {
  if (point.batches != 0) return point.batches;
  constexpr Size tasks_min = 400'000;
  return 1 + static_cast<std::uint32_t>(std::clamp<Size>(tasks_min / point.count, 2, 200));
}

q::Runtime runtime(const Point& point) { return q::Runtime::builder().workers(point.workers).build(); }

/// Runs the body as a root, of which `ended` must be true.
template <class Body>
void run(q::Runtime& rt, Body& body) {
  auto outcome = rt.block_on<q::CollectAll>(body);
  require(outcome.is_ok() || outcome.is_cancelled(), "a batch has failed");
}

q::Task<> nothing(q::Cx) { co_return; }

/// Holds tasks until it is opened, and tells when so many are there.
struct Gate {
  q::Event open, all_there;
  std::atomic<Size> missing;
  explicit Gate(Size count) : missing(count) {}
  void arrive() {
    if (missing.fetch_sub(1) == 1) all_there.set();
  }
};
q::Task<> waits(q::Cx cx, Gate* gate) {
  gate->arrive();
  co_await gate->open.wait(cx);
}

q::Task<> sleeps(q::Cx cx, Gate* gate, q::Time until) {
  gate->arrive();
  co_await cx.sleep_until(until);
}

template <class Scope, class... Args>
q::Task<> launch_all(q::Cx cx, Scope scope, Size count, Args... args) {
  for (Size i = 0; i < count; ++i) {
    auto launched = scope.launch(cx, args...);
    if (!launched) co_await std::move(launched);
  }
}

// ---- empty: tasks that end as soon as they run ----

void empty(const Point& point) {
  q::Runtime rt = runtime(point);
  Costs costs;
  for (std::uint32_t batch = batches_of(point); batch > 0; --batch) {
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      costs.start();
      co_await launch_all(cx, scope, point.count, nothing);
    };
    run(rt, body);
    costs.phase("spawn_and_end", point.count);
  }
  costs.report();
}

// ---- suspended: tasks that all wait at a time, then go on, or are cancelled ----

struct Memory {
  std::int64_t before = 0, full = 0;
  void report(Size count) const {
    print("bytes_a_task", static_cast<double>(full - before) / static_cast<double>(count));
  }
};

void suspended(const Point& point, bool cancels) {
  q::Runtime rt = runtime(point);
  Costs costs;
  Memory memory;
  memory.before = resident_bytes();
  for (std::uint32_t batch = batches_of(point); batch > 0; --batch) {
    Gate gate(point.count);
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      costs.start();
      co_await launch_all(cx, scope, point.count, waits, q::unsafe_send(&gate));
      co_await gate.all_there.wait(cx);
      costs.phase("spawn", point.count);
      if (memory.full == 0) memory.full = resident_bytes();
      costs.skip();
      if (cancels) {
        scope.cancel(q::CancelReason::user("measured"));
      } else {
        gate.open.set();
      }
    };
    run(rt, body);
    costs.phase(cancels ? "cancel" : "close", point.count);
    costs.end(cancels ? "spawn_and_cancel" : "spawn_and_close", point.count);
  }
  costs.report();
  memory.report(point.count);
}
void close(const Point& point) { suspended(point, false); }
void cancel(const Point& point) { suspended(point, true); }

// ---- failures: tasks that end with an Err nobody joins, all of which become part of their region's outcome ----

q::Task<> fails(q::Cx) { co_await q::fail(q::Error(q::ErrorCode::Io, "planned")); }

void failures(const Point& point) {
  q::Runtime rt = runtime(point);
  Costs costs;
  for (std::uint32_t batch = batches_of(point); batch > 0; --batch) {
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      costs.start();
      co_await launch_all(cx, scope, point.count, fails);
    };
    const q::Outcome<> outcome = rt.block_on<q::CollectAll>(body);
    costs.phase("failure", point.count);
    require(static_cast<Size>(outcome.attached().size()) == point.count - 1, "a failure was lost");
  }
  costs.report();
}

// ---- sleepers: every task has a timer, and is cancelled ----

void sleepers(const Point& point) {
  q::Runtime rt = runtime(point);
  Costs costs;
  for (std::uint32_t batch = batches_of(point); batch > 0; --batch) {
    Gate gate(point.count);
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      const q::Time start = cx.now() + 1h;
      costs.start();
      for (Size i = 0; i < point.count; ++i) {
        auto launched =
            scope.launch(cx, sleeps, q::unsafe_send(&gate), start + std::chrono::milliseconds(i % 1000));
        if (!launched) co_await std::move(launched);
      }
      co_await gate.all_there.wait(cx);
      costs.phase("spawn_sleeper", point.count);
      scope.cancel(q::CancelReason::user("measured"));
    };
    run(rt, body);
    costs.phase("cancel_sleeper", point.count);
  }
  costs.report();
}

// ---- timers: of a worker's wheel, without tasks ----

void never(q::detail::TimerEntry&) noexcept { fail("a timer of an hour has fired"); }

/// An order that jumps about, and meets each number below `count` once.
Size scattered(Size i, Size count) {
  constexpr Size stride = 7'368'787;  // a prime above the counts' factors
  return i * stride % count;
}

void timers(const Point& point) {
  q::Runtime rt = runtime(point);
  Costs costs;
  auto entries = std::make_unique<q::detail::TimerEntry[]>(static_cast<std::size_t>(point.count));
  for (std::uint32_t batch = batches_of(point); batch > 0; --batch) {
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>&) -> q::Task<> {
      q::detail::Executor& executor = cx.core().task->kernel().executor();
      const q::Time start = cx.now() + 1h;
      costs.start();
      for (Size i = 0; i < point.count; ++i) {
        entries[i].fire = never;
        entries[i].deadline = start + std::chrono::microseconds(scattered(i, 1'000'000));
        executor.arm(entries[i]);
      }
      costs.phase("timer_arm", point.count);
      for (Size i = 0; i < point.count; ++i)
        require(executor.disarm(entries[i]), "a timer that was armed is not");
      costs.phase("timer_cancel", point.count);
      co_return;
    };
    run(rt, body);
    // They expire by the clock of a wheel of their own, which goes on to when the next one may be due, as a worker's does.
    q::detail::TimerWheel wheel;
    for (Size i = 0; i < point.count; ++i) {
      entries[i].deadline = q::Time::from_nanos(scattered(i, 10'000'000) * 1'000 + 1);
      wheel.arm(entries[i]);
    }
    costs.skip();
    std::size_t fired = 0;
    while (const std::optional<q::Time> next = wheel.next_deadline())
      fired += wheel.advance(*next, [](q::detail::TimerEntry&) {});
    costs.phase("timer_expire", point.count);
    require(fired == static_cast<std::size_t>(point.count), "a timer was lost");
  }
  costs.report();
}

// ---- regions: one inside the other; and side by side ----

struct Nest {
  Gate& gate;
  Size depth;
  Costs& costs;
  Memory& memory;
};

q::Task<> nested(q::Cx cx, Nest* nest, Size level) {
  if (level == nest->depth) {
    nest->costs.phase("region_open", nest->depth);
    if (nest->memory.full == 0) nest->memory.full = resident_bytes();
    nest->costs.skip();
    co_await waits(cx, &nest->gate);
    co_return;
  }
  auto body = [nest, level](q::Cx inner, q::Scope<>&) -> q::Task<> { co_await nested(inner, nest, level + 1); };
  co_await q::region(cx, q::FailFast{}, body);
}

/// `COUNT` regions, each opened by the body of the one around it; the outermost is cancelled.
void depth(const Point& point) {
  q::Runtime rt = runtime(point);
  Costs costs;
  Memory memory;
  memory.before = resident_bytes();
  for (std::uint32_t batch = batches_of(point); batch > 0; --batch) {
    Gate gate(1);
    Nest nest{gate, point.count, costs, memory};
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      costs.start();
      co_await scope.spawn(cx, nested, q::unsafe_send(&nest), Size{0});
      co_await gate.all_there.wait(cx);
      costs.skip();
      scope.cancel(q::CancelReason::user("measured"));
    };
    run(rt, body);
    costs.phase("region_cancel_and_close", point.count);
  }
  costs.report();
  memory.report(point.count);
}

q::Task<> own_region(q::Cx cx, Gate* gate) {
  auto body = [gate](q::Cx inner, q::Scope<>&) -> q::Task<> { co_await waits(inner, gate); };
  co_await q::region(cx, q::FailFast{}, body);
}

/// `COUNT` tasks, each in a region of its own, all children of one.
void siblings(const Point& point) {
  q::Runtime rt = runtime(point);
  Costs costs;
  Memory memory;
  memory.before = resident_bytes();
  for (std::uint32_t batch = batches_of(point); batch > 0; --batch) {
    Gate gate(point.count);
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      costs.start();
      co_await launch_all(cx, scope, point.count, own_region, q::unsafe_send(&gate));
      co_await gate.all_there.wait(cx);
      costs.phase("sibling_open", point.count);
      if (memory.full == 0) memory.full = resident_bytes();
      costs.skip();
      scope.cancel(q::CancelReason::user("measured"));
    };
    run(rt, body);
    costs.phase("sibling_cancel_and_close", point.count);
  }
  costs.report();
  memory.report(point.count);
}

// ---- snapshot: its cost, and how long a worker that goes on spawning is held up by it ----

/// Spawns and joins until told to stop, and keeps the longest time that one of them took.
q::Task<> keeps_spawning(q::Cx cx, q::Scope<q::CollectAll> scope, std::atomic<std::int64_t>* longest,
                         std::atomic<bool>* stop) {
  while (!stop->load(std::memory_order_relaxed)) {
    const std::int64_t begun = clock_ns(CLOCK_MONOTONIC);
    auto handle = co_await scope.spawn(cx, nothing);
    co_await handle.join(cx);
    const std::int64_t took = clock_ns(CLOCK_MONOTONIC) - begun;
    if (took > longest->load(std::memory_order_relaxed)) longest->store(took, std::memory_order_relaxed);
  }
}

void snapshot(const Point& point) {
  q::Runtime rt = runtime(point);
  Gate gate(point.count);
  std::atomic<bool> stop{false}, is_full{false};
  std::atomic<std::int64_t> longest{0};
  Costs costs;
  std::thread looker([&] {
    is_full.wait(false);
    longest.store(0);
    std::this_thread::sleep_for(1s);
    print("stall_max_ms_without", static_cast<double>(longest.exchange(0)) / 1e6);
    for (int batch = 0; batch < 3; ++batch) {
      const std::int64_t begun = clock_ns(CLOCK_THREAD_CPUTIME_ID);
      std::size_t seen = 0;
      {
        const q::Snapshot shot = rt.snapshot();
        for (const q::RegionSnapshot& region : shot.regions) seen += region.tasks.size();
      }
      const auto took = static_cast<double>(clock_ns(CLOCK_THREAD_CPUTIME_ID) - begun);
      require(seen >= static_cast<std::size_t>(point.count), "a snapshot has not seen every task");
      print(batch == 0 ? "snapshot_first" : "snapshot", took / static_cast<double>(point.count));
    }
    print("stall_max_ms_with", static_cast<double>(longest.load()) / 1e6);
    stop = true;
    gate.open.set();
  });
  auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
    co_await launch_all(cx, scope, point.count, waits, q::unsafe_send(&gate));
    co_await gate.all_there.wait(cx);
    is_full = true;
    is_full.notify_one();
    co_await keeps_spawning(cx, scope, &longest, &stop);
  };
  run(rt, body);
  looker.join();
}

// ---- burst: is the memory back afterwards? ----

/// A runtime at work: what trims pools by age needs to be alive for it.
void works_for(q::Runtime& rt, q::Duration time) {
  auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
    const q::Time end = cx.now() + time;
    while (cx.now() < end) {
      for (int i = 0; i < 100; ++i) {
        auto handle = co_await scope.spawn(cx, nothing);
        co_await handle.join(cx);
      }
      co_await cx.sleep(10ms);
    }
  };
  run(rt, body);
}

void burst(const Point& point) {
  q::Runtime rt = runtime(point);
  works_for(rt, 100ms);
  const std::int64_t before = resident_bytes();
  Gate gate(point.count);
  std::int64_t full = 0;
  auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
    co_await launch_all(cx, scope, point.count, waits, q::unsafe_send(&gate));
    co_await gate.all_there.wait(cx);
    full = resident_bytes();
    gate.open.set();
  };
  run(rt, body);
  print("resident_before", static_cast<double>(before));
  print("resident_full", static_cast<double>(full));
  print("resident_after", static_cast<double>(resident_bytes()));
  works_for(rt, 5s);
  print("resident_after_5s", static_cast<double>(resident_bytes()));
  malloc_trim(0);
  print("resident_after_malloc_trim", static_cast<double>(resident_bytes()));
}

// ---- families: parents that spawn and join, so that every worker has something to do ----

q::Task<> family(q::Cx cx, q::Scope<q::CollectAll> scope, Size children) {
  for (Size i = 0; i < children; ++i) {
    auto handle = co_await scope.spawn(cx, nothing);
    co_await handle.join(cx);
  }
}

void families(const Point& point) {
  constexpr Size parents = 64;
  q::Runtime rt = runtime(point);
  double least = 0;
  for (std::uint32_t batch = batches_of(point); batch > 0; --batch) {
    const std::int64_t begun = clock_ns(CLOCK_MONOTONIC);
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      for (Size i = 0; i < parents; ++i) {
        auto launched = scope.launch(cx, family, scope, point.count / parents);
        if (!launched) co_await std::move(launched);
      }
    };
    run(rt, body);
    const double each =
        static_cast<double>(clock_ns(CLOCK_MONOTONIC) - begun) / static_cast<double>(point.count);
    least = least == 0 ? each : std::min(least, each);
  }
  print("family_wall", least);  // of the day: what more workers than cores lose does not show in processor time
}

// ---- soak ----

/// Spawns in bursts of a thousand, each joined before the next.
q::Task<> thousands(q::Cx cx, q::Scope<q::CollectAll> scope, Size count) {
  std::vector<q::TaskHandle<>> handles;
  for (Size done = 0; done < count; done += 1000) {
    for (int i = 0; i < 1000; ++i) handles.push_back(co_await scope.spawn(cx, nothing));
    for (auto& handle : handles) co_await handle.join(cx);
    handles.clear();
  }
}

void soak(const Point& point) {
  q::Runtime rt = runtime(point);
  constexpr Size batch = 1'000'000;
  Size next = batch;
  for (Size done = 0; done < point.count; done += batch) {
    auto body = [&](q::Cx cx, q::Scope<q::CollectAll>& scope) -> q::Task<> {
      for (std::uint32_t i = 0; i < point.workers; ++i) {
        auto launched = scope.launch(cx, thousands, scope, batch / point.workers);
        if (!launched) co_await std::move(launched);
      }
      co_return;
    };
    run(rt, body);
    if (done + batch != next && done + batch < point.count) continue;
    print("resident_after_" + std::to_string(done + batch), static_cast<double>(resident_bytes()));
    std::fflush(stdout);
    next *= 10;
  }
  print("spawned", static_cast<double>(rt.stats().tasks_spawned));
}

/// So many bytes of memory are written once and given back, so that the next process does not pay for what a virtual machine has to ask
/// its host for.
void touch(const Point& point) {
  const auto bytes = static_cast<std::size_t>(point.count);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  require(memory != MAP_FAILED, "memory is short");
  std::memset(memory, 1, bytes);
}

struct Measure {
  const char* name;
  void (*run)(const Point&);
};
constexpr Measure measures[] = {
    {"empty", empty},       {"close", close},   {"cancel", cancel},     {"failures", failures},
    {"sleepers", sleepers}, {"timers", timers}, {"depth", depth},       {"siblings", siblings},
    {"snapshot", snapshot}, {"burst", burst},   {"families", families}, {"soak", soak},
    {"touch", touch},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 1) {
    for (const Measure& measure : measures) std::puts(measure.name);
    return 0;
  }
  Point point;
  if (argc >= 3) point.count = std::atoll(argv[2]);
  for (int i = 3; i + 1 < argc; i += 2) {
    const auto value = static_cast<std::uint32_t>(std::atoi(argv[i + 1]));
    if (std::strcmp(argv[i], "--workers") == 0) point.workers = value;
    if (std::strcmp(argv[i], "--batches") == 0) point.batches = value;
  }
  for (const Measure& measure : measures) {
    if (std::strcmp(argv[1], measure.name) != 0 || point.count <= 0) continue;
    measure.run(point);
    return 0;
  }
  std::fprintf(stderr,
               "usage: scale_workloads MEASURE COUNT [--workers N] [--batches N]; without arguments it lists "
               "the measures\n");
  return 2;
}
