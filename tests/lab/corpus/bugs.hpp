#pragma once
// The bugs by name; each is in the file of bugs/ that stands above it.
#include <mutex>

#include "corpus.hpp"

namespace quiesce::lab::corpus {

// lock_order.cpp
Bug lock_order();

// philosophers.cpp
Bug philosophers();

// one_mutex.cpp
Bug self_deadlock();
Bug missed_unlock();
Bug double_unlock();
Bug wrong_mutex();

// conditions.cpp
Bug wait_without_loop();
Bug notify_one_of_many();
Bug lost_wakeup();
Bug nested_monitor();
Bug idle_worker();

// primitives.cpp
Bug lock_upgrade();
Bug barrier_reuse();
Bug semaphore();
Bug once_flag();
Bug termination();

// atomicity.cpp
Bug counter();
Bug check_then_act();
Bug double_checked();
Bug audited_transfer();
Bug stale_size();
Bug tickets();
Bug reference_leak();
Bug reference_twice();
Bug double_close();

// order.cpp
Bug use_before_init();
Bug use_after_close();
Bug publication();
Bug shutdown_order();

// exclusion.cpp
Bug peterson();
Bug bakery();
Bug flag_lock();

// lock_free.cpp
Bug aba();
Bug lost_push();
Bug sequence_lock();
Bug ring();

// work_stealing.cpp
Bug chase_lev();
Bug the_queue();

// task_state.cpp
Bug lost_update_across_await();
Bug stampede();
Bug slept_through();
Bug paid_twice();
Bug both_won();
Bug yield_loop();

// task_structure.cpp
Bug join_cycle();
Bug join_of_ancestor();
Bug spawn_after_close();
Bug cleanup_order();
Bug sibling_failure();
Bug forgotten_permit();

// cancelled.cpp
Bug cancelled_transfer();
Bug leaked_lock();
Bug lost_job();

}  // namespace quiesce::lab::corpus
