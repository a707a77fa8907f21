#include "exploring.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "leaks.hpp"
#include "quiesce/lab/thread.hpp"

namespace quiesce::lab::parts {

namespace {

constexpr std::uint64_t runs_max = 5'000'000;
/// Random ones, in which sites are looked for.
constexpr std::uint64_t sites_runs = 100;
/// Of each scenario of a mutant, in order; and half as many by chance if these do not exhaust it.
constexpr std::uint64_t mutant_runs = 600;

const char* to_string(Operation operation) {
  static constexpr const char* names[] = {"load",      "store",     "exchange", "compare_exchange",
                                          "fetch_add", "fetch_sub", "wake"};
  return names[static_cast<std::size_t>(operation)];
}
const char* to_string(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed: return "relaxed";
    case std::memory_order_acquire: return "acquire";
    case std::memory_order_release: return "release";
    case std::memory_order_acq_rel: return "acq_rel";
    default: return "seq_cst";
  }
}

/// The mutation of this thread, while there is one.
class Mutated {
 public:
  explicit Mutated(const Mutation& mutation) { exploration().mutation = &mutation; }
  ~Mutated() { exploration().mutation = nullptr; }
  Mutated(const Mutated&) = delete;
  Mutated& operator=(const Mutated&) = delete;
};

std::vector<Site> sites_of(const Part& part) {
  std::map<Site, std::uint64_t> passed;
  exploration().passed = &passed;
  for (const Scenario& scenario : part.scenarios) {
    explore_threads({.strategy = random(), .max_runs = sites_runs}, scenario.body);
    explore_threads({.strategy = pct(3), .max_runs = sites_runs}, scenario.body);
  }
  exploration().passed = nullptr;
  std::vector<Site> sites;
  for (const auto& [site, times] : passed) {
    if (std::ranges::find(part.files, site.file) != part.files.end()) sites.push_back(site);
  }
  return sites;
}

/// One step weaker.
std::vector<std::memory_order> weaker(Operation operation, std::memory_order order) {
  using enum std::memory_order;
  const bool loads = operation == Operation::Load;
  const bool stores = operation == Operation::Store;
  switch (order) {
    case seq_cst: return {loads ? acquire : stores ? release : acq_rel};
    case acq_rel: return {acquire, release};
    case acquire:
    case release: return {relaxed};
    default: return {};
  }
}

/// "push: store 2 release -> relaxed": the second store in the function.
std::string name_of(const Mutation& mutation, const std::vector<Site>& sites) {
  const Site& site = mutation.site;
  std::set<std::uint32_t> lines;
  for (const Site& other : sites) {
    if (other.file == site.file && other.function == site.function && other.operation == site.operation)
      lines.insert(other.line);
  }
  std::string name = site.function + ": " + to_string(site.operation);
  if (lines.size() > 1) name += " " + std::to_string(std::distance(lines.begin(), lines.find(site.line)) + 1);
  if (mutation.kind == Mutation::Kind::Torn) return name + " in two steps";
  if (mutation.kind == Mutation::Kind::Lost) return name + " left out";
  return name + ", " + to_string(site.order) + " -> " + to_string(mutation.order);
}

bool is_caught_by(const Scenario& scenario) {
  const Options in_order{.strategy = dpor(), .max_runs = mutant_runs, .memory = weak};
  const Report report = explore_threads(in_order, scenario.body);
  if (report.failed() || report.exhausted) return report.failed();
  const Options by_chance{.strategy = pct(3), .max_runs = mutant_runs / 2, .memory = weak};
  return explore_threads(by_chance, scenario.body).failed();
}

/// Makes the mutants of a part.
class Mutants {
 public:
  explicit Mutants(const Part& part) : part_(part), sites_(sites_of(part)) {
    for (const Site& site : sites_) {
      for (const std::memory_order order : weaker(site.operation, site.order)) {
        if (!is_caught({site, Mutation::Kind::Order, order})) descend(site, order);
      }
      if (site.operation == Operation::Wake) {
        judge({site, Mutation::Kind::Lost, site.order});
      } else if (site.operation != Operation::Load && site.operation != Operation::Store) {
        judge({site, Mutation::Kind::Torn, site.order});
      }
    }
  }
  std::size_t caught() const { return caught_; }
  const std::set<std::string>& missed() const { return missed_; }

 private:
  void judge(const Mutation& mutation) {
    if (!is_caught(mutation)) missed_.insert(name_of(mutation, sites_));
  }
  // Of an order that is weaker than needs be the weakest that is missed counts; if none at all is needed, that is soon seen.
  void descend(const Site& site, std::memory_order order) {
    const Mutation relaxed{site, Mutation::Kind::Order, std::memory_order_relaxed};
    if (order == relaxed.order || !is_caught(relaxed)) {
      missed_.insert(name_of(relaxed, sites_));
      return;
    }
    bool is_weakest = true;
    for (const std::memory_order next : weaker(site.operation, order)) {
      if (next == relaxed.order || is_caught({site, Mutation::Kind::Order, next})) continue;
      is_weakest = false;
      descend(site, next);
    }
    if (is_weakest) missed_.insert(name_of({site, Mutation::Kind::Order, order}, sites_));
  }
  bool is_caught(const Mutation& mutation) {
    const Mutated mutated(mutation);
    const bool caught = std::ranges::any_of(part_.scenarios, [](const Scenario& scenario) {
      return scenario.judges_mutants && is_caught_by(scenario);
    });
    caught_ += caught ? 1 : 0;
    return caught;
  }

  const Part& part_;
  std::vector<Site> sites_;
  std::set<std::string> missed_;
  std::size_t caught_ = 0;
};

void record(const std::string& name, const std::string& value) { ::testing::Test::RecordProperty(name, value); }

std::string told(const Report& report) {
  return std::to_string(report.runs) + " runs" + (report.exhausted ? ", exhausted" : "");
}

void expect_holds(const Scenario& scenario, const char* memory_name, const Options& options, bool exhausts) {
  const Report report = explore_threads(options, scenario.body);
  EXPECT_FALSE(report.failed()) << scenario.name << ", " << memory_name << ": " << report.text();
  EXPECT_EQ(report.exhausted, exhausts)
      << scenario.name << ", " << memory_name << ": " << report.runs << " runs";
  record(std::string(scenario.name) + ", " + memory_name, told(report));
}

}  // namespace

void expect_holds(const Part& part) {
  for (const Scenario& scenario : part.scenarios) {
    const std::uint64_t sc_runs = scenario.sc_exhausts ? runs_max : scenario.weak_runs;
    expect_holds(scenario, "sc", {.strategy = dpor(), .max_runs = sc_runs}, scenario.sc_exhausts);
    if (scenario.weak_exhausts) {
      expect_holds(scenario, "weak", {.strategy = dpor(), .max_runs = runs_max, .memory = weak}, true);
    } else {
      expect_holds(scenario, "weak by pct",
                   {.strategy = pct(3), .max_runs = scenario.weak_runs, .memory = weak}, false);
      expect_holds(scenario, "weak", {.strategy = dpor(), .max_runs = scenario.weak_runs, .memory = weak},
                   false);
    }
  }
}

void expect_mutants_caught(const Part& part) {
  const quiesce::tests::LeaksAllowed of_runs_that_end_by_an_assertion;
  const Mutants mutants(part);
  EXPECT_GT(mutants.caught(), 0u);
  for (const std::string& name : mutants.missed()) {
    EXPECT_TRUE(part.kept.contains(name)) << part.name << ": no scenario fails for the mutant\n  " << name;
  }
  for (const auto& [name, why] : part.kept) {
    EXPECT_TRUE(mutants.missed().contains(name))
        << part.name << ": is caught, or not a mutant at all\n  " << name;
    EXPECT_FALSE(why.empty());
  }
  record("mutants",
         std::to_string(mutants.caught()) + " caught, " + std::to_string(mutants.missed().size()) + " kept");
}

void expect_breaks(const std::string& name, const std::function<void()>& body, Memory memory) {
  const quiesce::tests::LeaksAllowed of_runs_that_end_by_an_assertion;
  Report report = explore_threads({.strategy = random(), .max_runs = 5'000, .memory = memory}, body);
  if (!report.failed())
    report = explore_threads({.strategy = pct(3), .max_runs = 10'000, .memory = memory}, body);
  if (!report.failed())
    report = explore_threads({.strategy = dpor(), .max_runs = runs_max, .memory = memory}, body);
  EXPECT_TRUE(report.failed()) << name << ": " << report.runs << " runs";
  record(name, report.failed() ? std::string(lab::to_string(report.failure()->kind)) : "not found");
}

void run_threads(const std::vector<std::function<void()>>& bodies) {
  std::vector<lab::thread> threads;
  threads.reserve(bodies.size());
  for (const auto& body : bodies) threads.emplace_back(body);
  for (lab::thread& thread : threads) thread.join();
}

}  // namespace quiesce::lab::parts
