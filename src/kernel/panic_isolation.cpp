#include "quiesce/panic_isolation.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <mutex>
#include <ostream>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "quiesce/log.hpp"
#include "quiesce/metrics.hpp"

namespace quiesce {

// ---- Where ----

std::string_view FinalizerType::name() const noexcept {
  switch (kind_) {
    case Sync: return "Sync";
    case Async: return "Async";
    case Custom: break;
  }
  return name_;
}

std::string_view to_string(CleanupPhase phase) noexcept {
  switch (phase) {
    case CleanupPhase::Finalizers: return "Finalizers";
    case CleanupPhase::ObligationResolution: return "ObligationResolution";
    case CleanupPhase::ResourceCleanup: return "ResourceCleanup";
    case CleanupPhase::StateTransition: return "StateTransition";
  }
  return "unknown";
}

std::string to_string(const FinalizerType& type) { return std::string(type.name()); }
std::ostream& operator<<(std::ostream& out, CleanupPhase phase) { return out << to_string(phase); }
std::ostream& operator<<(std::ostream& out, const FinalizerType& type) { return out << type.name(); }

namespace {

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};

}  // namespace

std::string_view PanicLocation::tag() const noexcept {
  return std::visit(
      Overloaded{[](const TaskExecution&) -> std::string_view { return "task_execution"; },
                 [](const FinalizerExecution&) -> std::string_view { return "finalizer_execution"; },
                 [](const RegionCleanup&) -> std::string_view { return "region_cleanup"; },
                 [](const ObligationHandling&) -> std::string_view { return "obligation_handling"; },
                 [](const SchedulerInternal&) -> std::string_view { return "scheduler_internal"; }},
      place_);
}

std::optional<RegionId> PanicLocation::region() const noexcept {
  return std::visit(
      [](const auto& place) -> std::optional<RegionId> {
        if constexpr (requires { place.region; }) return place.region;
        return std::nullopt;
      },
      place_);
}

std::optional<TaskId> PanicLocation::task() const noexcept {
  const auto* place = get_if<TaskExecution>();
  return place != nullptr ? std::optional(place->task) : std::nullopt;
}

std::optional<ObligationId> PanicLocation::obligation() const noexcept {
  const auto* place = get_if<ObligationHandling>();
  return place != nullptr ? std::optional(place->obligation) : std::nullopt;
}

std::string to_string(const PanicLocation& location) {
  using L = PanicLocation;
  return std::visit(
      Overloaded{[](const L::TaskExecution& at) {
                   return "TaskExecution(task=" + to_string(at.task) + ", region=" + to_string(at.region) +
                          ", poll=" + std::to_string(at.poll_attempt) + ")";
                 },
                 [](const L::FinalizerExecution& at) {
                   return "FinalizerExecution(region=" + to_string(at.region) + ", type=" + to_string(at.type) +
                          ")";
                 },
                 [](const L::RegionCleanup& at) {
                   return "RegionCleanup(region=" + to_string(at.region) +
                          ", phase=" + std::string(to_string(at.phase)) + ")";
                 },
                 [](const L::ObligationHandling& at) {
                   return "ObligationHandling(obligation=" + to_string(at.obligation) +
                          ", region=" + to_string(at.region) + ")";
                 },
                 [](const L::SchedulerInternal& at) {
                   return "SchedulerInternal(worker=" + (at.worker ? std::to_string(*at.worker) : "unknown") +
                          ", op=" + at.operation + ")";
                 }},
      location.as_variant());
}

std::ostream& operator<<(std::ostream& out, const PanicLocation& location) {
  return out << to_string(location);
}

// ---- What ----

std::ostream& operator<<(std::ostream& out, const PanicContext& context) {
  return out << context.panic_id << " in " << context.location << " at " << context.timestamp << ": "
             << context.panic_message;
}

std::string SkipReason::text() const {
  return "region " + quiesce::to_string(region) + " exceeded panic threshold " + std::to_string(threshold) +
         " with " + std::to_string(isolated) + " isolated panics";
}

std::string to_string(const SkipReason& reason) { return reason.text(); }
std::ostream& operator<<(std::ostream& out, const SkipReason& reason) { return out << reason.text(); }

PanicPayload panic_to_payload(const PanicContext& context) {
  return PanicPayload(context.panic_id + ": " + context.panic_message, context.exception,
                      context.backtrace.value_or(std::string()), context.panic_id);
}

void detail::throw_bad_isolation_access(std::string_view wanted, const IsolationFailure* failure) {
  std::string text = "PanicIsolationResult: asked for " + std::string(wanted) + " of ";
  if (failure == nullptr) {
    text += "a success";
  } else {
    text += failure->skip ? "a skipped operation: " : "an isolated panic: ";
    text += failure->context.panic_message;
  }
  throw std::logic_error(text);
}

// ---- The isolator ----

bool detail::is_debug_build() noexcept {
#ifdef NDEBUG
  return false;
#else
  return true;
#endif
}

struct PanicIsolator::State {
  struct Count {
    std::uint64_t total = 0;
    std::deque<Time> recent;  // with a window: the newest times, at most as many as the threshold
  };

  State(std::shared_ptr<MetricsProvider> metrics_, std::shared_ptr<LogSink> log_, PanicClock clock_)
      : metrics(std::move(metrics_)), log(std::move(log_)), clock(clock_) {}

  const std::shared_ptr<MetricsProvider> metrics;
  const std::shared_ptr<LogSink> log;
  const PanicClock clock;
  const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();

  std::atomic<std::uint64_t> ids{0};
  std::atomic<std::uint64_t> isolated{0};
  std::atomic<std::uint64_t> skipped{0};

  mutable std::mutex mutex;
  std::unordered_map<RegionId, Count> counts;
};

namespace {

// Runs what may throw for want of memory (or because a user's part does) where nothing may get out.
template <class Part>
void best_effort(Part&& part) noexcept {
  try {
    part();
  } catch (...) {}
}

// How many panics speak against the region now.
template <class Count>
std::uint64_t standing(Count& count, Time now, const std::optional<Duration>& window) {
  if (!window) return count.total;
  while (!count.recent.empty() && now - count.recent.front() >= *window) count.recent.pop_front();
  return count.recent.size();
}

std::string make_panic_id(std::uint64_t number, std::string_view logical) {
  std::string id = "panic-";
  if (!logical.empty()) id.append(logical).append("-");
  return id += std::to_string(number);
}

void log_panic(LogSink& log, const PanicContext& context, std::string_view logical) {
  const std::string location = to_string(context.location);
  std::vector<LogField> fields = {{"panic_id", context.panic_id}, {"location", location}};
  auto field = [&fields](std::string_view key, std::string_view value) {
    if (!value.empty()) fields.push_back(LogField{key, value});
  };
  auto text = [](const auto& id) { return id ? to_string(*id) : std::string(); };
  const std::string region = text(context.region_id);
  const std::string task = text(context.task_id);
  const std::string obligation = text(context.obligation_id);
  field("region", region);
  field("task", task);
  field("obligation", obligation);
  field("logical", logical);
  field("message", context.panic_message);
  field("backtrace", context.backtrace ? std::string_view(*context.backtrace) : std::string_view());
  log.write(LogLevel::Error, "panic isolated", fields);
}

void log_threshold(LogSink& log, const PanicContext& context, std::uint32_t threshold) {
  const std::string region = to_string(*context.region_id);
  const std::string limit = std::to_string(threshold);
  const LogField fields[] = {{"region", region}, {"threshold", limit}, {"panic_id", context.panic_id}};
  log.write(LogLevel::Warn, "region reached its panic threshold; further operations in it are skipped", fields);
}

PanicContext make_context(PanicLocation location, Time now) {
  PanicContext context{.panic_id = {}, .location = std::move(location), .timestamp = now, .panic_message = {}};
  context.region_id = context.location.region();
  context.task_id = context.location.task();
  context.obligation_id = context.location.obligation();
  return context;
}

}  // namespace

PanicIsolator::PanicIsolator(PanicIsolationConfig config, std::shared_ptr<MetricsProvider> metrics,
                             std::shared_ptr<LogSink> log, PanicClock clock)
    : config_(config),
      may_skip_(config.panic_threshold_per_region == 0U),
      state_(std::make_unique<State>(std::move(metrics), std::move(log), clock)) {
  if (config.threshold_window && *config.threshold_window <= Duration::zero()) {
    throw std::invalid_argument("PanicIsolationConfig: threshold_window must be positive, or not set");
  }
}

PanicIsolator::~PanicIsolator() = default;

Time PanicIsolator::now() const noexcept {
  Time time = Time::zero();
  best_effort([&] {
    time = state_->clock.now != nullptr
               ? state_->clock.now(state_->clock.context)
               : Time::zero() +
                     std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - state_->start);
  });
  return time;
}

std::optional<SkipReason> PanicIsolator::look_up_skip(RegionId region) const {
  if (!config_.panic_threshold_per_region) return std::nullopt;
  const std::uint32_t threshold = *config_.panic_threshold_per_region;
  const Time time = config_.threshold_window ? now() : Time::zero();
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->counts.find(region);
  const std::uint64_t isolated =
      found == state_->counts.end() ? 0 : standing(found->second, time, config_.threshold_window);
  if (isolated < threshold) return std::nullopt;
  return SkipReason{region, threshold, isolated};
}

bool PanicIsolator::count_panic(RegionId region, Time time) {
  const std::optional<std::uint32_t> threshold = config_.panic_threshold_per_region;
  const std::lock_guard lock(state_->mutex);
  State::Count& count = state_->counts[region];
  if (threshold) may_skip_.store(true, std::memory_order_relaxed);
  const std::uint64_t before = standing(count, time, config_.threshold_window);
  ++count.total;
  if (threshold && config_.threshold_window) {
    count.recent.push_back(time);
    if (count.recent.size() > *threshold) count.recent.pop_front();
  }
  return threshold && before < *threshold && standing(count, time, config_.threshold_window) >= *threshold;
}

PanicContext PanicIsolator::record(PanicLocation location, std::exception_ptr exception,
                                   std::string_view logical) noexcept {
  state_->isolated.fetch_add(1, std::memory_order_relaxed);
  PanicContext context = make_context(std::move(location), now());
  context.exception = std::move(exception);
  const std::uint64_t number = state_->ids.fetch_add(1, std::memory_order_relaxed) + 1;
  best_effort([&] { context.panic_id = make_panic_id(number, logical); });
  best_effort([&] { context.panic_message = PanicPayload::from_exception(context.exception).message(); });
  best_effort([&] {
    if (config_.capture_backtraces) context.backtrace = detail::capture_stack_trace(1);
  });
  best_effort([&] {
    if (context.region_id) context.reached_threshold = count_panic(*context.region_id, context.timestamp);
  });
  detail::report_metric(state_->metrics.get(),
                        [&](MetricsProvider& metrics) { metrics.panic(context.location.tag()); });
  if (config_.enable_panic_logging && state_->log != nullptr) {
    best_effort([&] { log_panic(*state_->log, context, logical); });
    best_effort([&] {
      if (context.reached_threshold) log_threshold(*state_->log, context, *config_.panic_threshold_per_region);
    });
  }
  return context;
}

PanicContext PanicIsolator::record_skip(PanicLocation location, const SkipReason& reason,
                                        std::string_view logical) noexcept {
  state_->skipped.fetch_add(1, std::memory_order_relaxed);
  PanicContext context = make_context(std::move(location), now());
  const std::uint64_t number = state_->ids.fetch_add(1, std::memory_order_relaxed) + 1;
  best_effort([&] { context.panic_id = make_panic_id(number, logical); });
  best_effort([&] { context.panic_message = reason.text(); });
  return context;
}

void PanicIsolator::forget_region(RegionId region) noexcept {
  const std::lock_guard lock(state_->mutex);
  state_->counts.erase(region);
  if (state_->counts.empty()) {
    may_skip_.store(config_.panic_threshold_per_region == 0U, std::memory_order_relaxed);
  }
}

std::uint64_t PanicIsolator::panic_count(RegionId region) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->counts.find(region);
  return found == state_->counts.end() ? 0 : found->second.total;
}

std::size_t PanicIsolator::counted_regions() const {
  const std::lock_guard lock(state_->mutex);
  return state_->counts.size();
}

std::uint64_t PanicIsolator::isolated_total() const noexcept {
  return state_->isolated.load(std::memory_order_relaxed);
}

std::uint64_t PanicIsolator::skipped_total() const noexcept {
  return state_->skipped.load(std::memory_order_relaxed);
}

}  // namespace quiesce
