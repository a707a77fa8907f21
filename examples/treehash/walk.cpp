#include "walk.hpp"

// How the work is bounded. Whatever may block – reading a directory, reading a file – is a job of the runtime's blocking pool,
// which has --jobs threads; tasks only wait, and a waiting task holds no thread. So a directory may wait for its
// subdirectories, however deep the tree, without keeping a thread from them.
// How many jobs wait for a thread is bounded too: the files of a directory are taken, batch by batch, by a few "lanes", tasks
// that have one job each at a time. A directory with a million files has as many lanes as one with a thousand. How many
// directories are walked at a time is bounded by WalkPermit.

#include <quiesce/scope.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "census.hpp"
#include "hash.hpp"
#include "listing.hpp"
#include "progress.hpp"

namespace treehash {
namespace {

namespace q = quiesce;

/// A job hashed while the next one is being handed over keeps the pool's threads busy.
constexpr std::size_t lanes_per_job = 2;

/// Hashes batches of one directory, one after the other. It is launched: its failure goes to the region's policy at once, and
/// FailFast then stops the other lanes and everything below.
template <class P>
q::Task<> hash_lane(q::Cx cx, q::Scope<P> scope, std::shared_ptr<RunState> run,
                    std::shared_ptr<FileQueue> queue) {
  while (std::optional<Batch> batch = queue->take()) {
    auto job = co_await scope.spawn_blocking(cx, hash_batch, run, queue, *batch);
    co_await job.join(cx);
  }
}

/// One directory in a region of its own, which has closed when this ends: every lane and every subdirectory has ended then.
template <class P>
q::Task<> walk_directory(q::Cx cx, std::shared_ptr<RunState> run, Directory directory, WalkPermit) {
  auto body = [&](q::Cx inner, q::Scope<P>& scope) -> q::Task<> {
    auto job = co_await scope.spawn_blocking(inner, read_directory, run, directory);
    Listing listing = co_await job.join(inner);
    const std::vector<std::string> subdirectories = std::move(listing.subdirectories);
    const std::string prefix = listing.prefix;

    auto queue = std::make_shared<FileQueue>(std::move(listing));
    const std::size_t lanes = std::min(queue->batch_count(), lanes_per_job * run->options.jobs);
    for (std::size_t i = 0; i < lanes; ++i) co_await scope.launch(inner, hash_lane<P>, scope, run, queue);

    for (const std::string& name : subdirectories) {
      Directory below{prefix + name};
      if (WalkPermit permit = WalkPermit::try_take(run)) {
        co_await scope.launch(inner, walk_directory<P>, run, std::move(below), std::move(permit));
      } else {
        co_await walk_directory<P>(inner, run, std::move(below), WalkPermit());
      }
    }
  };
  co_await q::region(cx, P(), body);
}

/// All trees, one after the other, in one region with the deadline.
template <class P>
q::Task<> walk_all(q::Cx cx, q::Scope<P>& scope, std::shared_ptr<RunState> run) {
  auto body = [&](q::Cx inner, q::Scope<P>&) -> q::Task<> {
    for (const std::string& path : run->options.directories) {
      Directory named{path, true};
      co_await walk_directory<P>(inner, run, std::move(named), WalkPermit());
    }
  };
  q::Budget budget = q::Budget::infinite();
  if (run->options.deadline) budget = budget.with_deadline(cx.now() + *run->options.deadline);
  q::Outcome<> walked = co_await scope.region_with_budget(cx, budget, P(), body).outcome();
  // Awaiting it would make an Err of a deadline that is not this task's own (rule O5); the caller wants to see which it was.
  if (walked.is_cancelled()) co_await q::cancelled(walked.cancel_reason());
  co_await std::move(walked);
}

/// What runs beside the work when there is a terminal to show it on. Its region waits for it in any case.
struct Display {
  q::TaskHandle<> census;
  q::TaskHandle<> bar;

  void stop() const {
    census.abort();
    bar.abort();
  }
};

template <class P>
q::Outcome<> hash_trees_with(q::Runtime& runtime, std::shared_ptr<RunState> run) {
  auto body = [&](q::Cx cx, q::Scope<P>& scope) -> q::Task<> {
    // Set before the roots are cancelled, so whoever came too early to find this root is seen here.
    if (run->interrupted.load()) co_await q::cancelled(q::CancelReason::user("interrupted"));
    Display display;
    if (run->console.is_terminal()) {
      display.census = co_await scope.spawn_blocking(cx, take_census, run);
      display.bar = co_await scope.spawn(cx, show_progress, run);
    }
    q::Outcome<> walked = co_await walk_all<P>(cx, scope, run).outcome();
    display.stop();
    if (walked.is_cancelled()) co_await q::cancelled(walked.cancel_reason());
    co_await std::move(walked);
  };
  q::Outcome<> ended = runtime.block_on<P>(body);
  run->console.clear_bar();
  return ended;
}

}  // namespace

q::Outcome<> hash_trees(q::Runtime& runtime, std::shared_ptr<RunState> run) {
  return run->options.fail_fast ? hash_trees_with<q::FailFast>(runtime, std::move(run))
                                : hash_trees_with<q::CollectAll>(runtime, std::move(run));
}

}  // namespace treehash
