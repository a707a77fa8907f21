#include "exploration.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cstdio>
#include <limits>
#include <memory>
#include <utility>

#include "cancel_hunt.hpp"
#include "coverage.hpp"
#include "crash_pack.hpp"
#include "environment.hpp"
#include "status.hpp"

namespace quiesce::lab::detail {
namespace {

std::string text_of(std::uint32_t fingerprint) { return fmt::format("b{:08x}", fingerprint); }

Report report_of(FoundFailure failure) {
  Report report;
  report.failures = 1;
  report.first_failure = std::move(failure);
  return report;
}

/// Of a process that was asked to make one run again: whether anybody could. Who watches the status file knows; others are told at exit.
struct ReplayNote {
  std::atomic<bool> is_wanted{false}, has_matched{false};
  ~ReplayNote() {
    if (is_wanted && !has_matched)
      std::fputs("quiesce: no exploration was of the body that the token in QUIESCE_REPLAY is of\n", stderr);
  }
};
ReplayNote replay_note;

/// What an exploration is made of, when it is known.
struct Planned {
  Search search;
  std::unique_ptr<Strategy> strategy;
  std::chrono::nanoseconds time_max = std::chrono::nanoseconds::max();
};

Planned as_asked(const Subject& subject, const Options& options, std::uint32_t together) {
  Planned made;
  made.search.options = options;
  made.search.strategy = together > 0 ? "cancel_everywhere" : to_string(options.strategy);
  RunMode& mode = made.search.mode = RunMode::of(fingerprint_of(subject.body), options);
  mode.draws_cancels = together > 0;
  if (!subject.takes_cancels) {  // plain threads draw no entropy, and are no tasks
    mode.seed = 0;
    mode.lanes = false;
    mode.futurelock_steps = RunMode{}.futurelock_steps;
  }
  if (!subject.takes_cancels || together > 0) mode.workers = 1;
  made.strategy = together > 0 ? make_injection(together) : make_strategy(options.strategy, options.seed);
  return made;
}

// An exploration that injects requests by itself does so in a hunt, whatever the order says.
Planned as_ordered(const Subject& subject, Options options, std::uint32_t together, const HuntOrder& order) {
  options.strategy = order.strategy;
  options.seed = order.seed;
  options.max_runs = order.runs > 0 ? order.runs : std::numeric_limits<std::uint64_t>::max();
  options.stop_at_first_failure = true;
  Planned made = as_asked(subject, options, 0);
  made.search.mode.draws_cancels = together > 0 || (order.cancels && subject.takes_cancels);
  // As in cancel_everywhere: with two workers a draw of one would look like a place for a request.
  if (made.search.mode.draws_cancels) made.search.mode.workers = 1;
  const bool draws_at_random =
      order.strategy.kind == StrategySpec::Kind::Random || order.strategy.kind == StrategySpec::Kind::Pct;
  if (made.search.mode.draws_cancels && draws_at_random)
    made.strategy = make_cancel_hunt(std::move(made.strategy), order.seed);
  if (order.seconds > 0)
    made.time_max =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(order.seconds));
  return made;
}

void add_crash_pack(Report& report, const Search& search, const Environment& environment) {
  const std::string& directory =
      search.options.crash_packs.empty() ? environment.crash_packs : search.options.crash_packs;
  if (!report.failed() || directory.empty()) return;
  if (const auto pack = write_crash_pack(directory, report, search)) {
    report.first_failure->crash_pack = pack->string();
  } else {
    report.first_failure->crash_pack_error = pack.error();
  }
}

Report run_search(const Subject& subject, Planned made, const Environment& environment) {
  Status status(environment.status);
  Coverage coverage;
  const Coverage::Use use(status.is_wanted() ? &coverage : Coverage::current());
  status.begin(text_of(made.search.mode.body), environment.hunt ? "hunt" : "explore");
  if (status.is_wanted()) {
    made.search.options.on_progress =
        [&, users = std::move(made.search.options.on_progress)](const Report& so_far) {
          status.progress(so_far, coverage.take_news());
          if (users) users(so_far);
        };
  }
  const OneRun one_run = subject.in(made.search.mode);
  Report report = drive(made.search.options, std::move(made.strategy), one_run, made.time_max);
  if (report.failed()) {
    std::string& token = report.first_failure->token;
    token = made.search.mode.prefix() + token;
  }
  add_crash_pack(report, made.search, environment);
  status.end(report, coverage.take_news());
  return report;
}

/// The run of the token, whoever asked for it.
Report run_again(const Subject& subject, std::string_view token, const Options& options) {
  const std::string whole(token);
  const RunMode mode = RunMode::take_from(token);
  const std::uint32_t body = known_fingerprint_of(subject.body);
  if (!may_be_same_body(mode.body, body)) {
    return report_of(
        {FailureKind::divergence,
         fmt::format("the token is of another body: its maker has the fingerprint {}, this one has {}",
                     text_of(mode.body), text_of(body)),
         0,
         0,
         {},
         whole});
  }
  Report report = drive_replay(token, mode.applied_to(options), subject.in(mode));
  if (report.failed()) report.first_failure->token = mode.prefix() + std::string(token);
  return report;
}

// In place of an exploration: the environment says which run is wanted.
Report run_wanted(const Subject& subject, const Options& options, const Environment& environment) {
  std::string_view token = *environment.replay;
  const std::uint32_t body = fingerprint_of(subject.body);
  Status status(environment.status);
  replay_note.is_wanted = environment.status.empty();
  if (RunMode::take_from(token).body != body) {
    status.skipped(text_of(body));
    return {};
  }
  replay_note.has_matched = true;
  status.begin(text_of(body), "replay");
  Report report = run_again(subject, *environment.replay, options);
  add_crash_pack(report, {options, RunMode::take_from(token), "replay"}, environment);
  status.end(report, {});
  std::fputs(report.text().c_str(), stderr);
  return report;
}

}  // namespace

Report explore(const Subject& subject, const Options& options, std::uint32_t together) {
  const auto environment = Environment::read();
  if (!environment) return report_of({FailureKind::misuse, environment.error(), 0, 0, {}, {}});
  if (environment->replay) return run_wanted(subject, options, *environment);
  return run_search(subject,
                    environment->hunt ? as_ordered(subject, options, together, *environment->hunt)
                                      : as_asked(subject, options, together),
                    *environment);
}

Report replay(const Subject& subject, std::string_view token, const Options& options) {
  return run_again(subject, token, options);
}

}  // namespace quiesce::lab::detail
