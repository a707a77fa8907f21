// Rules L1 to L4, and what regions promise about obligations (R3, R4, R8).
#include <atomic>
#include <mutex>
#include <optional>
#include <span>

#include "quiesce/log.hpp"
#include "support.hpp"

namespace quiesce::semantics {
namespace {

struct Ledger : ::testing::Test {
  std::shared_ptr<InMemoryMetrics> metrics = std::make_shared<InMemoryMetrics>();
  Bench<> bench{StepperOptions{.metrics = metrics}};

  Obligation reserve(ObligationKind kind = ObligationKind::Lease) {
    return Obligation::reserve(bench.cx, bench.scope, kind).value();
  }
  std::size_t owed() { return bench.stepper.region(bench.root)->obligations; }
};

// ---- L1: kinds, states, the holder, moving ----

TEST_F(Ledger, L1_every_kind_goes_from_reserved_to_one_final_state) {
  for (ObligationKind kind :
       {ObligationKind::SendPermit, ObligationKind::Ack, ObligationKind::Lease, ObligationKind::IoOp}) {
    Obligation committed = reserve(kind), aborted = reserve(kind);
    EXPECT_EQ(committed.kind(), kind);
    EXPECT_TRUE(committed.id().is_valid());
    EXPECT_NE(committed.id(), aborted.id());
    EXPECT_EQ(owed(), 2u);
    EXPECT_TRUE(committed.commit());
    EXPECT_EQ(owed(), 1u);
    EXPECT_TRUE(aborted.abort());
    EXPECT_EQ(owed(), 0u);
    EXPECT_FALSE(committed);
  }
}

TEST_F(Ledger, L1_a_final_state_is_final) {
  Obligation token = reserve();
  EXPECT_TRUE(token.commit());
  for (auto again : {token.commit(), token.abort()}) {
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), ErrorCode::ObligationMoved);
    EXPECT_NE(again.error().message().find("resolved or moved on"), std::string::npos);
  }
  auto moved = token.move_to(bench.scope, bench.cx);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().code(), ErrorCode::ObligationMoved);
}

TEST_F(Ledger, L1_a_token_that_was_moved_from_is_stale) {
  Obligation first = reserve();
  ObligationId id = first.id();
  Obligation second = std::move(first);
  EXPECT_FALSE(first);
  EXPECT_EQ(second.id(), id);
  EXPECT_EQ(first.commit().error().code(), ErrorCode::ObligationMoved);
  EXPECT_TRUE(second.commit());
}

TEST_F(Ledger, L1_only_the_holder_resolves) {
  std::optional<Obligation> shared;
  auto holder = [](Cx cx, Scope<> scope, std::optional<Obligation>* out) -> Task<> {
    *out = Obligation::reserve(cx, scope, ObligationKind::Ack).value();
    co_await cx.sleep(1s);
    EXPECT_TRUE((*out)->commit());
  };
  auto thief = [](Cx, std::optional<Obligation>* out) -> Task<> {
    for (auto refused : {(*out)->commit(), (*out)->abort()}) {
      EXPECT_FALSE(refused);
      EXPECT_EQ(refused.error().code(), ErrorCode::ForeignContext);
      EXPECT_NE(refused.error().message().find("move it with Obligation::move_to"), std::string::npos);
    }
    co_return;
  };
  auto held = bench.scope.spawn(bench.cx, holder, bench.scope, unsafe_send(&shared)).value();
  bench.stepper.run_until_idle();
  auto tried = bench.scope.spawn(bench.cx, thief, unsafe_send(&shared)).value();
  bench.stepper.run_until_idle();
  EXPECT_EQ(owed(), 1u);
  EXPECT_TRUE(bench.stepper.run(held.join(bench.cx)).is_ok());
  EXPECT_EQ(owed(), 0u);
}

TEST_F(Ledger, L1_reserving_through_another_tasks_context_is_refused) {
  auto other = bench.scope.spawn(bench.cx, sleeper).value();
  auto thief = [](Cx, Cx foreign) -> Task<> {
    auto refused = Obligation::reserve(foreign, ObligationKind::Ack);
    EXPECT_EQ(refused.error().code(), ErrorCode::ForeignContext);
    co_return;
  };
  Cx foreign = bench.cx;
  auto handle = bench.scope.spawn(bench.cx, thief, foreign).value();
  EXPECT_TRUE(bench.stepper.run(handle.join(bench.cx)).is_ok());
  EXPECT_EQ(owed(), 0u);
}

TEST_F(Ledger, L1_a_token_passed_to_spawn_moves_holder_and_entry) {
  RegionId other_root = bench.stepper.create_root_region();
  Scope<> other = bench.stepper.scope(other_root);
  auto receiver = [](Cx cx, Obligation token) -> Task<int> {
    co_await cx.sleep(1s);
    EXPECT_TRUE(token.commit()) << "the receiver is the holder";
    co_return 7;
  };
  Obligation token = reserve(ObligationKind::SendPermit);
  auto handle = other.spawn(bench.cx, receiver, std::move(token)).value();
  EXPECT_FALSE(token);
  EXPECT_EQ(owed(), 0u) << "the sender's region owes no more";
  EXPECT_EQ(bench.stepper.region(other_root)->obligations, 1u);
  EXPECT_EQ(bench.stepper.run(handle.join(bench.cx)).value(), 7);
  EXPECT_EQ(bench.stepper.region(other_root)->obligations, 0u);
}

TEST_F(Ledger, L1_a_refused_spawn_leaves_the_token_with_the_sender) {
  RegionId other_root = bench.stepper.create_root_region(Budget::infinite(), {.max_obligations = 1});
  Scope<> other = bench.stepper.scope(other_root);
  auto receiver = [](Cx, Obligation, Obligation) -> Task<> { co_return; };
  Obligation first = reserve(), second = reserve();
  ObligationId ids[] = {first.id(), second.id()};
  auto refused = other.spawn(bench.cx, receiver, std::move(first), std::move(second));  // one fits, two do not
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), SpawnErrorKind::RegionAtCapacity);
  EXPECT_NE(refused.error().message().find("max_obligations is 1"), std::string::npos);
  EXPECT_TRUE(first) << "nothing was moved";
  EXPECT_TRUE(second);
  EXPECT_EQ(owed(), 2u);
  EXPECT_EQ(bench.stepper.region(other_root)->obligations, 0u);
  EXPECT_TRUE(bench.stepper.region(other_root)->tasks.empty()) << "and no task was started";
  EXPECT_EQ(second.id(), ids[1]);
  EXPECT_TRUE(first.commit());
  EXPECT_TRUE(second.commit());
}

struct ThrowsWhenCopied {
  ThrowsWhenCopied() = default;
  ThrowsWhenCopied(const ThrowsWhenCopied&) { throw std::runtime_error("no copy"); }
};

TEST_F(Ledger, L1_S1_a_spawn_that_throws_gives_the_token_back) {
  auto receiver = [](Cx, ThrowsWhenCopied, Obligation) -> Task<> { co_return; };
  RegionId other_root = bench.stepper.create_root_region();
  Obligation token = reserve();
  ThrowsWhenCopied thrower;
  EXPECT_THROW((void)bench.stepper.scope(other_root).spawn(bench.cx, receiver, thrower, std::move(token)),
               std::runtime_error);
  EXPECT_EQ(bench.stepper.region(other_root)->obligations, 0u);
  EXPECT_EQ(owed(), token ? 1u : 0u) << "either it is back, or it was aborted with the frame";
  EXPECT_EQ(metrics->live_obligations(), token ? 1 : 0);
}

TEST_F(Ledger, L1_a_token_that_is_a_result_becomes_the_joiners) {
  RegionId other_root = bench.stepper.create_root_region();
  auto maker = [](Cx cx, Scope<> scope) -> Task<Obligation> {
    auto token = Obligation::reserve(cx, scope, ObligationKind::Lease).value();
    co_return token;
  };
  auto handle = bench.stepper.scope(other_root).spawn(bench.cx, maker, bench.stepper.scope(other_root)).value();
  auto joiner = [](Cx cx, TaskHandle<Obligation> joined) -> Task<> {
    Obligation token = co_await joined.join(cx);
    EXPECT_TRUE(token.commit());
  };
  bench.stepper.run_until_idle();
  EXPECT_EQ(bench.stepper.region(other_root)->obligations, 1u) << "held for whoever joins";
  auto joining = [](Cx cx, TaskHandle<Obligation> joined, Scope<>) -> Task<Obligation> {
    co_return co_await joined.join(cx);
  };
  auto held = bench.scope.spawn(bench.cx, joining, std::move(handle), bench.scope).value();
  bench.stepper.run_until_idle();
  EXPECT_EQ(bench.stepper.region(other_root)->obligations, 0u);
  EXPECT_EQ(owed(), 1u) << "the joiner's region owes it";
  auto last = bench.scope.spawn(bench.cx, joiner, std::move(held)).value();
  EXPECT_TRUE(bench.stepper.run(last.join(bench.cx)).is_ok());
  EXPECT_EQ(owed(), 0u);
}

TEST_F(Ledger, L1_a_joiner_whose_region_refuses_may_join_again) {
  RegionId full_root = bench.stepper.create_root_region(Budget::infinite(), {.max_obligations = 0});
  auto maker = [](Cx cx) -> Task<Obligation> {
    auto token = Obligation::reserve(cx, ObligationKind::Lease).value();
    co_return token;
  };
  auto handle = bench.scope.spawn(bench.cx, maker).value();
  auto joiner = [](Cx cx, TaskHandle<Obligation>* joined) -> Task<> {
    auto outcome = co_await joined->join(cx).outcome();
    EXPECT_TRUE(outcome.is_err());
    if (outcome.is_err()) { EXPECT_EQ(outcome.error().code(), ErrorCode::RegionAtCapacity); }
  };
  auto refused = bench.stepper.scope(full_root).spawn(bench.cx, joiner, unsafe_send(&handle)).value();
  bench.stepper.run_until_idle();
  EXPECT_TRUE(refused.is_finished());
  EXPECT_EQ(owed(), 1u) << "the token stays with the sender";
  Obligation token = bench.stepper.run(handle.join(bench.cx)).value();
  EXPECT_TRUE(token.commit());
}

TEST_F(Ledger, L1_move_to_moves_holder_and_entry_or_nothing) {
  Obligation token = reserve();
  RegionId other_root = bench.stepper.create_root_region();
  Scope<> other = bench.stepper.scope(other_root);
  Door door;
  auto held = other.spawn(bench.cx, at_door, unsafe_send(&door)).value();
  EXPECT_TRUE(token.move_to(other, bench.stepper.cx(other_root)));
  EXPECT_EQ(owed(), 0u);
  EXPECT_EQ(bench.stepper.region(other_root)->obligations, 1u);
  EXPECT_TRUE(token.move_to(bench.scope, bench.cx));
  bench.stepper.begin_close(other_root);
  auto refused = token.move_to(other, bench.cx);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::RegionClosed);
  EXPECT_EQ(owed(), 1u);
  EXPECT_TRUE(token.commit());
  door.open();
  bench.stepper.run_until_idle();
}

// ---- L2: tokens that go, tokens that stay ----

TEST_F(Ledger, L2_a_token_that_goes_out_of_scope_aborts) {
  {
    Obligation token = reserve();
    EXPECT_EQ(owed(), 1u);
  }
  EXPECT_EQ(owed(), 0u);
  EXPECT_EQ(metrics->count(MetricKind::ObligationDischarged), 1u);
  EXPECT_EQ(metrics->count(MetricKind::ObligationLeaked), 0u);
}

TEST_F(Ledger, L2_assigning_over_a_token_aborts_what_it_held) {
  Obligation token = reserve();
  token = reserve();
  EXPECT_EQ(owed(), 1u);
  EXPECT_TRUE(token.commit());
}

TEST_F(Ledger, L2_what_nobody_resolves_leaks_when_the_region_ends) {
  std::optional<Obligation> kept_outside;
  auto holder = [](Cx cx, std::optional<Obligation>* out) -> Task<> {
    *out = Obligation::reserve(cx, ObligationKind::Ack).value();
    co_return;
  };
  auto handle = bench.scope.spawn(bench.cx, holder, unsafe_send(&kept_outside)).value();
  bench.stepper.run_until_idle();
  EXPECT_EQ(owed(), 1u) << "its holder has ended, but the region has not";
  bench.stepper.begin_close(bench.root);
  bench.stepper.run_until_idle();
  EXPECT_FALSE(bench.stepper.region(bench.root)) << "a leak does not keep a region open";
  EXPECT_EQ(metrics->count(MetricKind::ObligationLeaked), 1u);
  EXPECT_EQ(metrics->live_obligations(), 0);
  for (auto late : {kept_outside->commit(), kept_outside->abort(), kept_outside->commit()}) {
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code(), ErrorCode::ObligationLeaked);
    EXPECT_NE(late.error().message().find("has leaked"), std::string::npos);
  }
  RegionId next = bench.stepper.create_root_region();
  auto moved = kept_outside->move_to(bench.stepper.scope(next), bench.stepper.cx(next));
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().code(), ErrorCode::ObligationLeaked);
  EXPECT_EQ(bench.stepper.region(next)->obligations, 0u);
}

TEST_F(Ledger, L2_finalizers_may_still_resolve_it) {
  std::optional<Obligation> token;
  auto holder = [](Cx cx, std::optional<Obligation>* out) -> Task<> {
    *out = Obligation::reserve(cx, ObligationKind::Ack).value();
    co_return;
  };
  (void)bench.scope.spawn(bench.cx, holder, unsafe_send(&token)).value();
  (void)bench.scope.defer_sync([&] { EXPECT_TRUE(token->commit()); });
  bench.stepper.begin_close(bench.root);
  bench.stepper.run_until_idle();
  EXPECT_FALSE(bench.stepper.region(bench.root));
  EXPECT_EQ(metrics->count(MetricKind::ObligationLeaked), 0u);
}

TEST_F(Ledger, L2_a_token_on_the_region_heap_aborts_when_that_dies) {
  auto holder = [](Cx cx, Scope<> scope) -> Task<> {
    auto token = Obligation::reserve(cx, ObligationKind::Ack).value();
    EXPECT_TRUE(scope.heap_alloc<Obligation>(std::move(token)));
    co_return;
  };
  (void)bench.scope.spawn(bench.cx, holder, bench.scope).value();
  bench.stepper.run_until_idle();
  EXPECT_EQ(owed(), 1u);
  bench.stepper.begin_close(bench.root);
  bench.stepper.run_until_idle();
  EXPECT_FALSE(bench.stepper.region(bench.root));
  EXPECT_EQ(metrics->count(MetricKind::ObligationLeaked), 0u);
  EXPECT_EQ(metrics->count(MetricKind::ObligationDischarged), 1u);
}

/// A task of `bench.root` that holds an obligation in the ledger of another root.
struct HeldElsewhere : Ledger {
  RegionId other_root = bench.stepper.create_root_region();
  Door door;
  std::optional<Obligation> token;
  bool commits = false;

  TaskHandle<> spawn_holder() {
    auto holder = [](Cx cx, Scope<> ledger, std::optional<Obligation>* out, Door* held,
                     bool* commit) -> Task<> {
      *out = Obligation::reserve(cx, ledger, ObligationKind::Lease).value();
      co_await *held;
      if (*commit) { EXPECT_TRUE((*out)->commit()); }
    };
    auto handle = bench.scope
                      .spawn(bench.cx, holder, bench.stepper.scope(other_root), unsafe_send(&token),
                             unsafe_send(&door), unsafe_send(&commits))
                      .value();
    bench.stepper.run_until_idle();
    return handle;
  }
};

TEST_F(HeldElsewhere, L2_L3_a_region_waits_for_a_holder_that_still_runs) {
  commits = true;
  auto handle = spawn_holder();
  bench.stepper.begin_close(other_root);
  bench.stepper.run_until_idle();
  ASSERT_TRUE(bench.stepper.region(other_root)) << "closed while it was owed something";
  EXPECT_EQ(bench.stepper.region(other_root)->state, RegionState::Finalizing);
  EXPECT_EQ(bench.stepper.region(other_root)->obligations, 1u);
  door.open();
  bench.stepper.run_until_idle();
  EXPECT_FALSE(bench.stepper.region(other_root));
  EXPECT_EQ(metrics->count(MetricKind::ObligationLeaked), 0u);
}

TEST_F(HeldElsewhere, L2_it_leaks_when_that_holder_completes) {
  auto handle = spawn_holder();
  bench.stepper.begin_close(other_root);
  bench.stepper.run_until_idle();
  EXPECT_EQ(metrics->count(MetricKind::ObligationLeaked), 0u);
  door.open();
  bench.stepper.run_until_idle();
  EXPECT_FALSE(bench.stepper.region(other_root));
  EXPECT_EQ(metrics->count(MetricKind::ObligationLeaked), 1u);
  EXPECT_EQ(token->commit().error().code(), ErrorCode::ObligationLeaked);
}

TEST_F(HeldElsewhere, L2_a_holder_that_completes_first_leaves_it_to_the_finalizers) {
  auto handle = spawn_holder();
  door.open();
  bench.stepper.run_until_idle();
  EXPECT_TRUE(handle.is_finished());
  EXPECT_EQ(bench.stepper.region(other_root)->obligations, 1u);
  (void)bench.stepper.scope(other_root).defer_sync([&] { EXPECT_TRUE(token->abort()); });
  bench.stepper.begin_close(other_root);
  bench.stepper.run_until_idle();
  EXPECT_FALSE(bench.stepper.region(other_root));
  EXPECT_EQ(metrics->count(MetricKind::ObligationLeaked), 0u);
}

TEST_F(HeldElsewhere, L2_moved_on_it_waits_for_the_new_holder) {
  auto handle = spawn_holder();
  auto receiver = [](Cx cx, Obligation mine) -> Task<> {
    co_await cx.sleep(1s);
    EXPECT_TRUE(mine.commit());
  };
  Scope<> other = bench.stepper.scope(other_root);
  auto moved = other.spawn(bench.cx, receiver, std::move(*token)).value();
  door.open();  // the first holder ends: no longer its business
  bench.stepper.begin_close(other_root);
  bench.stepper.run_until_idle();
  EXPECT_TRUE(bench.stepper.region(other_root));
  EXPECT_TRUE(bench.stepper.run(moved.join(bench.cx)).is_ok());
  bench.stepper.run_until_idle();
  EXPECT_FALSE(bench.stepper.region(other_root));
  EXPECT_EQ(metrics->count(MetricKind::ObligationLeaked), 0u);
}

struct Remembering final : LogSink {
  std::mutex mutex;
  std::vector<std::string> lines;
  void do_write(LogLevel, std::string_view message, std::span<const LogField>) override {
    std::scoped_lock hold(mutex);
    lines.emplace_back(message);
  }
};

TEST(Obligations, L2_a_leak_is_logged_with_its_holder_and_counted) {
  auto log = std::make_shared<Remembering>();
  std::optional<Obligation> kept;
  Runtime runtime = Runtime::builder().workers(1).log(log).build();
  auto body = [&](Cx cx, Scope<>&) -> Task<> {
    kept = Obligation::reserve(cx, ObligationKind::IoOp).value();
    co_return;
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_EQ(runtime.stats().leaked_obligations, 1u);
  ASSERT_EQ(log->lines.size(), 1u);
  EXPECT_NE(log->lines[0].find("an obligation of kind IoOp that task 0.0 held"), std::string::npos)
      << log->lines[0];
  EXPECT_NE(log->lines[0].find("obligations_test.cpp"), std::string::npos) << "where it was reserved";
}

// ---- L3, R4: a region closes only when nothing is owed ----

TEST_F(Ledger, L3_R4_whoever_awaits_waits_for_the_ledger) {
  Lines lines;
  std::optional<Obligation> token;
  Door door;
  auto holder = [](Cx cx, Scope<> ledger, std::optional<Obligation>* out, Door* held, Lines* log) -> Task<> {
    *out = Obligation::reserve(cx, ledger, ObligationKind::Lease).value();
    co_await *held;
    log->push_back("commit");
    EXPECT_TRUE((*out)->commit());
  };
  auto outer = [&](Cx cx, Scope<>& scope) -> Task<> {
    auto body = [&](Cx inner_cx, Scope<>& inner) -> Task<> {
      // By a task of the outer region, in the ledger of the inner one.
      (void)scope.spawn(inner_cx, holder, inner, unsafe_send(&token), unsafe_send(&door), unsafe_send(&lines))
          .value();
      while (!token) co_await inner_cx.yield();
      lines.push_back("body ends");
    };
    co_await scope.region(cx, FailFast{}, body);
    lines.push_back("awaiter");
  };
  auto opener = [](Cx cx, decltype(outer)* out) -> Task<> { co_await region(cx, FailFast{}, *out); };
  auto handle = bench.scope.spawn(bench.cx, opener, unsafe_send(&outer)).value();
  bench.stepper.run_until_idle();
  EXPECT_EQ(lines, Lines{"body ends"});
  door.open();
  bench.stepper.run_until_idle();
  EXPECT_EQ(lines, (Lines{"body ends", "commit", "awaiter"}));
  EXPECT_TRUE(handle.is_finished());
}

// ---- L4: two-phase effects ----

TEST_F(Ledger, L4_a_cancelled_reserve_leaves_nothing_and_a_commit_cannot_be_cancelled) {
  int effects = 0;
  auto sender = [](Cx cx, int* sent, bool late) -> Task<> {
    auto permit = Obligation::reserve(cx, ObligationKind::SendPermit).value();
    if (late) {
      (void)co_await cx.sleep(1h).outcome();
      EXPECT_TRUE(cx.checkpoint().is_cancelled());
    } else {
      co_await cx.sleep(1h);  // cancelled here: the permit goes with the frame
    }
    EXPECT_TRUE(permit.commit());  // no cancel point, whatever has been requested
    ++*sent;
  };
  auto early = bench.scope.spawn(bench.cx, sender, unsafe_send(&effects), false).value();
  auto late = bench.scope.spawn(bench.cx, sender, unsafe_send(&effects), true).value();
  bench.stepper.run_until_idle();
  EXPECT_EQ(owed(), 2u);
  early.abort();
  late.abort();
  bench.stepper.run_until_idle();
  EXPECT_EQ(effects, 1);
  EXPECT_EQ(owed(), 0u);
  EXPECT_EQ(metrics->count(MetricKind::ObligationDischarged), 2u);
}

TEST_F(Ledger, L4_a_refused_reserve_leaves_nothing) {
  RegionId closing = bench.stepper.create_root_region();
  Door door;
  auto held = bench.stepper.scope(closing).spawn(bench.cx, at_door, unsafe_send(&door)).value();
  bench.stepper.begin_close(closing);
  auto before = bench.stepper.snapshot();
  auto refused = Obligation::reserve(bench.cx, bench.stepper.scope(closing), ObligationKind::Ack);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::RegionClosed);
  EXPECT_EQ(bench.stepper.snapshot().text(), before.text());
  EXPECT_EQ(metrics->count(MetricKind::ObligationCreated), 0u);
  door.open();
  bench.stepper.run_until_idle();
  EXPECT_EQ(Obligation::reserve(bench.cx, bench.stepper.scope(closing), ObligationKind::Ack).error().code(),
            ErrorCode::RegionNotFound);
}

// ---- R3 and R8 for obligations ----

TEST_F(Ledger, R3_a_running_task_reserves_in_its_closing_region_to_its_end) {
  auto task = [](Cx cx, Scope<> own) -> Task<> {
    own.close();
    auto mine = Obligation::reserve(cx, own, ObligationKind::Ack);
    EXPECT_TRUE(mine);
    co_await cx.sleep(1s);
    EXPECT_TRUE(mine->commit());
  };
  auto handle = bench.scope.spawn(bench.cx, task, bench.scope).value();
  bench.stepper.run_until_idle();
  EXPECT_EQ(owed(), 1u);
  EXPECT_TRUE(bench.stepper.run(handle.join(bench.cx)).is_ok());
}

TEST_F(Ledger, R3_an_async_finalizer_may_reserve) {
  bool reserved = false;
  auto finalizer = [&](Cx cx) -> Task<> {
    auto token = Obligation::reserve(cx, ObligationKind::Ack);
    reserved = token.has_value();
    co_await cx.sleep(1s);
    EXPECT_TRUE(token->commit());
  };
  (void)bench.scope.defer_async(finalizer);
  bench.stepper.begin_close(bench.root);
  bench.stepper.run_until_idle();
  EXPECT_TRUE(reserved);
  bench.stepper.advance(1s);
  bench.stepper.run_until_idle();
  EXPECT_FALSE(bench.stepper.region(bench.root));
  EXPECT_EQ(metrics->count(MetricKind::ObligationLeaked), 0u);
}

TEST(Obligations, R8_max_obligations) {
  Bench bench({}, Budget::infinite(), {.max_obligations = 1});
  auto first = Obligation::reserve(bench.cx, ObligationKind::Ack);
  ASSERT_TRUE(first);
  auto refused = Obligation::reserve(bench.cx, ObligationKind::Ack);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::RegionAtCapacity);
  EXPECT_EQ(refused.error().limit(), 1u);
  EXPECT_EQ(refused.error().live(), 1u);
  EXPECT_EQ(bench.stepper.region(bench.root)->obligations, 1u);
  EXPECT_TRUE(first->abort());
  EXPECT_TRUE(Obligation::reserve(bench.cx, ObligationKind::Ack));
}

// ---- with threads ----

TEST(Obligations, L2_L3_holders_elsewhere_end_while_the_region_closes) {
  auto metrics = std::make_shared<InMemoryMetrics>(16);
  Runtime runtime = Runtime::builder().workers(4).metrics(metrics).build();
  std::atomic<int> resolved{0};
  auto body = [&](Cx cx, Scope<>& scope) -> Task<> {
    for (int round = 0; round < repeated(200); ++round) {
      auto inner_body = [&](Cx inner_cx, Scope<>& inner) -> Task<> {
        for (int i = 0; i < 4; ++i) {
          auto holder = [](Cx mine, Scope<> ledger, std::atomic<int>* count, int how) -> Task<> {
            auto token = Obligation::reserve(mine, ledger, ObligationKind::Lease);
            if (!token) co_return;  // the inner region was faster
            for (int steps = 0; steps < how; ++steps) co_await mine.yield();
            if (how % 2 == 0 && token->commit()) count->fetch_add(1);
          };
          (void)scope.spawn(inner_cx, holder, inner, unsafe_send(&resolved), i).value();
        }
        co_await inner_cx.yield();
      };
      co_await scope.region(cx, FailFast{}, inner_body);
    }
  };
  EXPECT_TRUE(runtime.block_on(body).is_ok());
  EXPECT_EQ(metrics->live_obligations(), 0);
  EXPECT_EQ(metrics->count(MetricKind::ObligationLeaked), 0u) << "every holder had its token to its end";
}

static_assert(!std::copyable<Obligation> && std::movable<Obligation>);
static_assert(Sendable<Obligation>);

}  // namespace
}  // namespace quiesce::semantics
