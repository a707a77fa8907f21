#include "quiesce/runtime.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "exec/worker.hpp"
#include "quiesce/capabilities.hpp"
#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/coro/frame_pool.hpp"
#include "quiesce/detail/kernel/slab.hpp"
#include "signal_dump.hpp"

namespace quiesce {
namespace detail {

/// Wakes whoever waits for roots to close.
struct RootGate {
  std::mutex mutex;
  std::condition_variable closed;
};

struct RuntimeState {
  ProductionExecutor executor;
  Kernel& kernel;
  RootGate gate;
  std::optional<Duration> abort_after;
  std::unique_ptr<SignalDump> signal_dump;

  RuntimeState(ProductionExecutor::Config config, KernelConfig kernel_config)
      : executor(std::move(config)), kernel(Kernel::acquire(std::move(kernel_config), executor)) {
    executor.start(kernel);
  }
  ~RuntimeState() {
    std::unique_lock hold(gate.mutex);
    auto drained = [this] { return kernel.roots().empty(); };
    if (!abort_after) {
      gate.closed.wait(hold, drained);
    } else if (!gate.closed.wait_for(hold, *abort_after, drained)) {
      std::fprintf(stderr,
                   "quiesce: a Runtime was destroyed and these regions have not closed within its limit:\n%s",
                   take_snapshot(kernel.roots(), executor.now()).dump().c_str());
      std::abort();
    }
    hold.unlock();
    signal_dump.reset();
    executor.stop();
    QUIESCE_ASSERT(
        executor.armed_timers() == 0,
        "a Runtime is destroyed while a quiesce::Timer of its is armed: stop it before, or let it end "
        "with the task that has made it");
    kernel.recycle();
  }
};

struct BlockOn : RegionResult {
  RootGate& gate;
  bool is_closed = false;  // under the gate's mutex

  explicit BlockOn(RootGate& g) : gate(g) {
    closed = [](RegionResult& result) noexcept {
      auto& self = static_cast<BlockOn&>(result);
      std::scoped_lock hold(self.gate.mutex);
      self.is_closed = true;
      self.gate.closed.notify_all();  // under the mutex: the waiter may destroy this as soon as it is let go
    };
  }
};

namespace {

class PoolHandle final : public BlockingPoolHandle {
 public:
  PoolHandle(std::string name, std::uint32_t max) : name_(std::move(name)), max_(max) {}
  std::string_view name() const override { return name_; }
  std::size_t threads() const override { return pool != nullptr ? pool->threads() : 0; }
  std::size_t max_threads() const override { return max_; }
  const BlockingPool* pool = nullptr;

 private:
  std::string name_;
  std::uint32_t max_;
};

bool write_dump(const RuntimeState& state, int fd) {
  const Snapshot snapshot = take_snapshot(state.kernel.roots(), state.executor.now());
  const std::string text =
      fmt::format("runtime \"{}\": {} regions, {} tasks\n{}end of dump\n", state.kernel.config().name,
                  snapshot.regions.size(), snapshot.task_count(), snapshot.dump());
  std::string_view left = text;
  while (!left.empty()) {
    const ssize_t written = ::write(fd, left.data(), left.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) left.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

std::vector<TaskSnapshot> unfinished(const Kernel& kernel, Time now) {
  std::vector<TaskSnapshot> tasks;
  Snapshot snapshot = take_snapshot(kernel.roots(), now);
  for (RegionSnapshot& region : snapshot.regions) {
    for (TaskSnapshot& task : region.tasks) {
      if (!task.failed_unjoined) tasks.push_back(std::move(task));
    }
  }
  return tasks;
}

std::string list(const std::vector<TaskSnapshot>& tasks) {
  std::string text;
  for (const TaskSnapshot& task : tasks) {
    text += "    " + task.role + " " + task.path +
            (task.waiting_for.empty() ? "" : " waits for " + task.wait_text()) + "\n";
  }
  return text;
}

}  // namespace

RootRun::RootRun(RuntimeState& runtime, const RegionOptions& options, const PolicyOps* policy, void* instance)
    : runtime_(runtime), waiting_(std::make_unique<BlockOn>(runtime.gate)) {
  if (this_worker() != nullptr) {
    refused_ = Error(ErrorCode::BlockingInTask,
                     "block_on on a worker would stop the tasks it waits for: co_await quiesce::region(cx, "
                     "policy, body) instead");
    return;
  }
  auto region = runtime.kernel.open_region({.parent = {},
                                            .budget = options.budget(),
                                            .limits = options.limits(),
                                            .policy = policy,
                                            .policy_instance = instance,
                                            .result = waiting_.get(),
                                            .bounded = options.is_bounded(),
                                            .cleanup = options.cleanup()});
  if (!region) {
    refused_ = Error(region.error());
    return;
  }
  auto body = runtime.kernel.admit_task({.region = *region,
                                         .role = TaskRole::Body,
                                         .policy = policy,
                                         .capabilities = runtime.kernel.default_capabilities()});
  opened_ = {{region->record, region->generation}, *body};
}

RootRun::~RootRun() {
  if (opened_.body != nullptr) release_body(*opened_.body);
}

void RootRun::run() {
  runtime_.kernel.publish(*opened_.body);
  {
    std::unique_lock hold(runtime_.gate.mutex);
    runtime_.gate.closed.wait(hold, [this] { return waiting_->is_closed; });
  }
  const RegionRef root{opened_.scope.region, opened_.scope.generation};
  if (std::exception_ptr unisolated = runtime_.kernel.take_unisolated(root)) std::rethrow_exception(unisolated);
}

void RootRun::abandon() noexcept {
  Kernel& kernel = runtime_.kernel;
  RegionRecord& region = *opened_.scope.region;
  abandon_body(opened_);
  kernel.cancel_region({&region, opened_.scope.generation},
                       CancelReason::fail_fast("the body of the root region could not be made"), Whose::Own);
  kernel.release_body(region);
  std::unique_lock hold(runtime_.gate.mutex);
  runtime_.gate.closed.wait(hold, [this] { return waiting_->is_closed; });
}

RegionResult&& RootRun::result() { return std::move(*waiting_); }

}  // namespace detail

// ---- Runtime ----

Runtime::Runtime(std::unique_ptr<detail::RuntimeState> state) : state_(std::move(state)) {}
Runtime::Runtime(Runtime&&) noexcept = default;
Runtime& Runtime::operator=(Runtime&&) noexcept = default;

Runtime::~Runtime() {
  if (state_ == nullptr || detail::this_worker() == nullptr) return;
  std::fprintf(stderr, "quiesce: a Runtime was destroyed on a worker, which would wait for itself:\n%s",
               snapshot().dump().c_str());
  std::abort();
}

RuntimeBuilder Runtime::builder() { return RuntimeBuilder(); }
std::uint32_t Runtime::workers() const { return state_->executor.worker_count(); }
Snapshot Runtime::snapshot() const {
  return detail::take_snapshot(state_->kernel.roots(), state_->executor.now());
}

bool Runtime::dump(int fd) const { return detail::write_dump(*state_, fd); }

RuntimeStats Runtime::stats() const {
  RuntimeStats stats;
  detail::KernelCounts counts = state_->kernel.counts();
  stats.tasks_spawned = counts.tasks_spawned;
  stats.tasks_completed = counts.tasks_completed;
  stats.regions_opened = counts.regions_opened;
  stats.regions_closed = counts.regions_closed;
  stats.panics_isolated = counts.panics;
  stats.escalated = counts.escalated;
  stats.leaked_obligations = counts.leaked_obligations;
  stats.blocking_threads = state_->executor.pool().threads();
  stats.blocking_queued = state_->executor.pool().queued();
  for (std::uint32_t i = 0; i < workers(); ++i) {
    const detail::WorkerCounters& from = state_->executor.counters(i);
    auto read = [](const std::atomic<std::uint64_t>& counter) {
      return counter.load(std::memory_order_relaxed);
    };
    stats.workers.push_back({read(from.dispatched), read(from.cancel), read(from.timed), read(from.lifo),
                             read(from.ready), read(from.local), read(from.injected), read(from.stolen),
                             read(from.parked), read(from.cancel_streak_max), read(from.preferred_streak_max)});
  }
  return stats;
}

void Runtime::cancel_all(const CancelReason& reason) {
  for (detail::RegionRef root : state_->kernel.roots())
    state_->kernel.cancel_region(root, reason, detail::Whose::Outside);
}

namespace {
/// The clean-up budget of the reason's rank, or what the roots that are left have set instead.
Duration longest_cleanup(const detail::Kernel& kernel, const CancelReason& reason) {
  Duration longest = Duration::zero();
  for (detail::RegionRef root : kernel.roots()) {
    std::scoped_lock hold(root.record->lock);
    if (!root.alive()) continue;
    longest = std::max(longest, root.record->cleanup ? root.record->cleanup->time
                                                     : default_cleanup_budget(reason.rank()).time);
  }
  return longest;
}
}  // namespace

ShutdownReport Runtime::shutdown(Duration grace) {
  if (detail::this_worker() != nullptr) {
    throw UsageError(Error(ErrorCode::BlockingInTask,
                           "shutdown on a worker would wait for its own task: call it from another thread"));
  }
  detail::Kernel& kernel = state_->kernel;
  auto drained_within = [&](Duration limit) {
    std::unique_lock hold(state_->gate.mutex);
    return state_->gate.closed.wait_for(hold, limit, [&] { return kernel.roots().empty(); });
  };
  ShutdownReport report;
  report.regions_at_start = snapshot().regions.size();
  kernel.set_accepting(false);
  if (drained_within(grace)) return report;
  report.after_soft = detail::unfinished(kernel, state_->executor.now());
  const CancelReason reason = CancelReason::shutdown("the runtime is shut down");
  cancel_all(reason);
  const Duration cleanup = longest_cleanup(kernel, reason);
  if (drained_within(cleanup)) return report;
  report.after_cancel = detail::unfinished(kernel, state_->executor.now());
  for (detail::RegionRef root : kernel.roots()) kernel.escalate_region(root);
  if (drained_within(cleanup)) return report;
  report.after_escalation = detail::unfinished(kernel, state_->executor.now());
  report.drained = false;
  return report;
}

std::string ShutdownReport::text() const {
  std::ostringstream out;
  out << "shutdown: " << (drained ? "drained" : "not drained") << ", " << regions_at_start
      << " regions at its start\n";
  auto stage = [&](const char* name, const std::vector<TaskSnapshot>& tasks) {
    if (!tasks.empty()) out << "  not finished after " << name << ":\n" << detail::list(tasks);
  };
  stage("the soft stage", after_soft);
  stage("the cancel stage", after_cancel);
  stage("the escalation", after_escalation);
  return out.str();
}
std::ostream& operator<<(std::ostream& out, const ShutdownReport& report) { return out << report.text(); }

// ---- the builder ----

namespace {
std::optional<std::int64_t> age_memory(std::int64_t now_ns) noexcept {
  const std::optional<std::int64_t> frames = detail::frame_age(now_ns), records = detail::record_age(now_ns);
  return frames && records ? std::min(*frames, *records) : frames ? frames : records;
}
}  // namespace

struct RuntimeBuilder::Settings {
  detail::ProductionExecutor::Config executor;
  detail::KernelConfig kernel;
  std::optional<Duration> abort_after;
  std::optional<int> dump_signal;
  int dump_fd = 2;
  Settings() {
    executor.workers = std::max(1u, std::thread::hardware_concurrency());
    executor.age_memory = age_memory;
    kernel.close_warning = std::chrono::seconds(10);
  }
};

RuntimeBuilder::RuntimeBuilder() : settings_(std::make_unique<Settings>()) {}
RuntimeBuilder::RuntimeBuilder(RuntimeBuilder&&) noexcept = default;
RuntimeBuilder::~RuntimeBuilder() = default;

namespace {
void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}
}  // namespace

RuntimeBuilder&& RuntimeBuilder::workers(std::uint32_t count) && {
  require(count >= 1 && count <= 1024, "Runtime::builder().workers(n): n must be from 1 to 1024");
  settings_->executor.workers = count;
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::blocking_threads(std::uint32_t min, std::uint32_t max) && {
  require(max >= 1 && min <= max,
          "Runtime::builder().blocking_threads(min, max): max must be at least 1 and at least min");
  settings_->executor.blocking_min = min;
  settings_->executor.blocking_max = max;
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::cancel_streak_limit(std::uint32_t limit) && {
  require(limit >= 1, "Runtime::builder().cancel_streak_limit(n): n must be at least 1");
  settings_->executor.cancel_streak_limit = limit;
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::poll_budget(std::uint32_t awaits) && {
  require(awaits >= 1, "Runtime::builder().poll_budget(n): n must be at least 1");
  settings_->kernel.poll_budget = awaits;
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::metrics(std::shared_ptr<MetricsProvider> provider) && {
  settings_->kernel.metrics = std::move(provider);
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::log(std::shared_ptr<LogSink> sink) && {
  settings_->kernel.log = std::move(sink);
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::panic_isolation(const PanicIsolationConfig& config) && {
  settings_->kernel.panics = config;
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::capabilities(const Capabilities& capabilities) && {
  settings_->kernel.capabilities = capabilities;
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::close_warning(Duration threshold) && {
  settings_->kernel.close_warning = threshold;
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::abort_after(Duration limit) && {
  settings_->abort_after = limit;
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::dump_on_signal(int signal, int fd) && {
  require(detail::may_dump_on(signal),
          "Runtime::builder().dump_on_signal(signal, fd): signal must be one that a program may catch and that "
          "tells of no fault, "
          "such as SIGUSR1");
  settings_->dump_signal = signal;
  settings_->dump_fd = fd;
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::name(std::string name) && {
  settings_->executor.name = name;
  settings_->kernel.name = std::move(name);
  return std::move(*this);
}
RuntimeBuilder&& RuntimeBuilder::seed(std::uint64_t seed) && {
  settings_->kernel.seed = seed;
  return std::move(*this);
}
Runtime RuntimeBuilder::build() && {
  std::shared_ptr<detail::PoolHandle> handle;
  Capabilities& capabilities = settings_->kernel.capabilities;
  if (capabilities.blocking_pool == nullptr) {
    handle = std::make_shared<detail::PoolHandle>(settings_->executor.name, settings_->executor.blocking_max);
    capabilities.blocking_pool = handle;
  }
  auto state = std::make_unique<detail::RuntimeState>(settings_->executor, settings_->kernel);
  state->abort_after = settings_->abort_after;
  if (handle != nullptr) handle->pool = &state->executor.pool();
  if (settings_->dump_signal) {
    state->signal_dump = std::make_unique<detail::SignalDump>(
        *settings_->dump_signal,
        [from = state.get(), fd = settings_->dump_fd] { (void)detail::write_dump(*from, fd); });
  }
  return Runtime(std::move(state));
}

}  // namespace quiesce
