#pragma once
// How a program's explorations are told from outside what to do, by the `quiesce` command or by hand.
//
//   QUIESCE_REPLAY=<token>      an exploration of the token's body makes that one run; every other makes none and has not failed
//   QUIESCE_HUNT=<order>        every exploration follows the order in place of its own strategy, seed and budget
//   QUIESCE_STATUS=<file>       explorations append what they do, one JSON object a line
//   QUIESCE_CRASH_PACKS=<dir>   a failure leaves a crash pack there, unless Options::crash_packs says where
//
// A value that cannot be read is a failure of every exploration (misuse), with a sentence that says why.
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "quiesce/lab/report.hpp"

namespace quiesce::lab {

inline constexpr const char* replay_variable = "QUIESCE_REPLAY";
inline constexpr const char* hunt_variable = "QUIESCE_HUNT";
inline constexpr const char* status_variable = "QUIESCE_STATUS";
inline constexpr const char* crash_packs_variable = "QUIESCE_CRASH_PACKS";

/// How explorations hunt. As text: "strategy=pct3,cancels=1,seed=7,runs=1000,seconds=2.5", in any order; the strategies are random,
/// pct<d>, exhaustive, exhaustive<n> and dpor. `runs` or `seconds` must bound it.
struct HuntOrder {
  StrategySpec strategy = random();
  bool cancels = false;  // requests land at cancel points of tasks, a few in each run
  std::uint64_t seed = 0;
  std::uint64_t runs = 0;  // of each exploration; 0: no bound
  double seconds = 0;      // of each exploration; 0: no bound
};
std::string to_string(const StrategySpec& strategy);
std::string to_string(const HuntOrder& order);
/// Else one sentence that says what is wrong.
std::expected<HuntOrder, std::string> parse_hunt_order(std::string_view text);
std::expected<StrategySpec, std::string> parse_strategy(std::string_view text);

/// What stands in a token.
struct TokenInfo {
  std::uint32_t body = 0;  // the fingerprint of the body that made it; 0: not known
  std::uint64_t seed = 0;
  std::uint32_t workers = 1;
  bool draws_cancels = false;
  std::size_t choices = 0;
};
/// Else one sentence that says what is wrong.
std::expected<TokenInfo, std::string> read_token(std::string_view token);

}  // namespace quiesce::lab
