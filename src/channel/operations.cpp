#include "quiesce/detail/channel/operations.hpp"

#include <string>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

std::expected<Obligation, Error> reserve_send(std::source_location where) {
  TaskRecord* task = current_task();
  if (task == nullptr) {
    return std::unexpected(
        Error(ErrorCode::ForeignContext,
              "a place in a channel is reserved by a task, which owes it, and none runs here: "
              "use try_send"));
  }
  auto owed =
      Obligation::detail_reserve(CxCore{task, task->id().generation}, ObligationKind::SendPermit, where);
  if (!owed) return std::unexpected(Error(std::move(owed).error()));
  return std::move(*owed);
}

void moved_end_used(const char* what) {
  throw UsageError(
      Error(ErrorCode::InvalidArgument,
            std::string(what) + " was used after it had been moved from: use the one it was moved to"));
}

}  // namespace quiesce::detail
