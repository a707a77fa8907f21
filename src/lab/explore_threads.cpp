#include "quiesce/lab/explore_threads.hpp"

#include "exploration.hpp"

namespace quiesce::lab::detail {
namespace {

Subject subject_of(BodyId body, const std::function<void()>& run) {
  return {.body = body, .takes_cancels = false, .in = [&run](const RunMode& mode) -> OneRun {
            return [&run, mode](Engine& engine, Strategy& strategy) {
              engine.on_idle = nullptr;
              engine.describe_deadlock = nullptr;
              engine.chaos = &mode.chaos;
              return engine.run(strategy, "main", run);
            };
          }};
}

}  // namespace

Report explore_plain(const Options& options, BodyId body, const std::function<void()>& run) {
  return explore(subject_of(body, run), options);
}

Report replay_plain(std::string_view token, const Options& options, BodyId body,
                    const std::function<void()>& run) {
  return replay(subject_of(body, run), token, options);
}

}  // namespace quiesce::lab::detail
