#include "interrupt.hpp"

#include <pthread.h>
#include <unistd.h>

#include <utility>

namespace treehash {
namespace {

sigset_t interrupts() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

extern "C" void leave_at_once(int) { _exit(static_cast<int>(Status::Interrupted)); }

/// From here on the calling thread, alone in the program, takes the signals, whatever else it is doing.
void leave_at_the_next() {
  struct sigaction action {};
  action.sa_handler = &leave_at_once;
  sigset_t set = interrupts();
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

InterruptMask::InterruptMask() {
  const sigset_t set = interrupts();
  pthread_sigmask(SIG_BLOCK, &set, &before_);
}

InterruptMask::~InterruptMask() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

InterruptWatch::InterruptWatch(quiesce::Runtime& runtime, std::shared_ptr<RunState> run)
    : runtime_(runtime), run_(std::move(run)), thread_(&InterruptWatch::watch, this) {}

InterruptWatch::~InterruptWatch() {
  if (!decided_.exchange(true)) pthread_kill(thread_.native_handle(), SIGINT);  // wakes it
  thread_.join();
}

void InterruptWatch::watch() {
  const sigset_t set = interrupts();
  int signal = 0;
  sigwait(&set, &signal);
  if (decided_.exchange(true)) return;
  leave_at_the_next();  // first: to say something may take as long as the terminal likes
  run_->interrupted.store(true);
  runtime_.cancel_all(quiesce::CancelReason::user("interrupted"));
  run_->console.say("treehash: interrupted; what runs is being stopped (Ctrl-C again to leave at once)");
}

}  // namespace treehash
