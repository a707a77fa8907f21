#pragma once
// What could decide in a run besides the strategy, and is not the lab's: clocks, randomness, sleeping and mutexes of the system.
//
//  1. quiesce_lab defines the C library's functions for these and passes each call on. Outside of an agent's steps nothing else happens:
//     one look at a thread_local pointer.
//  2. Who reads a clock or takes randomness in a step is remembered. That is no failure; but when the run turns out to be another
//     the second time, the failure says who did it.
//  3. An agent that sleeps for real stops everybody, for all run on one thread: misuse.
//  4. An agent that gives way while it holds a real mutex, or ends so: misuse, at once. If another agent came to lock it, the thread
//     would wait for ever for itself. The same where it locks one twice. What a run leaves locked the next that locks it takes over,
//     so that the run that failed can be made again.
//  5. What is noted of a call takes no memory and no lock: it may be malloc that calls.
//  6. Under the address and the thread sanitizer, which define the same functions, nothing is watched.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define QUIESCE_LAB_WATCHES 0
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QUIESCE_LAB_WATCHES 0
#endif
#ifndef QUIESCE_LAB_WATCHES
#define QUIESCE_LAB_WATCHES 1
#endif

#include <boost/container/static_vector.hpp>
#include <cstdint>

#include "quiesce/logical.hpp"
#include "where.hpp"

namespace quiesce::lab::detail {

constexpr bool watches_ambient = QUIESCE_LAB_WATCHES != 0;

// Noted without memory of their own: who reads the clock or locks may be malloc itself, in the middle of its work.

struct AmbientRead {
  const char* function;
  std::uint64_t step;
  LogicalId agent;
  Calls calls = {};  // none if the run's trace is not kept
};
/// The first of a run: as many as one message names.
using AmbientReads = boost::container::static_vector<AmbientRead, 3>;

struct RealLock {
  const void* object;
  Calls calls;  // the same
  explicit RealLock(const void* mutex) noexcept : object(mutex) {}
};
/// Of an agent. What it holds beyond these is not seen.
using RealLocks = boost::container::static_vector<RealLock, 8>;

}  // namespace quiesce::lab::detail
