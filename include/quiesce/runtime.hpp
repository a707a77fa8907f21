#pragma once
// Runtime: the production assembly. Workers, timers and the blocking pool start with build() and end with the destructor.
//
//   q::Runtime rt = q::Runtime::builder().workers(4).build();
//   q::Outcome<int> o = rt.block_on(body);     // body: Task<int>(q::Cx, q::Scope<>&); here nothing it has spawned still runs
//
// block_on runs a root region and waits for its close; several may run at once, from several threads. On a worker it fails with
// BlockingInTask, after shutdown with RuntimeShutdown. An exception of the body's factory itself passes through.
// The destructor waits for every region (there is none unless another thread is in block_on), for ever or as long as abort_after
// says, then joins all threads.
// Thread-safety: everything may be called from any thread but a worker's. Movable; not while in use.
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/cx.hpp"
#include "quiesce/detail/kernel/snapshot.hpp"
#include "quiesce/policy.hpp"
#include "quiesce/scope.hpp"

namespace quiesce {

struct Capabilities;
class LogSink;
class MetricsProvider;
struct PanicIsolationConfig;
class RuntimeBuilder;

namespace detail {
struct RuntimeState;
struct BlockOn;
}  // namespace detail

/// What a worker has done since the start.
struct WorkerStats {
  std::uint64_t dispatched = 0, cancel = 0, timed = 0, lifo = 0, ready = 0, local = 0, injected = 0, stolen = 0,
                parked = 0;
  /// H2: at most the cancel streak limit, whatever happened.
  std::uint64_t cancel_streak_max = 0, preferred_streak_max = 0;
};

struct RuntimeStats {
  std::uint64_t tasks_spawned = 0, tasks_completed = 0, regions_opened = 0, regions_closed = 0,
                panics_isolated = 0, escalated = 0, leaked_obligations = 0;
  std::size_t blocking_threads = 0, blocking_queued = 0;
  std::vector<WorkerStats> workers;
};

/// What `shutdown` saw: per stage, the tasks that had not ended when the stage did.
struct ShutdownReport {
  bool drained = true;  // nothing is left
  std::size_t regions_at_start = 0;
  std::vector<TaskSnapshot> after_soft, after_cancel, after_escalation;
  std::string text() const;
};
std::ostream& operator<<(std::ostream& out, const ShutdownReport& report);

class Runtime {
 public:
  static RuntimeBuilder builder();
  Runtime(Runtime&&) noexcept;
  Runtime& operator=(Runtime&&) noexcept;
  ~Runtime();

  /// Runs `body` in a root region with policy P and waits until it has closed.
  template <class P = FailFast, class Body>
  auto block_on(Body&& body) {
    return block_on_with<P>(RegionOptions(), std::forward<Body>(body));
  }
  template <class P = FailFast, class Body>
  auto block_on_with(const RegionOptions& options, Body&& body)
      -> Outcome<typename detail::body_check<Body, Cx, Scope<P>>::value_type,
                 typename detail::body_check<Body, Cx, Scope<P>>::error_type>;

  /// Three stages. Soft: new roots and spawns are refused and tasks may see cx.is_shutting_down(), for at most `grace`. Then
  /// everything left is cancelled (Shutdown) and has the clean-up budget of that rank to drain. Then it is escalated (C10) and
  /// waited for once more as long. Returns what was unfinished in each stage; waits no longer for what cannot be ended.
  ShutdownReport shutdown(Duration grace);
  /// Cancels every root: what a signal handler's thread would call. Returns at once.
  void cancel_all(const CancelReason& reason);

  /// The live region tree.
  Snapshot snapshot() const;
  /// Writes it to a file with what each task waits for and its asynchronous stack; equal ones of a region once (docs/diagnostics.md).
  /// False, and errno says why: it could not be written. Not for signal handlers: see RuntimeBuilder::dump_on_signal.
  bool dump(int fd) const;
  RuntimeStats stats() const;
  std::uint32_t workers() const;

 private:
  friend RuntimeBuilder;
  explicit Runtime(std::unique_ptr<detail::RuntimeState> state);
  std::unique_ptr<detail::RuntimeState> state_;
};

/// Every setting has a default. A value that cannot be used throws std::invalid_argument that says which and why.
class RuntimeBuilder {
 public:
  RuntimeBuilder();
  RuntimeBuilder(RuntimeBuilder&&) noexcept;
  ~RuntimeBuilder();

  /// Default: one a processor. 1 to 1024.
  RuntimeBuilder&& workers(std::uint32_t count) &&;
  /// Default 0, 512. Threads start on demand, and end after ten idle seconds down to `min`.
  RuntimeBuilder&& blocking_threads(std::uint32_t min, std::uint32_t max) &&;
  /// H2; default 16, at least 1.
  RuntimeBuilder&& cancel_streak_limit(std::uint32_t limit) &&;
  /// H4: awaits of one task before it gives way; default 128, at least 1.
  RuntimeBuilder&& poll_budget(std::uint32_t awaits) &&;
  RuntimeBuilder&& metrics(std::shared_ptr<MetricsProvider> provider) &&;
  RuntimeBuilder&& log(std::shared_ptr<LogSink> sink) &&;
  RuntimeBuilder&& panic_isolation(const PanicIsolationConfig& config) &&;
  /// What the contexts of this runtime carry; the blocking pool is added where it is not set.
  RuntimeBuilder&& capabilities(const Capabilities& capabilities) &&;
  /// A close that takes longer is logged with what it waits for; default ten seconds.
  RuntimeBuilder&& close_warning(Duration threshold) &&;
  /// The destructor waits at most so long for regions that another thread still runs, then prints the tree and aborts. Default:
  /// it waits for ever (C10).
  RuntimeBuilder&& abort_after(Duration limit) &&;
  /// `dump(fd)` whenever the process gets this signal, such as SIGUSR1, by a thread of its own; `fd` is the caller's to keep open.
  /// `build` throws std::invalid_argument when the signal has a handler already. The end of the runtime puts back what was there.
  RuntimeBuilder&& dump_on_signal(int signal, int fd = 2) &&;
  /// For thread names.
  RuntimeBuilder&& name(std::string name) &&;
  /// Of the contexts' entropy; default 0.
  RuntimeBuilder&& seed(std::uint64_t seed) &&;
  Runtime build() &&;

 private:
  struct Settings;
  std::unique_ptr<Settings> settings_;
};

namespace detail {

/// A root region that a foreign thread waits for.
class RootRun {
 public:
  RootRun(RuntimeState& runtime, const RegionOptions& options, const PolicyOps* policy, void* instance);
  ~RootRun();
  RootRun(const RootRun&) = delete;
  RootRun& operator=(const RootRun&) = delete;

  /// Why it could not be opened.
  const std::optional<Error>& refused() const { return refused_; }
  OpenedRegion& opened() { return opened_; }
  /// Publishes the body and waits for the close; rethrows with panic isolation switched off (P4).
  void run();
  /// The factory threw.
  void abandon() noexcept;
  RegionResult&& result();

 private:
  RuntimeState& runtime_;
  std::unique_ptr<BlockOn> waiting_;
  std::optional<Error> refused_;
  OpenedRegion opened_;
};

}  // namespace detail

template <class P, class Body>
auto Runtime::block_on_with(const RegionOptions& options, Body&& body)
    -> Outcome<typename detail::body_check<Body, Cx, Scope<P>>::value_type,
               typename detail::body_check<Body, Cx, Scope<P>>::error_type> {
  using Check = detail::body_check<Body, Cx, Scope<P>>;
  using T = typename Check::value_type;
  using E = typename Check::error_type;
  P policy{};
  detail::RootRun root(*state_, options, &detail::PolicyOpsOf<P>::ops, &policy);
  if (root.refused()) return Outcome<T, E>::err(E(*root.refused()));
  Scope<P> scope(root.opened().scope);
  try {
    detail_install(*root.opened().body, body(Cx(root.opened().body_cx()), scope));
  } catch (...) {
    root.abandon();
    throw;
  }
  root.run();
  return detail::combine(std::move(detail::RecordResult<T, E>::get(*root.opened().body)), root.result());
}

}  // namespace quiesce
