#include "task_trace.hpp"

#include <fmt/format.h>

#include <sstream>

#include "quiesce/detail/kernel/snapshot.hpp"

namespace quiesce::lab::detail {

using namespace quiesce::detail;

namespace {

template <class T>
std::string text_of(const T& value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

TraceActor::Kind kind_of(const TaskRecord& task) {
  if (task.tier == TaskTier::Blocking) return TraceActor::Kind::job;
  switch (task.role) {
    case TaskRole::Body: return TraceActor::Kind::body;
    case TaskRole::Finalizer:
    case TaskRole::Runner: return TraceActor::Kind::finalizer;
    case TaskRole::Child:
    case TaskRole::Fork:
    case TaskRole::Driver: break;
  }
  return TraceActor::Kind::task;
}

std::string state_of(const TaskRecord& task, std::uint64_t first_wait) {
  const TaskWord word = task.word.load();
  std::string text = to_string(task.phase());
  if (word.requested()) text += ", requested";
  if (word.masked()) text += ", masked";
  if (word.escalated()) text += ", escalated";
  if (word.has(TaskWord::stubborn_bit) && word.pending()) text += ", not woken by requests";
  return text + fmt::format(", wait {}{}", word.epoch() - first_wait,
                            word.pending()   ? " pending"
                            : word.claimed() ? " claimed"
                                             : "");
}

std::string state_of(const RegionRecord& region) {
  const RegionWord word = region.word.load();
  const char* gate = "";
  switch (word.gate()) {
    case Gate::Open: gate = "Open"; break;
    case Gate::Closing: gate = "Closing"; break;
    case Gate::Finalizing: gate = "Finalizing"; break;
    case Gate::Closed: gate = "Closed"; break;
  }
  return fmt::format("{}{}, {} live, {} owed", gate, word.cancelled() ? ", requested" : "", word.live(),
                     region.owed.load());
}

}  // namespace

TraceEvent& TaskTrace::add(TraceEvent::Kind kind, const Now& now, LogicalId other) {
  TraceEvent& event = trace_.events.emplace_back();
  event.kind = kind;
  event.worker = now.worker;
  event.step = now.step;
  event.time_ns = now.time_ns;
  event.who = now.who;
  event.other = other;
  return event;
}

void TaskTrace::see(const KernelEvent& event, const Now& now) {
  using Kind = TraceEvent::Kind;
  const LogicalId task = event.task != nullptr ? event.task->logical() : LogicalId{};
  const LogicalId region = event.region != nullptr ? event.region->logical : LogicalId{};
  switch (event.kind) {
    case KernelEventKind::RegionOpened:
      if (regions_.insert(region.value).second)
        trace_.actors.push_back(
            {region, TraceActor::Kind::region, event.region->path.to_string(),
             event.region->parent != nullptr ? event.region->parent->logical : LogicalId{}});
      add(Kind::open, now, region);
      break;
    case KernelEventKind::RegionRequested: add(Kind::cancel, now, region).text = text_of(*event.reason); break;
    case KernelEventKind::RegionFinalizing: add(Kind::phase, now, region).text = "Finalizing"; break;
    case KernelEventKind::RegionClosed: {
      TraceEvent& closed = add(Kind::close, now, region);
      if (event.region->reason) closed.text = text_of(*event.region->reason);
      break;
    }
    case KernelEventKind::TaskPublished:
      meet(*event.task, region);
      add(Kind::spawn, now, task);
      break;
    case KernelEventKind::TaskRequested: {
      TraceEvent& requested = add(Kind::cancel, now, task);
      if (event.task->region->reason) requested.text = text_of(*event.task->region->reason);
      break;
    }
    case KernelEventKind::TaskClaimed: add(Kind::claim, now, task); break;
    case KernelEventKind::TaskEnded:
      add(Kind::end, now, task).text = text_of(static_cast<OutcomeKind>(event.value));
      break;
    case KernelEventKind::FinalizerAdded: add(Kind::finalizer, now, region).text = "added"; break;
    case KernelEventKind::FinalizerBegun: add(Kind::finalizer, now, region).text = "begun"; break;
    case KernelEventKind::ObligationReserved:
      add(Kind::obligation, now, region).text = fmt::format("{} reserved", event.text);
      break;
    case KernelEventKind::ObligationSettled: add(Kind::obligation, now, region).text = event.text; break;
    case KernelEventKind::ObligationLeaked: add(Kind::obligation, now, region).text = "leaked"; break;
    case KernelEventKind::ShieldLifted: add(Kind::note, now, region).text = "its shield has ended"; break;
    case KernelEventKind::StepEnded: see_step(*event.task, now); break;
    case KernelEventKind::StepBegun:
    case KernelEventKind::RequestDelivered:
    case KernelEventKind::BranchesLeft: break;
  }
}

void TaskTrace::meet(const TaskRecord& task, LogicalId region) {
  const LogicalId id = task.logical();
  if (first_waits_.try_emplace(id.value, task.word.load().epoch()).second)
    trace_.actors.push_back({id, kind_of(task), task.path.to_string(), region});
}

void TaskTrace::see_step(const TaskRecord& task, const Now& now) {
  const LogicalId id = task.logical();
  meet(task, task.region->logical);
  TraceEvent& step = add(TraceEvent::Kind::step, now, {});
  step.who = id;
  step.task_state = state_of(task, first_waits_.at(id.value));
  step.region_state = state_of(*task.region);
}

}  // namespace quiesce::lab::detail
