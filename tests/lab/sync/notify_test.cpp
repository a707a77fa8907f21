// Notifications, barriers and latches in the lab.
#include "quiesce/sync/notify.hpp"

#include "lab/sync/exploring.hpp"
#include "quiesce/select.hpp"
#include "quiesce/sync/barrier.hpp"
#include "quiesce/sync/latch.hpp"

namespace quiesce::lab_tests {
namespace {

using namespace std::chrono_literals;

struct Post {
  Notify notify{"post"};
  lab::atomic<int> letters{0, "letters"};
  int taken = 0, given_up = 0;
};

/// Looks, and waits only if there is nothing: of a look that finds nothing and a letter one must see the other.
Task<> collect(Cx cx, Post* post) {
  struct Ended {
    Post* post;
    bool took = false;
    explicit Ended(Post* of) : post(of) {}
    ~Ended() { ++(took ? post->taken : post->given_up); }
  } ended(post);
  int seen = 0;
  do {
    while ((seen = post->letters.load()) == 0) co_await post->notify.notified(cx);
  } while (!post->letters.compare_exchange_strong(seen, seen - 1));
  ended.took = true;
  const int left = seen - 1;
  if (left > 0) post->notify.notify_one();  // one notification may stand for several letters
}
Task<> deliver(Cx, Post* post) {
  post->letters.fetch_add(1);
  post->notify.notify_one();
  co_return;
}

template <int tasks>
Task<> postal(Cx cx, Scope<>&) {
  Post post;
  auto inside = [&post](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    for (int i = 0; i < tasks; ++i) {
      co_await scope.launch(mine, collect, unsafe_send(&post));
      co_await scope.launch(mine, deliver, unsafe_send(&post));
    }
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(post.notify.statistics().waiters == 0, "nobody is left in the list");
  lab::check(post.taken <= tasks, "no letter was taken twice");
  lab::sometimes(post.taken == tasks, "every letter was collected");
}

TEST(LabNotify, NoNotificationIsLost) {
  expect_holds(postal<2>);
  EXPECT_GT(expect_exhausted(postal<2>), 6u);
}

TEST(LabNotify, DporSeesEveryClass) { expect_every_class(postal<1>); }

Task<> hear(Cx cx, Notify* notify, int* heard) {
  auto got = co_await notify->notified(cx).outcome();
  if (got.is_ok()) ++*heard;
}

Task<> ring(Cx, Notify* notify) {
  notify->notify_one();
  co_return;
}

Task<> one_of_two_is_cancelled(Cx cx, Scope<>&) {
  Notify notify("bell");
  int heard = 0;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    auto first = co_await scope.spawn(mine, hear, unsafe_send(&notify), unsafe_send(&heard));
    auto second = co_await scope.spawn(mine, hear, unsafe_send(&notify), unsafe_send(&heard));
    co_await scope.launch(mine, ring, unsafe_send(&notify));
    first.abort();
    co_await first.join(mine);
    if (heard == 1) second.abort();
    co_await second.join(mine);  // else it is the second's, and this ends
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(heard == 1 || (heard == 0 && notify.statistics().is_stored), "one of them has heard it");
}

// Two wait, one notification, one request: whoever was chosen goes on, or the other does, and nobody waits for ever.
TEST(LabNotify, ARequestToTheOneThatWasChosenLosesNothing) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 500}, one_of_two_is_cancelled));
  EXPECT_GT(expect_exhausted(one_of_two_is_cancelled), 6u);
}

Task<> arrive(Cx cx, Barrier* barrier, int* through, int* leaders) {
  const bool leads = co_await barrier->arrive_and_wait(cx);
  ++*through;
  *leaders += leads ? 1 : 0;
}

template <int tasks>
Task<> rounds(Cx cx, Scope<>&) {
  Barrier barrier(tasks, "phase");
  int through = 0, leaders = 0;
  auto inside = [&](Cx mine, Scope<>& scope) -> Task<> {
    for (int i = 0; i < tasks; ++i)
      co_await scope.launch(mine, arrive, unsafe_send(&barrier), unsafe_send(&through), unsafe_send(&leaders));
  };
  // The lab cancels the body, a task or two; FailFast does not end the others for that: the region is cancelled with what remains.
  auto ended = co_await region(cx, FailFast(), inside).outcome();
  const BarrierStatistics after = barrier.statistics();
  lab::check(after.arrived == 0 && after.rounds <= 1, "nobody is left in the list");
  lab::check(leaders <= 1 && (through == 0 || after.rounds == 1), "one round at most, with one leader");
  if (ended.is_ok()) lab::check(through == tasks && leaders == 1, "all went through, and one leads");
}

TEST(LabBarrier, OneOfThoseThatGoThroughLeads) {
  for (auto body : {rounds<2>, rounds<3>}) {
    EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 500}, body));
    EXPECT_GT(expect_exhausted(body), 1u);
  }
  expect_every_class(rounds<2>);
}

/// One of three is cancelled some time; a fourth comes in its place if the round was not over.
Task<> replaced(Cx cx, Scope<>&) {
  Barrier barrier(3, "phase");
  int through = 0, leaders = 0;
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    auto spawned = [&] {
      return scope.spawn(mine, arrive, unsafe_send(&barrier), unsafe_send(&through), unsafe_send(&leaders));
    };
    auto first = co_await spawned();
    auto second = co_await spawned();
    auto third = co_await spawned();
    co_await mine.yield();
    first.abort();
    auto ended = co_await first.join(mine).outcome();
    if (ended.is_cancelled() && barrier.statistics().rounds == 0) {
      auto fourth = co_await spawned();
      (void)co_await fourth.join(mine).outcome();
    }
  };
  (void)co_await region(cx, CollectAll(), inside).outcome();
  lab::check(through >= 2 && leaders == 1, "the others went through, and one of them leads");
}

TEST(LabBarrier, AnArrivalIsWithdrawnOrCounts) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 1000}, replaced));
  EXPECT_LAB_OK(lab::explore({.strategy = lab::pct(3), .seed = 1, .max_runs = 1000}, replaced));
  EXPECT_GT(expect_exhausted(replaced), 6u);
}

Task<> finish_part(Cx cx, Latch* latch) {
  const MaskGuard uncancelled = cx.mask();
  co_await cx.yield();
  latch->count_down();
}
Task<> await_parts(Cx cx, Latch* latch) {
  co_await latch->wait(cx);
  lab::check(latch->try_wait(), "it is open");
}

Task<> loading(Cx cx, Scope<>&) {
  Latch latch(2, "loaded");
  auto inside = [&](Cx mine, Scope<CollectAll>& scope) -> Task<> {
    co_await scope.launch(mine, await_parts, unsafe_send(&latch));
    co_await scope.launch(mine, finish_part, unsafe_send(&latch));
    co_await scope.launch(mine, finish_part, unsafe_send(&latch));
  };
  auto ended = co_await region(cx, CollectAll(), inside).outcome();
  lab::check(!ended.is_ok() || latch.try_wait(), "the region ends when it is open");
  lab::check(latch.statistics().waiters == 0, "nobody is left in the list");
}

TEST(LabLatch, NobodyIsForgotten) {
  EXPECT_LAB_OK(lab::explore({.strategy = lab::random(), .seed = 1, .max_runs = 500}, loading));
  expect_every_class(loading);
}

}  // namespace
}  // namespace quiesce::lab_tests
