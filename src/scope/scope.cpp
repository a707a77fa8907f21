#include "quiesce/detail/scope/scope_core.hpp"

#include <mutex>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/coro/promise.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/scope/blocking_call.hpp"
#include "quiesce/detail/scope/region_run.hpp"
#include "quiesce/started.hpp"

namespace quiesce::detail {
namespace {

RegionRef ref_of(ScopeCore scope) { return {scope.region, scope.generation}; }

[[gnu::noinline]] SpawnRefusal refuse_spawn(ScopeCore scope, SpawnErrorKind kind) {
  return refusal(SpawnError(kind, scope.id()));
}

LeafNext finish_region(TaskRecord&, void*, TaskWord) noexcept { return LeafNext::Resume; }
constexpr LeafOps region_wait{finish_region, "a region to close", false};

LeafNext finish_started(TaskRecord&, void* data, TaskWord before) noexcept {
  auto& wait = *static_cast<StartedAwaiter*>(data);
  {
    std::scoped_lock hold(wait.what.state.lock);
    wait.what.state.waiter = Waiter{};
  }
  wait.what.task->word.apply([](TaskWord w) { return task_word::retract_joiner(w); });
  wait.cancelled = before.has(TaskWord::by_request_bit);
  return LeafNext::Resume;
}
// Never escalated: as other combinators it ends Cancelled instead, with its task drained (C9).
constexpr LeafOps started_wait{finish_started, "a task to call started", false};

}  // namespace

TaskRecord* begin_spawn(ScopeCore scope, CxCore cx, TaskTier tier, const PolicyOps* policy, bool has_handle,
                        std::unique_ptr<SpawnError>& refused) {
  TaskRecord& parent = readable(cx, "spawn");
  const RegionRef region = ref_of(scope);
  Kernel& kernel = parent.kernel();
  if (!region.alive()) [[unlikely]] {
    refused = refuse_spawn(scope, SpawnErrorKind::RegionNotFound);
  } else if (region.record->kernel != &kernel) [[unlikely]] {
    refused = refuse_spawn(scope, SpawnErrorKind::WrongRuntime);
  } else if (tier == TaskTier::Local && kernel.executor().current_worker() == Executor::no_worker) {
    refused = refuse_spawn(scope, SpawnErrorKind::LocalSchedulerUnavailable);
  } else {
    return kernel.admit_child(region, parent, tier, policy, has_handle, refused);
  }
  return nullptr;
}

void publish_spawn(TaskRecord& task) noexcept { task.kernel().publish(task); }
void abandon_spawn(TaskRecord& task) noexcept { task.kernel().abandon_task(task); }

void publish_blocking(TaskRecord& task, BlockingJob& job) noexcept {
  Kernel& kernel = task.kernel();
  task.references.add();  // it may have ended before the job is handed over
  {
    std::scoped_lock hold(task.shard().lock);
    task.job = &job;
  }
  kernel.publish(task);
  if (!kernel.executor().submit_blocking(job)) {
    task.word.apply([](TaskWord w) { return task_word::finalize(w); });
    Kernel::forget_job(task);
    job.discard(&job);
    task.result_ops->put_failure(
        task, Outcome<>::cancelled(CancelReason::resource_unavailable("the blocking pool takes no more work")));
    kernel.complete(task);
  }
  Kernel::drop_reference(task);
}

void BlockingCallBase::run_call(BlockingCallBase& call) noexcept {
  TaskRecord& task = call.task;
  Kernel& kernel = task.kernel();
  const TaskWord before = task.word.load();
  task.steps.store(1, std::memory_order_relaxed);
  set_current_task(&task);
  std::optional<SkipReason> skip = kernel.isolator().should_skip(task.region->id());
  if (before.requested()) {  // C6: it had not started
    task.result_ops->put_failure(task, Outcome<>::cancelled(*kernel.reason_of(task)));
  } else if (skip) {
    task.result_ops->put_failure(task, Outcome<>::panicked(PanicPayload(skip->text())));
  } else {
    try {
      call.invoke();
    } catch (...) {
      task.result_ops->put_failure(task,
                                   Outcome<>::panicked(kernel.note_panic(task, std::current_exception())));
    }
  }
  task.word.apply([](TaskWord w) { return task_word::finalize(w); });
  Kernel::forget_job(task);
  delete &call;  // the function and its arguments go before anybody is told
  set_current_task(nullptr);
  kernel.complete(task);
}

void scope_cancel(ScopeCore scope, const CancelReason& reason) noexcept {
  RegionRef region = ref_of(scope);
  if (region.alive()) region.record->kernel->cancel_region(region, reason, Whose::Outside);
}
void scope_close(ScopeCore scope) noexcept {
  RegionRef region = ref_of(scope);
  if (region.alive()) region.record->kernel->begin_close(region);
}
std::optional<Budget> scope_budget(ScopeCore scope) {
  RegionRef region = ref_of(scope);
  if (region.record == nullptr) return std::nullopt;
  std::scoped_lock hold(region.record->lock);
  return region.alive() ? std::optional(region.record->budget) : std::nullopt;
}
std::expected<void, RegionError> scope_defer(ScopeCore scope, std::unique_ptr<FinalizerNode> node) {
  RegionRef region = ref_of(scope);
  if (!region.alive()) return std::unexpected(RegionError(ErrorCode::RegionNotFound, region.id()));
  return region.record->kernel->add_finalizer(region, std::move(node));
}

std::expected<HeapSlot, RegionError> scope_heap_put(ScopeCore scope, std::unique_ptr<HeapNode> node,
                                                    std::size_t bytes) {
  RegionRef ref = ref_of(scope);
  if (!ref.alive()) return std::unexpected(RegionError(ErrorCode::RegionNotFound, ref.id()));
  RegionRecord& region = *ref.record;
  {
    std::scoped_lock hold(region.lock);
    region.kernel->use(region, Use::Write);
    RegionWord word = region.word.load();
    if (word.generation() == ref.generation && word.gate() == Gate::Open) {
      if (region.limits.max_heap_bytes && region.heap_bytes + bytes > *region.limits.max_heap_bytes) {
        return std::unexpected(
            RegionError(SpawnError::at_capacity(ref.id(), region.path.to_string(), "max_heap_bytes",
                                                *region.limits.max_heap_bytes, region.heap_bytes)));
      }
      node->index = static_cast<std::uint32_t>(region.heap_slots.size());
      node->bytes = bytes;
      region.heap_slots.push_back(node.get());
      region.heap_bytes += bytes;
      node->next = region.heap;
      region.heap = node.release();
      return HeapSlot{ref.id(), region.heap->index};
    }
  }
  return std::unexpected(RegionError(region.kernel->refuse(ref)));
}

std::expected<HeapNode*, RegionError> heap_find(HeapSlot slot, CxCore cx) {
  if (!cx.alive()) return std::unexpected(RegionError(ErrorCode::StaleContext, slot.region));
  RegionRecord* region = RegionSlab::find(slot.region.index);
  if (region == nullptr || !region->is(slot.region.generation)) {
    return std::unexpected(RegionError(ErrorCode::StaleReference, slot.region));
  }
  // The reader's own region and its ancestors are alive while it runs.
  bool below = false;
  for (RegionRecord* at = cx.task->region; at != nullptr && !below; at = at->parent) below = at == region;
  if (!below)
    return std::unexpected(RegionError(ErrorCode::WrongRegion, slot.region, region->path.to_string()));
  std::scoped_lock hold(region->lock);
  if (slot.index >= region->heap_slots.size() || region->heap_slots[slot.index] == nullptr) {
    return std::unexpected(RegionError(ErrorCode::StaleReference, slot.region));
  }
  return region->heap_slots[slot.index];
}

std::optional<Error> wrong_region(ScopeCore scope, CxCore cx, const char* what) {
  TaskRecord& task = *cx.task;
  if (task.region == scope.region && task.region->id().generation == scope.generation) return std::nullopt;
  std::string named = "a region that has closed";
  if (scope.region != nullptr) {
    std::scoped_lock hold(scope.region->lock);
    if (ref_of(scope).alive()) named = "region " + scope.region->path.to_string();
  }
  return Error(ErrorCode::WrongRegion,
               std::string(what) + ": the scope is of " + named + ", but task " + task.path.to_string() +
                   " is in region " + task.region->path.to_string() +
                   "; use a scope of its own region, or quiesce::region(cx, policy, body)")
      .with_context("scope", to_string(scope.id()))
      .with_context("region", to_string(task.region->id()));
}

std::expected<OpenedRegion, Error> open_task_region(std::optional<ScopeCore> scope, CxCore cx,
                                                    const RegionOptions& options, const PolicyOps* policy,
                                                    void* instance, RegionResult& result) {
  if (std::optional<Error> misuse = own_context_error(cx, "region")) return std::unexpected(std::move(*misuse));
  if (scope) {
    if (std::optional<Error> misuse = wrong_region(*scope, cx, "region"))
      return std::unexpected(std::move(*misuse));
  }
  TaskRecord& opener = *cx.task;
  Kernel& kernel = opener.kernel();
  RegionRef parent{opener.region, opener.region->word.load().generation()};
  auto opened = kernel.open_region({.parent = parent,
                                    .opener = &opener,
                                    .budget = options.budget(),
                                    .limits = options.limits(),
                                    .policy = policy,
                                    .policy_instance = instance,
                                    .result = &result,
                                    .bounded = options.is_bounded(),
                                    .cleanup = options.cleanup()});
  if (!opened) return std::unexpected(Error(opened.error()));
  auto body = kernel.admit_task({.region = *opened,
                                 .tier = opener.tier == TaskTier::Local ? TaskTier::Local : TaskTier::Task,
                                 .role = TaskRole::Body,
                                 .policy = policy,
                                 .capabilities = kernel.capabilities_of(opener)});
  return OpenedRegion{{opened->record, opened->generation}, *body};
}

void abandon_body(OpenedRegion& opened) noexcept {
  opened.body->kernel().abandon_task(*opened.body);
  opened.body = nullptr;
}

bool refusal_is_cancellation(const Error& error, TaskRecord& task) {
  return error.cancel_reason() != nullptr && task.word.load().requested();
}

void RegionAwaiter::start(TaskRecord& task) noexcept {
  const bool armed = begin_wait(task, region_wait, this, true);
  QUIESCE_ASSERT(armed, "a stubborn wait of a running task is never refused");
  result.waiter = waiter_of(task);
  Kernel& kernel = task.kernel();
  if (opened.body != nullptr) {
    kernel.publish(*opened.body);
    return;
  }
  RegionRecord& region = *opened.scope.region;
  kernel.cancel_region({&region, opened.scope.generation},
                       CancelReason::fail_fast("the body of the region could not be made"), Whose::Own);
  {
    std::scoped_lock hold(region.lock);
    region.body_ended = true;
  }
  kernel.release_body(region);
}

void release_body(TaskRecord& body) noexcept {
  body.word.apply([](TaskWord w) { return task_word::take(w); });
  Kernel::drop_handle(body);
}

void StartedWaiterBase::announce() noexcept {
  Waiter whom;
  {
    std::scoped_lock hold(lock);
    whom = waiter;
    if (whom) Kernel::claim(whom);  // under the lock that the waiter needs to leave
  }
}

bool StartedAwaiter::start(TaskRecord& task) noexcept {
  {
    std::scoped_lock hold(what.state.lock);
    if (what.state.called) return false;
  }
  if (is_done(*what.task)) return false;
  if (!begin_wait(task, started_wait, this)) {
    task.word.apply([](TaskWord w) { return task_word::acknowledge(w); });
    cancelled = true;
    return false;
  }
  const Waiter waiter = waiter_of(task);
  {
    std::scoped_lock hold(what.state.lock);
    what.state.waiter = waiter;
    if (what.state.called) Kernel::claim(waiter);
  }
  what.task->joiner.store(waiter.packed, std::memory_order_release);
  if (!what.task->word.apply([](TaskWord w) { return task_word::announce_joiner(w); })) Kernel::claim(waiter);
  return true;
}

}  // namespace quiesce::detail
