#include "cancel_hunt.hpp"

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

namespace quiesce::lab::detail {
namespace {

constexpr std::uint64_t together_max = 3;

class CancelHunt final : public Strategy {
 public:
  CancelHunt(std::unique_ptr<Strategy> schedule, std::uint64_t seed)
      : schedule_(std::move(schedule)), random_(seed) {}

  bool begin_run() override {
    place_ = 0;
    chosen_.clear();
    // Half of the runs have one request: more of them hide what one alone breaks.
    if (places_max_ > 0) {
      const std::uint64_t together = below(2) == 0 ? 1 : 1 + below(together_max);
      for (std::uint64_t i = 0; i < together; ++i) chosen_.push_back(below(places_max_));
    }
    return schedule_->begin_run();
  }
  LogicalId choose(std::span<const LogicalId> enabled) override { return schedule_->choose(enabled); }
  std::uint32_t draw(std::uint32_t n) override {
    if (n != 2) return schedule_->draw(n);
    return std::ranges::find(chosen_, place_++) != chosen_.end() ? 1 : 0;
  }
  void executed(const Step& step) override { schedule_->executed(step); }
  void idled() override { schedule_->idled(); }
  void blocked(LogicalId agent, Touch pending) override { schedule_->blocked(agent, pending); }
  void end_run(bool complete) override {
    places_max_ = std::max(places_max_, place_);
    schedule_->end_run(complete);
  }
  Counts counts() const override { return schedule_->counts(); }

 private:
  // The remainder favours small numbers by less than one part in 2^40.
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  std::unique_ptr<Strategy> schedule_;
  std::mt19937_64 random_;
  std::vector<std::uint64_t> chosen_;  // places of this run at which a request lands
  std::uint64_t place_ = 0, places_max_ = 0;
};

}  // namespace

std::unique_ptr<Strategy> make_cancel_hunt(std::unique_ptr<Strategy> schedule, std::uint64_t seed) {
  return std::make_unique<CancelHunt>(std::move(schedule), seed);
}

}  // namespace quiesce::lab::detail
