// What a snapshot says of tasks that wait: for whom, by what name, and through which coroutines.
#include "quiesce/detail/kernel/snapshot.hpp"

#include <gtest/gtest.h>

#include <coroutine>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/look.hpp"
#include "quiesce/select.hpp"
#include "quiesce/sync/semaphore.hpp"
#include "quiesce/testing/stepper.hpp"

namespace quiesce::testing {
namespace {

using namespace std::chrono_literals;
using SharedSemaphore = std::shared_ptr<Semaphore>;

constexpr std::uint32_t line_after(std::source_location at = std::source_location::current()) {
  return at.line() + 1;
}

std::uint32_t line_of_acquire, line_of_fetch, line_of_handle;

Task<> acquire(Cx cx, SharedSemaphore connections) {
  line_of_acquire = line_after();
  SemaphorePermit permit = co_await Semaphore::acquire_owned(cx, connections);
  co_await cx.sleep(1h);
}
Task<int> fetch(Cx cx, SharedSemaphore connections) {
  line_of_fetch = line_after();
  co_await acquire(cx, connections);
  co_return 7;
}
struct Server {
  template <class Number>
  static Task<Number> handle(Cx cx, SharedSemaphore connections) {
    line_of_handle = line_after();
    Outcome<int> fetched = co_await fetch(cx, connections).outcome();
    co_return static_cast<Number>(fetched.is_ok());
  }
};

Task<> sleeps(Cx cx) { co_await cx.sleep(1h); }
Task<> joins(Cx cx, TaskHandle<> other) { co_await other.join(cx); }
Task<> nests(Cx cx, int depth) {
  if (depth == 0) {
    co_await cx.sleep(1h);
  } else {
    co_await nests(cx, depth - 1);
  }
}

struct Never {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { *resumed_by = handle; }
  void await_resume() const {}
  std::coroutine_handle<>* resumed_by;
};

struct SnapshotTest : ::testing::Test {
  Stepper s;
  RegionId root = s.create_root_region(Budget::infinite());
  Scope<> scope = s.scope(root);
  Cx cx = s.cx(root);
  SharedSemaphore connections = std::make_shared<Semaphore>(0u, Name("connections"));

  TaskSnapshot look_at(TaskId id) {
    for (const RegionSnapshot& region : s.snapshot().regions) {
      for (const TaskSnapshot& task : region.tasks) {
        if (task.id == id) return task;
      }
    }
    ADD_FAILURE() << "not in the snapshot";
    return {};
  }
};

TEST_F(SnapshotTest, ATaskThatWaitsShowsThePrimitiveAndEachAwaitInnermostFirst) {
  auto handle = scope.spawn(cx, Server::handle<long>, connections).value();
  s.run_until_idle();
  const TaskSnapshot task = look_at(handle.task_id());
  EXPECT_EQ(task.waiting_for, "a permit of a semaphore");
  EXPECT_EQ(task.waiting_on.kind, "semaphore");
  EXPECT_EQ(task.waiting_on.name, "connections");
  EXPECT_EQ(task.wait_text(), "a permit of a semaphore \"connections\"");
  ASSERT_EQ(task.stack.size(), 3u);
  EXPECT_TRUE(task.stack[0].function.ends_with("::acquire")) << task.stack[0].function;
  EXPECT_TRUE(task.stack[1].function.ends_with("::fetch")) << task.stack[1].function;
  EXPECT_TRUE(task.stack[2].function.ends_with("::Server::handle")) << task.stack[2].function;
  EXPECT_EQ(task.stack[0].line, line_of_acquire);
  EXPECT_EQ(task.stack[1].line, line_of_fetch);
  EXPECT_EQ(task.stack[2].line, line_of_handle);
  for (const AwaitSite& site : task.stack) EXPECT_TRUE(site.file.ends_with("snapshot_test.cpp")) << site.file;
  EXPECT_FALSE(task.stack_is_cut);
  connections->add_permits(1);
  s.run_until_idle();
  EXPECT_EQ(look_at(handle.task_id()).waiting_for, "sleep") << "a task that was looked at goes on as ever";
}

TEST_F(SnapshotTest, AJoinNamesTheJoinedTask) {
  auto sleeper = scope.spawn(cx, sleeps).value();
  const TaskId sleeper_id = sleeper.task_id();
  auto joiner = scope.spawn(cx, joins, std::move(sleeper)).value();
  s.run_until_idle();
  const TaskSnapshot task = look_at(joiner.task_id());
  EXPECT_EQ(task.waiting_on.kind, "task");
  ASSERT_EQ(task.holders.size(), 1u);
  EXPECT_EQ(task.holders[0].id, sleeper_id);
  EXPECT_EQ(task.holders[0].path, "0.0.0");
  EXPECT_EQ(task.wait_text(), "join: 0.0.0");
}

TEST_F(SnapshotTest, ASelectNamesWhatItsOperationsName) {
  auto sleeper = scope.spawn(cx, sleeps).value();
  auto selects = [](Cx inner, SharedSemaphore wanted, TaskHandle<> other) -> Task<> {
    auto chosen = select(inner, wanted->acquire(), other.join(inner));
    (void)co_await std::move(chosen);
  };
  auto selecting = scope.spawn(cx, selects, connections, std::move(sleeper)).value();
  s.run_until_idle();
  const TaskSnapshot task = look_at(selecting.task_id());
  EXPECT_EQ(task.waiting_on.kind, "select");
  EXPECT_EQ(task.waiting_on.name, "connections");
  ASSERT_EQ(task.holders.size(), 1u);
  EXPECT_EQ(task.holders[0].path, "0.0.0");
}

TEST_F(SnapshotTest, AWaitForARegionNamesTheRegionAndItsBodyIsInIt) {
  auto opens = [](Cx outer) -> Task<> {
    co_await region(outer, FailFast{}, [](Cx inner, Scope<>&) -> Task<> { co_await inner.sleep(1h); });
  };
  auto opener = scope.spawn(cx, opens).value();
  s.run_until_idle();
  const TaskSnapshot task = look_at(opener.task_id());
  EXPECT_EQ(task.waiting_on.kind, "region");
  const Snapshot snapshot = s.snapshot();
  ASSERT_EQ(snapshot.regions.size(), 2u);
  EXPECT_EQ(task.waiting_on.name, snapshot.regions[1].path);
  EXPECT_EQ(task.wait_text(), "a region to close: " + snapshot.regions[1].path);
  ASSERT_EQ(snapshot.regions[1].tasks.size(), 1u);
  EXPECT_EQ(snapshot.regions[1].tasks[0].role, "body");
  EXPECT_EQ(snapshot.regions[1].tasks[0].stack.size(), 1u);
}

TEST_F(SnapshotTest, AForeignAwaitHasAPlaceToo) {
  std::coroutine_handle<> resumed_by;
  auto awaits = [](Cx, std::coroutine_handle<>* place) -> Task<> { co_await Never{place}; };
  auto waiting = scope.spawn(cx, awaits, unsafe_send(&resumed_by)).value();
  s.run_until_idle();
  const TaskSnapshot task = look_at(waiting.task_id());
  EXPECT_EQ(task.waiting_for, "a foreign awaitable");
  EXPECT_EQ(task.stack.size(), 1u);
  resumed_by.resume();
  s.run_until_idle();
}

TEST_F(SnapshotTest, OneThatRunsOrIsQueuedHasNoStack) {
  auto handle = scope.spawn(cx, sleeps).value();
  const TaskSnapshot task = look_at(handle.task_id());
  EXPECT_EQ(task.waiting_for, "");
  EXPECT_TRUE(task.stack.empty());
}

TEST_F(SnapshotTest, ALongChainIsCut) {
  auto deep = scope.spawn(cx, nests, 1'000).value();
  auto fits = scope.spawn(cx, nests, static_cast<int>(detail::WaitSeen::places_max) - 1).value();
  s.run_until_idle();
  const TaskSnapshot task = look_at(deep.task_id());
  EXPECT_EQ(task.stack.size(), detail::WaitSeen::places_max);
  EXPECT_TRUE(task.stack_is_cut);
  const TaskSnapshot other = look_at(fits.task_id());
  EXPECT_EQ(other.stack.size(), detail::WaitSeen::places_max);
  EXPECT_FALSE(other.stack_is_cut);
}

// A large region is walked in slices, with a bookmark in its list in between; 64 is a whole slice.
TEST_F(SnapshotTest, EachTaskOfALargeRegionIsSeenOnceNewestFirst) {
  std::vector<TaskHandle<>> handles;
  for (const std::size_t count : {63u, 64u, 65u, 128u, 1'000u}) {
    while (handles.size() < count) handles.push_back(scope.spawn(cx, sleeps).value());
    s.run_until_idle();
    for (int repeat = 0; repeat < 2; ++repeat) {
      const Snapshot snapshot = s.snapshot();
      ASSERT_EQ(snapshot.regions.size(), 1u);
      const std::vector<TaskSnapshot>& tasks = snapshot.regions[0].tasks;
      ASSERT_EQ(tasks.size(), count);
      for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(tasks[i].id, handles[count - 1 - i].task_id());
        EXPECT_EQ(tasks[i].waiting_for, "sleep");
        EXPECT_EQ(tasks[i].stack.size(), 1u) << "its wait was looked at";
      }
    }
  }
  scope.cancel(CancelReason::user("over"));
  s.run_until_idle();
  for (const TaskHandle<>& handle : handles)
    EXPECT_TRUE(handle.is_finished()) << "nothing of the looks is left in its way";
}

TEST_F(SnapshotTest, ADumpTellsEqualStacksOnce) {
  std::vector<TaskHandle<int>> handles;
  for (int i = 0; i < 1'000; ++i) handles.push_back(scope.spawn(cx, fetch, connections).value());
  auto other = scope.spawn(cx, sleeps).value();
  s.run_until_idle();
  const std::string dump = s.snapshot().dump();
  EXPECT_NE(
      dump.find("1000 of task (0.0.999, 0.0.998, 0.0.997, …) Running, each waits for a permit of a semaphore "
                "\"connections\" since 0.000ms to 0.000ms\n"),
      std::string::npos)
      << dump;
  EXPECT_NE(dump.find("waits for sleep since"), std::string::npos) << dump;
  std::size_t places = 0;
  for (std::size_t at = 0; (at = dump.find("snapshot_test.cpp:", at)) != std::string::npos; ++at) ++places;
  EXPECT_EQ(places, 3u) << dump;
}

TEST_F(SnapshotTest, JsonSaysTheSameAndIsValid) {
  auto waits = scope.spawn(cx, fetch, connections).value();
  auto sleeper = scope.spawn(cx, sleeps).value();
  auto joiner = scope.spawn(cx, joins, std::move(sleeper)).value();
  s.run_until_idle();
  const auto json = nlohmann::json::parse(s.snapshot().json());
  nlohmann::json by_path;
  for (const auto& task : json.at("regions").at(0).at("tasks"))
    by_path[task.at("path").get<std::string>()] = task;
  const auto& waiting = by_path.at("0.0.0");
  EXPECT_EQ(waiting.at("waiting_on").at("kind"), "semaphore");
  EXPECT_EQ(waiting.at("waiting_on").at("name"), "connections");
  ASSERT_EQ(waiting.at("stack").size(), 2u);
  EXPECT_EQ(waiting.at("stack").at(0).at("line"), line_of_acquire);
  EXPECT_EQ(waiting.at("stack").at(1).at("line"), line_of_fetch);
  EXPECT_TRUE(by_path.at("0.0.1").at("waiting_on").is_null());
  EXPECT_EQ(by_path.at("0.0.2").at("holders").at(0).at("path"), "0.0.1");
}

TEST_F(SnapshotTest, ALookAtAWaitThatIsOverIsRefused) {
  auto handle = scope.spawn(cx, fetch, connections).value();
  s.run_until_idle();
  detail::TaskRecord& record = *detail::TaskSlab::find(handle.task_id().index);
  const std::uint64_t epoch = record.word.load().epoch();
  EXPECT_TRUE(detail::look_at_wait(record, epoch));
  EXPECT_FALSE(record.word.load().looked_at());
  EXPECT_FALSE(detail::look_at_wait(record, epoch - 1));
  connections->add_permits(1);
  EXPECT_FALSE(detail::look_at_wait(record, epoch)) << "it is claimed, and may be stepped at any time";
}

TEST_F(SnapshotTest, ATaskThatIsBornWhileTheSnapshotIsTakenHasNoAge) {
  s.advance(5ms);
  auto handle = scope.spawn(cx, sleeps).value();
  s.run_until_idle();
  detail::Kernel& kernel = detail::TaskSlab::find(handle.task_id().index)->kernel();
  const auto ages = [&](Time now) {
    for (const RegionSnapshot& region : detail::take_snapshot(kernel.roots(), now).regions) {
      for (const TaskSnapshot& task : region.tasks) {
        if (task.id == handle.task_id()) return std::pair(task.age, task.waiting);
      }
    }
    ADD_FAILURE() << "not in the snapshot";
    return std::pair(Duration(), Duration());
  };
  EXPECT_EQ(ages(Time::zero() + 4ms), std::pair(Duration(0), Duration(0))) << "it began before the task";
  EXPECT_EQ(ages(Time::zero() + 7ms), std::pair(Duration(2ms), Duration(2ms)));
}

TEST(NameOfFunction, IsWhatIsLeftWithoutResultAndParameters) {
  const auto name = detail::name_of_function;
  EXPECT_EQ(name("quiesce::Task<int> app::fetch(int)"), "app::fetch");
  EXPECT_EQ(name("void app::fetch(app::fetch(int)::_ZN3app5fetchEi.Frame*)"), "app::fetch");
  EXPECT_EQ(name("T app::S::run(X, std::string) [with X = long int; std::string = std::basic_string<char>]"),
            "app::S::run");
  EXPECT_EQ(name("T app::S::run(X, std::string) [X = long]"), "app::S::run");
  EXPECT_EQ(name("void main()::<lambda(int)>::operator()(main()::<lambda(int)>::_ZZ4mainENKUliE_clEi.Frame*)"),
            "main()::<lambda(int)>::operator()");
  EXPECT_EQ(name("auto main()::(anonymous class)::operator()(int) const"),
            "main()::(anonymous class)::operator()");
  EXPECT_EQ(name("static quiesce::Task<std::pair<int, long> > {anonymous}::S::f(int) const"),
            "{anonymous}::S::f");
  EXPECT_EQ(name("app::S::operator bool() const"), "app::S::operator bool");
  EXPECT_EQ(name("main"), "main");
  EXPECT_EQ(name(""), "");
  EXPECT_EQ(name(")"), ")") << "whatever it is, it is no reason to fail";
}

}  // namespace
}  // namespace quiesce::testing
