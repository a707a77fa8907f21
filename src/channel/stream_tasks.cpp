#include "quiesce/detail/channel/stream_tasks.hpp"

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

void stop_feeders(ScopeCore scope) noexcept {
  const RegionRef region{scope.region, scope.generation};
  if (region.alive())
    region.record->kernel->cancel_region(region, CancelReason::race_lost("whoever pulls the stream has ended"),
                                         Whose::Own);
}

Error no_buffering() {
  return Error(ErrorCode::InvalidArgument, "buffered: at least one task must be allowed to run at a time");
}

std::optional<Error> cancelled_alone(CxCore cx, const CancelReason& reason) {
  cx.task->kernel().use(*cx.task, Use::Read);
  if (cx.task->region->word.load().cancelled()) return std::nullopt;
  return as_child_error(reason);
}

}  // namespace quiesce::detail
