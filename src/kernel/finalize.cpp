// The finalizer phase of a region (rules R4, F1, F2, R9, L2): sweep, finalizers LIFO, heap newest first, ledger, Closed.
#include <mutex>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/obligations.hpp"

namespace quiesce::detail {

/// The phase as a task of its own, in no count: a state machine over the region's list that sleeps while an async finalizer
/// runs: `wait.data` is that one's task.
struct FinalizerRunner {
  TaskRecord& self;
  RegionRecord& region;
  Kernel& kernel;

  static Steppable machine;

  static StepEnd step(TaskRecord& self, TaskWord) noexcept {
    FinalizerRunner runner{self, *self.region, self.kernel()};
    if (self.wait.data != nullptr) runner.reap_async();
    while (FinalizerNode* node = runner.pop()) {
      if (node->async) {
        if (runner.start_async(node)) return StepEnd::Suspended;
      } else {
        runner.run_sync(node);
      }
    }
    runner.finish();
    return StepEnd::Done;
  }

  FinalizerNode* pop() {
    std::scoped_lock hold(region.lock);
    FinalizerNode** place = &region.finalizers;
    if (kernel.plants(Defect::FinalizerOldestFirst)) {
      while (*place != nullptr && (*place)->next != nullptr) place = &(*place)->next;
    }
    if (kernel.plants(Defect::FinalizerSkipped) && *place != nullptr) take(place);
    return *place == nullptr ? nullptr : take(place);
  }

  FinalizerNode* take(FinalizerNode** place) {
    --region.finalizer_count;
    return std::exchange(*place, (*place)->next);
  }

  void tell_begun(const FinalizerNode* node) const noexcept {
    kernel.tell({.kind = KernelEventKind::FinalizerBegun,
                 .region = &region,
                 .value = reinterpret_cast<std::uintptr_t>(node)});
  }

  void run_sync(FinalizerNode* node) noexcept {
    tell_begun(node);
    if (kernel.plants(Defect::FinalizerTwice)) tell_begun(node), node->start(self);
    try {
      node->start(self);
    } catch (...) { note(FinalizerType::Sync, std::current_exception()); }
    destroy(node);
  }

  /// A request may reach the region while its finalizers run.
  CleanupBudget cleanup_budget() const {
    if (region.cleanup) return *region.cleanup;
    std::scoped_lock hold(region.lock);
    return default_cleanup_budget(region.reason ? rank(region.reason->root_kind()) : 0);
  }

  /// True when the runner sleeps until the finalizer has ended.
  bool start_async(FinalizerNode* node) noexcept {
    TaskRecord* task = nullptr;
    try {
      auto admitted = kernel.admit_task({.region = {&region, region.word.load().generation()},
                                         .tier = TaskTier::Task,
                                         .role = TaskRole::Finalizer,
                                         .policy = region.policy});
      task = *admitted;
      TaskExtra& rare = Kernel::extra(*task);
      rare.own_mask_budget = cleanup_budget();
      kernel.enter_mask(*task);
      tell_begun(node);
      node->start(*task);
    } catch (...) {
      if (task != nullptr) kernel.abandon_task(*task);
      note(FinalizerType::Async, std::current_exception());
      destroy(node);
      return false;
    }
    region.finalizing = node;
    self.wait.data = task;
    TaskStep armed = self.word.apply([](TaskWord w) { return task_word::prepare(w, true); });
    QUIESCE_ASSERT(armed.made, "the finalizer phase waits for one finalizer at a time");
    task->joiner.store(Waiter::of(self.index, self.word.load().epoch()).packed, std::memory_order_release);
    task->word.apply([](TaskWord w) { return task_word::announce_joiner(w); });
    kernel.start_mask_budget(*task);
    kernel.publish(*task);
    if (self.word.apply([](TaskWord w) { return task_word::commit(w); })) return true;
    reap_async();  // it has ended already
    return false;
  }

  void reap_async() noexcept {
    auto* task = static_cast<TaskRecord*>(self.wait.data);
    self.wait.data = nullptr;
    if (task->result_ops->kind(*task) == OutcomeKind::Err) {
      kernel.report_failure(region, region.policy, *task, task->result_ops->failure(*task));
    }
    task->word.apply([](TaskWord w) { return task_word::take(w); });
    Kernel::drop_handle(*task);
    destroy(std::exchange(region.finalizing, nullptr));
  }

  void destroy(FinalizerNode* node) noexcept {
    try {
      delete node;
    } catch (...) { note_cleanup(std::current_exception()); }
  }

  void note(FinalizerType type, std::exception_ptr exception) noexcept {
    kernel.note_panic(region, PanicLocation(PanicLocation::FinalizerExecution{region.id(), type}),
                      std::move(exception));
  }
  void note_cleanup(std::exception_ptr exception) noexcept {
    kernel.note_panic(region,
                      PanicLocation(PanicLocation::RegionCleanup{region.id(), CleanupPhase::ResourceCleanup}),
                      std::move(exception));
  }

  void finish() noexcept {
    for (;;) {  // values die newest first, each isolated (R9)
      HeapNode* node;
      {
        std::scoped_lock hold(region.lock);
        node = region.heap;
        if (node == nullptr) break;
        region.heap = node->next;
        region.heap_slots[node->index] = nullptr;
      }
      try {
        delete node;
      } catch (...) { note_cleanup(std::current_exception()); }
    }
    std::uint32_t leaked = leak_obligations(region);  // L2: still reserved after all of that
    RegionRecord& mine = region;
    Kernel& its = kernel;
    self.word.apply([](TaskWord w) { return task_word::complete(w); });
    Kernel::drop_reference(self);
    for (; leaked > 0; --leaked) its.release_owed(mine);
    its.release_owed(mine);
  }
};

constexpr Steppable::Ops runner_ops{FinalizerRunner::step};
constinit Steppable FinalizerRunner::machine{&runner_ops};

bool Kernel::enter_finalizing(RegionRecord& region) noexcept {
  tell({.kind = KernelEventKind::RegionFinalizing, .region = &region});
  sweep_failures(region);
  bool nothing_to_run;
  {
    std::scoped_lock hold(region.lock);
    nothing_to_run = region.finalizers == nullptr && region.heap == nullptr && region.ledger == nullptr;
  }
  if (nothing_to_run) return region.owed.fetch_sub(1, std::memory_order_acq_rel) == 1;
  auto admitted = admit_task(
      {.region = {&region, region.word.load().generation()}, .role = TaskRole::Runner, .has_handle = false});
  TaskRecord& runner = **admitted;
  runner.leaf = &FinalizerRunner::machine;
  executor_->schedule(runner, runner.is_timed() ? Lane::Timed : Lane::Ready, Origin::Spawn);
  return false;
}

std::expected<void, RegionError> Kernel::add_finalizer(RegionRef region, std::unique_ptr<FinalizerNode> node) {
  RegionRecord& record = *region.record;
  use(record, Use::Write);
  {
    std::scoped_lock hold(record.lock);
    // Under the lock the gate cannot pass from Open to Finalizing unseen: the phase takes this lock to look at the list,
    // and a caller that runs in the region holds it open.
    RegionWord word = record.word.load();
    if (word.generation() == region.generation && word.gate() == Gate::Open) {
      tell({.kind = KernelEventKind::FinalizerAdded,
            .region = &record,
            .value = reinterpret_cast<std::uintptr_t>(node.get())});
      node->next = record.finalizers;
      record.finalizers = node.release();
      ++record.finalizer_count;
      return {};
    }
  }
  return std::unexpected(RegionError(refuse(region)));
}

}  // namespace quiesce::detail
