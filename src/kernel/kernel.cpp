#include "quiesce/detail/kernel/kernel.hpp"

#include <algorithm>
#include <mutex>
#include <sstream>
#include <utility>

#include "quiesce/detail/assert.hpp"

namespace quiesce::detail {
namespace {

/// Kernels that are not in use. They are never deleted: see Kernel::acquire.
struct KernelStock {
  std::mutex mutex;
  Kernel* free = nullptr;

  static KernelStock& instance() {
    static KernelStock& stock = *new KernelStock;
    return stock;
  }
};

Time kernel_now(void* kernel) { return static_cast<Kernel*>(kernel)->executor().now(); }

}  // namespace

Kernel& Kernel::acquire(KernelConfig config, Executor& executor) {
  KernelStock& stock = KernelStock::instance();
  Kernel* kernel;
  {
    std::scoped_lock hold(stock.mutex);
    kernel = stock.free;
    if (kernel != nullptr) stock.free = kernel->free_next;
  }
  if (kernel == nullptr) kernel = new Kernel;
  kernel->config_ = std::move(config);
  kernel->poll_budget_ =
      static_cast<std::uint16_t>(std::min<std::uint32_t>(kernel->config_.poll_budget, 0xffff));
  kernel->watches_ = kernel->config_.exact || kernel->metrics() != nullptr;
  kernel->executor_ = &executor;
  kernel->isolator_ = std::make_unique<PanicIsolator>(kernel->config_.panics, kernel->config_.metrics,
                                                      kernel->config_.log, PanicClock{kernel_now, kernel});
  kernel->root_ordinal_.store(0);
  kernel->accepting_.store(true);
  for (CountShard& shard : kernel->count_shards_) {
    shard.tasks_spawned.store(0);
    shard.tasks_completed.store(0);
  }
  for (std::atomic<std::uint64_t>* count : {&kernel->regions_opened_, &kernel->regions_closed_,
                                            &kernel->panics_, &kernel->escalated_, &kernel->leaked_}) {
    count->store(0);
  }
  kernel->default_capabilities_ = kernel->add_capabilities(kernel->config_.capabilities);
  kernel->default_registry_ = kernel->config_.capabilities.registry.get();
  return *kernel;
}

void Kernel::recycle() noexcept {
  QUIESCE_ASSERT(roots_.empty(), "a kernel is recycled when all of its regions have closed");
  capability_blocks_.clear();
  default_capabilities_ = nullptr;
  default_registry_ = nullptr;
  isolator_.reset();
  config_ = KernelConfig{};
  executor_ = nullptr;
  unisolated_.clear();
  KernelStock& stock = KernelStock::instance();
  std::scoped_lock hold(stock.mutex);
  free_next = stock.free;
  stock.free = this;
}

CapabilityBlock* Kernel::add_capabilities(Capabilities set) {
  std::scoped_lock hold(mutex_);
  capability_blocks_.push_back(std::make_unique<CapabilityBlock>(CapabilityBlock{std::move(set)}));
  return capability_blocks_.back().get();
}

std::vector<RegionRef> Kernel::roots() const {
  std::scoped_lock hold(mutex_);
  return roots_;
}

std::exception_ptr Kernel::take_unisolated(RegionRef root) noexcept {
  std::scoped_lock hold(mutex_);
  auto found = std::find_if(unisolated_.begin(), unisolated_.end(), [&](const auto& entry) {
    return root.record == nullptr ||
           (entry.first.record == root.record && entry.first.generation == root.generation);
  });
  if (found == unisolated_.end()) return nullptr;
  std::exception_ptr exception = std::move(found->second);
  unisolated_.erase(found);
  return exception;
}

// Of each root the first, for the block_on that waits for it.
void Kernel::note_unisolated(RegionRecord& region, std::exception_ptr exception) noexcept {
  RegionRecord* top = &region;
  while (top->parent != nullptr) top = top->parent;
  const RegionRef root{top, top->word.load().generation()};
  std::scoped_lock hold(mutex_);
  for (const auto& entry : unisolated_) {
    if (entry.first.record == root.record && entry.first.generation == root.generation) return;
  }
  unisolated_.emplace_back(root, std::move(exception));
}

KernelCounts Kernel::counts() const {
  KernelCounts counts;
  for (const CountShard& shard : count_shards_) {
    counts.tasks_spawned += shard.tasks_spawned.load(std::memory_order_relaxed);
    counts.tasks_completed += shard.tasks_completed.load(std::memory_order_relaxed);
  }
  counts.regions_opened = regions_opened_.load(std::memory_order_relaxed);
  counts.regions_closed = regions_closed_.load(std::memory_order_relaxed);
  counts.panics = panics_.load(std::memory_order_relaxed);
  counts.escalated = escalated_.load(std::memory_order_relaxed);
  counts.leaked_obligations = leaked_.load(std::memory_order_relaxed);
  return counts;
}

PanicPayload Kernel::note_panic(TaskRecord& task, std::exception_ptr exception) noexcept {
  const bool finalizer = task.role == TaskRole::Finalizer;
  RegionId region = task.region->id();
  if (finalizer) {
    return note_panic(*task.region,
                      PanicLocation(PanicLocation::FinalizerExecution{region, FinalizerType::Async}),
                      std::move(exception));
  }
  if (!config_.panics.isolate_task_panics) note_unisolated(*task.region, exception);
  if (task.role == TaskRole::Driver) {  // counts in no region
    panics_.fetch_add(1, std::memory_order_relaxed);
    PanicLocation place(
        PanicLocation::TaskExecution{task.id(), RegionId{}, task.steps.load(std::memory_order_relaxed)});
    return panic_to_payload(isolator_->record(place, std::move(exception), task.path.to_string()));
  }
  return note_panic(*task.region,
                    PanicLocation(PanicLocation::TaskExecution{task.id(), region,
                                                               task.steps.load(std::memory_order_relaxed)}),
                    std::move(exception));
}

PanicPayload Kernel::note_panic(RegionRecord& region, const PanicLocation& location,
                                std::exception_ptr exception) noexcept {
  panics_.fetch_add(1, std::memory_order_relaxed);
  TaskRecord* task = current_task();
  std::ostringstream path;
  path << (task != nullptr && task->region == &region ? task->path : region.path);
  if (!config_.panics.isolate_finalizer_panics &&
      location.get_if<PanicLocation::FinalizerExecution>() != nullptr) {
    note_unisolated(region, exception);
  }
  PanicContext context = isolator_->record(location, std::move(exception), path.str());
  if (context.reached_threshold) {
    std::optional<SkipReason> skip = isolator_->should_skip(region.id());
    cancel_region({&region, region.word.load().generation()},
                  CancelReason::resource_unavailable(skip ? skip->text() : "too many isolated panics"),
                  Whose::Outside);
  }
  return panic_to_payload(context);
}

}  // namespace quiesce::detail
