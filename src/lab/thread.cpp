#include "quiesce/lab/thread.hpp"

#include <fmt/format.h>

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce::lab {

using detail::Access;
using detail::Engine;

Engine* thread::engine() const noexcept {
  Engine* current = Engine::current();
  return current != nullptr && current->run_number() == run_ ? current : nullptr;
}

void thread::start_in(Engine& engine, std::function<void()> body) {
  run_ = engine.run_number();
  // What it does with the primitives of a run of tasks is told to that run, as its tasks' steps are.
  quiesce::detail::Executor* run = quiesce::detail::thread_context.executor;
  id_ = engine.add_agent({}, [run, call = std::move(body)] {
    quiesce::detail::thread_context.executor = run;
    call();
    quiesce::detail::thread_context.executor = nullptr;
  });
}

void thread::set_name(std::string_view name) {
  if (Engine* mine = engine(); mine != nullptr && id_ != LogicalId{}) mine->set_name(id_, name);
}

void thread::join(std::source_location at) {
  if (real_.joinable()) return real_.join();
  Engine* mine = engine();
  if (mine == nullptr || id_ == LogicalId{}) {
    const char* message = "a thread that is not joinable, or of another run, is joined";
    if (Engine* current = Engine::current()) return current->fail(FailureKind::misuse, message, at);
    quiesce::detail::assertion_failed(at.file_name(), static_cast<int>(at.line()), "joinable()", message);
  }
  const LogicalId id = id_;
  mine->blocked_until([mine, id] { return mine->has_ended(id); }, {id, Access::Read}, {"join", id, at});
  id_ = LogicalId{};
  if (detail::AgentClock* clock = mine->clock()) clock->acquire_end_of(mine->clock_of(id));
}

thread& thread::operator=(thread&& other) noexcept {
  if (this == &other) return *this;
  drop();
  real_ = std::move(other.real_);
  id_ = std::exchange(other.id_, LogicalId{});
  run_ = other.run_;
  return *this;
}

// What runs on may refer to what is destroyed next, so it is ended first.
void thread::drop() noexcept {
  const LogicalId id = std::exchange(id_, LogicalId{});
  Engine* mine = engine();
  if (id == LogicalId{} || mine == nullptr) return;
  mine->unwind(id,
               fmt::format("thread {} is destroyed or assigned to while it is joinable", mine->name_of(id)));
}

}  // namespace quiesce::lab
