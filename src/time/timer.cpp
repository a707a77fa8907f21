#include "quiesce/timer.hpp"

#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/kernel/clock.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/thread_context.hpp"

namespace quiesce {

using detail::Primitive;
using detail::TimerState;
using detail::Use;

static_assert(sizeof(Timer) == 96);

namespace {

/// The task of the context, which may use timers.
const detail::TaskRecord& task_with_timers(const detail::CxCore& cx) {
  const detail::TaskRecord& task = detail::readable(cx, "timer");
  const detail::CapabilityBlock* given = task.kernel().capabilities_of(task);
  if (given == nullptr || !given->set.timer) [[unlikely]] {
    throw UsageError(
        Error(ErrorCode::MissingCapability,
              "Timer: this context was given no timer (Capabilities::timer), without which nothing "
              "fires"));
  }
  return task;
}

}  // namespace

Timer::Timer(const detail::CxCore& cx, Name name)
    : kernel_(&task_with_timers(cx).kernel()), primitive_("timer", name) {
  fire = is_due;
}

Timer::~Timer() {
  const TimerState now = state.load(std::memory_order_acquire);
  if (now == TimerState::Armed || now == TimerState::Firing) executor().stop(*this);
  QUIESCE_ASSERT(primitive_.waiting() == 0,
                 "a quiesce::Timer is destroyed while tasks wait for it: it must outlive them; keep it where "
                 "their region is awaited");
}

[[gnu::always_inline]] inline detail::Executor& Timer::executor() const noexcept {
  QUIESCE_ASSERT(kernel_->is_in_use(),
                 "a quiesce::Timer is used after its runtime was destroyed: end it before");
  return kernel_->executor();
}

// For the lab: under no lock of the timer's own, but a use all the same.
inline void Timer::note(Use how) const noexcept {
  if (detail::exact_executor != nullptr) primitive_.note_use(how);
}

bool Timer::reset(Time at) noexcept {
  note(Use::Write);
  return executor().rearm(*this, at);
}

bool Timer::reset(Duration in) noexcept {
  detail::Executor& here = executor();
  const Time at = detail::now_at_the_latest(*kernel_) + in;
  note(Use::Write);
  return here.rearm(*this, at);
}

bool Timer::stop() noexcept {
  note(Use::Write);
  return state.load(std::memory_order_acquire) == TimerState::Armed && executor().stop(*this);
}

bool Timer::is_armed() const noexcept {
  note(Use::Read);
  return state.load(std::memory_order_acquire) == TimerState::Armed;
}

bool Timer::has_fired() const noexcept {
  note(Use::Read);
  return looks_fired();
}

Time Timer::deadline() const noexcept {
  note(Use::Read);
  return deadline_now();
}

TimerStatistics Timer::statistics() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  const TimerState now = state.load(std::memory_order_acquire);
  return {primitive_.waiting(), primitive_.waited(), now == TimerState::Armed, now >= TimerState::Firing,
          deadline_now()};
}

// Under the wheel's lock. Who is woken here may destroy the timer at once, so it is Fired before (timer_entry.hpp, 3).
void Timer::is_due(detail::TimerEntry& entry) noexcept {
  auto& timer = static_cast<Timer&>(entry);
  detail::WakeList woken;
  {
    const Primitive::Hold hold(timer.primitive_);
    timer.state.store(TimerState::Firing, std::memory_order_release);
    timer.primitive_.grant_all(timer.waiters_, woken);
  }
  timer.state.store(TimerState::Fired, std::memory_order_release);
}

namespace detail {

bool TimerWaitOperation::try_now() noexcept { return timer_->has_fired(); }

WaitPlace TimerWaitOperation::place() const noexcept { return {&timer_->primitive_, &timer_->waiters_}; }

void TimerWaitOperation::pump(WakeList& woken) noexcept {
  if (timer_->looks_fired()) timer_->primitive_.grant_all(timer_->waiters_, woken);
}

}  // namespace detail
}  // namespace quiesce
