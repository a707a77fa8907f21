#include "coroutine_forms/elsewhere_support.hpp"

namespace forms {

Elsewhere& Elsewhere::the() {
  static Elsewhere elsewhere;
  return elsewhere;
}

Elsewhere::Elsewhere() : thread_([this] { run(); }) {}

Elsewhere::~Elsewhere() {
  {
    std::scoped_lock hold(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Elsewhere::resume(std::coroutine_handle<> handle) {
  {
    std::scoped_lock hold(mutex_);
    waiting_.push_back(handle);
    ++given_;
  }
  changed_.notify_all();
}

void Elsewhere::resume_and_wait(std::coroutine_handle<> handle) {
  std::unique_lock hold(mutex_);
  waiting_.push_back(handle);
  const std::size_t mine = ++given_;
  changed_.notify_all();
  changed_.wait(hold, [&] { return done_ >= mine; });
}

void Elsewhere::run() {
  std::unique_lock hold(mutex_);
  for (;;) {
    changed_.wait(hold, [&] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    std::coroutine_handle<> handle = waiting_.front();
    waiting_.pop_front();
    hold.unlock();
    handle.resume();
    hold.lock();
    ++done_;
    changed_.notify_all();
  }
}

}  // namespace forms
