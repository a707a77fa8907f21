// Once cells in the lab.
#include "quiesce/sync/once_cell.hpp"

#include "lab/sync/exploring.hpp"

namespace quiesce::lab_tests {
namespace {

struct Place {
  OnceCell<int> cell{"cell"};
  int running = 0, begun = 0, made = 0, got = 0;
};

/// Leaves also when the initialiser is cancelled.
struct Making {
  Place* place;
  explicit Making(Place* at) : place(at) {
    ++place->begun;
    lab::check(++place->running == 1, "one initialiser at a time");
    lab::check(place->made == 0, "none after the value was made");
  }
  ~Making() { --place->running; }
};

Task<int> make(Cx cx, Place* place, bool fails) {
  const Making making(place);
  co_await cx.yield();
  if (fails) co_await fail(ErrorCode::Io, "not this time");
  co_return ++place->made;
}
Task<> get(Cx cx, Place* place, bool fails) {
  auto making = [place, fails](Cx mine) { return make(mine, place, fails); };
  const int* value = co_await place->cell.get_or_init(cx, making);
  lab::check(*value == 1, "the value is made once");
  ++place->got;
}

template <int work, int failing>
Task<> getting(Cx cx, Scope<>&) {
  Place place;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 0; i < failing; ++i) co_await scope.launch(mine, get, unsafe_send(&place), true);
    for (int i = 0; i < work; ++i) co_await scope.launch(mine, get, unsafe_send(&place), false);
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  const OnceCellStatistics after = place.cell.statistics();
  lab::check(after.waiters == 0 && !after.is_initialising, "nobody is left");
  lab::check(!after.is_ready || place.made == 1, "what is ready was made");
  lab::check(place.got == 0 || after.is_ready, "who got it got it from the cell");
  lab::sometimes(place.got >= work, "everybody who can make it got it");
}

TEST(LabOnceCell, OneInitialiserAtATimeAndNobodyIsForgotten) {
  expect_holds(getting<3, 0>);
  expect_holds(getting<2, 1>);
  EXPECT_GT(expect_exhausted(getting<3, 0>), 6u);
  EXPECT_GT(expect_exhausted(getting<2, 1>), 6u);
}

TEST(LabOnceCell, DporSeesEveryClass) {
  expect_every_class(getting<2, 0>);
  expect_every_class(getting<1, 1>);
}

Task<> first_is_cancelled(Cx cx, Scope<>&) {
  Place place;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    auto first = co_await scope.spawn(mine, get, unsafe_send(&place), false);
    auto second = co_await scope.spawn(mine, get, unsafe_send(&place), false);
    co_await mine.yield();
    first.abort();
    co_await second.join(mine);
  };
  auto ended = co_await region(cx, CollectAll(), inside).outcome();
  lab::check(place.got >= 1, "the one that was not cancelled got it");
}

TEST(LabOnceCell, OneThatIsCancelledHandsOverInEverySchedule) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 500}, first_is_cancelled));
  EXPECT_GT(expect_exhausted(first_is_cancelled), 3u);
}

Task<int> ask_other(Cx cx, OnceCell<int>* other) {
  const int* value = co_await other->get_or_init(cx, [] { return 1; });
  co_return *value;
}
Task<int> make_after(Cx cx, OnceCell<int>* other) {
  co_await cx.yield();
  auto asking = ask_other(cx, other);
  co_return co_await std::move(asking);
}
Task<> get_after(Cx cx, OnceCell<int>* mine, OnceCell<int>* other) {
  auto making = [other](Cx inner) { return make_after(inner, other); };
  (void)co_await mine->get_or_init(cx, making);
}

Task<> crossed(Cx cx, Scope<>&) {
  OnceCell<int> a("hen"), b("egg");
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    co_await scope.launch(mine, get_after, unsafe_send(&a), unsafe_send(&b));
    co_await scope.launch(mine, get_after, unsafe_send(&b), unsafe_send(&a));
  };
  co_await region(cx, FailFast(), inside);
}

TEST(LabOnceCell, TwoThatNeedEachOtherAreNamed) {
  const lab::Report report = lab::explore({.strategy = lab::dpor()}, crossed);
  ASSERT_TRUE(report.failed());
  EXPECT_EQ(report.failure()->kind, lab::FailureKind::deadlock);
  const std::string& text = report.failure()->message;
  EXPECT_NE(text.find("waits for a once cell \"hen\", held by task"), std::string::npos) << text;
  EXPECT_NE(text.find("in a cycle"), std::string::npos) << text;
}

}  // namespace
}  // namespace quiesce::lab_tests
