// Pools in the lab.
#include "quiesce/sync/pool.hpp"

#include "lab/sync/exploring.hpp"

namespace quiesce::lab_tests {
namespace {

struct Book {
  int* live;
  explicit Book(int* count) : live(count) {
    ++*live;
    lab::check(*live <= 2, "no more than two were ever there");
  }
  Book(Book&& other) noexcept : live(std::exchange(other.live, nullptr)) {}
  Book& operator=(Book&&) = delete;
  ~Book() {
    if (live != nullptr) --*live;
  }
};

/// Two books at most, of which the shelf keeps `shelf`.
struct Library {
  int live = 0, lent = 0, read = 0;
  Pool<std::unique_ptr<Book>> books;
  explicit Library(std::uint32_t keeps);
};
Task<std::unique_ptr<Book>> print_one(Cx cx, Library* library) {
  co_await cx.yield();
  co_return std::make_unique<Book>(&library->live);
}
Library::Library(std::uint32_t keeps)
    : books(
          PoolOptions(2).with_max_idle(keeps), [this](Cx cx) { return print_one(cx, this); }, "books") {}

/// Gives back also when the task is cancelled.
struct Reading {
  Library* library;
  explicit Reading(Library* in) : library(in) { lab::check(++library->lent <= 2, "two are lent at most"); }
  ~Reading() { --library->lent; }
};

Task<> read(Cx cx, Library* library, bool tears) {
  auto book = co_await library->books.acquire(cx);
  const Reading reading(library);
  co_await cx.yield();
  ++library->read;
  if (tears) book.discard();
}

template <int readers, int tearing, std::uint32_t shelf>
Task<> lending(Cx cx, Scope<>&) {
  Library library(shelf);
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 0; i < readers; ++i)
      co_await scope.launch(mine, quiesce::lab_tests::read, unsafe_send(&library), i < tearing);
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  const PoolStatistics after = library.books.statistics();
  lab::check(after.lent == 0 && after.waiters == 0, "everything has come back and nobody waits");
  lab::check(after.idle <= shelf && static_cast<int>(after.idle) == library.live, "what lives is on the shelf");
  lab::check(after.made - after.dropped == after.idle, "the books add up");
  library.books.close();
  lab::check(library.live == 0, "closed, it keeps none");
  lab::sometimes(library.read == readers, "everybody read");
}

TEST(LabPool, NothingIsLostAndNeverTooMany) {
  expect_holds(lending<4, 1, 2>, 300);
  expect_holds(lending<3, 0, 1>, 300);
  EXPECT_GT(expect_exhausted(lending<3, 0, 2>, 200'000), 6u);
  EXPECT_GT(expect_exhausted(lending<2, 1, 1>), 1u);
}

TEST(LabPool, DporSeesEveryClass) { expect_every_class(lending<2, 0, 1>); }

Task<> close_it(Cx, Library* library) {
  library->books.close();
  co_return;
}

Task<> closing(Cx cx, Scope<>&) {
  Library library(2);
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 0; i < 3; ++i)
      co_await scope.launch(mine, quiesce::lab_tests::read, unsafe_send(&library), false);
    co_await scope.launch(mine, close_it, unsafe_send(&library));
  };
  auto ended = co_await region(cx, CollectAll(), inside).outcome();
  lab::check(ended.is_ok() || ended.is_cancelled() || ended.error().code() == ErrorCode::Disconnected,
             "refused as closed, if anything");
  lab::check(library.live == 0 && library.books.statistics().lent == 0, "nothing is left");
}

TEST(LabPool, ClosedInTheMiddleItDropsEverything) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 500}, closing));
  EXPECT_LAB_OK(lab::explore({.strategy = lab::pct(3), .seed = 2, .max_runs = 500}, closing));
  EXPECT_GT(expect_exhausted(closing, 300'000), 6u);
}

}  // namespace
}  // namespace quiesce::lab_tests
