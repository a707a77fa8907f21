#pragma once
// Tiny strategies for tests of the engine, and what its tests have in common.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/detail/lab/engine.hpp"

namespace quiesce::lab::detail::engine_tests {

inline std::source_location here(std::source_location at = std::source_location::current()) { return at; }

/// Keeps what the engine tells; chooses as its subclass says.
struct Recording : Strategy {
  std::vector<std::vector<LogicalId>> enabled;
  std::vector<Step> steps;
  std::vector<bool> ends;

  virtual std::size_t choose_index(std::span<const LogicalId> able) = 0;

  bool begin_run() override { return true; }
  LogicalId choose(std::span<const LogicalId> able) override {
    enabled.emplace_back(able.begin(), able.end());
    return able[choose_index(able)];
  }
  std::uint32_t draw(std::uint32_t) override { return 0; }
  void executed(const Step& step) override { steps.push_back(step); }
  void end_run(bool complete) override { ends.push_back(complete); }
  Counts counts() const override { return {}; }
};

/// Always the one that stands first.
struct Least : Recording {
  std::size_t choose_index(std::span<const LogicalId>) override { return 0; }
};

/// By name: each letter of the script is the first letter of who moves; after it the least.
struct Script : Recording {
  const Engine& engine;
  std::string letters;
  std::size_t at = 0;

  Script(const Engine& of, std::string script) : engine(of), letters(std::move(script)) {}
  std::size_t choose_index(std::span<const LogicalId> able) override {
    if (at == letters.size()) return 0;
    const char wanted = letters[at++];
    const auto found =
        std::ranges::find_if(able, [&](LogicalId id) { return engine.name_of(id).front() == wanted; });
    if (found == able.end()) ADD_FAILURE() << wanted << " cannot move at choice " << at - 1;
    return found == able.end() ? 0 : static_cast<std::size_t>(found - able.begin());
  }
};

struct Random : Recording {
  std::uint64_t state;
  explicit Random(std::uint64_t seed) : state(seed) {}
  std::uint32_t next(std::uint32_t n) {
    return static_cast<std::uint32_t>(child(LogicalId{state++ * 0x9E3779B97F4A7C15U}, 0).value % n);
  }
  std::size_t choose_index(std::span<const LogicalId> able) override {
    return next(static_cast<std::uint32_t>(able.size()));
  }
  std::uint32_t draw(std::uint32_t n) override { return next(n); }
};

struct Replay : Recording {
  std::vector<std::uint32_t> choices;
  std::size_t at = 0;
  explicit Replay(std::vector<std::uint32_t> given) : choices(std::move(given)) {}
  std::size_t choose_index(std::span<const LogicalId> able) override {
    return able.size() == 1 || at == choices.size() ? 0 : choices[at++];
  }
  std::uint32_t draw(std::uint32_t) override { return at == choices.size() ? 0 : choices[at++]; }
};

struct EngineTest : ::testing::Test {
  Engine e;
  std::vector<std::string> log;

  void point(std::string_view verb = "do") { e.visible({}, {verb, {}, here()}); }
  void join(LogicalId agent) {
    e.blocked_until([this, agent] { return e.has_ended(agent); }, {agent, Access::Read},
                    {"join", agent, here()});
  }
  void say(std::string text) { log.push_back(std::move(text)); }
};

/// Says when it is destroyed.
struct Said {
  std::vector<std::string>& log;
  std::string text;
  ~Said() { log.push_back(text); }
};

}  // namespace quiesce::lab::detail::engine_tests
