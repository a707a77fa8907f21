// What is wrong is told so, with what happened, to what, and what to do. More of it stands with each primitive's own tests, and in
// tests/compile_fail what does not compile.
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>

#include "quiesce/channel/broadcast.hpp"
#include "quiesce/channel/mpmc.hpp"
#include "quiesce/channel/mpsc.hpp"
#include "quiesce/channel/oneshot.hpp"
#include "quiesce/channel/rendezvous.hpp"
#include "quiesce/select.hpp"
#include "quiesce/sync/mutex.hpp"
#include "quiesce/sync/rw_lock.hpp"
#include "quiesce/timeout.hpp"
#include "quiesce/timer.hpp"
#include "unit/channel/support.hpp"

namespace quiesce::channel_tests {
namespace {

using namespace std::chrono_literals;

struct Misuse : ChannelTest {};

const std::string nobody_receives =
    ": its receivers have closed it or are gone, so nobody would receive the message: stop sending";

template <class T>
void expect_refused(const Outcome<T>& ended, const std::string& sentence,
                    ErrorCode code = ErrorCode::Disconnected) {
  ASSERT_TRUE(ended.is_err()) << ended.kind();
  EXPECT_EQ(ended.error().code(), code);
  EXPECT_EQ(ended.error().message(), sentence);
}

// ---- sending on a closed channel ----

TEST_F(Misuse, SendingOnAClosedQueueIsRefusedByName) {
  auto one = mpsc::channel<int>(1, "one");
  auto many = mpmc::channel<int>(1, "many");
  auto meeting = rendezvous::channel<int>("meeting");
  auto check = [&](auto& tx, auto& rx, const std::string& who) {
    rx.close();
    auto send = [&](Cx mine) -> Task<> { co_await tx.send(mine, 1); };
    auto reserve = [&](Cx mine) -> Task<> { (void)co_await tx.reserve(mine); };
    expect_refused(s.run(send(cx)), who + nobody_receives);
    expect_refused(s.run(reserve(cx)), who + nobody_receives);
    const auto at_once = tx.try_send(7);
    ASSERT_FALSE(at_once);
    EXPECT_TRUE(at_once.error().disconnected && at_once.error().value == 7);
  };
  check(one.first, one.second, "mpsc channel \"one\"");
  check(many.first, many.second, "mpmc channel \"many\"");
  check(meeting.first, meeting.second, "rendezvous channel \"meeting\"");
}

TEST_F(Misuse, SendingAtOnceOnAClosedChannelGivesTheMessageBackWithTheSentence) {
  auto log = mpsc::unbounded_channel<int>("log");
  log.second.close();
  const auto line = log.first.send(3);
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error().value, 3);
  EXPECT_EQ(line.error().error.message(), "unbounded mpsc channel \"log\"" + nobody_receives);

  auto answer = oneshot::channel<int>("answer");
  { auto gone = std::move(answer.second); }
  const auto sent = answer.first.send(4);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().value, 4);
  EXPECT_EQ(sent.error().error.message(), "oneshot channel \"answer\"" + nobody_receives);

  auto news = broadcast::channel<int>(2);
  { auto gone = std::move(news.second); }
  EXPECT_EQ(news.first.send(5).error(), 5);
}

TEST_F(Misuse, AMessageInAWaitingSendIsRefusedWhenItsReceiverGoes) {
  auto [tx, rx] = mpsc::channel<int>(1, "full");
  EXPECT_TRUE(tx.try_send(0));
  auto waiting = start(send_one<decltype(tx), int>, tx, 1);
  EXPECT_FALSE(has_ended(waiting));
  { auto gone = std::move(rx); }
  s.run_until_idle();
  expect_refused(ended(waiting), "mpsc channel \"full\"" + nobody_receives);
}

// ---- a guard across the end of its region ----

TEST_F(Misuse, AGuardThatOutlivesTheBodyOfItsRegionEndsTheRegionPanicked) {
  Mutex<int> mutex(0, "vault");
  RwLock<int> lock(0, "ledger");
  std::optional<MutexGuard<int>> locked;
  std::optional<WriteGuard<int>> written;
  auto locks = [&](Cx mine, Scope<>&) -> Task<> { locked.emplace(co_await mutex.lock(mine)); };
  auto writes = [&](Cx mine, Scope<>&) -> Task<> { written.emplace(co_await lock.write(mine)); };
  const std::string must_not =
      ": a guard must not outlive the task that locked; unlock before the task returns";
  const Outcome<> first = s.run(region(cx, FailFast(), locks));
  ASSERT_TRUE(first.is_panicked());
  EXPECT_NE(first.panic().message().find("still holds a guard of a mutex \"vault\"" + must_not),
            std::string::npos)
      << first.panic().message();
  const Outcome<> second = s.run(region(cx, FailFast(), writes));
  ASSERT_TRUE(second.is_panicked());
  EXPECT_NE(second.panic().message().find("still holds a guard of a reader-writer lock \"ledger\"" + must_not),
            std::string::npos)
      << second.panic().message();
}

// ---- waiting with no timer ----

TEST_F(Misuse, WaitingWithoutATimerIsRefusedWhateverWaits) {
  Capabilities none;
  none.timer = false;
  const Cx timeless = s.cx(root, none);
  Mutex<int> mutex(0, "busy");
  const auto held = mutex.try_lock();
  auto sleeps = [&](Cx mine) -> Task<> { co_await mine.sleep(1s); };
  auto locks = [&](Cx mine) -> Task<> { (void)co_await mutex.lock_for(mine, 1s); };
  auto selects = [&](Cx mine) -> Task<> { (void)co_await select(mine, mutex.lock(), mine.sleep(1s)); };
  auto times = [&](Cx mine) -> Task<> { (void)co_await timeout(mine, 1s, mutex.lock()); };
  for (const Outcome<>& ended : {s.run(timeless, sleeps(timeless)), s.run(timeless, locks(timeless)),
                                 s.run(timeless, selects(timeless)), s.run(timeless, times(timeless))}) {
    ASSERT_TRUE(ended.is_err());
    EXPECT_EQ(ended.error().code(), ErrorCode::MissingCapability);
    EXPECT_NE(ended.error().message().find("this context was given no timer"), std::string::npos)
        << ended.error().message();
  }
  EXPECT_EQ(mutex.statistics().waiters, 0u);
  auto makes = [](Cx mine) -> Task<> {
    Timer timer(mine, 1s);
    co_await timer.wait(mine);
  };
  const Outcome<> ended = s.run(timeless, makes(timeless));
  ASSERT_TRUE(ended.is_panicked());
  EXPECT_NE(ended.panic().message().find("this context was given no timer"), std::string::npos);
}

}  // namespace
}  // namespace quiesce::channel_tests
