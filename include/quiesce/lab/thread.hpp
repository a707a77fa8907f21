#pragma once
// lab::thread: a std::thread that in a run of the lab is an agent of it.
//
//   lab::thread writer([&](int n) { … }, 3);  lab::name(writer, "writer");
//   writer.join();
//
// In a run: a thread begins when it is chosen, and what its maker did before happens before all that it does;
// what it did happens before what comes after its join. One that ends by an exception ends the run with that
// exception. One that is destroyed, or assigned to, while it is joinable is a misuse, where std::thread
// terminates: it ends the run, after the thread's stack has been unwound. In a run that is given up `join`
// throws detail::RunAborted. Outside of a run it is a std::thread.
#include <concepts>
#include <functional>
#include <memory>
#include <source_location>
#include <string_view>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>

#include "quiesce/detail/lab/engine.hpp"

namespace quiesce::lab {

class thread {
 public:
  thread() noexcept = default;
  template <class F, class... Args>
  requires(!std::same_as<std::remove_cvref_t<F>, thread> &&
           std::invocable<std::decay_t<F>, std::decay_t<Args>...>) explicit thread(F&& f, Args&&... args) {
    detail::Engine* engine = detail::Engine::current();
    if (engine == nullptr) {
      real_ = std::thread(std::forward<F>(f), std::forward<Args>(args)...);
      return;
    }
    using Call = std::tuple<std::decay_t<F>, std::decay_t<Args>...>;
    start_in(*engine, [call = std::make_shared<Call>(std::forward<F>(f), std::forward<Args>(args)...)] {
      std::apply([](auto&&... parts) { std::invoke(std::move(parts)...); }, *call);
    });
  }
  thread(thread&& other) noexcept
      : real_(std::move(other.real_)), id_(std::exchange(other.id_, LogicalId{})), run_(other.run_) {}
  thread& operator=(thread&& other) noexcept;
  ~thread() { drop(); }

  /// Of one that runs in the lab.
  void set_name(std::string_view name);
  bool joinable() const noexcept { return real_.joinable() || id_ != LogicalId{}; }
  void join(std::source_location at = std::source_location::current());

 private:
  void start_in(detail::Engine& engine, std::function<void()> body);
  void drop() noexcept;
  /// The engine of the run that made this thread, while that run goes on.
  detail::Engine* engine() const noexcept;

  std::thread real_;
  LogicalId id_{};         // 0: none in the lab
  std::uint64_t run_ = 0;  // in which it was made
};

}  // namespace quiesce::lab
