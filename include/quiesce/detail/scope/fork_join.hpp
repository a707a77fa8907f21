#pragma once
// fork_join with its types: what lies in the frame of the coroutine that awaits one.
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "quiesce/cx.hpp"
#include "quiesce/detail/core/soundness_closure.hpp"
#include "quiesce/detail/core/soundness_find.hpp"
#include "quiesce/detail/coro/fork_join.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

template <class Caps, class... Branches>
class ForkJoin;

namespace detail {

template <class F, class Context, class... Args>
concept CallableBranch = std::is_invocable_v<F, Context, Args...>;
template <class R>
concept TaskBranch = is_task<R>;

/// What to call and with what, until the branch begins: lvalues by reference, the rest by value. Only a fork_join may move it.
template <bool Forked, class F, class... Args>
class ForkBranch {
 public:
  static constexpr bool is_forked = Forked;

  template <class G, class... Given>
  explicit ForkBranch(std::in_place_t, G&& function, Given&&... args)
      : function_(std::forward<G>(function)), args_(std::forward<Given>(args)...) {}
  ForkBranch& operator=(const ForkBranch&) = delete;

  template <class Context>
  using Result = std::invoke_result_t<F, Context, Args...>;

 private:
  template <std::size_t, class>
  friend struct HeldBranch;
  template <class, class, class>
  friend struct BranchPlace;
  ForkBranch(ForkBranch&&) = default;

  template <class Context>
  auto begin(Context cx) {
    return std::apply(
        [&](auto&... args) {
          return std::invoke(std::forward<F>(function_), cx, static_cast<Args&&>(args)...);
        },
        args_);
  }

  F function_;
  std::tuple<Args...> args_;
};

/// A branch between fork_join and its await: in a row of these, since a std::tuple could not move it.
template <std::size_t I, class B>
struct HeldBranch {
  B branch;
  explicit HeldBranch(B& from) : branch(std::move(from)) {}
};
template <class Indices, class... Branches>
struct BranchRow;
template <std::size_t... I, class... Branches>
struct BranchRow<std::index_sequence<I...>, Branches...> : HeldBranch<I, Branches>... {
  explicit BranchRow(Branches&... from) : HeldBranch<I, Branches>(from)... {}
};

template <class T>
inline constexpr bool is_fork_branch = false;
template <bool Forked, class F, class... Args>
inline constexpr bool is_fork_branch<ForkBranch<Forked, F, Args...>> = true;
template <class T>
concept ForkOrCall = is_fork_branch<T>;

template <class... Branches>
concept OnlyBranches = sizeof...(Branches) > 0 && (ForkOrCall<Branches> && ...);
template <std::size_t Calls>
concept OneCallAtMost = Calls <= 1;

template <class F, class Context, class... Args>
concept GivesTask =
    !CallableBranch<F, Context, Args...> || TaskBranch<std::invoke_result_t<F, Context, Args...>>;
template <class R>
inline constexpr bool error_converts = true;
template <class T, class E>
inline constexpr bool error_converts<Task<T, E>> = std::constructible_from<Error, const E&>;
template <class F, class Context, class... Args>
concept ConvertsToError =
    !CallableBranch<F, Context, Args...> || error_converts<std::invoke_result_t<F, Context, Args...>>;

/// Each reason with its sentence. What is no branch is told apart.
template <class Caps, class B>
struct CheckedBranch {
  static constexpr std::size_t calls = 0;
};
template <class Caps, bool Forked, class F, class... Args>
struct CheckedBranch<Caps, ForkBranch<Forked, F, Args...>> {
  static_assert(CallableBranch<F, BasicCx<Caps>, Args...>,
                "quiesce: this function cannot be called with the context and these arguments: a branch is "
                "fork(f, args...) for f(cx, args...); what is no temporary is passed by reference");
  static_assert(GivesTask<F, BasicCx<Caps>, Args...>,
                "quiesce: fork and call take a function that returns a Task");
  static_assert(!Forked || ConvertsToError<F, BasicCx<Caps>, Args...>,
                "quiesce: a fork may become a task, whose E must convert to quiesce::Error: give it a "
                "conversion, or call this branch");
  static constexpr std::size_t calls = Forked ? 0 : 1;
};

/// A function by pointer, a temporary by value, anything else by reference.
template <class F>
using HeldFunction = std::conditional_t<std::is_function_v<std::remove_reference_t<F>>, std::decay_t<F>, F>;

/// A branch in the frame, with its value.
template <class Caps, class B, class Coroutine = typename B::template Result<BasicCx<Caps>>>
struct BranchPlace;

template <class Caps, class B, class T, class E>
struct BranchPlace<Caps, B, Task<T, E>> : ForkEntry {
  using Value = T;
  using Error = E;
  using ChildPromise = Promise<T, E>;
  enum class State : std::uint8_t { Raw, Handed, GivenBack, Ended };

  B branch;
  BranchValue<T> value;
  State state = State::Raw;

  BranchPlace(ForkJoinCore* of, B&& from) : ForkEntry(&ops, of), branch(std::move(from)) {}

  /// The coroutine, not begun.
  ChildPromise* make(CxCore cx) { return detail_release(branch.begin(BasicCx<Caps>(cx))); }

  static constexpr ForkOps ops{
      {fork_step, nullptr},
      [](ForkEntry& entry, TaskRecord& task) -> PromiseBase* {
        return static_cast<BranchPlace&>(entry).make({&task, task.generation.load(std::memory_order_relaxed)});
      },
      &RecordResult<T, E>::empty_ops};
};

/// Places do not move, so a std::tuple cannot make them.
template <std::size_t I, class Place>
struct IndexedPlace {
  Place place;
  template <class B>
  IndexedPlace(ForkJoinCore* join, HeldBranch<I, B>& from) : place(join, std::move(from.branch)) {}
};
template <class Indices, class... Places>
struct PlaceRow;
template <std::size_t... I, class... Places>
struct PlaceRow<std::index_sequence<I...>, Places...> : IndexedPlace<I, Places>... {
  template <class Row>
  PlaceRow(ForkJoinCore* join, Row& branches) : IndexedPlace<I, Places>(join, branches)... {}
};

/// Which branch begins at once: the call; without one the last fork, which would be joined first anyway.
template <class... Branches>
consteval std::size_t first_branch() {
  constexpr std::array<bool, sizeof...(Branches)> forked{Branches::is_forked...};
  for (std::size_t i = 0; i < forked.size(); ++i) {
    if (!forked[i]) return i;
  }
  return forked.size() - 1;
}

template <class T>
using BranchResult = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

/// In the frame of the parent: its branches and what has become of them.
template <class Caps, class... Branches>
class ForkJoinAwaiter : public ForkJoinFrame {
  static constexpr std::size_t count = sizeof...(Branches), first = first_branch<Branches...>();
  static constexpr std::size_t none = count;
  /// The order of joins: newest first, but for the first branch.
  static constexpr std::size_t before(std::size_t at) {
    const std::size_t from = at == first ? count : at;
    for (std::size_t i = from; i-- > 0;) {
      if (i != first) return i;
    }
    return none;
  }

 public:
  template <class Join>
  explicit ForkJoinAwaiter(Join&& join) : cx_(join.cx_), places_(this, join.branches_) {}
  ForkJoinAwaiter(const ForkJoinAwaiter&) = delete;
  ForkJoinAwaiter& operator=(const ForkJoinAwaiter&) = delete;

  bool await_ready() const noexcept { return false; }

  template <class U, class F>
  void await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    static_assert((ErrorConvertible<typename BranchPlace<Caps, Branches>::Error, F> && ...),
                  "quiesce: fork_join needs this coroutine's E to be constructible from the E of every branch");
    PromiseBase& parent = self.promise();
    TaskRecord& own = *parent.task;
    if (cx_.task != &own || cx_.generation != own.generation.load(std::memory_order_relaxed)) [[unlikely]]
      return end_with_error(parent, *own_context_error(cx_, "fork_join"));
    task = &own;
    masked = own.word.load().masked();
    collect = [](ForkJoinFrame& join, PromiseBase& to) {
      return static_cast<ForkJoinAwaiter&>(join).template collect_all<U, F>(static_cast<Promise<U, F>&>(to));
    };
    push_all(std::index_sequence_for<Branches...>{});
    signal(own, Signal::AwaitChild);
    if (!begin<first, U, F>(self.promise())) return;
    end_here(parent);
    signal(own, Signal::Ended);
  }

  std::tuple<BranchResult<typename BranchPlace<Caps, Branches>::Value>...> await_resume() {
    return [&self = *this]<std::size_t... I>(std::index_sequence<I...>) {
      return std::tuple<BranchResult<typename Place<I>::Value>...>(self.template at<I>().value.take()...);
    }
    (std::index_sequence_for<Branches...>{});
  }

 private:
  template <std::size_t I>
  using Place = std::tuple_element_t<I, std::tuple<BranchPlace<Caps, Branches>...>>;

  template <std::size_t I>
  Place<I>& at() noexcept {
    return static_cast<IndexedPlace<I, Place<I>>&>(places_).place;
  }

  template <std::size_t... I>
  void push_all(std::index_sequence<I...>) noexcept {
    if constexpr (count > 1) {
      ForkEntry* row[count - 1];
      std::size_t pushed = 0;
      ((I != first ? void(row[pushed++] = &at<I>()) : void()), ...);
      push_forks(*this, row, count - 1);
    }
  }

  /// Begins branch I here. True: that has ended the parent; false: the leaf of the task says what goes on.
  template <std::size_t I, class U, class F>
  bool begin(Promise<U, F>& parent) noexcept {
    auto& place = at<I>();
    PromiseBase* child = nullptr;
    try {
      child = place.make(cx_);
    } catch (...) {
      fail(parent, Outcome<U, F>::panicked(note_branch_panic(*task)));
      return go_on<I, U, F>(parent);
    }
    if (child == nullptr) {
      fail(parent, Outcome<U, F>::err(F(empty_task())));
      return go_on<I, U, F>(parent);
    }
    parent.find_place(*task);
    child->set_parent(&parent);
    child->branch = true;
    parent.awaited.owner = &running;
    parent.awaited.deliver = [](PromiseBase& from, PromiseBase& to) {
      auto& join = static_cast<ForkJoinAwaiter&>(ForkJoinFrame::of(from));
      auto& into = static_cast<Promise<U, F>&>(to);
      auto& outcome = static_cast<typename Place<I>::ChildPromise&>(from).outcome();
      const bool ok = outcome.is_ok();
      join.template settle<I>(into, outcome);
      if (ok) [[likely]] {
        destroy_branch(from, *join.task);
      } else {
        destroy_ended(from, true);
      }
      return join.template go_on<I, U, F>(into);
    };
    task->leaf = child;
    signal(*task, Signal::AwaitChild);
    return false;
  }

  template <std::size_t I, class U, class F, class O>
  void settle(Promise<U, F>& parent, O& outcome, bool failed_first = false) noexcept {
    auto& place = at<I>();
    if (!outcome.is_ok()) return fail(parent, std::move(outcome), failed_first);
    if constexpr (!std::is_void_v<typename Place<I>::Value>) place.value.put(std::move(outcome).value());
  }

  /// The branch after I, when I has ended or is another's.
  template <std::size_t I, class U, class F>
  bool go_on(Promise<U, F>& parent) noexcept {
    constexpr std::size_t next = before(I);
    if constexpr (next == none) {
      return finish(parent);
    } else {
      auto& place = at<next>();
      if (place.state == Place<next>::State::Raw) {
        if (join_fork(place)) return begin<next, U, F>(parent);
        place.state = Place<next>::State::Handed;
        ++handed;
      }
      return go_on<next, U, F>(parent);
    }
  }

  template <class U, class F>
  bool finish(Promise<U, F>& parent) noexcept {
    if (handed == 0 && !given_back_) [[likely]]
      return worst_ != nullptr && end_with_worst(parent);
    if (handed > 0) return await_handed(*this) && collect_all<U, F>(parent);
    return begin_given_back<before(first), U, F>(parent);
  }

  template <class U, class F>
  bool collect_all(Promise<U, F>& parent) noexcept {
    handed = 0;
    pending.store(0, std::memory_order_relaxed);
    [&]<std::size_t... I>(std::index_sequence<I...>) { (collect_one<count - 1 - I>(parent), ...); }
    (std::index_sequence_for<Branches...>{});
    return finish(parent);
  }
  template <std::size_t I, class U, class F>
  void collect_one(Promise<U, F>& parent) noexcept {
    if constexpr (I != first) {  // that one is never another's
      auto& place = at<I>();
      if (place.state != Place<I>::State::Handed) return;
      TaskRecord* record = place.record.load(std::memory_order_relaxed);
      if (record == nullptr) {
        place.state = Place<I>::State::GivenBack;
        given_back_ = true;
        return;
      }
      settle<I>(parent, RecordResult<typename Place<I>::Value, typename Place<I>::Error>::get(*record),
                place.failed_first);
      place.state = Place<I>::State::Ended;
      release_branch(*record);
    }
  }
  /// Nobody had the memory for a record: they are run here after all, one after the other.
  template <std::size_t I, class U, class F>
  bool begin_given_back(Promise<U, F>& parent) noexcept {
    if constexpr (I == none) {
      given_back_ = false;
      return worst_ != nullptr && end_with_worst(parent);
    } else {
      if (at<I>().state != Place<I>::State::GivenBack) return begin_given_back<before(I), U, F>(parent);
      at<I>().state = Place<I>::State::Ended;
      return begin<I, U, F>(parent);
    }
  }

  template <class U, class F, class T, class E>
  void fail(Promise<U, F>&, Outcome<T, E>&& failure, bool failed_first = false) noexcept {
    if (!failed_first && failure.is_cancelled() && failed.load(std::memory_order_relaxed) &&
        stopped_by_join(failure.cancel_reason()))
      return;
    const bool asked = failure.is_cancelled() && bears_request(*task);  // then the others have been, too
    if (worst_ == nullptr) {
      worst_ = new Outcome<U, F>(failure_for<U, F>(std::move(failure)));
    } else if (auto& worst = *static_cast<Outcome<U, F>*>(worst_);
               !failure.is_cancelled() || !worst.is_cancelled()) {  // a second one says nothing new
      Outcome<U, F> first_failure = std::move(worst);
      worst = std::move(first_failure).join(failure_for<U, F>(std::move(failure)));
    }
    if (!asked) fail_join(*this);
  }
  template <class U, class F>
  bool end_with_worst(Promise<U, F>& parent) noexcept {
    const std::unique_ptr<Outcome<U, F>> worst(static_cast<Outcome<U, F>*>(std::exchange(worst_, nullptr)));
    parent.put(std::move(*worst));
    return true;
  }

  CxCore cx_;
  bool given_back_ = false;
  void* worst_ = nullptr;  // Outcome<U, F> of the parent, until it may end with it; only a failure takes memory
  PlaceRow<std::index_sequence_for<Branches...>, BranchPlace<Caps, Branches>...> places_;
};

}  // namespace detail
}  // namespace quiesce
