#pragma once
// Ctrl-C: once cancels everything that runs, twice leaves at once.
#include <quiesce/runtime.hpp>

#include <atomic>
#include <csignal>
#include <memory>
#include <thread>

#include "run_state.hpp"

namespace treehash {

/// Keeps SIGINT and SIGTERM from the calling thread, and from those that it starts. To be made before any other thread is;
/// while it lives only an InterruptWatch sees the signals. Afterwards they end the program.
class InterruptMask {
 public:
  InterruptMask();
  ~InterruptMask();
  InterruptMask(const InterruptMask&) = delete;
  InterruptMask& operator=(const InterruptMask&) = delete;

 private:
  sigset_t before_;
};

/// A thread that waits for the signals while it lives.
class InterruptWatch {
 public:
  InterruptWatch(quiesce::Runtime& runtime, std::shared_ptr<RunState> run);
  ~InterruptWatch();

 private:
  void watch();

  quiesce::Runtime& runtime_;
  std::shared_ptr<RunState> run_;
  std::atomic<bool> decided_ = false;  // by the first signal, or by the end of the watch
  std::thread thread_;
};

}  // namespace treehash
