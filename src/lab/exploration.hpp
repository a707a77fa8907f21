#pragma once
// The way into every exploration and replay, of threads and of coroutines: what the environment asks is followed here
// (environment.hpp), tokens get and lose their prefix (run_mode.hpp), and failures leave their crash packs.
#include <cstdint>
#include <functional>
#include <string_view>

#include "quiesce/detail/lab/body.hpp"
#include "quiesce/detail/lab/drive.hpp"
#include "quiesce/lab/report.hpp"
#include "run_mode.hpp"

namespace quiesce::lab::detail {

/// A body, and how one run of it is made in a mode.
struct Subject {
  BodyId body;
  bool takes_cancels = false;  // it has tasks that a request can be sent to
  std::function<OneRun(const RunMode& mode)> in;
};

/// With `together` requests are injected in every place, or every two (make_injection).
Report explore(const Subject& subject, const Options& options, std::uint32_t together = 0);
Report replay(const Subject& subject, std::string_view token, const Options& options);

}  // namespace quiesce::lab::detail
