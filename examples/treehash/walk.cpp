#include "walk.hpp"

// How the work is bounded. Whatever may block – reading a directory, reading a file – is a job of the runtime's blocking pool,
// which has --jobs threads; tasks only wait, and a waiting task holds no thread. So a directory may wait for its
// subdirectories, however deep the tree, without keeping a thread from them.
// How many jobs wait for a thread is bounded too: the batches of a directory's files have a task each, a few at a time. A directory
// with a million files has as many at a time as one with a thousand. How many directories are walked at a time is bounded by a
// semaphore.

#include <quiesce/combinators/concurrent.hpp>
#include <quiesce/scope.hpp>

#include <optional>
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
constexpr std::uint32_t batches_per_job = 2;

template <class P>
q::Task<> hash_one(q::Cx cx, Batch batch, q::Scope<P> scope, std::shared_ptr<RunState> run,
                   std::shared_ptr<const BatchedListing> listing) {
  auto job = co_await scope.spawn_blocking(cx, hash_batch, run, batch, listing);
  co_await job.join(cx);
}

/// The files of one directory. It is launched: its failure goes to the region's policy at once, and FailFast then stops everything below.
template <class P>
q::Task<> hash_files(q::Cx cx, q::Scope<P> scope, std::shared_ptr<RunState> run,
                     std::shared_ptr<const BatchedListing> listing) {
  co_await q::for_each_concurrent(cx, listing->batches(), batches_per_job * run->options.jobs, hash_one<P>,
                                  scope, run, listing);
}

template <class P>
q::Task<> walk_directory(q::Cx cx, std::shared_ptr<RunState> run, Directory directory);

/// Walks it in this task, if there is a permit; says first whether there was.
template <class P>
q::Task<> walk_apart(q::Cx cx, q::Started<bool> started, std::shared_ptr<RunState> run, Directory directory) {
  std::optional<q::Outcome<q::SemaphorePermit>> acquired = run->walks.try_acquire();
  started(acquired.has_value());
  if (!acquired) co_return;
  q::SemaphorePermit permit = co_await std::move(*acquired);
  co_await walk_directory<P>(cx, run, std::move(directory));
}

/// One directory in a region of its own, which has closed when this ends: its files and every subdirectory have ended then.
template <class P>
q::Task<> walk_directory(q::Cx cx, std::shared_ptr<RunState> run, Directory directory) {
  auto body = [&](q::Cx inner, q::Scope<P>& scope) -> q::Task<> {
    auto job = co_await scope.spawn_blocking(inner, read_directory, run, directory);
    Listing listed = co_await job.join(inner);
    const std::vector<std::string> subdirectories = std::move(listed.subdirectories);
    const std::string prefix = listed.prefix;

    auto listing = std::make_shared<const BatchedListing>(std::move(listed));
    if (!listing->batches().empty()) co_await scope.launch(inner, hash_files<P>, scope, run, listing);

    for (const std::string& name : subdirectories) {
      Directory below{prefix + name};
      auto starting = scope.template start<bool>(inner, walk_apart<P>, run, below);
      auto started = co_await std::move(starting);  // its handle is dropped: a failure goes to the policy
      if (!started.value) co_await walk_directory<P>(inner, run, std::move(below));
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
      co_await walk_directory<P>(inner, run, std::move(named));
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
