// The tests that are not explored like all others, each with its reason.
#include "semantics_lab/registry.hpp"

namespace quiesce::semantics::in_lab {

namespace {

// Reasons that several have in common.
constexpr const char* blocks = "it blocks threads on each other: on the lab's one thread that waits for ever";
constexpr const char* workers =
    "it is about what production's workers do with their queues, and reads their counters";
constexpr const char* lanes = "it is about the order of the lanes (H1)";

constexpr SpecialTest special[] = {
    {"Scheduling.H1_ties_of_the_timed_lane_go_by_logical_id", Order::lanes, true, lanes},
    {"Scheduling.H2_the_stepper_looks_at_ready_tasks_when_no_request_is_pending", Order::lanes, true, lanes},
    {"Scheduling.H4_what_yields_goes_behind_its_neighbours", Order::fifo, true,
     "it is about the place in the ready lane (H4)"},
    {"ForkJoin.H4_a_task_of_many_branches_gives_way", Order::fifo, true,
     "it is about the place in the ready lane (H4)"},
    {"Determinism.T2_the_same_seed_gives_the_same_trace_whatever_ran_before", Order::fifo, true,
     "it compares runs, which must have the same schedule"},
    {"Determinism.T2_two_steppers_at_once_do_not_disturb_each_other", Order::fifo, true,
     "it compares runs, which must have the same schedule"},

    {"Budgets.B4_the_overrun_is_bounded_in_production", Order::out, false,
     "it is about the leases of production's workers; the lab counts a quota step by step"},
    {"Cancellation.C6_a_running_blocking_job_is_not_interrupted_and_may_ask", Order::out, false, blocks},
    {"Masks.C10_a_running_blocking_job_is_not_escalated", Order::out, false, blocks},
    {"Masks.C10_shutdown_names_what_it_could_not_end", Order::out, false, blocks},
    {"Isolated.P4_each_block_on_rethrows_its_own", Order::out, false, blocks},
    {"Regions.R4_finalizers_run_on_a_worker_never_where_the_last_count_dropped", Order::out, false,
     "it tells workers from the pool by their threads"},
    {"Scheduling.H1_a_cancelled_local_task_goes_before_others_whoever_cancelled_it", Order::out, false,
     "another thread makes the request"},
    {"Scheduling.H2_a_cancel_storm_does_not_starve_ready_tasks", Order::out, false, workers},
    {"Scheduling.H2_a_cancel_storm_does_not_starve_a_local_task_that_another_thread_woke", Order::out, false,
     workers},
    {"Scheduling.H2_a_cancel_storm_does_not_starve_a_task_that_another_thread_spawned", Order::out, false,
     workers},
    {"Scheduling.H2_timed_and_lifo_dispatches_do_not_starve_the_ready_queue", Order::out, false, workers},
    {"Scheduling.H2_a_join_that_steps_its_task_at_once_is_a_dispatch_and_costs_an_await", Order::out, false,
     workers},
    {"Scheduling.H2_joins_that_step_their_tasks_at_once_nest_a_few_deep_only", Order::out, false,
     "only production's workers step a task within the join of it"},
    {"Scheduling.H2_the_injector_is_looked_at_while_a_worker_is_busy", Order::out, false, workers},
    {"Scheduling.H3_local_tasks_are_never_stolen", Order::out, false, blocks},
    {"Spawning.S2_runtime_shutdown", Order::out, false, blocks},
    {"Spawning.S2_joining_across_runtimes_wakes_in_the_joiners", Order::out, false, blocks},
    {"Spawning.S4_a_task_migrates_when_its_worker_is_busy", Order::out, false, blocks},
    {"Spawning.S4_blocking_tasks_never_run_on_a_worker", Order::out, false, blocks},
    {"Spawning.S7_block_on_and_shutdown_on_a_worker_of_any_runtime_are_refused", Order::out, false,
     "it has two runtimes with workers"},
    {"Spawning.S7_several_block_ons_run_at_once_each_in_a_root_of_its_own", Order::out, false, blocks},
    {"SpawningDeathTest.S7_destroying_a_runtime_on_a_worker_aborts_and_says_so", Order::out, false,
     "the process dies, on a worker"},
};

}  // namespace

std::span<const SpecialTest> special_tests() { return special; }

}  // namespace quiesce::semantics::in_lab
