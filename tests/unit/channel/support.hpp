#pragma once
// What the unit tests of channels share.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "quiesce/quiesce.hpp"
#include "quiesce/testing/stepper.hpp"

namespace quiesce::channel_tests {

/// Move-only; counts how many of its kind are alive.
class Counted {
 public:
  Counted(int value, int& alive) : value_(value), alive_(&alive) { ++*alive_; }
  Counted(Counted&& other) noexcept : value_(other.value_), alive_(std::exchange(other.alive_, nullptr)) {}
  Counted& operator=(Counted&&) = delete;
  ~Counted() {
    if (alive_ != nullptr) --*alive_;
  }
  int value() const { return alive_ == nullptr ? -1 : value_; }

 private:
  int value_;
  int* alive_;
};

/// A stepper with one root region, its scope and its driver's context.
struct ChannelTest : ::testing::Test {
  testing::Stepper s;
  RegionId root = s.create_root_region();
  Scope<> scope = s.scope(root);
  Cx cx = s.cx(root);

  /// Starts `f(cx, args...)`, and goes on until nothing can move.
  template <class F, class... Args>
  auto start(F f, Args... args) {
    auto handle = scope.spawn(cx, unsafe_send(f), unsafe_send(std::move(args))...).value();
    s.run_until_idle();
    return handle;
  }
  template <class Handle>
  auto ended(Handle& handle) {
    return s.run(handle.join(cx));
  }
  template <class Handle>
  bool has_ended(const Handle& handle) {
    auto look = s.task(handle.task_id());
    return !look || look->phase == TaskPhase::Completed;
  }
  /// Asks it to end, and looks that it did: Cancelled.
  template <class Handle>
  void cancel(Handle& handle) {
    handle.abort();
    s.run_until_idle();
    EXPECT_TRUE(ended(handle).is_cancelled());
  }
  std::size_t owed() { return s.region(root)->obligations; }
};

template <class Sender, class T>
Task<> send_one(Cx cx, Sender tx, T message) {
  co_await tx.send(cx, std::move(message));
}
/// The message, or -1 at the end.
template <class Receiver>
Task<int> receive_one(Cx cx, Receiver rx) {
  auto message = co_await rx.recv(cx);
  co_return message ? *message : -1;
}
/// As digits, to the end.
template <class Receiver>
Task<std::string> receive_all(Cx cx, Receiver rx) {
  std::string all;
  while (auto message = co_await rx.recv(cx)) all += std::to_string(*message);
  co_return all;
}
template <class Sender>
Task<> reserve_and_keep(Cx cx, Sender tx) {
  auto permit = co_await tx.reserve(cx);
  co_await cx.sleep(std::chrono::hours(1));
}
template <class Sender>
Task<> wait_closed(Cx cx, Sender tx) {
  co_await tx.closed(cx);
}

}  // namespace quiesce::channel_tests
