#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "ambient.hpp"
#include "minimise.hpp"
#include "quiesce/detail/lab/drive.hpp"
#include "run_trace.hpp"
#include "schedule.hpp"

namespace quiesce::lab {

namespace detail {

namespace {

using SteadyClock = std::chrono::steady_clock;

/// Looking for callers on a stack takes some of it, and should not be what it overflows by.
constexpr std::size_t traced_stack_factor = 4;
/// One run in so many is made twice, and the first of these is early, so that short explorations have one too.
constexpr std::uint64_t sample_interval = 64;
constexpr std::uint64_t sample_first = 7;
/// What finding a shorter run may cost.
constexpr std::uint64_t minimising_runs_max = 1'000, minimising_steps_max = 5'000'000;
constexpr SteadyClock::duration progress_interval = std::chrono::milliseconds(250);

std::uint64_t hash_after(std::uint64_t earlier_runs, const RunEnd& end) {
  return child(LogicalId{earlier_runs ^ end.trace_hash}, static_cast<std::uint32_t>(end.steps)).value;
}

bool is_same_end(const RunEnd& a, const RunEnd& b) {
  if (a.steps != b.steps || a.trace_hash != b.trace_hash || a.failure.has_value() != b.failure.has_value())
    return false;
  return !a.failure || (a.failure->kind == b.failure->kind && a.failure->message == b.failure->message);
}

/// The same defect, as far as its failure tells: the words of some kinds depend on the schedule.
bool fails_alike(const RunEnd& a, const RunEnd& b) {
  if (!b.failure || a.failure->kind != b.failure->kind) return false;
  const bool words_tell = a.failure->kind == FailureKind::assertion ||
                          a.failure->kind == FailureKind::exception || a.failure->kind == FailureKind::oracle;
  return !words_tell || a.failure->message == b.failure->message;
}

std::string text_of(const RunEnd& end) {
  if (!end.failure) return fmt::format("ended well after {} steps", end.steps);
  return fmt::format("failed at step {} ({}: {})", end.failure->step, to_string(end.failure->kind),
                     end.failure->message);
}

/// What may have decided, as far as the engine of the last of the runs has seen it.
std::string suspects(const Engine& engine) {
  if (const std::string reads = engine.describe_ambient(); !reads.empty())
    return "time or randomness from outside of the lab decides in it: " + reads +
           "; use cx.now() and cx.random_u64(), or pass the value in";
  if (!watches_ambient) return "something outside of the body, or time, addresses or randomness, decides in it";
  return "it read no clock and took no randomness, so an address decides in it, such as the order of a set of "
         "pointers or the hash of one, or what an earlier run has left, such as a static or what the body "
         "captured";
}

Failure nondeterminism(const RunEnd& first, const RunEnd& again, const Engine& engine) {
  return {FailureKind::nondeterminism,
          fmt::format("the same choices gave two runs: one {}, the other {}{}; {}", text_of(first),
                      text_of(again), first.steps == again.steps ? " by other steps" : "", suspects(engine)),
          std::min(first.steps, again.steps)};
}

/// A run by given choices, on an engine of its own that keeps the trace.
class ScriptedRun {
 public:
  ScriptedRun(const Options& options, const OneRun& one_run, std::vector<std::uint32_t> choices)
      : engine_({.steps = options.step_limit,
                 .stack_bytes = traced_stack_factor * options.stack_bytes,
                 .keep_trace = true,
                 .weak_memory = options.memory == Memory::weak}),
        script_(choices),
        strategy_(make_scripted(std::move(choices))) {
    strategy_->begin_run();
    end_ = one_run(engine_, *strategy_);
  }
  const Engine& engine() const { return engine_; }
  const RunEnd& end() const { return end_; }
  const std::vector<std::uint32_t>& script() const { return script_; }

 private:
  Engine engine_;
  std::vector<std::uint32_t> script_;
  std::unique_ptr<Strategy> strategy_;
  RunEnd end_;
};

FoundFailure found(const Failure& failure, std::uint64_t run, const Engine& engine, const RunEnd& end) {
  return {failure.kind,
          failure.message + failure.note,
          run,
          failure.step,
          schedule_text(engine, failure),
          make_token(end.choices),
          std::make_shared<const RunTrace>(make_run_trace(engine, end.told))};
}

class Driver {
 public:
  Driver(const Options& options, std::unique_ptr<Strategy> strategy, const OneRun& one_run,
         std::chrono::nanoseconds time_max)
      : options_(options),
        one_run_(one_run),
        time_max_(time_max),
        engine_({.steps = options.step_limit,
                 .stack_bytes = options.stack_bytes,
                 .weak_memory = options.memory == Memory::weak}),
        strategy_(std::move(strategy)) {}

  Report drive() {
    bool is_exhausted = false;
    while (report_.runs < options_.max_runs && !is_exhausted && !is_late()) {
      is_exhausted = !strategy_->begin_run();
      if (is_exhausted) break;
      const RunEnd end = one_run_(engine_, *strategy_);
      take(end);
      if (report_.failed() && options_.stop_at_first_failure) break;
      tell_progress();
    }
    count();
    report_.exhausted = report_.exhausted || is_exhausted;
    look_at_goals();
    if (options_.keep_trace && report_.runs > 0) {
      const ScriptedRun last(options_, one_run_, last_choices_);
      report_.trace = std::make_shared<const RunTrace>(make_run_trace(last.engine(), last.end().told));
    }
    return std::move(report_);
  }

 private:
  // What was to happen in some run has no run to show.
  void look_at_goals() {
    for (const auto& [name, reached] : engine_.goals()) {
      if (reached || report_.failed()) continue;
      ++report_.failures;
      report_.first_failure = FoundFailure{FailureKind::assertion,
                                           fmt::format("in none of {} runs: {}", report_.runs, name),
                                           report_.runs,
                                           0,
                                           {},
                                           {}};
    }
  }

  void take(const RunEnd& end) {
    const std::uint64_t run = report_.runs++;
    if (options_.keep_trace) last_choices_ = end.choices;
    report_.steps += end.steps;
    report_.ambient_reads += end.ambient_reads;
    report_.thread_id_reads += end.thread_id_reads;
    report_.hash = hash_after(report_.hash, end);
    report_.max_depth = std::max(report_.max_depth, end.steps);
    if (end.failure) {
      ++report_.failures;
      if (!report_.failed()) look_closer(end, run);
    } else if (run % sample_interval == sample_first && !end.was_given_up) {
      repeat(end, run);
    }
  }

  void look_closer(const RunEnd& end, std::uint64_t run) {
    const ScriptedRun again(options_, one_run_, end.choices);
    if (!is_same_end(end, again.end())) {
      report_.first_failure = found(nondeterminism(end, again.end(), again.engine()), run, again.engine(), end);
      return;
    }
    const ScriptedRun shortest(options_, one_run_, shorten(end));
    const ScriptedRun& shown = shortest.end().failure ? shortest : again;
    report_.first_failure = found(*shown.end().failure, run, shown.engine(), shown.end());
    report_.first_failure->token = make_token(shortest.end().failure ? shortest.script() : end.choices);
  }

  /// The choices of a run that fails in the same way, as few as were found; what comes after them is by default.
  std::vector<std::uint32_t> shorten(const RunEnd& end) {
    std::vector<std::uint32_t> choices = end.choices;
    std::uint64_t steps = 0;
    const auto fails = [&](const std::vector<std::uint32_t>& script) {
      if (steps > minimising_steps_max) return false;
      auto lenient = make_lenient(script);
      lenient->begin_run();
      const RunEnd shorter = one_run_(engine_, *lenient);
      steps += shorter.steps;
      if (!fails_alike(end, shorter)) return false;
      // As choices that are possible, up to the last that is not by default: a scripted run goes on by default.
      choices.assign(shorter.choices.begin(),
                     shorter.choices.begin() +
                         static_cast<std::ptrdiff_t>(std::min(script.size(), shorter.choices.size())));
      return true;
    };
    minimise(end.choices, fails, minimising_runs_max);
    return choices;
  }

  void repeat(const RunEnd& end, std::uint64_t run) {
    auto scripted = make_scripted(end.choices);
    scripted->begin_run();
    const RunEnd again = one_run_(engine_, *scripted);
    if (is_same_end(end, again)) return;
    ++report_.failures;
    if (report_.failed()) return;
    const ScriptedRun third(options_, one_run_, end.choices);
    report_.first_failure = found(nondeterminism(end, again, third.engine()), run, third.engine(), end);
  }

  bool is_late() const {
    return time_max_ != std::chrono::nanoseconds::max() && SteadyClock::now() - begun_ >= time_max_;
  }

  void count() {
    const Strategy::Counts counts = strategy_->counts();
    report_.classes = counts.classes;
    report_.blocked_runs = counts.blocked_runs;
    report_.max_depth = std::max(report_.max_depth, counts.max_depth);
    report_.exhausted = counts.exhausted;
    report_.elapsed = SteadyClock::now() - begun_;
  }

  void tell_progress() {
    if (!options_.on_progress || SteadyClock::now() - told_ < progress_interval) return;
    told_ = SteadyClock::now();
    count();
    options_.on_progress(report_);
  }

  const Options& options_;
  const OneRun& one_run_;
  const std::chrono::nanoseconds time_max_;
  Engine engine_;
  std::unique_ptr<Strategy> strategy_;
  Report report_;
  std::vector<std::uint32_t> last_choices_;
  SteadyClock::time_point begun_ = SteadyClock::now();
  SteadyClock::time_point told_ = begun_;
};

// A token says nothing of what follows its choices, only that each was possible.
std::optional<Failure> failure_of_replay(std::span<const std::uint32_t> wanted, const RunEnd& end) {
  const auto followed =
      static_cast<std::size_t>(std::ranges::mismatch(wanted, end.choices).in1 - wanted.begin());
  const bool is_impossible = end.failure && end.failure->kind == FailureKind::divergence;
  if (!is_impossible && (end.failure || followed == wanted.size())) return end.failure;
  std::string where =
      is_impossible ? end.failure->message : fmt::format("at step {} the run ended well", end.steps);
  return Failure{
      FailureKind::divergence,
      fmt::format("{}: {} of the token's {} choices were followed; the body is not the one it was made by",
                  where, followed, wanted.size()),
      end.steps};
}

}  // namespace

std::unique_ptr<Strategy> make_strategy(const StrategySpec& spec, std::uint64_t seed) {
  switch (spec.kind) {
    case StrategySpec::Kind::Random: return make_random(seed);
    case StrategySpec::Kind::Pct: return make_pct(seed, spec.parameter);
    case StrategySpec::Kind::Exhaustive: return make_exhaustive(spec.parameter);
    case StrategySpec::Kind::Dpor: return make_dpor();
  }
  return make_random(seed);
}

Report drive(const Options& options, const OneRun& one_run) {
  return drive(options, make_strategy(options.strategy, options.seed), one_run);
}

Report drive(const Options& options, std::unique_ptr<Strategy> strategy, const OneRun& one_run,
             std::chrono::nanoseconds time_max) {
  return Driver(options, std::move(strategy), one_run, time_max).drive();
}

Report drive_replay(std::string_view token, const Options& options, const OneRun& one_run) {
  Report report;
  const auto begun = SteadyClock::now();
  const auto choices = parse_token(token);
  if (!choices) {
    report.failures = 1;
    report.first_failure = FoundFailure{
        FailureKind::divergence, std::string(to_string(choices.error())), 0, 0, {}, std::string(token)};
    return report;
  }
  const ScriptedRun run(options, one_run, *choices);
  report.runs = 1;
  report.steps = report.max_depth = run.end().steps;
  report.ambient_reads = run.end().ambient_reads;
  report.thread_id_reads = run.end().thread_id_reads;
  report.hash = hash_after(0, run.end());
  report.elapsed = SteadyClock::now() - begun;
  if (const auto failure = failure_of_replay(*choices, run.end())) {
    report.failures = 1;
    report.first_failure = found(*failure, 0, run.engine(), run.end());
    report.first_failure->token = token;
  }
  return report;
}

}  // namespace detail

}  // namespace quiesce::lab
