// The strategies that need to know nothing of what steps touch.
#include <algorithm>
#include <utility>

#include "class_hash.hpp"
#include "quiesce/detail/lab/strategy.hpp"

namespace quiesce::lab::detail {

namespace {

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    const std::uint64_t value = child(LogicalId{state_}, 0).value;
    state_ += 0x9E3779B97F4A7C15U;
    return value;
  }
  // Lemire, Fast random integer generation in an interval, TOMACS 2019: exactly uniform.
  std::uint32_t below(std::uint32_t n) {
    std::uint64_t product = (next() >> 32) * n;
    if (static_cast<std::uint32_t>(product) < n) {
      const std::uint32_t unfair = (0U - n) % n;
      while (static_cast<std::uint32_t>(product) < unfair) product = (next() >> 32) * n;
    }
    return static_cast<std::uint32_t>(product >> 32);
  }

 private:
  std::uint64_t state_;
};

class CountedStrategy : public Strategy {
 public:
  bool begin_run() override {
    counter_.begin();
    step_ = 0;
    last_ = LogicalId{};
    return true;
  }
  std::uint32_t draw(std::uint32_t n) override {
    const std::uint32_t value = draw_one(n);
    counter_.drew(value);
    return value;
  }
  void executed(const Step& step) override {
    counter_.made(step);
    ++step_;
    last_ = step.agent;
  }
  void end_run(bool complete) override { counter_.end(complete); }
  Counts counts() const override { return counter_.counts; }

 protected:
  virtual std::uint32_t draw_one(std::uint32_t n) = 0;

  std::uint64_t step() const { return step_; }
  /// The index of the agent that moved last, or `enabled.size()` if it cannot go on.
  std::size_t find_last(std::span<const LogicalId> enabled) const {
    const auto at = std::ranges::lower_bound(enabled, last_);
    return at != enabled.end() && *at == last_ ? static_cast<std::size_t>(at - enabled.begin())
                                               : enabled.size();
  }

  RunCounter counter_;

 private:
  std::uint64_t step_ = 0;
  LogicalId last_;
};

class RandomStrategy final : public CountedStrategy {
 public:
  explicit RandomStrategy(std::uint64_t seed) : random_(seed) {}

  LogicalId choose(std::span<const LogicalId> enabled) override {
    return enabled[random_.below(static_cast<std::uint32_t>(enabled.size()))];
  }

 private:
  std::uint32_t draw_one(std::uint32_t n) override { return random_.below(n); }

  Random random_;
};

/// Who comes to a change point is lowered before it moves, not after: the same distribution, and the point before the first step
/// is not wasted.
class PctStrategy final : public CountedStrategy {
 public:
  PctStrategy(std::uint64_t seed, std::uint32_t depth) : random_(seed), changes_(std::max(depth, 1U) - 1) {}

  bool begin_run() override {
    CountedStrategy::begin_run();
    priorities_.clear();
    turn_ = 0;
    lowest_ = 0;
    const std::uint64_t longest = counter_.counts.max_depth > 0 ? counter_.counts.max_depth : steps_expected;
    const auto steps = static_cast<std::uint32_t>(std::min<std::uint64_t>(longest, ~0U));
    for (Change& change : changes_) change = {random_.below(steps), false};
    return true;
  }

  LogicalId choose(std::span<const LogicalId> enabled) override {
    LogicalId agent = highest(enabled);
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      if (changes_[i].is_made || changes_[i].step != step()) continue;
      changes_[i].is_made = true;
      priorities_[agent.value] = static_cast<std::int64_t>(i) + 1;
      agent = highest(enabled);
    }
    const std::size_t last = find_last(enabled);
    turn_ = last < enabled.size() && enabled[last] == agent ? turn_ + 1 : 0;
    if (turn_ < turn_max || enabled.size() == 1) return agent;
    turn_ = 0;
    priorities_[agent.value] = --lowest_;
    return highest(enabled);
  }

 private:
  struct Change {
    std::uint32_t step = 0;
    bool is_made = false;
  };
  /// Of the first run, for want of a longer one.
  static constexpr std::uint64_t steps_expected = 64;
  /// Steps in a row after which an agent that keeps others waiting is taken to spin for them, and put below all.
  static constexpr std::uint64_t turn_max = 1'000;
  static constexpr std::int64_t first_priority = std::int64_t{1} << 62;  // above those of change points

  LogicalId highest(std::span<const LogicalId> enabled) {
    LogicalId best;
    std::int64_t best_priority = 0;
    for (const LogicalId agent : enabled) {
      const auto [priority, is_new] = priorities_.try_emplace(agent.value);
      if (is_new) priority->second = static_cast<std::int64_t>(random_.next() >> 2) | first_priority;
      if (best != LogicalId{} && priority->second <= best_priority) continue;
      best = agent;
      best_priority = priority->second;
    }
    return best;
  }

  std::uint32_t draw_one(std::uint32_t n) override { return random_.below(n); }

  Random random_;
  std::vector<Change> changes_;
  boost::unordered_flat_map<std::uint64_t, std::int64_t> priorities_;
  std::uint64_t turn_ = 0;
  std::int64_t lowest_ = 0;
};

class ExhaustiveStrategy final : public CountedStrategy {
 public:
  explicit ExhaustiveStrategy(std::uint32_t preemptions) : preemptions_max_(preemptions) {}

  bool begin_run() override {
    if (counter_.counts.runs > 0) {
      while (!path_.empty() && path_.back().taken + 1 == path_.back().of) path_.pop_back();
      if (path_.empty()) counter_.counts.exhausted = true;
      if (counter_.counts.exhausted) return false;
      ++path_.back().taken;
    }
    at_ = 0;
    preemptions_ = 0;
    return CountedStrategy::begin_run();
  }

  // First of all comes the agent that moved last, so the runs of least preemptions come first.
  LogicalId choose(std::span<const LogicalId> enabled) override {
    const auto size = static_cast<std::uint32_t>(enabled.size());
    const auto last = static_cast<std::uint32_t>(find_last(enabled));
    if (last == size) return enabled[decide(size)];
    const std::uint32_t option = decide(preemptions_ < preemptions_max_ ? size : 1);
    if (option == 0) return enabled[last];
    ++preemptions_;
    return enabled[option <= last ? option - 1 : option];
  }

 private:
  struct Choice {
    std::uint32_t taken;
    std::uint32_t of;
  };

  std::uint32_t draw_one(std::uint32_t n) override { return decide(n); }

  // A body that is not deterministic comes here with another number of options than before; then the path ends at this place.
  std::uint32_t decide(std::uint32_t options) {
    if (options == 1) return 0;
    if (at_ < path_.size() && path_[at_].of != options) path_.resize(at_);
    if (at_ == path_.size()) path_.push_back({0, options});
    return path_[at_++].taken;
  }

  std::uint32_t preemptions_max_;
  std::uint32_t preemptions_ = 0;
  std::vector<Choice> path_;
  std::size_t at_ = 0;
};

/// One run. Where a script asks for what is not there, it is given an agent that nobody has, or a value out of bounds: it is the engine's to say
/// that the run is another.
class ScriptedStrategy final : public CountedStrategy {
 public:
  explicit ScriptedStrategy(std::vector<std::uint32_t> choices) : choices_(std::move(choices)) {}

  bool begin_run() override {
    counter_.counts.exhausted = counter_.counts.runs > 0;
    return !counter_.counts.exhausted && CountedStrategy::begin_run();
  }

  LogicalId choose(std::span<const LogicalId> enabled) override {
    if (enabled.size() == 1) return enabled[0];
    if (at_ < choices_.size()) {
      const std::uint32_t choice = choices_[at_++];
      return choice < enabled.size() ? enabled[choice] : LogicalId{~std::uint64_t{0}};
    }
    const std::size_t last = find_last(enabled);
    return enabled[last < enabled.size() ? last : 0];
  }

 private:
  std::uint32_t draw_one(std::uint32_t) override { return at_ < choices_.size() ? choices_[at_++] : 0; }

  std::vector<std::uint32_t> choices_;
  std::size_t at_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_random(std::uint64_t seed) { return std::make_unique<RandomStrategy>(seed); }

std::unique_ptr<Strategy> make_pct(std::uint64_t seed, std::uint32_t depth) {
  return std::make_unique<PctStrategy>(seed, depth);
}

std::unique_ptr<Strategy> make_exhaustive(std::uint32_t preemptions) {
  return std::make_unique<ExhaustiveStrategy>(preemptions);
}

std::unique_ptr<Strategy> make_scripted(std::vector<std::uint32_t> choices) {
  return std::make_unique<ScriptedStrategy>(std::move(choices));
}

}  // namespace quiesce::lab::detail
