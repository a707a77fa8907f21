// quiesce hunt: rounds of the program, several at a time, each with another strategy and seed.
//
//  1. A round is one process. Its explorations run for a bounded time each: short ones first, so that every exploration has its turn
//     early, then longer and longer ones.
//  2. Strategies take turns, so that the processes that run at one time differ.
//  3. A failure that is told ends the hunt (unless it should go on); so do the time and a signal. Then what still runs is ended.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <expected>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>

#include "child.hpp"
#include "commands.hpp"
#include "quiesce/lab/environment.hpp"
#include "quiesce/logical.hpp"
#include "scratch.hpp"
#include "status_reader.hpp"

namespace quiesce_command {

namespace lab = quiesce::lab;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

namespace {

constexpr auto look_interval = std::chrono::milliseconds(50);
constexpr auto tty_interval = std::chrono::milliseconds(200);
constexpr auto plain_interval = std::chrono::seconds(5);
constexpr auto patience = std::chrono::milliseconds(500);  // between asking a process to end and ending it
constexpr double first_seconds = 0.5, seconds_max = 8;     // of each exploration of a round
constexpr double silence_told = 2;       // seconds in one run that are worth a line at the end
constexpr std::size_t lines_shown = 20;  // of the output of a program that crashed

struct Turn {
  lab::StrategySpec strategy;
  bool cancels;
};
constexpr std::array mixture = {Turn{lab::random(), false}, Turn{lab::pct(2), false}, Turn{lab::random(), true},
                                Turn{lab::pct(3), false},   Turn{lab::pct(3), true},  Turn{lab::pct(4), false},
                                Turn{lab::pct(2), true},    Turn{lab::pct(5), false}};

volatile std::sig_atomic_t interrupted = 0;
void note_signal(int) { interrupted = 1; }

class SignalsNoted {
 public:
  SignalsNoted() {
    struct sigaction action {};
    action.sa_handler = note_signal;
    ::sigaction(SIGINT, &action, &before_[0]);
    ::sigaction(SIGTERM, &action, &before_[1]);
  }
  ~SignalsNoted() {
    ::sigaction(SIGINT, &before_[0], nullptr);
    ::sigaction(SIGTERM, &before_[1], nullptr);
  }
  SignalsNoted(const SignalsNoted&) = delete;
  SignalsNoted& operator=(const SignalsNoted&) = delete;

 private:
  struct sigaction before_[2];
};

std::string quoted(const std::string& word) {
  constexpr std::string_view harmless =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
  if (!word.empty() && word.find_first_not_of(harmless) == word.npos) return word;
  std::string text = "'";
  for (const char letter : word) text += letter == '\'' ? std::string("'\\''") : std::string(1, letter);
  return text + '\'';
}

std::string command_line(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + quoted(word);
  return text;
}

std::string last_lines(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back("    " + line + '\n');
  std::string text;
  for (std::size_t i = lines.size() - std::min(lines.size(), lines_shown); i < lines.size(); ++i)
    text += lines[i];
  return text;
}

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, 1, ',');
  return text;
}

/// "pct3", "random+cancels"; else a sentence.
std::expected<Turn, std::string> read_turn(std::string_view name) {
  constexpr std::string_view suffix = "+cancels";
  const bool cancels = name.ends_with(suffix);
  if (cancels) name.remove_suffix(suffix.size());
  const auto strategy = lab::parse_strategy(name);
  if (!strategy) return std::unexpected(strategy.error());
  return Turn{*strategy, cancels};
}

class Hunt {
 public:
  explicit Hunt(const HuntOptions& options) : options_(options), is_tty_(::isatty(STDOUT_FILENO) != 0) {
    for (const std::string& name : options.strategies) turns_.push_back(read_turn(name).value());
    if (turns_.empty()) turns_.assign(mixture.begin(), mixture.end());
    if (!options.cancels && options.strategies.empty())
      std::erase_if(turns_, [](const Turn& turn) { return turn.cancels; });
  }

  ExitStatus run() {
    const SignalsNoted signals;
    fmt::print("hunting for {} with {} and the seed {}\n", length_text(options_.seconds),
               options_.jobs == 1 ? std::string("one process") : fmt::format("{} processes", options_.jobs),
               options_.seed);
    std::fflush(stdout);
    while (!is_over()) {
      if (!fill()) return ExitStatus::impossible;
      std::this_thread::sleep_for(look_interval);
      if (!look()) return ExitStatus::impossible;
      tell_progress();
    }
    stop_all();
    return conclude();
  }

 private:
  struct Round {
    lab::HuntOrder order;
    std::filesystem::path output;
    Child child;
    StatusReader status;
  };

  double passed() const { return Seconds(Clock::now() - begun_).count(); }
  static std::string length_text(double seconds) {
    return seconds < 600 ? fmt::format("{:g} s", std::round(seconds * 10) / 10)
                         : fmt::format("{:.0f} min", seconds / 60);
  }

  bool is_over() const {
    return interrupted != 0 || passed() >= options_.seconds ||
           (!tally_.failures.empty() && !options_.keep_going);
  }

  lab::HuntOrder next_order() {
    const std::uint64_t round = rounds_++;
    const Turn& turn = turns_[round % turns_.size()];
    const auto cycle = static_cast<int>(std::min<std::uint64_t>(round / turns_.size(), 16));
    const double seconds = std::min(std::ldexp(first_seconds, cycle), seconds_max);
    return {
        .strategy = turn.strategy,
        .cancels = turn.cancels,
        .seed = quiesce::child(quiesce::LogicalId{options_.seed}, static_cast<std::uint32_t>(round)).value >>
                32,  // short in a token
        .runs = 0,
        .seconds = std::max(std::min(seconds, options_.seconds - passed()), 0.01)};
  }

  // False: the program cannot be run.
  bool fill() {
    while (rounds_running_.size() < options_.jobs) {
      const lab::HuntOrder order = next_order();
      const std::string number = std::to_string(rounds_);
      const auto output = scratch_ / ("output." + number), status = scratch_ / ("status." + number);
      auto child = Child::start({.program = options_.program,
                                 .environment = {{lab::hunt_variable, to_string(order)},
                                                 {lab::status_variable, status.string()},
                                                 {lab::crash_packs_variable, packs_found_.string()},
                                                 {lab::replay_variable, std::nullopt}},
                                 .output = output});
      if (!child) return refuse(child.error());
      rounds_running_.push_back(
          std::make_unique<Round>(order, output, std::move(*child), StatusReader(status)));
    }
    return true;
  }

  // False: the program is no good.
  bool look() {
    for (auto round = rounds_running_.begin(); round != rounds_running_.end();) {
      const std::optional<Ended> ended = (*round)->child.poll();
      (*round)->status.read(tally_);
      if (!ended) {
        if (is_endless(**round)) return refuse_endless(**round);
        ++round;
        continue;
      }
      runs_ended_ += (*round)->status.runs();
      if (!(!tally_.failures.empty() && !options_.keep_going) && !judge(**round, *ended)) return false;
      std::error_code ignored;
      std::filesystem::remove((*round)->output, ignored);
      round = rounds_running_.erase(round);
    }
    return true;
  }

  bool judge(const Round& round, const Ended& ended) {
    const std::string& program = options_.program[0];
    if (ended.signal != 0) {
      const std::string& body = round.status.under_way();
      return refuse(fmt::format("{} {} {}\nrun it again with {}={} {}\nthe end of what it printed:\n{}",
                                program, ended.text(),
                                body.empty() ? std::string("outside of every exploration")
                                             : fmt::format("in an exploration of the body {}", body),
                                lab::hunt_variable, to_string(round.order), command_line(options_.program),
                                last_lines(round.output)));
    }
    if (round.status.explorations() > 0) return true;
    return refuse(fmt::format(
        "{} {} without an exploration; it must be linked with the lab, and its arguments must let tests run "
        "that explore\nthe end of what it printed:\n{}",
        program, ended.text(), last_lines(round.output)));
  }

  // Progress is told between runs, so whoever is silent for longer than an exploration should take is in one run.
  bool is_endless(const Round& round) const {
    return !round.status.under_way().empty() &&
           round.status.silence() > Seconds(round.order.seconds + options_.patience);
  }

  bool refuse_endless(const Round& round) {
    return refuse(fmt::format(
        "{} has been in one run of the body {} for {}: a step that uses nothing of the lab and does not "
        "suspend is "
        "never cut off\nrun it again with {}={} {}",
        options_.program[0], round.status.under_way(), length_text(Seconds(round.status.silence()).count()),
        lab::hunt_variable, to_string(round.order), command_line(options_.program)));
  }

  bool refuse(std::string_view sentence) {
    clear_line();
    fmt::print(stderr, "quiesce hunt: {}", sentence);
    if (!sentence.ends_with('\n')) std::fputc('\n', stderr);
    return false;
  }

  std::uint64_t runs() const {
    std::uint64_t sum = runs_ended_;
    for (const auto& round : rounds_running_) sum += round->status.runs();
    return sum;
  }

  std::string progress() const {
    const double seconds = passed();
    std::string text = fmt::format("{} runs, {} runs/s, {} suspension points, ", grouped(runs()),
                                   grouped(static_cast<std::uint64_t>(static_cast<double>(runs()) / seconds)),
                                   tally_.suspensions.size());
    text += tally_.cancel_points.empty() ? std::string("no cancel points")
                                         : fmt::format("cancelled at {} of {} cancel points",
                                                       tally_.landed.size(), tally_.cancel_points.size());
    return text;
  }

  void tell_progress() {
    if (is_over() ||
        Clock::now() - told_ < (is_tty_ ? Clock::duration(tty_interval) : Clock::duration(plain_interval)))
      return;
    told_ = Clock::now();
    const std::string line = fmt::format("{}, {} {}, {} left", progress(), rounds_running_.size(),
                                         rounds_running_.size() == 1 ? "process" : "processes",
                                         length_text(std::max(options_.seconds - passed(), 0.0)));
    if (is_tty_) {
      fmt::print("\r\x1b[K{}", line);
    } else {
      fmt::print("{}\n", line);
    }
    std::fflush(stdout);
  }

  void clear_line() {
    if (is_tty_) fmt::print("\r\x1b[K");
    std::fflush(stdout);
  }

  void stop_all() {
    for (auto& round : rounds_running_) {
      const bool is_silent = round->status.silence() > Seconds(round->order.seconds + silence_told);
      if (is_silent && !round->status.under_way().empty()) ++silent_;
      round->child.kill(SIGTERM);
    }
    const auto until = Clock::now() + patience;
    for (auto& round : rounds_running_) {
      while (!round->child.poll() && Clock::now() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      round->status.read(tally_);
      runs_ended_ += round->status.runs();
    }
    rounds_running_.clear();  // ends what has not ended
  }

  ExitStatus conclude() {
    clear_line();
    fmt::print("{} in {}\n", progress(), length_text(passed()));
    if (interrupted != 0) fmt::print("interrupted\n");
    if (silent_ > 0)
      fmt::print("{} of the processes was in one run for more than {} s when it was stopped\n", silent_,
                 silence_told);
    std::vector<const FailureTold*> distinct;
    for (const FailureTold& failure : tally_.failures) {
      const bool is_known = std::ranges::any_of(distinct, [&](const FailureTold* known) {
        return known->kind == failure.kind && known->message == failure.message;
      });
      if (!is_known) distinct.push_back(&failure);
      if (!options_.keep_going) break;
    }
    for (const FailureTold* failure : distinct) show(*failure);
    std::error_code ignored;
    std::filesystem::remove_all(packs_found_, ignored);
    std::filesystem::remove(options_.packs, ignored);  // if nothing is in it
    if (!distinct.empty()) return ExitStatus::failure;
    if (interrupted != 0) return ExitStatus::interrupted;
    fmt::print("no failure was found\n");
    return ExitStatus::well;
  }

  void show(const FailureTold& failure) {
    const std::filesystem::path pack = keep_pack(failure);
    std::string text = failure.text;
    if (const auto at = text.find(failure.crash_pack); !pack.empty() && at != text.npos)
      text.replace(at, failure.crash_pack.size(), pack.string());
    fmt::print("\n{}", text);
    if (!failure.token.empty())
      fmt::print("  quiesce replay {} -- {}\n", failure.token, command_line(options_.program));
    std::fflush(stdout);
    if (!pack.empty()) view({.file = pack, .output = {}, .perfetto = false});
  }

  // Where the pack is now; empty: none was written.
  std::filesystem::path keep_pack(const FailureTold& failure) {
    if (failure.crash_pack.empty()) return {};
    std::filesystem::path pack = options_.packs / std::filesystem::path(failure.crash_pack).filename();
    std::error_code error;
    std::filesystem::remove_all(pack, error);
    std::filesystem::rename(failure.crash_pack, pack, error);
    if (error)
      fmt::print(stderr, "quiesce hunt: {} cannot be moved to {}: {}\n", failure.crash_pack, pack.string(),
                 error.message());
    return error ? std::filesystem::path(failure.crash_pack) : pack;
  }

  const HuntOptions& options_;
  const bool is_tty_;
  std::vector<Turn> turns_;
  const Scratch scratch_;
  // Beside where they go, so that a pack can be moved there: several processes may find the same failure, and one pack is enough.
  const std::filesystem::path packs_found_ =
      std::filesystem::absolute(options_.packs).lexically_normal() / fmt::format(".hunt.{}", ::getpid());
  Tally tally_;
  std::vector<std::unique_ptr<Round>> rounds_running_;
  std::uint64_t rounds_ = 0, runs_ended_ = 0, silent_ = 0;
  const Clock::time_point begun_ = Clock::now();
  Clock::time_point told_ = begun_;
};

}  // namespace

ExitStatus hunt(const HuntOptions& options) {
  for (const std::string& name : options.strategies) {
    if (const auto turn = read_turn(name); !turn) {
      fmt::print(stderr, "quiesce hunt: {}\n", turn.error());
      return ExitStatus::usage;
    }
  }
  return Hunt(options).run();
}

}  // namespace quiesce_command
