#pragma once
// A dump whenever the process gets a signal.
//
//  1. The handler writes to an eventfd, which is all that it does, and which a signal handler may do. A thread of its own reads that:
//     it sleeps until there is something, and dumps. It takes no signals itself.
//  2. One runtime at a time has a signal. A handler that somebody else has installed is not replaced; one that somebody has installed
//     later is left alone at the end. Otherwise what was there before is put back.
//  3. The eventfd of a signal is made once and kept as long as the process: a handler that still runs on another thread when its signal
//     is given back writes to nobody, and never to a file that got the same number.
#include <atomic>
#include <functional>
#include <thread>

#include <signal.h>

namespace quiesce::detail {

/// One that can be caught, and that does not tell of a fault of the program's.
bool may_dump_on(int signal) noexcept;

class SignalDump {
 public:
  /// Throws std::invalid_argument when the signal is taken.
  SignalDump(int signal, std::function<void()> dump);
  ~SignalDump();
  SignalDump(const SignalDump&) = delete;
  SignalDump& operator=(const SignalDump&) = delete;

 private:
  void start_thread();
  void run() noexcept;

  const int signal_;
  const std::function<void()> dump_;
  struct sigaction before_ {};
  std::atomic<bool> stops_{false};
  std::thread thread_;
};

}  // namespace quiesce::detail
