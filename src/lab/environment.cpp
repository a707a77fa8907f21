#include "environment.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>

#include "quiesce/detail/lab/token.hpp"
#include "run_mode.hpp"

namespace quiesce::lab {
namespace {

struct StrategyName {
  std::string_view name;
  StrategySpec::Kind kind;
  enum class Number : std::uint8_t { None, Optional, Needed } number;
  std::uint32_t by_default;
};
constexpr std::array strategy_names = {
    StrategyName{"random", StrategySpec::Kind::Random, StrategyName::Number::None, 0},
    StrategyName{"pct", StrategySpec::Kind::Pct, StrategyName::Number::Needed, 0},
    StrategyName{"exhaustive", StrategySpec::Kind::Exhaustive, StrategyName::Number::Optional,
                 exhaustive().parameter},
    StrategyName{"dpor", StrategySpec::Kind::Dpor, StrategyName::Number::None, 0},
};

template <class Number>
bool read_number(std::string_view digits, Number& value) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size();
}

/// Empty: read; else what is wrong.
std::string read_part(std::string_view key, std::string_view value, HuntOrder& order) {
  const auto wrong = [&](std::string_view wanted) {
    return fmt::format("'{}={}' should give {}", key, value, wanted);
  };
  if (key == "strategy") {
    const auto strategy = parse_strategy(value);
    if (!strategy) return strategy.error();
    order.strategy = *strategy;
    return {};
  }
  if (key == "cancels") {
    order.cancels = value == "1";
    return value == "0" || value == "1" ? "" : wrong("0 or 1");
  }
  if (key == "seed") return read_number(value, order.seed) ? "" : wrong("a number from 0 to 2^64 - 1");
  if (key == "runs") return read_number(value, order.runs) ? "" : wrong("a number of runs");
  if (key == "seconds") {
    const bool is_read = read_number(value, order.seconds) && order.seconds >= 0 && order.seconds < 1e9;
    return is_read ? "" : wrong("a number of seconds");
  }
  return fmt::format("there is no '{}'; it knows strategy, cancels, seed, runs and seconds", key);
}

}  // namespace

std::string to_string(const StrategySpec& strategy) {
  for (const StrategyName& known : strategy_names) {
    if (known.kind != strategy.kind) continue;
    const bool is_plain =
        known.number == StrategyName::Number::None ||
        (known.number == StrategyName::Number::Optional && strategy.parameter == known.by_default);
    return is_plain ? std::string(known.name) : fmt::format("{}{}", known.name, strategy.parameter);
  }
  return "unknown";
}

std::expected<StrategySpec, std::string> parse_strategy(std::string_view text) {
  for (const StrategyName& known : strategy_names) {
    if (!text.starts_with(known.name)) continue;
    const std::string_view digits = text.substr(known.name.size());
    StrategySpec strategy{known.kind, known.by_default};
    const bool may_have_none = known.number != StrategyName::Number::Needed;
    const bool may_have_some = known.number != StrategyName::Number::None;
    if (digits.empty() ? may_have_none : may_have_some && read_number(digits, strategy.parameter))
      return strategy;
  }
  return std::unexpected(fmt::format(
      "there is no strategy '{}'; it knows random, pct<d> (as pct3), exhaustive, exhaustive<n> and dpor",
      text));
}

std::string to_string(const HuntOrder& order) {
  return fmt::format("strategy={},cancels={},seed={},runs={},seconds={}", to_string(order.strategy),
                     order.cancels ? 1 : 0, order.seed, order.runs, order.seconds);
}

std::expected<HuntOrder, std::string> parse_hunt_order(std::string_view text) {
  HuntOrder order;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const auto equals = part.find('=');
    if (equals == part.npos)
      return std::unexpected(fmt::format("'{}' is no key=value, as in strategy=pct3,seed=7,runs=1000", part));
    if (std::string wrong = read_part(part.substr(0, equals), part.substr(equals + 1), order); !wrong.empty())
      return std::unexpected(std::move(wrong));
  }
  if (order.runs == 0 && order.seconds == 0)
    return std::unexpected("nothing bounds the hunt: give runs=<n>, seconds=<s>, or both");
  return order;
}

std::expected<TokenInfo, std::string> read_token(std::string_view token) {
  const detail::RunMode mode = detail::RunMode::take_from(token);
  const auto choices = detail::parse_token(token);
  if (!choices) return std::unexpected(std::string(detail::to_string(choices.error())));
  return TokenInfo{mode.body, mode.seed, mode.workers, mode.draws_cancels, choices->size()};
}

namespace detail {

std::expected<Environment, std::string> Environment::read(const Lookup& lookup) {
  const auto value = [&](const char* name) {
    const char* text = lookup(name);
    return std::string(text != nullptr ? text : "");
  };
  Environment environment{
      .replay = {}, .hunt = {}, .status = value(status_variable), .crash_packs = value(crash_packs_variable)};
  if (std::string token = value(replay_variable); !token.empty()) {
    if (const auto info = read_token(token); !info)
      return std::unexpected(fmt::format("{}: {}", replay_variable, info.error()));
    environment.replay = std::move(token);
  }
  if (const std::string text = value(hunt_variable); !text.empty()) {
    const auto order = parse_hunt_order(text);
    if (!order) return std::unexpected(fmt::format("{}: {}", hunt_variable, order.error()));
    environment.hunt = *order;
  }
  if (environment.replay && environment.hunt)
    return std::unexpected(
        fmt::format("{} and {} are both set: a run is made again, or failures are hunted for", replay_variable,
                    hunt_variable));
  return environment;
}

std::expected<Environment, std::string> Environment::read() {
  return read([](const char* name) { return std::getenv(name); });
}

}  // namespace detail
}  // namespace quiesce::lab
