#pragma once
// semantics::Runtime in the lab: what the tests use of quiesce::Runtime, on the executor of the lab. Its tasks and jobs are agents of the
// engine that runs the test; block_on waits as the test's agent. How many workers were asked for plays no part.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "quiesce/capabilities.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/quiesce.hpp"
#include "semantics_lab/run.hpp"

namespace quiesce::semantics {

namespace in_lab {

struct RootClosed : detail::RegionResult {
  explicit RootClosed(lab::detail::Engine& e);
  lab::detail::Engine& engine;
  LogicalId waiting;
  bool is_closed = false;
};

/// As detail::RootRun.
class RootInLab {
 public:
  RootInLab(lab::detail::LabExecutor& executor, const RegionOptions& options, const detail::PolicyOps* policy,
            void* instance);
  ~RootInLab();
  RootInLab(const RootInLab&) = delete;
  RootInLab& operator=(const RootInLab&) = delete;

  /// Why it could not be opened.
  const std::optional<Error>& refused() const { return refused_; }
  detail::OpenedRegion& opened() { return opened_; }
  void run();
  void abandon();
  detail::RegionResult&& result() { return std::move(closed_); }

 private:
  void wait_for_close();

  lab::detail::LabExecutor& executor_;
  RootClosed closed_;
  std::optional<Error> refused_;
  detail::OpenedRegion opened_;
};

}  // namespace in_lab

class RuntimeBuilder;

class Runtime {
 public:
  static RuntimeBuilder builder();

  template <class P = FailFast, class Body>
  auto block_on(Body&& body) {
    return block_on_with<P>(RegionOptions(), std::forward<Body>(body));
  }
  template <class P = FailFast, class Body>
  auto block_on_with(const RegionOptions& options, Body&& body) {
    using Check = detail::body_check<Body, Cx, Scope<P>>;
    using T = typename Check::value_type;
    using E = typename Check::error_type;
    P policy{};
    in_lab::RootInLab root(*executor_, options, &detail::PolicyOpsOf<P>::ops, &policy);
    if (root.refused()) return Outcome<T, E>::err(E(*root.refused()));
    Scope<P> scope(root.opened().scope);
    try {
      detail_install(*root.opened().body, body(Cx(root.opened().body_cx()), scope));
    } catch (...) {
      root.abandon();
      throw;
    }
    root.run();
    return Outcome<T, E>(
        detail::combine(std::move(detail::RecordResult<T, E>::get(*root.opened().body)), root.result()));
  }

  /// Of one that runs nothing.
  ShutdownReport shutdown(Duration grace);
  Snapshot snapshot() const;
  RuntimeStats stats() const;

 private:
  friend RuntimeBuilder;
  explicit Runtime(detail::KernelConfig config);
  lab::detail::LabExecutor* executor_;  // the run's: agents refer to it until the engine has stopped
};

class RuntimeBuilder {
 public:
  RuntimeBuilder&& workers(std::uint32_t) && { return std::move(*this); }
  RuntimeBuilder&& cancel_streak_limit(std::uint32_t) && { return std::move(*this); }
  RuntimeBuilder&& name(const std::string&) && { return std::move(*this); }
  RuntimeBuilder&& poll_budget(std::uint32_t awaits) && {
    config_.poll_budget = awaits;
    return std::move(*this);
  }
  RuntimeBuilder&& metrics(std::shared_ptr<MetricsProvider> provider) && {
    config_.metrics = std::move(provider);
    return std::move(*this);
  }
  RuntimeBuilder&& log(std::shared_ptr<LogSink> sink) && {
    config_.log = std::move(sink);
    return std::move(*this);
  }
  RuntimeBuilder&& panic_isolation(const PanicIsolationConfig& panics) && {
    config_.panics = panics;
    return std::move(*this);
  }
  Runtime build() && { return Runtime(std::move(config_)); }

 private:
  detail::KernelConfig config_;
};

inline RuntimeBuilder Runtime::builder() { return {}; }

}  // namespace quiesce::semantics
