// Injection in every place of one schedule.
#include <algorithm>
#include <deque>
#include <vector>

#include "quiesce/detail/lab/strategy.hpp"

namespace quiesce::lab::detail {
namespace {

class InjectionStrategy final : public Strategy {
 public:
  explicit InjectionStrategy(std::uint32_t together) : together_(together) { plans_.emplace_back(); }

  bool begin_run() override {
    if (plans_.empty()) {
      counts_.exhausted = true;
      return false;
    }
    plan_ = std::move(plans_.front());
    plans_.pop_front();
    places_ = 0;
    steps_ = 0;
    last_ = LogicalId{};
    turn_ = 0;
    return true;
  }

  /// Whoever moved last goes on if it can, but not for ever: it may be waiting for another to move. So every run follows the first up
  /// to where something is injected.
  LogicalId choose(std::span<const LogicalId> enabled) override {
    const auto last = std::ranges::lower_bound(enabled, last_);
    const bool can_go_on = last != enabled.end() && *last == last_;
    if (!can_go_on) {
      last_ = enabled.front();
      turn_ = 0;
    } else if (++turn_ == turn_max) {
      last_ = last + 1 != enabled.end() ? *(last + 1) : enabled.front();
      turn_ = 0;
    }
    return last_;
  }

  std::uint32_t draw(std::uint32_t n) override {
    if (n != 2) return 0;
    return std::ranges::find(plan_, places_++) != plan_.end() ? 1 : 0;
  }

  void executed(const Step&) override { ++steps_; }

  void end_run(bool) override {
    ++counts_.runs;
    counts_.max_depth = std::max(counts_.max_depth, steps_);
    if (plan_.size() == together_) return;
    for (std::uint64_t place = plan_.empty() ? 0 : plan_.back() + 1; place < places_; ++place) {
      std::vector<std::uint64_t> next = plan_;
      next.push_back(place);
      plans_.push_back(std::move(next));
    }
  }

  Counts counts() const override { return counts_; }

 private:
  /// Steps in a row of one that keeps others waiting.
  static constexpr std::uint32_t turn_max = 64;

  const std::uint32_t together_;
  std::deque<std::vector<std::uint64_t>> plans_;  // places of the runs to come, in ascending order
  std::vector<std::uint64_t> plan_;
  std::uint64_t places_ = 0, steps_ = 0;
  LogicalId last_{};
  std::uint32_t turn_ = 0;  // its steps in a row
  Counts counts_;
};

}  // namespace

std::unique_ptr<Strategy> make_injection(std::uint32_t together) {
  return std::make_unique<InjectionStrategy>(together);
}

}  // namespace quiesce::lab::detail
