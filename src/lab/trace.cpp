#include "quiesce/lab/trace.hpp"

namespace quiesce::lab {

const char* to_string(TraceActor::Kind kind) noexcept {
  using enum TraceActor::Kind;
  switch (kind) {
    case thread: return "thread";
    case task: return "task";
    case body: return "body";
    case finalizer: return "finalizer";
    case job: return "job";
    case helper: return "helper";
    case region: return "region";
    case object: return "object";
  }
  return "unknown";
}

const char* to_string(TraceEvent::Kind kind) noexcept {
  using enum TraceEvent::Kind;
  switch (kind) {
    case step: return "step";
    case spawn: return "spawn";
    case wake: return "wake";
    case claim: return "claim";
    case cancel: return "cancel";
    case phase: return "phase";
    case open: return "open";
    case close: return "close";
    case end: return "end";
    case obligation: return "obligation";
    case finalizer: return "finalizer";
    case time: return "time";
    case note: return "note";
  }
  return "unknown";
}

}  // namespace quiesce::lab
