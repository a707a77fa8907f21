#include "minimise.hpp"

#include <algorithm>
#include <utility>

namespace quiesce::lab::detail {
namespace {

class LenientStrategy final : public Strategy {
 public:
  explicit LenientStrategy(std::vector<std::uint32_t> script) : script_(std::move(script)) {}

  bool begin_run() override {
    at_ = 0;
    last_ = LogicalId{};
    return counts_.runs == 0;
  }
  LogicalId choose(std::span<const LogicalId> enabled) override {
    const std::uint32_t choice = enabled.size() > 1 ? next() : by_default;
    if (choice < enabled.size()) {
      last_ = enabled[choice];
    } else if (!std::ranges::binary_search(enabled, last_)) {
      last_ = enabled.front();
    }
    return last_;
  }
  std::uint32_t draw(std::uint32_t n) override {
    const std::uint32_t choice = next();
    return choice < n ? choice : 0;
  }
  void executed(const Step&) override {}
  void end_run(bool) override { ++counts_.runs; }
  Counts counts() const override { return counts_; }

 private:
  std::uint32_t next() { return at_ < script_.size() ? script_[at_++] : by_default; }

  const std::vector<std::uint32_t> script_;
  std::size_t at_ = 0;
  LogicalId last_{};
  Counts counts_;
};

void drop_end(std::vector<std::uint32_t>& script) {
  while (!script.empty() && script.back() == by_default) script.pop_back();
}

}  // namespace

std::unique_ptr<Strategy> make_lenient(std::vector<std::uint32_t> script) {
  return std::make_unique<LenientStrategy>(std::move(script));
}

std::vector<std::uint32_t> minimise(std::vector<std::uint32_t> script,
                                    const std::function<bool(const std::vector<std::uint32_t>&)>& fails,
                                    std::uint64_t runs_max) {
  std::uint64_t runs = 0;
  auto still_fails = [&](const std::vector<std::uint32_t>& candidate) {
    return runs++ < runs_max && fails(candidate);
  };
  for (std::size_t keep = 0; keep < script.size(); keep = keep * 2 + 1) {
    std::vector<std::uint32_t> candidate(script.begin(), script.begin() + static_cast<std::ptrdiff_t>(keep));
    if (!still_fails(candidate)) continue;
    script = std::move(candidate);
    break;
  }
  for (std::size_t part = std::max<std::size_t>(script.size() / 2, 1); runs < runs_max; part /= 2) {
    bool changed = false;
    for (std::size_t from = 0; from < script.size(); from += part) {
      const std::size_t to = std::min(from + part, script.size());
      std::vector<std::uint32_t> candidate = script;
      std::fill(candidate.begin() + static_cast<std::ptrdiff_t>(from),
                candidate.begin() + static_cast<std::ptrdiff_t>(to), by_default);
      if (candidate == script || !still_fails(candidate)) continue;
      script = std::move(candidate);
      changed = true;
    }
    drop_end(script);
    if (part == 1 && !changed) break;
    if (part == 1)
      part = 2;  // once more in single steps: what was needed for a choice that has gone may be needed no more
  }
  drop_end(script);
  return script;
}

}  // namespace quiesce::lab::detail
