#include "quiesce/sync/once_cell.hpp"

#include <string>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

namespace {

TaskId running_id() noexcept {
  const TaskRecord* task = current_task();
  return task == nullptr ? TaskId{} : task->id();
}

}  // namespace

// Once there is a value all go on. Else, when nobody makes one, the first that wants to gets the turn; those before it who only wait
// for a value stay, in their order.
void OnceCore::pump(WakeList& woken) noexcept {
  const State state = state_.load(std::memory_order_relaxed);
  if (state == State::Ready) {
    primitive_.grant_all(waiters_, woken);
    return;
  }
  if (state == State::Busy) return;
  for (WaitNode* node = waiters_.front(); node != nullptr;) {
    WaitNode* const next = waiters_.after(*node);
    auto& turn = *static_cast<TurnOperation*>(waiting_operation(*node));
    if (turn.wants_turn_) {
      // The task is in the list, so its record is in the same life.
      const TaskId who = TaskSlab::find(node->waiter.index())->id();
      turn.has_turn_ = true;
      state_.store(State::Busy, std::memory_order_relaxed);
      initialiser_ = who;
      ++attempts_;
      if (primitive_.grant(waiters_, *node, woken)) return;
      turn.has_turn_ = false;
      state_.store(State::Empty, std::memory_order_relaxed);
      initialiser_ = {};
      --attempts_;
    }
    node = next;
  }
}

OnceCore::State OnceCore::try_turn() noexcept {
  const TaskId me = running_id();
  const Primitive::Hold hold(primitive_);
  const State state = state_.load(std::memory_order_relaxed);
  if (state == State::Empty) {
    state_.store(State::Busy, std::memory_order_relaxed);
    initialiser_ = me;
    ++attempts_;
  }
  return state;
}

void OnceCore::finish(bool made) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  QUIESCE_ASSERT(state_.load(std::memory_order_relaxed) == State::Busy, "only who has the turn ends it");
  state_.store(made ? State::Ready : State::Empty, std::memory_order_release);
  initialiser_ = {};
  pump(woken);
}

OnceCellStatistics OnceCore::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  const State state = state_.load(std::memory_order_relaxed);
  return {state == State::Ready, state == State::Busy, initialiser_, primitive_.waiting(), attempts_};
}

bool TurnOperation::try_now() noexcept {
  if (!wants_turn_) return core_->is_ready();
  switch (core_->try_turn()) {
    case OnceCore::State::Ready: return true;
    case OnceCore::State::Empty: return has_turn_ = true;
    case OnceCore::State::Busy: break;
  }
  const Primitive::Hold hold(core_->primitive_, Use::Read);
  return mine_ = core_->initialiser_.is_valid() && core_->initialiser_ == running_id();
}

WaitPlace TurnOperation::place() const noexcept { return {&core_->primitive_, &core_->waiters_}; }
void TurnOperation::pump(WakeList& woken) noexcept { core_->pump(woken); }

WaitSubject TurnOperation::subject() const noexcept {
  const Primitive::Hold hold(core_->primitive_, Use::Read);
  WaitSubject subject = subject_of(core_->primitive_);
  if (core_->initialiser_.is_valid()) subject.holders[subject.holder_count++] = core_->initialiser_;
  return subject;
}

std::optional<Error> TurnOperation::refused() const {
  if (!mine_) return std::nullopt;
  const char* name = core_->primitive_.name();
  return Error(
      ErrorCode::InvalidArgument,
      std::string("once cell") + (name == nullptr ? "" : std::string(" \"") + name + '"') +
          ": its initialiser asks for the value that it is making, and would wait for itself for ever");
}

Outcome<OnceTurn> GetTurn::take() noexcept {
  if (auto error = refused()) return Outcome<OnceTurn>::err(std::move(*error));
  return Outcome<OnceTurn>::ok(has_turn_ ? OnceTurn(*core_) : OnceTurn());
}

std::expected<Obligation, Error> owe_turn(std::source_location where) {
  TaskRecord* task = current_task();
  auto owed = Obligation::detail_reserve(CxCore{task, task->id().generation}, ObligationKind::Lease, where);
  if (!owed) return std::unexpected(Error(std::move(owed).error()));
  return std::move(*owed);
}

}  // namespace quiesce::detail
