#pragma once
// The promise of a generator and the await of its next value. See coro/promise.hpp, 4.
//
//  1. A Stream owns its generator, suspended at the start or at a `co_yield`, in a StreamHome. `next` makes it the leaf below whoever
//     pulls; the home is empty from then on, since the chain of frames owns it.
//  2. `co_yield v` puts the value into the place of whoever pulls (`sink`), goes back home, and lets the parent go on.
//  3. A generator that has ended goes home too, with its outcome, if its parent is to look at it; else it is destroyed on the way up
//     like any frame, and tells the home by its destructor. A home whose generator is in the middle stays where it is.
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/coro/promise.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

template <class T, class E = Error>
class Stream;

namespace detail {

template <class T>
concept MovableObject = std::is_object_v<T> && std::move_constructible<T>;

/// What a generator of Ts ends with.
template <class T>
struct StreamEnd {};

enum class StreamPlace : std::uint8_t {
  Empty,   // it was moved from
  Home,    // suspended, and owned by the Stream
  Pulled,  // part of a task
  Ended
};

struct StreamHome {
  PromiseBase* generator = nullptr;
  StreamPlace place = StreamPlace::Empty;
};

/// Suspends at a `co_yield`; the value is where it belongs already.
struct YieldedAwaiter {
  StreamHome* home;
  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> self) const noexcept {
    home->place = StreamPlace::Home;
    hand_to_parent(self.promise());
  }
  void await_resume() const noexcept {}
};

template <class T, class E>
struct PromiseReturn<StreamEnd<T>, E> : PromiseResult<StreamEnd<T>, E> {
  using PromiseResult<StreamEnd<T>, E>::PromiseResult;
  void return_void() { this->put(Outcome<StreamEnd<T>, E>::ok(StreamEnd<T>())); }
};

template <class T, class E>
class Promise<StreamEnd<T>, E> : public PromiseAwaits<StreamEnd<T>, E> {
 public:
  ~Promise() {
    if (home != nullptr) home->place = StreamPlace::Ended;
  }
  Stream<T, E> get_return_object() noexcept;
  /// Here, and not when whoever pulls goes on: what throws throws in the generator.
  template <class U = T>
  requires std::constructible_from<T, U> YieldedAwaiter yield_value(U&& value) {
    sink->emplace(std::forward<U>(value));
    return {std::exchange(home, nullptr)};
  }

  // While it is pulled.
  std::optional<T>* sink = nullptr;
  StreamHome* home = nullptr;
};

enum class PullStart : std::uint8_t {
  Go,
  Over,     // there is nothing any more
  Failed,   // `refused` says why
  Refused,  // by a request: the coroutine ends
};
/// What a pull begins with: misuse, a request, or the generator can be made the leaf.
PullStart begin_pull(PromiseBase& self, CxCore cx, const StreamHome& home, bool observed,
                     std::optional<Outcome<>>& refused) noexcept;

/// The context of the task that runs.
inline CxCore own_context(const PromiseBase& self) noexcept { return {self.task, self.task->id().generation}; }

/// `co_await OwnContext()`: for generators of the library, which any task may pull.
struct OwnContextAwaiter;
struct OwnContext {
  using quiesce_awaiter = OwnContextAwaiter;
};
struct OwnContextAwaiter {
  CxCore cx = {};
  explicit OwnContextAwaiter(OwnContext) {}
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> self) noexcept {
    cx = own_context(self.promise());
    return false;
  }
  Cx await_resume() const noexcept { return Cx(cx); }
};

template <class T, class E, bool Observed>
class NextAwaiter {
  using Generator = Promise<StreamEnd<T>, E>;
  using Ended = Outcome<StreamEnd<T>, E>;
  using Result = std::conditional_t<Observed, Outcome<std::optional<T>, E>, std::optional<T>>;

 public:
  template <class Next>
  explicit NextAwaiter(const Next& next) noexcept : home_(next.home_), cx_(next.cx_) {}
  bool await_ready() const noexcept { return false; }

  template <class U, class F>
  bool await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    static_assert(ErrorConvertible<E, F>,
                  "quiesce: pulling a Stream needs this coroutine's E to be constructible from the stream's E");
    PromiseBase& parent = self.promise();
    const CxCore cx = cx_.task == nullptr ? own_context(parent) : cx_;
    switch (begin_pull(parent, cx, *home_, Observed, refused_)) {
      case PullStart::Refused: refuse(*parent.task); return true;
      case PullStart::Over: return give_way(*parent.task);
      case PullStart::Failed:
        if constexpr (Observed) return give_way(*parent.task);
        self.promise().put(std::move(*refused_).template failure_as<U, F>());
        end_here(parent);
        return true;
      case PullStart::Go: break;
    }
    auto& generator = static_cast<Generator&>(*home_->generator);
    generator.sink = &value_;
    generator.home = home_;
    home_->place = StreamPlace::Pulled;
    await_child(parent, home_->generator, Observed ? nullptr : deliver<U, F>);
    return true;
  }

  Result await_resume() {
    if (value_) return give(std::move(value_));
    if constexpr (Observed) {
      if (refused_) return std::move(*refused_).template failure_as<std::optional<T>, E>();
    }
    if (home_->generator == nullptr || !home_->generator->ended) return give(std::nullopt);
    const AwaitedChild ended(std::exchange(home_->generator, nullptr));
    if constexpr (Observed) {
      Ended& outcome = static_cast<Generator*>(ended.child)->outcome();
      if (!outcome.is_ok()) return std::move(outcome).template failure_as<std::optional<T>, E>();
    }
    return give(std::nullopt);
  }

 private:
  static Result give(std::optional<T>&& value) {
    if constexpr (Observed) {
      return Result::ok(std::move(value));
    } else {
      return std::move(value);
    }
  }
  template <class U, class F>
  static bool deliver(PromiseBase& from, PromiseBase& to) {
    auto& ended = static_cast<Generator&>(from);
    if (ended.outcome().is_ok()) return false;
    put_failure(static_cast<Promise<U, F>&>(to), std::move(ended.outcome()));
    return true;
  }

  StreamHome* home_;
  CxCore cx_;
  std::optional<T> value_ = {};
  std::optional<Outcome<>> refused_ = {};
};

}  // namespace detail

/// What `stream.next(cx)` gives: `co_await` it, or `.outcome()` of it, while the stream stays where it is.
template <class T, class E>
class [[nodiscard]] Next {
 public:
  using quiesce_awaiter = detail::NextAwaiter<T, E, false>;

  class [[nodiscard]] Observed {
   public:
    using quiesce_awaiter = detail::NextAwaiter<T, E, true>;
    Observed(detail::StreamHome* home, const detail::CxCore& cx) : home_(home), cx_(cx) {}

   private:
    friend quiesce_awaiter;
    detail::StreamHome* home_;
    detail::CxCore cx_;
  };

  Next(detail::StreamHome* home, const detail::CxCore& cx) : home_(home), cx_(cx) {}
  Observed outcome() const { return Observed(home_, cx_); }

 private:
  friend quiesce_awaiter;
  detail::StreamHome* home_;
  detail::CxCore cx_;
};

}  // namespace quiesce
