#include "run_mode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "dice.hpp"

namespace quiesce::lab::detail {
namespace {

template <class Number>
bool read_number(std::string_view digits, Number& value, int base = 10) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return error == std::errc() && end == digits.data() + digits.size();
}

struct NamedFault {
  char letter;
  Fault Chaos::*fault;
};
constexpr std::array faults = {NamedFault{'d', &Chaos::delay},
                               NamedFault{'w', &Chaos::spurious_wake},
                               NamedFault{'b', &Chaos::spent_budget},
                               NamedFault{'s', &Chaos::refused_spawn},
                               NamedFault{'a', &Chaos::refused_allocation},
                               NamedFault{'p', &Chaos::panic},
                               NamedFault{'c', &Chaos::cancel},
                               NamedFault{'j', &Chaos::clock_jump}};
struct NamedTime {
  char letter;
  Duration Chaos::*time;
};
constexpr std::array times = {NamedTime{'D', &Chaos::delay_max}, NamedTime{'J', &Chaos::jump_max}};

/// "p100-3-17s50D1000": panics, one in 100 and at steps 3 and 17; refused spawns, one in 50; delays of up to 1000 ns.
std::string write_chaos(const Chaos& chaos) {
  std::string text;
  for (const auto& [letter, member] : faults) {
    const Fault& fault = chaos.*member;
    if (fault == Fault{}) continue;
    text += fmt::format("{}{}", letter, fault.one_in);
    for (std::uint64_t step : fault.at) text += fmt::format("-{}", step);
  }
  for (const auto& [letter, member] : times) {
    if (chaos.*member != Chaos{}.*member) text += fmt::format("{}{}", letter, (chaos.*member).count());
  }
  return text;
}

/// Takes a number off the front.
template <class Number>
bool take_number(std::string_view& text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool read_fault(std::string_view& text, Fault& fault) {
  if (!take_number(text, fault.one_in)) return false;
  while (!text.empty() && text.front() == '-') {
    text.remove_prefix(1);
    if (!take_number(text, fault.at.emplace_back())) return false;
  }
  return true;
}

bool read_chaos(std::string_view text, Chaos& chaos) {
  while (!text.empty()) {
    const char letter = text.front();
    text.remove_prefix(1);
    if (const auto fault = std::ranges::find(faults, letter, &NamedFault::letter); fault != faults.end()) {
      if (!read_fault(text, chaos.*fault->fault)) return false;
      continue;
    }
    const auto time = std::ranges::find(times, letter, &NamedTime::letter);
    Duration::rep count = 0;
    if (time == times.end() || !take_number(text, count)) return false;
    chaos.*time->time = Duration(count);
  }
  return true;
}

/// One part of a prefix: a letter, and what follows it up to the dot.
struct Part {
  char letter;
  /// False: as by default, and not written.
  bool (*write)(const RunMode& mode, std::string& rest);
  bool (*read)(std::string_view rest, RunMode& mode);
};

constexpr std::array parts = {
    Part{'b',
         [](const RunMode& mode, std::string& rest) {
           rest = fmt::format("{:08x}", mode.body);
           return mode.body != 0;
         },
         [](std::string_view rest, RunMode& mode) {
           return rest.size() == 8 && read_number(rest, mode.body, 16);
         }},
    Part{'s',
         [](const RunMode& mode, std::string& rest) {
           rest = fmt::format("{}", mode.seed);
           return mode.seed != 0;
         },
         [](std::string_view rest, RunMode& mode) { return read_number(rest, mode.seed); }},
    Part{'w',
         [](const RunMode& mode, std::string& rest) {
           rest = fmt::format("{}", mode.workers);
           return mode.workers != 1;
         },
         [](std::string_view rest, RunMode& mode) { return read_number(rest, mode.workers); }},
    Part{'l', [](const RunMode& mode, std::string&) { return mode.lanes; },
         [](std::string_view rest, RunMode& mode) { return rest.empty() && (mode.lanes = true); }},
    Part{'n',
         [](const RunMode& mode, std::string& rest) {
           rest = fmt::format("{}", mode.step_limit);
           return mode.step_limit != RunMode{}.step_limit;
         },
         [](std::string_view rest, RunMode& mode) { return read_number(rest, mode.step_limit); }},
    Part{'f',
         [](const RunMode& mode, std::string& rest) {
           rest = fmt::format("{}", mode.futurelock_steps);
           return mode.futurelock_steps != RunMode{}.futurelock_steps;
         },
         [](std::string_view rest, RunMode& mode) { return read_number(rest, mode.futurelock_steps); }},
    Part{'m', [](const RunMode& mode, std::string&) { return mode.memory == Memory::weak; },
         [](std::string_view rest, RunMode& mode) {
           mode.memory = Memory::weak;
           return rest.empty();
         }},
    Part{'x',
         [](const RunMode& mode, std::string& rest) {
           rest = write_chaos(mode.chaos);
           return !rest.empty();
         },
         [](std::string_view rest, RunMode& mode) { return read_chaos(rest, mode.chaos); }},
    Part{'c', [](const RunMode& mode, std::string&) { return mode.draws_cancels; },
         [](std::string_view rest, RunMode& mode) { return rest.empty() && (mode.draws_cancels = true); }},
};

bool read_part(std::string_view text, RunMode& mode) {
  const auto part = std::ranges::find(parts, text.front(), &Part::letter);
  return part != parts.end() && part->read(text.substr(1), mode);
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const auto begin = text.find_first_not_of(space);
  return begin == text.npos ? std::string_view() : text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

}  // namespace

RunMode RunMode::of(std::uint32_t body, const Options& options) {
  using Kind = StrategySpec::Kind;
  const bool tries_all = options.strategy.kind == Kind::Exhaustive || options.strategy.kind == Kind::Dpor;
  return {.body = body,
          .seed = options.seed,
          .workers = options.workers,
          .lanes = options.scheduling == Scheduling::workers,
          .step_limit = options.step_limit,
          .futurelock_steps = options.futurelock_steps,
          .memory = options.memory,
          .chaos = tries_all ? with_two_ways(options.chaos) : options.chaos};
}

Options RunMode::applied_to(Options options) const {
  options.seed = seed;
  options.workers = workers;
  options.scheduling = lanes ? Scheduling::workers : Scheduling::any_order;
  options.step_limit = step_limit;
  options.futurelock_steps = futurelock_steps;
  options.memory = memory;
  options.chaos = chaos;
  return options;
}

std::string RunMode::prefix() const {
  std::string text, rest;
  for (const Part& part : parts) {
    rest.clear();
    if (part.write(*this, rest)) text += part.letter + rest + '.';
  }
  return text;
}

RunMode RunMode::take_from(std::string_view& token) {
  RunMode mode;
  token = trim(token);
  for (std::size_t dot = token.find('.'); dot != std::string_view::npos && dot > 0; dot = token.find('.')) {
    RunMode with_part = mode;
    if (!read_part(token.substr(0, dot), with_part)) break;
    mode = with_part;
    token.remove_prefix(dot + 1);
  }
  return mode;
}

}  // namespace quiesce::lab::detail
