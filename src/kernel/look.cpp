#include "quiesce/detail/kernel/look.hpp"

#include <algorithm>
#include <mutex>
#include <span>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/wait.hpp"

namespace quiesce::detail {
namespace {

/// A looker that finds another backs off so often: each takes a few hundred nanoseconds, unless its thread has lost the processor.
constexpr std::uint32_t attempts_max = 1'000;

/// Begins a look, unless the wait is over.
bool begin_look(TaskRecord& task, std::uint64_t epoch) noexcept {
  for (std::uint32_t attempt = 0; attempt < attempts_max; ++attempt) {
    const TaskStep step = task.word.apply([&](TaskWord w) { return task_word::look(w, epoch); });
    if (step.made) return true;
    const bool is_on = step.before.run() == RunState::Idle && step.before.epoch() == epoch;
    if (!is_on) return false;
    RealPlatform::back_off(attempt);  // another looks
  }
  return false;
}

void name_tasks(WaitSubject& subject, const char* kind, std::span<TaskRecord* const> tasks) noexcept {
  subject.kind = kind;
  subject.holder_count = static_cast<std::uint32_t>(tasks.size());
  for (std::size_t i = 0; i < std::min(tasks.size(), subject.holders.size()); ++i)
    subject.holders[i] = tasks[i]->id();
}

/// The region that the task has opened last and waits for; none when it is closing just now.
void name_region(TaskRecord& task, WaitSeen& seen) noexcept {
  TaskExtra* rare = task.extra.load(std::memory_order_acquire);
  if (rare == nullptr) return;
  RegionRef opened;
  {
    std::scoped_lock hold(rare->lock);
    if (rare->opened == nullptr) return;
    opened = {rare->opened, rare->opened->word.load().generation()};
  }
  std::scoped_lock hold(opened.record->lock);
  if (!opened.alive()) return;
  seen.is_region = true;
  seen.region = opened.record->path;
}

void see_subject(TaskRecord& task, WaitSeen& seen) noexcept {
  const LeafOps& wait = *task.wait.ops;
  seen.what = wait.what;
  if (wait.looks_at != nullptr) {
    TaskRecord* const joined[] = {const_cast<TaskRecord*>(wait.looks_at(task.wait.data))};
    name_tasks(seen.subject, "task", joined);
  } else if (wait.branches != nullptr) {
    name_tasks(seen.subject, "task", wait.branches(task.wait.data));
  } else if (wait.subject != nullptr) {
    seen.subject = wait.subject(task.wait.data);
  } else if (!wait.escalates) {
    name_region(task, seen);
  }
}

void see_stack(const TaskRecord& task, WaitSeen& seen) noexcept {
  for (const Steppable* frame = task.leaf; frame != nullptr;) {
    if (frame->step_ops->look == nullptr) return;
    if (seen.place_count == WaitSeen::places_max) {
      seen.is_cut = true;
      return;
    }
    const Steppable::Seen coroutine = frame->step_ops->look(*frame, frame == task.leaf ? &task : nullptr);
    seen.places[seen.place_count++] = coroutine.awaits_at;
    frame = coroutine.awaiter;
  }
}

}  // namespace

// What waits without a coroutine – the finalizer phase – has no such operations, and does not wait for a look to end.
std::optional<WaitGlance> glance_at_wait(TaskRecord& task) noexcept {
  const TaskWord word = task.word.load();
  if (task.role == TaskRole::Runner || word.run() != RunState::Idle || !begin_look(task, word.epoch()))
    return std::nullopt;
  const WaitGlance seen{task.wait.ops, task.wait.since_ms, word.epoch()};
  task.word.apply([](TaskWord w) { return task_word::look_away(w); });
  return seen;
}

std::optional<WaitSeen> look_at_wait(TaskRecord& task, std::uint64_t epoch) noexcept {
  if (!begin_look(task, epoch)) return std::nullopt;
  std::optional<WaitSeen> seen(std::in_place);
  see_subject(task, *seen);
  see_stack(task, *seen);
  task.word.apply([](TaskWord w) { return task_word::look_away(w); });
  return seen;
}

}  // namespace quiesce::detail
