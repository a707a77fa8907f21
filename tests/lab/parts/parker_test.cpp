// The parker: no unpark is lost, and what came before it is seen.
#include "quiesce/detail/exec/parker.hpp"

#include <gtest/gtest.h>

#include "exploring.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {
namespace {

using Parker = quiesce::detail::Parker<LabPlatform>;
constexpr std::memory_order relaxed = std::memory_order_relaxed;

void one_unpark() {
  Parker parker;
  lab::shared<int> data{0};
  run_threads({[&] {
                 lab::check(parker.park(), "without a deadline a park ends by an unpark");
                 lab::check(data.read() == 1, "what came before the unpark is seen");
               },
               [&] {
                 data.write(1);
                 parker.unpark();
               }});
}

/// The owner parks until it has seen both.
void two_unparks() {
  Parker parker;
  lab::atomic<int> done[2] = {0, 0};
  const auto finish = [&](int i) {
    done[i].store(1, relaxed);
    parker.unpark();
  };
  run_threads({[&] {
                 while (done[0].load(relaxed) + done[1].load(relaxed) < 2) parker.park();
               },
               [&] { finish(0); }, [&] { finish(1); }});
}

/// An unpark that comes when the owner has given up waiting is there for its next park.
void after_a_deadline() {
  Parker parker;
  lab::shared<int> data{0};
  run_threads({[&] {
                 if (!parker.park(1)) parker.park();
                 lab::check(data.read() == 1, "what came before the unpark is seen");
               },
               [&] {
                 data.write(1);
                 parker.unpark();
               }});
}

/// Two parks and two unparks, the second after an answer to the first.
void twice() {
  Parker parker;
  lab::atomic<int> answered{0};
  run_threads({[&] {
                 parker.park();
                 answered.store(1, relaxed);
                 parker.park();
               },
               [&] {
                 parker.unpark();
                 while (answered.load(relaxed) == 0) answered.spin(0);
                 parker.unpark();
               }});
}

Part parker() {
  return {.name = "parker",
          .files = {"parker.hpp"},
          .scenarios = {{"one unpark", one_unpark},
                        {"two unparks", two_unparks},
                        {"after a deadline", after_a_deadline},
                        {"twice", twice}}};
}

TEST(ParkerInLab, LosesNoUnpark) { expect_holds(parker()); }
TEST(ParkerInLab, EveryOrderIsNeeded) { expect_mutants_caught(parker()); }

TEST(ParkerInLab, AnUnparkBySignalOnlyIsLost) {
  // The owner looks before it sleeps, and the word does not say that it is about to.
  expect_breaks("no word", [] {
    LabPlatform::atomic<std::uint32_t> sleeping{0};
    lab::atomic<int> done{0};
    run_threads({[&] {
                   if (done.load() == 0) LabPlatform::wait(sleeping, 0);
                 },
                 [&] {
                   done.store(1);
                   LabPlatform::wake_one(sleeping);
                 }});
  });
}

}  // namespace
}  // namespace quiesce::lab::parts
