#include "quiesce/thread_port.hpp"

#include <thread>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"
#include "quiesce/detail/sync/primitive.hpp"

namespace quiesce::detail {

// A finalizer of the region closes the port, under the port's lock, while the region is still there; whoever admits a task under that lock
// finds the region, and the runtime, alive. The task that was admitted then holds them.
class PortState {
 public:
  PortState(RegionRef target, CapabilityBlock* capabilities, const PolicyOps* policy)
      : region(target),
        exact(target.record->kernel->config().exact),
        capabilities_(capabilities),
        policy_(policy) {}

  void close() noexcept {
    const Primitive::Hold hold(primitive_);
    is_closed_ = true;
  }

  std::expected<TaskRecord*, SpawnError> admit(bool has_handle) {
    const Primitive::Hold hold(primitive_);
    if (is_closed_) return std::unexpected(SpawnError(SpawnErrorKind::RegionClosed, region.id()));
    return region.record->kernel->admit_task(
        {.region = region, .policy = policy_, .capabilities = capabilities_, .has_handle = has_handle});
  }

  const RegionRef region;
  const bool exact;

 private:
  CapabilityBlock* const capabilities_;
  const PolicyOps* const policy_;
  Primitive primitive_{"thread port"};
  bool is_closed_ = false;  // under the lock
};

std::expected<std::shared_ptr<PortState>, RegionError> open_port(ScopeCore scope, CxCore cx,
                                                                 const PolicyOps* policy) {
  TaskRecord& maker = readable(cx, "thread_port");
  const RegionRef region{scope.region, scope.generation};
  if (!region.alive()) return std::unexpected(RegionError(ErrorCode::RegionNotFound, scope.id()));
  if (region.record->kernel != &maker.kernel())
    return std::unexpected(RegionError(ErrorCode::WrongRuntime, scope.id()));
  auto port = std::make_shared<PortState>(region, maker.kernel().capabilities_of(maker), policy);
  auto close = [port] { port->close(); };
  auto deferred = scope_defer(scope, std::make_unique<SyncFinalizer<decltype(close)>>(std::move(close)));
  if (!deferred) return std::unexpected(std::move(deferred).error());
  return port;
}

std::expected<TaskRecord*, SpawnError> admit_from_thread(PortState& port, bool has_handle) {
  return port.admit(has_handle);
}

std::optional<Error> blocking_misuse(const PortState& port) {
  if (thread_context.executor == nullptr && !port.exact) return std::nullopt;
  return Error(ErrorCode::BlockingInTask,
               port.exact
                   ? "ThreadHandle::wait: the thread that would wait is the one that steps the tasks"
                   : "ThreadHandle::wait on a worker would stop the tasks it waits for: co_await the join of a "
                     "TaskHandle instead");
}

// The frame is gone, or about to go: the end is a matter of instructions.
bool take_ended(TaskRecord& task) noexcept {
  while (!has_ended(task)) std::this_thread::yield();
  return JoinWait(CxCore{}, &task, true).take();
}

}  // namespace quiesce::detail
