#include "quiesce/capabilities.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <latch>
#include <limits>
#include <sstream>
#include <thread>

namespace quiesce {
namespace {

constexpr TaskId alice{1, 1};
constexpr TaskId bob{2, 1};

// ---- Registry ----

TEST(InMemoryRegistry, finds_a_task_by_its_name) {
  InMemoryRegistry registry;
  ASSERT_TRUE(registry.register_name("logger", alice).has_value());
  EXPECT_EQ(registry.lookup("logger"), alice);
  EXPECT_EQ(registry.lookup("other"), std::nullopt);
  EXPECT_EQ(registry.size(), 1U);
}

TEST(InMemoryRegistry, refuses_a_name_that_is_taken_and_says_by_whom) {
  InMemoryRegistry registry;
  ASSERT_TRUE(registry.register_name("logger", alice).has_value());
  for (const TaskId second : {bob, alice}) {
    const auto refused = registry.register_name("logger", second);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code(), ErrorCode::NameTaken);
    EXPECT_THAT(refused.error().context(), testing::Contains(testing::Pair("name", "logger")));
    EXPECT_THAT(refused.error().context(), testing::Contains(testing::Pair("holder", to_string(alice))));
  }
  EXPECT_EQ(registry.lookup("logger"), alice);
}

TEST(InMemoryRegistry, refuses_an_empty_name_and_an_invalid_task) {
  InMemoryRegistry registry;
  EXPECT_EQ(registry.register_name("", alice).error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(registry.register_name("logger", TaskId{}).error().code(), ErrorCode::InvalidArgument);
  EXPECT_EQ(registry.size(), 0U);
}

TEST(InMemoryRegistry, gives_a_name_back) {
  InMemoryRegistry registry;
  ASSERT_TRUE(registry.register_name("logger", alice).has_value());
  EXPECT_TRUE(registry.unregister("logger"));
  EXPECT_FALSE(registry.unregister("logger"));
  EXPECT_EQ(registry.lookup("logger"), std::nullopt);
  EXPECT_TRUE(registry.register_name("logger", bob).has_value());
  registry.release_task(alice);
  EXPECT_EQ(registry.lookup("logger"), bob);
}

TEST(InMemoryRegistry, releases_every_name_of_a_task_that_ended_and_no_others) {
  InMemoryRegistry registry;
  ASSERT_TRUE(registry.register_name("a", alice).has_value());
  ASSERT_TRUE(registry.register_name("b", alice).has_value());
  ASSERT_TRUE(registry.register_name("c", bob).has_value());
  ASSERT_TRUE(registry.unregister("b"));
  registry.release_task(alice);
  EXPECT_EQ(registry.lookup("a"), std::nullopt);
  EXPECT_EQ(registry.lookup("c"), bob);
  EXPECT_EQ(registry.size(), 1U);
  registry.release_task(alice);
  registry.release_task(TaskId{99, 1});
  EXPECT_EQ(registry.size(), 1U);
  registry.release_task(bob);
  EXPECT_EQ(registry.size(), 0U);
}

// More tasks than the registry's table of holders has slots, so that slots are shared.
TEST(InMemoryRegistry, releases_right_whatever_slots_tasks_share) {
  InMemoryRegistry registry;
  constexpr std::uint32_t tasks = 2000;
  for (std::uint32_t i = 0; i < tasks; ++i) {
    ASSERT_TRUE(registry.register_name("name " + std::to_string(i), TaskId{i, 1}).has_value());
  }
  for (std::uint32_t i = 0; i < tasks; i += 2) registry.release_task(TaskId{i, 1});
  for (std::uint32_t i = 0; i < tasks; ++i) {
    EXPECT_EQ(registry.lookup("name " + std::to_string(i)).has_value(), i % 2 == 1) << i;
  }
}

TEST(InMemoryRegistry, one_of_many_threads_gets_the_name) {
  constexpr std::uint32_t threads_count = 4;
  constexpr int rounds = 300;
  InMemoryRegistry registry;
  std::atomic<int> won{0};
  std::latch start(threads_count);
  std::vector<std::jthread> threads;
  for (std::uint32_t t = 0; t < threads_count; ++t) {
    threads.emplace_back([&, t] {
      const TaskId self{t, 1};
      start.arrive_and_wait();
      for (int i = 0; i < rounds; ++i) {
        won += registry.register_name("name " + std::to_string(i), self).has_value();
        ASSERT_TRUE(registry.register_name("own " + std::to_string(t), self).has_value());
        ASSERT_TRUE(registry.unregister("own " + std::to_string(t)));
      }
    });
  }
  threads.clear();
  EXPECT_EQ(won.load(), rounds);
  for (std::uint32_t t = 0; t < threads_count; ++t) registry.release_task(TaskId{t, 1});
  EXPECT_EQ(registry.size(), 0U);
}

// ---- Remote ----

TEST(NodeId, is_a_number_or_a_name) {
  EXPECT_EQ(to_string(NodeId{7}), "node-7");
  EXPECT_EQ(to_string(NodeId{"berlin"}), "berlin");
  EXPECT_EQ(NodeId{7}, NodeId{std::uint64_t{7}});
  EXPECT_NE(NodeId{7}, NodeId{8});
  EXPECT_NE(NodeId{0}, NodeId{"0"});
  EXPECT_FALSE(NodeId{0}.has_name());
  std::ostringstream out;
  out << NodeId{std::string("b")};
  EXPECT_EQ(out.str(), "b");
}

TEST(LocalRemote, knows_its_node) {
  const LocalRemote remote(NodeId{42});
  EXPECT_EQ(remote.local_node(), NodeId{42});
}

// ---- Evidence ----

TEST(MemoryEvidence, keeps_entries_in_order) {
  MemoryEvidence evidence(3);
  EXPECT_TRUE(evidence.append(Time::from_nanos(1), "first"));
  EXPECT_TRUE(evidence.append(Time::from_nanos(2), "second"));
  EXPECT_THAT(evidence.entries(), testing::ElementsAre(EvidenceEntry{Time::from_nanos(1), "first"},
                                                       EvidenceEntry{Time::from_nanos(2), "second"}));
  EXPECT_EQ(evidence.dropped(), 0U);
}

TEST(MemoryEvidence, when_full_keeps_what_it_has_and_counts_the_rest) {
  MemoryEvidence evidence(2);
  EXPECT_TRUE(evidence.append(Time::zero(), "first"));
  EXPECT_TRUE(evidence.append(Time::zero(), "second"));
  EXPECT_FALSE(evidence.append(Time::zero(), "third"));
  EXPECT_FALSE(evidence.append(Time::zero(), "fourth"));
  ASSERT_EQ(evidence.entries().size(), 2U);
  EXPECT_EQ(evidence.entries().front().text, "first");
  EXPECT_EQ(evidence.dropped(), 2U);
  EXPECT_EQ(evidence.capacity(), 2U);
}

TEST(MemoryEvidence, of_no_capacity_counts_everything) {
  MemoryEvidence evidence(0);
  EXPECT_FALSE(evidence.append(Time::zero(), "x"));
  EXPECT_EQ(evidence.dropped(), 1U);
}

// ---- Macaroon ----

TEST(AllowList, permits_what_it_lists) {
  const AllowList list("session-1", {"write", "read"});
  EXPECT_EQ(list.identifier(), "session-1");
  EXPECT_TRUE(list.permits("read"));
  EXPECT_TRUE(list.permits("write"));
  EXPECT_FALSE(list.permits("delete"));
  EXPECT_FALSE(list.permits(""));
}

TEST(AllowList, can_only_be_weakened) {
  const AllowList list("session-1", {"read", "write"});
  const auto weaker = list.attenuate({"read", "delete"});
  EXPECT_EQ(weaker->identifier(), "session-1");
  EXPECT_TRUE(weaker->permits("read"));
  EXPECT_FALSE(weaker->permits("write"));
  EXPECT_FALSE(weaker->permits("delete"));
}

// ---- Pressure ----

class LinuxPressureFiles : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(root_ / "pressure"); }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& name, const std::string& text) const { std::ofstream(root_ / name) << text; }
  [[nodiscard]] PressureReading read() const { return LinuxPressure(root_.string()).read(); }

  std::filesystem::path root_ =
      std::filesystem::path(testing::TempDir()) / ("quiesce_pressure_test_" + std::to_string(::getpid()));
};

TEST_F(LinuxPressureFiles, reads_stall_information) {
  write("pressure/cpu",
        "some avg10=2.55 avg60=0.51 avg300=0.21 total=5417783\nfull avg10=9.00 avg60=0 avg300=0 total=0\n");
  write("pressure/memory",
        "some avg10=10.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=1.00 avg60=0 avg300=0 total=0\n");
  write("pressure/io", "some avg10=0.25 avg60=0.00 avg300=0.00 total=1\n");
  write("loadavg", "1000.0 0 0 1/89 4776\n");
  EXPECT_EQ(read(), (PressureReading{2.55, 10, 0.25, PressureSource::StallInformation}));
  EXPECT_EQ(read().worst(), 10);
}

TEST_F(LinuxPressureFiles, takes_a_part_that_is_missing_or_damaged_for_zero) {
  write("pressure/cpu", "some avg10=3.00 avg60=0.51 avg300=0.21 total=5417783\n");
  write("pressure/memory", "some avg10=");
  write("pressure/io", "");
  EXPECT_EQ(read(), (PressureReading{3, 0, 0, PressureSource::StallInformation}));
}

TEST_F(LinuxPressureFiles, falls_back_to_the_load_average) {
  const double processors = std::max(1U, std::thread::hardware_concurrency());
  write("loadavg", std::to_string(2 * processors) + " 0.00 0.00 1/89 4776\n");
  EXPECT_EQ(read().source, PressureSource::LoadAverage);
  EXPECT_DOUBLE_EQ(read().cpu_some, 50);
  write("loadavg", "0.01 0.00 0.00 1/89 4776\n");
  EXPECT_EQ(read(), (PressureReading{0, 0, 0, PressureSource::LoadAverage}));
}

TEST_F(LinuxPressureFiles, without_either_reads_zero_from_nowhere) {
  EXPECT_EQ(read(), (PressureReading{0, 0, 0, PressureSource::None}));
}

TEST(LinuxPressure, of_this_machine_is_a_share_of_the_time) {
  const PressureReading reading = LinuxPressure().read();
  EXPECT_NE(reading.source, PressureSource::Fixed);
  EXPECT_GE(std::min({reading.cpu_some, reading.memory_some, reading.io_some}), 0);
  EXPECT_LE(reading.worst(), 100);
}

TEST(FixedPressure, reads_what_it_was_given) {
  EXPECT_EQ(FixedPressure(12.5).read(), (PressureReading{12.5, 12.5, 12.5, PressureSource::Fixed}));
  const PressureReading reading{1, 2, 3, PressureSource::StallInformation};
  EXPECT_EQ(FixedPressure(reading).read(), reading);
}

// ---- Logical clock ----

TEST(LogicalClock, goes_up_and_past_what_it_observes) {
  LogicalClock clock;
  EXPECT_EQ(clock.now(), 0U);
  EXPECT_EQ(clock.tick(), 1U);
  EXPECT_EQ(clock.observe(10), 11U);
  EXPECT_EQ(clock.observe(3), 12U);
  EXPECT_EQ(clock.tick(), 13U);
  EXPECT_EQ(clock.now(), 13U);
}

TEST(LogicalClock, is_not_used_up_by_a_damaged_value) {
  LogicalClock clock;
  EXPECT_EQ(clock.tick(), 1U);
  EXPECT_EQ(clock.observe(std::numeric_limits<std::uint64_t>::max()), 1U);
  EXPECT_EQ(clock.tick(), 2U);
}

TEST(LogicalClock, gives_every_thread_values_of_its_own) {
  constexpr int threads_count = 4;
  constexpr int rounds = 2000;
  LogicalClock clock;
  std::vector<std::vector<std::uint64_t>> seen(threads_count);
  std::latch start(threads_count);
  std::vector<std::jthread> threads;
  for (auto& mine : seen) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (int i = 0; i < rounds; ++i)
        mine.push_back(i % 3 == 0 ? clock.observe(clock.now() + 1) : clock.tick());
    });
  }
  threads.clear();
  std::vector<std::uint64_t> all;
  for (const auto& mine : seen) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    all.insert(all.end(), mine.begin(), mine.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

// ---- The set ----

TEST(Capabilities, are_absent_unless_given_but_for_the_timer) {
  const Capabilities none;
  EXPECT_FALSE(none.registry || none.remote || none.io || none.pressure || none.macaroon || none.evidence ||
               none.blocking_pool || none.logical_clock);
  EXPECT_TRUE(none.timer);
}

TEST(Capabilities, are_shared_by_copies) {
  const Capabilities given{.registry = std::make_shared<InMemoryRegistry>(),
                           .remote = std::make_shared<LocalRemote>(NodeId{1}),
                           .pressure = std::make_shared<FixedPressure>(0.5),
                           .evidence = std::make_shared<MemoryEvidence>(4)};
  const Capabilities copy = given;
  ASSERT_TRUE(given.registry->register_name("logger", alice).has_value());
  EXPECT_EQ(copy.registry->lookup("logger"), alice);
  EXPECT_EQ(copy.remote->local_node(), NodeId{1});
}

}  // namespace
}  // namespace quiesce
