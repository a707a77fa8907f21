// The chain of a parallel scan: each part is scanned once, with the prefix before it, in place, whoever comes when.
#include "quiesce/detail/parallel/scan_chain.hpp"

#include <gtest/gtest.h>

#include <array>

#include "exploring.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

using Chain = quiesce::detail::ScanChain<LabPlatform>;

/// What inclusive_scan.hpp does with a chain: part i is the one element 1 << i.
template <class OfScan>
class Scan {
 public:
  explicit Scan(std::size_t parts) : parts_(parts), chain_(parts) {
    for (std::size_t i = 0; i < parts; ++i) elements_.at(i).write(1 << i);
  }

  void take(int tickets) {
    for (int i = 0; i < tickets; ++i) take_one();
  }
  void expect_scanned(std::size_t parts) {
    for (std::size_t i = 0; i < parts_; ++i) {
      lab::check(elements_.at(i).read() == (i < parts ? (2 << i) - 1 : 1 << i), "a part has its prefix");
      lab::check(scans_.at(i).read() == (i < parts ? 1 : 0), "each part that was taken is scanned once");
    }
  }

 private:
  void take_one() {
    std::size_t part = chain_.take();
    if (chain_.is_ready(part)) {
      const int sum = (part == 0 ? 0 : slots_.at(part - 1).read()) + elements_.at(part).read();
      write(part, sum);
      slots_.at(part).write(sum);
      if (!chain_.make_ready(++part)) return;
    } else {
      slots_.at(part).write(elements_.at(part).read());
      if (!chain_.did_reduce(part)) return;
    }
    const std::size_t end = chain_.go_on(part, [this](std::size_t owned) {
      slots_.at(owned).write(slots_.at(owned - 1).read() + slots_.at(owned).read());
    });
    for (; part < end; ++part) write(part, slots_.at(part - 1).read() + elements_.at(part).read());
  }
  void write(std::size_t part, int sum) {
    elements_.at(part).write(sum);
    scans_.at(part).update([](int& times) { ++times; });
  }

  const std::size_t parts_;
  OfScan chain_;
  std::array<lab::shared<int>, 4> elements_, slots_, scans_;
};

/// Each thread takes so many.
template <class OfScan = Chain>
std::function<void()> scan(std::size_t parts, std::vector<int> tickets) {
  return [=] {
    Scan<OfScan> scan(parts);
    std::vector<std::function<void()>> bodies;
    std::size_t taken = 0;
    for (const int count : tickets) {
      bodies.push_back([&scan, count] { scan.take(count); });
      taken += static_cast<std::size_t>(count);
    }
    run_threads(bodies);
    scan.expect_scanned(taken);
  };
}

Part scan_chain() {
  return {.name = "chain of a scan",
          .files = {"scan_chain.hpp"},
          .scenarios = {{"two parts, two threads", scan(2, {1, 1})},
                        {"three parts, two threads", scan(3, {2, 1})},
                        {"three parts, three threads", scan(3, {1, 1, 1})},
                        {"four parts, two threads", scan(4, {2, 2})},
                        {"four parts, three threads", scan(4, {2, 1, 1})},
                        {"four parts, of which three are taken", scan(4, {2, 1})}}};
}

TEST(ScanChainInLab, EachPartIsScannedOnceAndByItsPrefix) { expect_holds(scan_chain()); }
TEST(ScanChainInLab, EveryOrderIsNeeded) { expect_mutants_caught(scan_chain()); }

/// Says that it has reduced, and looks whether the part is ready then: so may the one who makes it ready.
struct LooksAfterwards : Chain {
  using Chain::Chain;
  bool did_reduce(std::size_t part) {
    (void)Chain::did_reduce(part);
    return is_ready(part);
  }
};
/// Looks, and then says that it has reduced: neither of two sees the other.
struct LooksBefore : Chain {
  using Chain::Chain;
  bool did_reduce(std::size_t part) {
    const bool owned = is_ready(part);
    (void)Chain::did_reduce(part);
    return owned;
  }
};
/// Only who takes a part makes it its own.
struct LeavesTheNext : Chain {
  using Chain::Chain;
  bool make_ready(std::size_t part) { return Chain::make_ready(part) && false; }
};
/// The next part is ready before the prefix is there.
struct ReadyTooEarly : Chain {
  using Chain::Chain;
  template <class Fold>
  std::size_t go_on(std::size_t part, Fold fold) {
    bool owned = true;
    while (owned) {
      owned = make_ready(part + 1);
      fold(part++);
    }
    return part;
  }
};

TEST(ScanChainInLab, EveryRuleIsNeeded) {
  expect_breaks("looks after it has set its bit", scan<LooksAfterwards>(3, {2, 1}));
  expect_breaks("looks before it sets its bit", scan<LooksBefore>(3, {2, 1}));
  expect_breaks("leaves the next one alone", scan<LeavesTheNext>(3, {2, 1}));
  expect_breaks("ready before there is a prefix", scan<ReadyTooEarly>(3, {2, 1}));
}

}  // namespace
}  // namespace quiesce::lab::parts
