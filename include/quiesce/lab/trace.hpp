#pragma once
// What happened in one run, for people and for tools: who there was and what happened, in order.
//
// A report has it of its failing run (FoundFailure::trace), and of its last one with Options::keep_trace. write_trace (trace_file.hpp)
// makes the file of it that `quiesce view` shows.
#include <cstdint>
#include <string>
#include <vector>

#include "quiesce/logical.hpp"

namespace quiesce::lab {

/// Someone or something that events are about.
struct TraceActor {
  enum class Kind : std::uint8_t {
    thread,     // a lab::thread, or the function that explore_threads was given
    task,       // a spawned task, local ones too
    body,       // of a region
    finalizer,  // the task that runs a region's finalizers
    job,        // on the blocking pool
    helper,     // of the lab itself: fires timers, does posted work
    region,
    object  // an atomic, a mutex, …
  };
  LogicalId id{};
  Kind kind = Kind::thread;
  std::string name = {};  // unique enough to read: "0.1", "writer", "mutex m"
  LogicalId region{};     // of a task; of a region its parent; 0: none
};
const char* to_string(TraceActor::Kind kind) noexcept;

struct TraceEvent {
  enum class Kind : std::uint8_t {
    step,        // `who` made a step; `text` what it began with: "lock mutex m", "start"
    spawn,       // `who` made `other` (a task, a thread)
    wake,        // `who` made `other` able to move; who 0: time did
    claim,       // `who` ended the wait of `other`, which had not gone to sleep yet or was asleep
    cancel,      // `who` requested the cancellation of `other`, a task or a region; `text` the reason
    phase,       // `other`, a task or a region, entered the phase `text`
    open,        // `who` opened the region `other`
    close,       // the region `other` closed; `text` its outcome
    end,         // the task or thread `other` ended; `text` its outcome
    obligation,  // `who` reserved, committed, aborted or leaked one: `text`; `other` its region
    finalizer,   // of the region `other`: `text` what came of which
    time,        // virtual time went on to `time_ns`
    note         // anything else: `text`
  };
  Kind kind = Kind::note;
  std::uint32_t worker = 0;  // simulated
  std::uint64_t step = 0;    // the number of the step in which it happened
  std::int64_t time_ns = 0;  // virtual
  LogicalId who{};
  LogicalId other{};
  std::string text = {};
  std::string where = {};         // "file:line" of a step, empty where unknown
  std::string task_state = {};    // of a task's step: its word after the step
  std::string region_state = {};  // and its region's
};
const char* to_string(TraceEvent::Kind kind) noexcept;

struct RunTrace {
  std::vector<TraceActor> actors;
  std::vector<TraceEvent> events;
};

}  // namespace quiesce::lab
