// A thread that resumes what it is given: where foreign awaiters go on.
#pragma once

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <mutex>
#include <thread>

namespace forms {

class Elsewhere {
 public:
  static Elsewhere& the();
  ~Elsewhere();
  void resume(std::coroutine_handle<> handle);
  /// Returns when the handle has been resumed and has suspended again.
  void resume_and_wait(std::coroutine_handle<> handle);

 private:
  Elsewhere();
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::coroutine_handle<>> waiting_;
  std::size_t given_ = 0, done_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace forms
