#include "quiesce/sync/once_cell.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "quiesce/select.hpp"
#include "unit/sync/desk.hpp"

namespace quiesce {
namespace {

using namespace std::chrono_literals;
using sync_tests::Desk;

struct Config {
  std::unique_ptr<int> value;
  explicit Config(int v) : value(std::make_unique<int>(v)) {}
};
struct Place {
  OnceCell<Config> cell{"config"};
  int begun = 0;
  Duration takes = 5ms;
};

Task<Config> load(Cx cx, Place* place, int value) {
  ++place->begun;
  co_await cx.sleep(place->takes);
  if (value < 0) co_await fail(ErrorCode::Io, "no such file");
  if (value == 0) throw std::runtime_error("no config");
  co_return Config(value);
}
Task<int> use(Cx cx, Place* place, int value) {
  auto loading = [place, value](Cx mine) { return load(mine, place, value); };
  const Config* config = co_await place->cell.get_or_init(cx, loading);
  co_return *config->value;
}

TEST(OnceCell, IsMadeOnceByTheFirstAndAllGetTheSame) {
  Desk desk;
  Place place;
  EXPECT_EQ(place.cell.get(), nullptr);
  std::vector<TaskHandle<int>> users;
  for (int i = 1; i <= 3; ++i) users.push_back(desk.spawn(use, unsafe_send(&place), i));
  desk.stepper.run_until_idle();
  EXPECT_TRUE(place.cell.statistics().is_initialising);
  EXPECT_EQ(place.cell.statistics().initialiser, users[0].task_id());
  EXPECT_EQ(place.cell.statistics().waiters, 2u);
  desk.stepper.advance(5ms);
  desk.stepper.run_until_idle();
  for (auto& user : users) EXPECT_EQ(desk.joined(user).value(), 1);
  EXPECT_EQ(place.begun, 1);
  EXPECT_EQ(*place.cell.get()->value, 1);
  EXPECT_EQ(desk.run(use(desk.cx, &place, 9)).value(), 1);
}

TEST(OnceCell, OneThatFailsEndsItsCallerAndTheNextRunsItsOwn) {
  Desk desk;
  Place place;
  auto fails = desk.spawn(use, unsafe_send(&place), -1);
  auto panics = desk.spawn(use, unsafe_send(&place), 0);
  auto works = desk.spawn(use, unsafe_send(&place), 3);
  desk.stepper.run_until_idle();
  for (int i = 0; i < 3; ++i) {
    desk.stepper.advance(5ms);
    desk.stepper.run_until_idle();
  }
  EXPECT_EQ(desk.joined(fails).error().code(), ErrorCode::Io);
  EXPECT_TRUE(desk.joined(panics).is_panicked());
  EXPECT_EQ(desk.joined(works).value(), 3);
  EXPECT_EQ(place.begun, 3);
  EXPECT_EQ(place.cell.statistics().attempts, 3u);
}

TEST(OnceCell, OneThatIsCancelledHandsOverAndOneThatOnlyWaitsLeavesNoPlace) {
  Desk desk;
  Place place;
  auto makes = desk.spawn(use, unsafe_send(&place), 1);
  auto waits = desk.spawn(use, unsafe_send(&place), 2);
  auto last = desk.spawn(use, unsafe_send(&place), 3);
  auto never = desk.spawn(use, unsafe_send(&place), 4);
  never.abort();
  desk.stepper.run_until_idle();
  waits.abort();
  makes.abort();
  desk.stepper.run_until_idle();
  EXPECT_EQ(place.cell.statistics().initialiser, last.task_id());
  EXPECT_EQ(place.cell.statistics().waiters, 0u);
  desk.stepper.advance(5ms);
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(makes).is_cancelled());
  EXPECT_TRUE(desk.joined(waits).is_cancelled());
  EXPECT_TRUE(desk.joined(never).is_cancelled());
  EXPECT_EQ(desk.joined(last).value(), 3);
}

TEST(OnceCell, OneThatFailsWithNobodyWaitingLeavesItEmpty) {
  Desk desk;
  Place place;
  EXPECT_TRUE(desk.run(use(desk.cx, &place, -1)).is_err());
  EXPECT_FALSE(place.cell.statistics().is_initialising);
  EXPECT_EQ(desk.run(use(desk.cx, &place, 4)).value(), 4);
}

TEST(OnceCell, IsSetOnceAndNotWhileSomebodyMakesIt) {
  Desk desk;
  Place place;
  auto makes = desk.spawn(use, unsafe_send(&place), 1);
  desk.stepper.run_until_idle();
  EXPECT_FALSE(place.cell.set(Config(7)));
  makes.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(place.cell.set(Config(8)));
  EXPECT_FALSE(place.cell.set(Config(9)));
  EXPECT_EQ(*place.cell.get()->value, 8);
}

Task<int> plain(Cx cx, OnceCell<std::string>* cell) {
  const std::string* with = co_await cell->get_or_init(cx, [](Cx) { return std::string("with a context"); });
  const std::string* none = co_await cell->get_or_init(cx, [] { return std::string("with nothing"); });
  EXPECT_EQ(with, none);
  co_return static_cast<int>(with->size());
}

TEST(OnceCell, TakesPlainFunctionsToo) {
  Desk desk;
  OnceCell<std::string> cell;
  EXPECT_EQ(desk.run(plain(desk.cx, &cell)).value(), 14);
}

Task<int> recursive(Cx cx, OnceCell<int>* cell) {
  auto again = [cell](Cx mine) { return recursive(mine, cell); };
  const int* value = co_await cell->get_or_init(cx, again);
  co_return *value;
}

TEST(OnceCell, AnInitialiserThatAsksForItsOwnValueIsRefused) {
  Desk desk;
  OnceCell<int> cell("egg");
  auto ended = desk.run(recursive(desk.cx, &cell));
  ASSERT_TRUE(ended.is_err()) << ended;
  EXPECT_EQ(ended.error().code(), ErrorCode::InvalidArgument);
  EXPECT_NE(
      ended.error().message().find("once cell \"egg\": its initialiser asks for the value that it is making"),
      std::string::npos);
  EXPECT_FALSE(cell.statistics().is_initialising);
}

Task<std::size_t> ready_or_late(Cx cx, OnceCell<Config>* cell) {
  auto first = co_await select_biased(cx, cell->ready(), cx.sleep(1ms));
  co_return first.index();
}
Task<> ready(Cx cx, OnceCell<Config>* cell) { co_await cell->ready(cx); }

TEST(OnceCell, WaitingForItBeingReadyMakesNothing) {
  Desk desk;
  Place place;
  EXPECT_EQ(desk.run(ready_or_late(desk.cx, &place.cell)).value(), 1u);
  auto waits = desk.spawn(ready, unsafe_send(&place.cell));
  auto gone = desk.spawn(ready, unsafe_send(&place.cell));
  desk.stepper.run_until_idle();
  gone.abort();
  EXPECT_EQ(place.cell.statistics().attempts, 0u);
  EXPECT_EQ(desk.run(use(desk.cx, &place, 2)).value(), 2);
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(waits).is_ok());
  EXPECT_TRUE(desk.joined(gone).is_cancelled());
  EXPECT_EQ(desk.run(ready_or_late(desk.cx, &place.cell)).value(), 0u);
}

TEST(OnceCell, ACancelledTaskDoesNotGetItEvenIfItIsThere) {
  Desk desk;
  Place place;
  place.cell.set(Config(1));
  auto task = desk.spawn(use, unsafe_send(&place), 2);
  task.abort();
  desk.stepper.run_until_idle();
  EXPECT_TRUE(desk.joined(task).is_cancelled());
}

Task<int> slow_answer(Cx cx) {
  co_await cx.sleep(1ms);
  co_return 42;
}
template <class L>
Task<int> ask(Cx cx, L* lazy) {
  const int* value = co_await lazy->get(cx);
  co_return *value;
}

TEST(Lazy, MakesItsValueWhenItIsFirstAskedFor) {
  Desk desk;
  Lazy answer(slow_answer, "answer");
  static_assert(std::is_same_v<decltype(answer), Lazy<int, Task<int> (*)(Cx)>>);
  EXPECT_EQ(answer.get_if_made(), nullptr);
  EXPECT_EQ(desk.run(ask(desk.cx, &answer)).value(), 42);
  EXPECT_EQ(*answer.get_if_made(), 42);
  int calls = 0;
  Lazy counted([&calls] { return ++calls; });
  EXPECT_EQ(desk.run(ask(desk.cx, &counted)).value(), 1);
  EXPECT_EQ(desk.run(ask(desk.cx, &counted)).value(), 1);
  Lazy<int> erased([](Cx cx) { return slow_answer(cx); });
  EXPECT_EQ(desk.run(ask(desk.cx, &erased)).value(), 42);
}

}  // namespace
}  // namespace quiesce
