// Rule O4: how frames end when a failure passes through them, and what scope guards can ask.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <exception>
#include <string>
#include <vector>

#include "coroutine_forms/elsewhere_support.hpp"
#include "coroutine_forms/form_support.hpp"
#include "leaks.hpp"

namespace forms {
namespace {

using Log = std::vector<std::string>;
using testing::ElementsAre;
using testing::HasSubstr;

/// A guard that commits or rolls back, as q::unwinding() says.
class Guard {
 public:
  Guard(Log& log, std::string name) : log_(&log), name_(std::move(name)) {}
  Guard(Guard&& other) noexcept : log_(std::exchange(other.log_, nullptr)), name_(std::move(other.name_)) {}
  ~Guard() {
    if (log_ != nullptr) log_->push_back(name_ + (q::unwinding() ? " rolls back" : " commits"));
  }

 private:
  Log* log_;
  std::string name_;
  Probe probe_{0};
};

/// Its destructor throws.
class Bomb {
 public:
  Bomb(Log& log, std::string name) : log_(&log), name_(std::move(name)) {}
  Bomb(Bomb&& other) noexcept : log_(std::exchange(other.log_, nullptr)), name_(std::move(other.name_)) {}
  ~Bomb() noexcept(false) {
    if (log_ == nullptr) return;
    log_->push_back(name_ + " goes off");
    throw std::runtime_error(name_);
  }

 private:
  Log* log_;
  std::string name_;
  Probe probe_{0};
};

template <class Body>
auto run(Body& body) {
  q::Runtime runtime = q::Runtime::builder().workers(1).build();
  return runtime.block_on(body);
}

class Unwinding : public testing::TestWithParam<Ending> {
 protected:
  void SetUp() override { Ledger::the().reset(); }
  void TearDown() override { EXPECT_EQ(Ledger::the().complaints(), Log()); }
};

q::Task<int> inner(At at, Log& log, Guard) {
  Guard first(log, "inner first"), second(log, "inner second");
  co_await ending(at);
  co_return 42;
}
q::Task<int> middle(At at, Log& log, Guard) {
  Guard local(log, "middle local");
  int value = co_await inner(at, log, Guard(log, "inner argument"));
  log.push_back("middle goes on");
  co_return value;
}

TEST_P(Unwinding, O4_destroys_inner_to_outer_and_before_the_handler_goes_on) {
  Log log;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    At at{cx, scope, GetParam()};
    auto task = middle(at, log, Guard(log, "middle argument"));
    auto outcome = co_await std::move(task).outcome();
    log.push_back("handler: " + std::string(q::to_string(outcome.kind())));
  };
  (void)run(body);
  const std::string how = GetParam().how == How::Ok ? " commits" : " rolls back";
  std::string kind = "Err";  // of Unasked, too: the awaiter bears no request
  if (GetParam().how == How::Ok) kind = "Ok";
  if (GetParam().how == How::Cancelled) kind = "Cancelled";
  if (GetParam().how == How::Exception) kind = "Panicked";
  Log expected{"inner second" + how, "inner first" + how, "inner argument" + how};
  if (GetParam().how == How::Ok) expected.push_back("middle goes on");
  expected.insert(expected.end(), {"middle local" + how, "middle argument" + how, "handler: " + kind});
  EXPECT_EQ(log, expected);
}
INSTANTIATE_TEST_SUITE_P(Endings, Unwinding, testing::ValuesIn(all_endings()),
                         [](const auto& each) { return to_string(each.param); });

class Destructors : public testing::Test {
 protected:
  void SetUp() override { Ledger::the().reset(); }
  void TearDown() override { EXPECT_EQ(Ledger::the().complaints(), Log()); }
};

TEST_F(Destructors, O4_no_exception_is_in_flight_while_an_err_unwinds) {
  struct Asks {
    int& seen;
    bool& unwinding;
    Asks(int& s, bool& u) : seen(s), unwinding(u) {}
    ~Asks() {
      seen = std::uncaught_exceptions();
      unwinding = q::unwinding();
    }
  };
  int seen = -1;
  bool unwinding = false;
  auto body = [&](q::Cx, q::Scope<>&) -> q::Task<> {
    Asks asks(seen, unwinding);
    co_await q::fail(the_error());
  };
  EXPECT_TRUE(run(body).is_err());
  EXPECT_EQ(seen, 0);
  EXPECT_TRUE(unwinding);
  EXPECT_FALSE(q::unwinding());
}

TEST_F(Destructors, O4_a_task_that_never_ran_commits_unless_its_owner_unwinds) {
  Log log;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    At at{cx, scope, Ending{}};
    { auto unused = inner(at, log, Guard(log, "dropped")); }
    auto unused = inner(at, log, Guard(log, "owned"));
    co_await q::fail(the_error());
  };
  EXPECT_TRUE(run(body).is_err());
  EXPECT_THAT(log, ElementsAre("dropped commits", "owned rolls back"));
}

TEST_F(Destructors, O4_a_handled_failure_leaves_no_trace_in_later_guards) {
  Log log;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    At at{cx, scope, Ending{How::Err, false}};
    auto task = inner(at, log, Guard(log, "argument"));
    (void)co_await std::move(task).outcome();
    log.clear();
    {
      Guard later(log, "later");
      co_await at.cx.yield();
    }
    try {
      throw Boom();
    } catch (const Boom&) { Guard in_handler(log, "in a handler"); }
  };
  EXPECT_TRUE(run(body).is_ok());
  EXPECT_THAT(log, ElementsAre("later commits", "in a handler commits"));
}

// ---- destructors that throw ----

q::Task<int> with_bomb(At at, Log& log) {
  Guard first(log, "inner first");
  Bomb bomb(log, "the inner bomb");
  Guard last(log, "inner last");
  co_await ending(at);
  co_return 42;
}
q::Task<int> around_bomb(At at, Log& log) {
  Guard local(log, "outer local");
  int value = co_await with_bomb(at, log);
  log.push_back("outer goes on");
  co_return value;
}

class Bombs : public Unwinding {};
TEST_P(Bombs, O4_a_local_that_throws_while_unwinding_makes_the_task_end_panicked) {
  Log log;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
    return around_bomb(At{cx, scope, GetParam()}, log);
  };
  auto outcome = run(body);
  ASSERT_TRUE(outcome.is_panicked()) << outcome;
  EXPECT_THAT(outcome.panic().message(), HasSubstr("the inner bomb"));
  const std::string how = GetParam().how == How::Ok ? " commits" : " rolls back";
  EXPECT_THAT(log, ElementsAre("inner last" + how, "the inner bomb goes off", "inner first rolls back",
                               "outer local rolls back"));
}
INSTANTIATE_TEST_SUITE_P(Endings, Bombs,
                         testing::Values(Ending{How::Ok, false}, Ending{How::Ok, true}, Ending{How::Err, false},
                                         Ending{How::Err, true}, Ending{How::Cancelled, false},
                                         Ending{How::Cancelled, true}, Ending{How::Unasked, true}),
                         [](const auto& each) { return to_string(each.param); });

q::Task<int> two_bombs(At at, Log& log) {
  Bomb outer(log, "the outer bomb");
  int value = co_await with_bomb(at, log);
  co_return value;
}
TEST_F(Destructors, O4_one_in_each_of_two_frames_and_the_first_stands) {
  Log log;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
    Guard local(log, "body local");
    auto task = two_bombs(At{cx, scope, Ending{How::Err, true}}, log);
    co_return co_await std::move(task);
  };
  auto outcome = run(body);
  ASSERT_TRUE(outcome.is_panicked()) << outcome;
  EXPECT_THAT(outcome.panic().message(), HasSubstr("the inner bomb"));
  EXPECT_THAT(log, ElementsAre("inner last rolls back", "the inner bomb goes off", "inner first rolls back",
                               "the outer bomb goes off", "body local rolls back"));
}

// g++ 12 leaks a frame whose argument throws while the frame is destroyed, and the arguments behind it (docs/compilers.md); so
// the bomb is the last one, and the leak checker is not to look.
q::Task<int> bomb_frame(At at, Bomb) {
  Probe bystander(0);
  co_await ending(at);
  co_return 42 + bystander.value();
}
q::Task<int> bomb_argument(At at, Bomb bomb) {
  quiesce::tests::LeaksAllowed allowed;
  return bomb_frame(at, std::move(bomb));
}
TEST_F(Destructors, O4_an_argument_that_throws_makes_the_task_end_panicked) {
  for (How how : {How::Ok, How::Err, How::Exception}) {
    Log log;
    auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
      Guard local(log, "body local");
      auto task = bomb_argument(At{cx, scope, Ending{how, true}}, Bomb(log, "the argument"));
      int value = co_await std::move(task);
      co_await cx.yield();
      log.push_back("not reached");
      co_return value;
    };
    auto outcome = run(body);
    ASSERT_TRUE(outcome.is_panicked()) << outcome;
    EXPECT_THAT(log, ElementsAre("the argument goes off", "body local rolls back"));
  }
}

TEST_F(Destructors, O4_an_observer_does_not_survive_it_either) {
  Log log;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    auto task = around_bomb(At{cx, scope, Ending{How::Err, false}}, log);
    auto outcome = co_await std::move(task)
                       .outcome();  // the task itself ends Panicked: there is nobody to observe it in here
    log.push_back("not reached");
  };
  EXPECT_TRUE(run(body).is_panicked());
  EXPECT_THAT(log, testing::Not(testing::Contains("not reached")));
}

TEST_F(Destructors, O4_the_join_of_a_task_whose_destructor_threw_shows_the_panic) {
  Log log;
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<bool> {
    auto work = [](q::Cx mine, q::Scope<> in, Log* l) -> q::Task<int> {
      return around_bomb(At{mine, in, Ending{How::Err, true}}, *l);
    };
    auto handle = co_await scope.spawn_local(cx, work, scope, &log);
    auto outcome = co_await handle.join(cx).outcome();
    co_return outcome.is_panicked();
  };
  auto outcome = run(body);
  EXPECT_TRUE(outcome.is_panicked()) << outcome;  // a panic goes to the region's policy as well (R7)
  EXPECT_THAT(log, testing::Contains("the inner bomb goes off"));
}

// The panic is known when the child's argument has thrown; the wait that the parent enters after that must still be
// waited for, since somebody else holds its handle.
struct Hop {
  Probe probe{0};
  Hop() = default;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { Elsewhere::the().resume(handle); }
  void await_resume() const { probe.value(); }
};
TEST_F(Destructors, O4_a_foreign_wait_of_a_task_that_is_to_panic_is_waited_for) {
  for (int round = 0; round < 100; ++round) {
    Log log;
    auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<int> {
      Guard local(log, "body local");
      auto task = bomb_argument(At{cx, scope, Ending{}}, Bomb(log, "the argument"));
      int value = co_await std::move(task);
      Hop hop;
      co_await hop;
      log.push_back("not reached");
      co_return value;
    };
    EXPECT_TRUE(run(body).is_panicked());
    EXPECT_THAT(log, ElementsAre("the argument goes off", "body local rolls back"));
  }
}

}  // namespace
}  // namespace forms
