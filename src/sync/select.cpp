#include "quiesce/select.hpp"

#include <algorithm>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

// ---- sleeping ----

bool SleepOperation::try_now() noexcept {
  return !cx_has_timer(cx_) || until_ <= current_task()->kernel().executor().now();
}

void SleepOperation::enlist(WaitNode& node) noexcept { alarm_.arm(node, until_); }
bool SleepOperation::delist(WaitNode&) noexcept { return alarm_.disarm(); }

Outcome<> SleepOperation::take() noexcept {
  if (cx_has_timer(cx_)) return Outcome<>::ok();
  return Outcome<>::err(
      Error(ErrorCode::MissingCapability, "a wait with a time: this context was given no timer"));
}

// ---- joining ----

bool JoinOperationBase::try_now() noexcept {
  TaskRecord& task = *current_task();
  if (target_ == nullptr || target_ == &task || has_other_joiner(*target_)) {
    JoinWait wait(CxCore{&task, task.id().generation}, target_, true);
    misuse_ = wait.misuse(task);
    return true;
  }
  return has_ended(*target_);
}

// Store, then announce, as for any joiner (handle.cpp); the wait is armed before, so whoever ends the task can claim it.
void JoinOperationBase::enlist(WaitNode& node) noexcept {
  announced_ = true;
  target_->joiner.store(node.waiter.packed, std::memory_order_release);
  if (!target_->word.apply([](TaskWord w) { return task_word::announce_joiner(w); }))
    Kernel::claim(node.waiter);
}

bool JoinOperationBase::delist(WaitNode&) noexcept {
  if (announced_) retract_joiner(*target_, *current_task());
  announced_ = false;
  return has_ended(*target_);
}

WaitSubject JoinOperationBase::subject() const noexcept { return {"task", nullptr, {target_->id()}, 1}; }

// ---- the wait ----

const LeafOps SelectBase::select_wait{
    finish, "the first of several operations", true, nullptr, nullptr, SelectBase::subject};
const LeafOps SelectBase::select_late{start_late, "its turn", true, nullptr, nullptr, SelectBase::subject};
const LeafOps SelectBase::select_closing{finish_closing, "what a select must have before its task goes on",
                                         false,          nullptr,
                                         nullptr,        SelectBase::subject};

bool SelectBase::answer(TaskRecord& task, std::size_t won, Outcome<>* refused) noexcept {
  if (!settle(*this, task, won, refused)) return give_way(task);
  signal(task, Signal::Ended);
  return true;
}

bool SelectBase::refuse_request(TaskRecord& task) noexcept {
  if (!observed || task.word.load().escalated()) {
    refuse(task);
    return true;
  }
  Outcome<> cancelled = request_as_outcome(task);
  return answer(task, nobody, &cancelled);
}

bool SelectBase::start(PromiseBase& self, CxCore cx) noexcept {
  TaskRecord& task = *self.task;
  if (!cx.is_of(task)) [[unlikely]] {
    if (std::optional<Error> misuse = own_context_error(cx, "select")) {
      Outcome<> refused = Outcome<>::err(std::move(*misuse));
      return answer(task, nobody, &refused);
    }
  }
  task.kernel().note_checkpoint(task);
  if (task.word.load().must_observe()) return refuse_request(task);
  first = biased || branches.size() == 1 ? 0 : cx_random_index(cx, branches.size());
  return gives_way_first(task, select_late, this) || go_on(task, begin(task));
}

LeafNext SelectBase::start_late(TaskRecord& task, void* data, TaskWord) noexcept {
  auto& select = *static_cast<SelectBase*>(data);
  return task.word.load().must_observe() ? select.settle_request(task) : select.begin(task);
}

/// The first that is ready, or the wait for all.
LeafNext SelectBase::begin(TaskRecord& task) noexcept {
  const std::size_t count = branches.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = (first + i) % count;
    const OperationOps& ops = *branches[at].ops;
    if (!ops.try_now(branches[at].op)) continue;
    std::exception_ptr thrown;
    const bool closes = ops.more != nullptr && ops.more->close != nullptr;
    const bool looks = ops.more != nullptr && ops.more->again != nullptr && !closes;
    const Look seen = looks ? ops.more->again(branches[at].op, thrown) : Look::Yes;
    if (seen == Look::NotYet) continue;
    if (seen == Look::Threw) {
      Outcome<> panicked = panic_as_outcome(task, std::move(thrown));
      return settle_with(task, &panicked);
    }
    winner = at;
    return closes ? close(task) : settle_with(task, nullptr);
  }
  return arm(task, false) ? LeafNext::Again : settle_request(task);
}

/// What `start` says of what the end of a wait would.
bool SelectBase::go_on(TaskRecord& task, LeafNext next) noexcept {
  switch (next) {
    case LeafNext::Resume: return give_way(task);
    case LeafNext::Ended: signal(task, Signal::Ended); break;
    case LeafNext::EndCancelled: refuse(task); break;
    case LeafNext::Again: break;
  }
  return true;
}

/// One wait for all. `again`: those that have kept their places have them.
bool SelectBase::arm(TaskRecord& task, bool again) noexcept {
  const Waiter waiter = arm_wait(task, select_wait, this);
  if (!waiter) return false;
  const std::size_t count = branches.size();
  for (std::size_t i = 0; i < count && task.word.load().pending(); ++i) {
    SelectBranch& branch = branches[(first + i) % count];
    if (again && branch.ops->more == nullptr) {
      branch.ops->renew(branch.op, branch.node, waiter);
      continue;
    }
    branch.renew_node(waiter);
    branch.ops->enlist(branch.op, branch.node);
  }
  for (SelectBranch& branch : branches) {
    if (branch.ops->more == nullptr || branch.ops->more->armed == nullptr) continue;
    if (task.word.load().pending()) branch.ops->more->armed(branch.op);
  }
  return true;
}

void SelectBase::delist_with_more() noexcept {
  for (std::size_t i = 0; i < branches.size(); ++i) {
    SelectBranch& branch = branches[i];
    if (branch.ops->more == nullptr || !branch.ops->delist(branch.op, branch.node)) continue;
    if (winner == nobody || branch.is_granted) winner = i;
  }
}

/// Whoever was granted wins, else a join whose task has ended.
void SelectBase::delist_others() noexcept {
  if (!std::exchange(others_wait, false)) return;
  std::size_t granted = winner != nobody && branches[winner].is_granted ? winner : nobody, ended = winner;
  for (std::size_t i = 0; i < branches.size(); ++i) {
    SelectBranch& branch = branches[i];
    if (branch.ops->more != nullptr || !branch.ops->delist(branch.op, branch.node)) continue;
    QUIESCE_ASSERT(!branch.is_granted || granted == nobody, "one operation of a select is granted");
    std::size_t& won = branch.is_granted ? granted : ended;
    if (won == nobody) won = i;
  }
  winner = granted != nobody ? granted : ended;
}

LeafNext SelectBase::finish(TaskRecord& task, void* data, TaskWord before) noexcept {
  auto& select = *static_cast<SelectBase*>(data);
  select.requested = before.has(TaskWord::by_request_bit);
  select.winner = nobody;
  select.others_wait = true;
  select.delist_with_more();
  if (select.requested || select.winner == nobody) select.delist_others();
  // As in WaitBase::finish: a grant may have been faster where the task ends for another reason.
  if (select.requested && select.winner != nobody)
    select.branches[select.winner].ops->give_back(select.branches[select.winner].op);
  return select.close(task);
}

LeafNext SelectBase::close(TaskRecord& task) noexcept {
  for (; closing < branches.size(); ++closing) {
    SelectBranch& branch = branches[closing];
    const bool forced = task.word.load().escalated() || task.torn;
    if (branch.ops->more == nullptr || branch.ops->more->close == nullptr || forced) continue;
    if (branch.ops->more->close(branch.op, !requested && closing == winner)) continue;
    branch.renew_node(arm_wait(task, select_closing, this, true));
    branch.ops->more->close_enlist(branch.op, branch.node);
    return LeafNext::Again;
  }
  closing = 0;
  return look(task);
}

LeafNext SelectBase::finish_closing(TaskRecord& task, void* data, TaskWord) noexcept {
  auto& select = *static_cast<SelectBase*>(data);
  SelectBranch& closed = select.branches[select.closing++];
  closed.ops->more->closed(closed.op);
  return select.close(task);
}

LeafNext SelectBase::settle_with(TaskRecord& task, Outcome<>* refused) noexcept {
  delist_others();
  return settle(*this, task, refused == nullptr ? winner : nobody, refused) ? LeafNext::Ended
                                                                            : LeafNext::Resume;
}

LeafNext SelectBase::settle_request(TaskRecord& task) noexcept {
  winner = nobody;
  delist_others();
  if (!observed || task.word.load().escalated()) return LeafNext::EndCancelled;
  Outcome<> cancelled = request_as_outcome(task);
  return settle_with(task, &cancelled);
}

LeafNext SelectBase::look(TaskRecord& task) noexcept {
  if (requested) return settle_request(task);
  QUIESCE_ASSERT(winner != nobody, "a select ends by a request or by one of its branches");
  const SelectBranch& won = branches[winner];
  if (won.ops->more != nullptr && (task.word.load().escalated() || task.torn)) {
    won.ops->give_back(won.op);
    return settle_request(task);
  }
  if (won.ops->more == nullptr || won.ops->more->again == nullptr) return settle_with(task, nullptr);
  std::exception_ptr thrown;
  switch (won.ops->more->again(won.op, thrown)) {
    case Look::Yes: return settle_with(task, nullptr);
    case Look::Threw: {
      Outcome<> panicked = panic_as_outcome(task, std::move(thrown));
      return settle_with(task, &panicked);
    }
    case Look::NotYet: break;
  }
  const bool places_kept = others_wait;
  const std::size_t woken = std::exchange(winner, nobody);
  if (const std::optional<LeafNext> instead = look_at_the_rest(task, woken)) {
    branches[woken].ops->give_back(branches[woken].op);
    return *instead;
  }
  task.kernel().note_checkpoint(task);
  if (arm(task, places_kept)) return LeafNext::Again;
  branches[woken].ops->give_back(branches[woken].op);
  return settle_request(task);
}

/// Those that look again were out of their lists: what came meanwhile has woken nobody. nullopt: nothing has.
std::optional<LeafNext> SelectBase::look_at_the_rest(TaskRecord& task, std::size_t but) noexcept {
  for (std::size_t n = 0; n < branches.size(); ++n) {
    const std::size_t i = (first + n) % branches.size();
    const OperationMore* const more = branches[i].ops->more;
    if (i == but || more == nullptr || !branches[i].ops->try_now(branches[i].op)) continue;
    winner = i;
    if (more->again == nullptr) {
      closing = static_cast<std::uint32_t>(i);
      return close(task);
    }
    std::exception_ptr thrown;
    const Look seen = more->again(branches[i].op, thrown);
    if (seen == Look::Yes) return settle_with(task, nullptr);
    winner = nobody;
    if (seen == Look::NotYet) continue;
    Outcome<> panicked = panic_as_outcome(task, std::move(thrown));
    return settle_with(task, &panicked);
  }
  return std::nullopt;
}

WaitSubject SelectBase::subject(void* data) noexcept {
  const auto& select = *static_cast<const SelectBase*>(data);
  WaitSubject all{"select", nullptr, {}, 0};
  for (const SelectBranch& branch : select.branches) {
    const WaitSubject one = branch.ops->subject(branch.op);
    if (all.name == nullptr) all.name = one.name;
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(one.holder_count, one.holders.size()); ++i) {
      if (all.holder_count < all.holders.size()) all.holders[all.holder_count] = one.holders[i];
      ++all.holder_count;
    }
  }
  return all;
}

}  // namespace quiesce::detail
