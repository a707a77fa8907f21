#pragma once
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include "../algorithms.hpp"

/// The caller is one of the workers.
template <class F>
void on_workers(const peer::Options& options, F&& body) {
  tbb::global_control limit(tbb::global_control::max_allowed_parallelism, options.workers);
  tbb::task_arena arena(static_cast<int>(options.workers));
  arena.initialize();
  arena.execute(body);
}

peer::Algorithms tbb_algorithms();
