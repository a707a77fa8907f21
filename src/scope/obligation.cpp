#include "quiesce/obligation.hpp"

#include <mutex>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce {
namespace detail {
namespace {

RegionRef region_of(const TaskRecord& task) { return {task.region, task.region->word.load().generation()}; }

}  // namespace

std::optional<RegionError> TokenMove::add(ObligationToken& token) {
  if (!token.token_id.is_valid()) return std::nullopt;
  ObligationRecord* entry = ObligationSlab::find(token.token_id.index);
  RegionRecord* region = entry->region.load(std::memory_order_acquire);
  Moved before{&token, {}, region, 0, {}};
  {
    std::scoped_lock hold(region->lock);
    if (entry->generation.load() != token.token_id.generation || entry->state != ObligationState::Reserved)
      return std::nullopt;  // leaked: as it is
    before.generation = region->word.load().generation();
    before.holder = entry->holder;
  }
  auto moved = move_obligation(token.token_id, region_of(receiver_), &receiver_);
  if (!moved) return std::move(moved).error();
  token.token_id = before.now = *moved;
  moved_[count_++] = before;
  return std::nullopt;
}

// Back to the sender, where that is still possible; else whoever has the token may resolve it, since this holder is gone.
void TokenMove::give_back() noexcept {
  while (count_ > 0) {
    const Moved& last = moved_[--count_];
    if (last.token->token_id != last.now)
      continue;  // it went into the frame that was not started, and was aborted with it
    TaskRecord* holder = last.holder.is_valid() ? TaskSlab::find(last.holder.index) : nullptr;
    if (holder != nullptr && holder->id() != last.holder) holder = nullptr;
    auto back = move_obligation(last.now, {last.region, last.generation}, holder);
    if (back) last.token->token_id = *back;
  }
}

std::optional<RegionError> receive_token(ObligationToken& token, TaskRecord& joiner) {
  if (!token.token_id.is_valid()) return std::nullopt;
  auto moved = move_obligation(token.token_id, region_of(joiner), &joiner);
  if (!moved) {
    const ErrorCode code = moved.error().code();
    if (code == ErrorCode::ObligationLeaked || code == ErrorCode::ObligationMoved)
      return std::nullopt;  // the token says so itself
    return std::move(moved).error();
  }
  token.token_id = *moved;
  return std::nullopt;
}

}  // namespace detail

using namespace detail;

std::expected<Obligation, RegionError> Obligation::reserve_in(const std::optional<ScopeCore>& scope, CxCore cx,
                                                              ObligationKind kind, std::source_location where) {
  if (std::optional<Error> misuse = own_context_error(cx, "reserve")) {
    return std::unexpected(RegionError(misuse->code(), scope ? scope->id() : RegionId{}));
  }
  RegionRef region = scope ? RegionRef{scope->region, scope->generation} : region_of(*cx.task);
  if (!region.alive())
    return std::unexpected(
        RegionError(ErrorCode::RegionNotFound, region.record != nullptr ? region.id() : RegionId{}));
  if (region.record->kernel != &cx.task->kernel())
    return std::unexpected(RegionError(ErrorCode::WrongRuntime, region.id()));
  auto id = reserve_obligation(region, {kind, cx.task, where});
  if (!id) return std::unexpected(std::move(id).error());
  return Obligation(ObligationToken{*id, kind});
}

std::expected<Obligation, RegionError> Obligation::detail_reserve(CxCore cx, ObligationKind kind,
                                                                  std::source_location where) {
  TaskRecord& task = *cx.task;
  auto id = reserve_obligation(region_of(task), {kind, &task, where});
  if (!id) [[unlikely]]
    return std::unexpected(std::move(id).error());
  return Obligation(ObligationToken{*id, kind});
}

std::expected<void, RegionError> Obligation::resolve(ObligationState how) noexcept {
  auto resolved = resolve_obligation(token_id, how, current_task());
  if (resolved) token_id = {};
  return resolved;
}

std::expected<void, RegionError> Obligation::move(ScopeCore scope, CxCore cx) {
  RegionRef region{scope.region, scope.generation};
  if (!cx.alive()) return std::unexpected(RegionError(ErrorCode::StaleContext, scope.id()));
  if (!region.alive()) return std::unexpected(RegionError(ErrorCode::RegionNotFound, scope.id()));
  auto moved = move_obligation(token_id, region, cx.task);
  if (!moved) return std::unexpected(std::move(moved).error());
  token_id = *moved;
  return {};
}

void Obligation::drop() noexcept {
  auto aborted = resolve_obligation(token_id, ObligationState::Aborted);
  if (!aborted && aborted.error().code() == ErrorCode::ObligationLeaked) forget_leaked(token_id);
}

}  // namespace quiesce
