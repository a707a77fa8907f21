#pragma once

// What the cases spawn with: just enough of Task, Cx and Scope to ask the library's own checks.

#include <quiesce/detail/core/soundness.hpp>

#include <coroutine>
#include <string>

namespace quiesce {

class Error {
 public:
  explicit Error(std::string) {}
};

namespace fake {
template <class T>
struct Return {
  void return_value(T) {}
};
template <>
struct Return<void> {
  void return_void() {}
};
}  // namespace fake

template <class T = void, class E = Error>
class [[nodiscard]] Task {
 public:
  struct promise_type : fake::Return<T> {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void unhandled_exception() {}
  };
};

class Cx {
 public:
  int id() const { return id_; }

 private:
  int id_ = 0;
};

struct FailFast {};
struct CollectAll {};

template <class T>
class TaskHandle {};

template <class P = FailFast>
class Scope {
 public:
  template <class F, class... Args>
  auto spawn(Cx, F&&, Args&&...) -> TaskHandle<typename detail::spawn_check<F, Cx, Args...>::value_type> {
    return {};
  }
  template <class F, class... Args>
  auto spawn_local(Cx, F&&, Args&&...)
      -> TaskHandle<typename detail::local_spawn_check<F, Cx, Args...>::value_type> {
    return {};
  }
  template <class F, class... Args>
  auto spawn_blocking(Cx, F&&, Args&&...)
      -> TaskHandle<typename detail::blocking_check<F, Cx, Args...>::value_type> {
    return {};
  }
  template <class Q, class F>
  auto region(Cx, Q, F&&) -> Task<typename detail::body_check<F, Cx, Scope<Q>>::value_type> {
    return {};
  }
};

}  // namespace quiesce

namespace q = quiesce;
