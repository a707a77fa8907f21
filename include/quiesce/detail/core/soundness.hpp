#pragma once

// What Scope asks before it takes a callable: one sentence for each thing that can be wrong, printed as the
// first line of the compiler's error.
//
// 1. A check is a class template with a static_assert per reason, so that it is instantiated where it is named
//    (a function body would wait for the end of the file, behind the errors that follow from it). Name
//    `spawn_check<…>::value_type` in the signature, or call `check_spawn<…>()`.
// 2. Each condition is a bare concept: clang prints anything else before our text.
// 3. An argument's reason is asserted in `argument<A>`, or, when A only holds the culprit, in `member<Owner,
//    Member>`: both compilers name the types when they say where the assertion stands. Likewise `result` and
//    `result_member`.
// 4. A stage is looked at only when the one before it passed: function, arguments, call, result.
//
// F and Args are the types of forwarding parameters: T for rvalues, T& for lvalues.

#include <quiesce/detail/core/soundness_call.hpp>
#include <quiesce/outcome.hpp>
#include <quiesce/sendable.hpp>

#include <expected>
#include <type_traits>

namespace quiesce::detail {

// ---- one concept and one sentence per reason ----------------------------------------------------

template <class T, Unsound R>
inline constexpr bool lacks = own_reason<T> != R;

template <class T>
concept NotReference = lacks<T, Unsound::Reference>;
template <class T>
concept NotPointer = lacks<T, Unsound::Pointer>;
template <class T>
concept NotCString = lacks<T, Unsound::CString>;
template <class T>
concept NotReferenceWrapper = lacks<T, Unsound::ReferenceWrapper>;
template <class T>
concept NotStringView = lacks<T, Unsound::StringView>;
template <class T>
concept NotSpan = lacks<T, Unsound::Span>;
template <class T>
concept NotView = lacks<T, Unsound::View>;
template <class T>
concept NotIterator = lacks<T, Unsound::Iterator>;
template <class T>
concept NotSharedMutable = lacks<T, Unsound::SharedMutable>;
template <class T>
concept NotCoroutineHandle = lacks<T, Unsound::CoroutineHandle>;
template <class T>
concept NotLockGuard = lacks<T, Unsound::LockGuard>;
template <class T>
concept NotTypeErased = lacks<T, Unsound::TypeErased>;
template <class T>
concept NotClosure = lacks<T, Unsound::Closure>;
template <class T>
concept NotTaskFrame = lacks<T, Unsound::TaskFrame>;
template <class T>
concept NotOptedOut = lacks<T, Unsound::OptedOut>;
template <class T>
concept CanLookInside = lacks<T, Unsound::Opaque>;

#define QUIESCE_DETAIL_ASSERT_SOUND(T, SUBJECT)                                                               \
  static_assert(NotReference<T>, SUBJECT                                                                      \
                "a reference, and its target may be gone before the task: hold the value "                    \
                "or a std::shared_ptr<const T>, or vouch for it with quiesce::unsafe_send(x)");               \
  static_assert(                                                                                              \
      NotPointer<T>, SUBJECT                                                                                  \
      "a raw pointer, and its target may be gone before the task: use the value, "                            \
      "std::unique_ptr<T> or std::shared_ptr<const T>, or vouch for it with quiesce::unsafe_send(p)");        \
  static_assert(NotCString<T>, SUBJECT                                                                        \
                "a pointer to characters (a string literal becomes one): write "                              \
                "std::string(...)");                                                                          \
  static_assert(NotReferenceWrapper<T>, SUBJECT                                                               \
                "a std::reference_wrapper (std::ref), and its target may be gone "                            \
                "before the task: use the value or std::shared_ptr<const T>, or vouch for it with "           \
                "quiesce::unsafe_send(std::ref(x))");                                                         \
  static_assert(NotStringView<T>,                                                                             \
                SUBJECT "a std::string_view, which borrows its characters: write std::string");               \
  static_assert(NotSpan<T>, SUBJECT "a std::span, which borrows its elements: write std::vector");            \
  static_assert(NotView<T>, SUBJECT "a view, which borrows its elements: make it a container (std::vector)"); \
  static_assert(NotIterator<T>, SUBJECT                                                                       \
                "an iterator, which points into a container that may be gone before the "                     \
                "task: use the element's value, or its index or key and the container");                      \
  static_assert(                                                                                              \
      NotSharedMutable<T>, SUBJECT                                                                            \
      "a std::shared_ptr or std::weak_ptr to data that several tasks could "                                  \
      "write at a time: make it std::shared_ptr<const T>, or specialise quiesce::enable_sync<T> if T "        \
      "guards itself");                                                                                       \
  static_assert(NotCoroutineHandle<T>, SUBJECT                                                                \
                "a std::coroutine_handle, a raw pointer to a frame: spawn the "                               \
                "function that makes the coroutine");                                                         \
  static_assert(NotLockGuard<T>, SUBJECT                                                                      \
                "a lock guard, which must be released by the thread that took it: lock "                      \
                "inside the task");                                                                           \
  static_assert(NotTypeErased<T>, SUBJECT                                                                     \
                "a type-erased object (std::function, std::any, ...), so that what it "                       \
                "holds cannot be seen: use a function pointer or a concrete type, or vouch for it with "      \
                "quiesce::unsafe_send(x)");                                                                   \
  static_assert(NotClosure<T>, SUBJECT                                                                        \
                "a lambda with captures, and what it captures cannot be seen: use a "                         \
                "captureless one and its data apart, or vouch for it with quiesce::unsafe_send(f)");          \
  static_assert(NotTaskFrame<T>, SUBJECT                                                                      \
                "a Task, and what its frame borrows cannot be seen: use the function that "                   \
                "makes it and that function's arguments");                                                    \
  static_assert(NotOptedOut<T>, SUBJECT                                                                       \
                "an object of a type that opted out (quiesce::enable_sendable<T> is false): use what "        \
                "it is made from, or vouch for it with quiesce::unsafe_send(x)");                             \
  static_assert(CanLookInside<T>, SUBJECT                                                                     \
                "an object of a type that cannot be looked into (incomplete, void, a union, or an "           \
                "aggregate with a base class, a long C array or more than 32 members): decide yourself with " \
                "template <> inline constexpr bool quiesce::enable_sendable<T> = true;")

template <class A>
struct argument {
  QUIESCE_DETAIL_ASSERT_SOUND(A, "quiesce: this argument is ");
};
template <class Owner, class Member>
struct member {
  QUIESCE_DETAIL_ASSERT_SOUND(Member, "quiesce: inside this argument (see member<Owner, Member>) is ");
};
template <class T>
struct result {
  QUIESCE_DETAIL_ASSERT_SOUND(T, "quiesce: the result of this function is ");
};
template <class Owner, class Member>
struct result_member {
  QUIESCE_DETAIL_ASSERT_SOUND(
      Member, "quiesce: inside the result of this function (see result_member<Owner, Member>) is ");
};
#undef QUIESCE_DETAIL_ASSERT_SOUND

template <class Found>
struct argument_verdict {
  static constexpr bool done = true;
};
template <class T>
struct argument_verdict<fault<void, T>> : argument<T> {
  static constexpr bool done = true;
};
template <class Owner, class Member>
struct argument_verdict<fault<Owner, Member>> : member<Owner, Member> {
  static constexpr bool done = true;
};

template <class Found>
struct result_verdict {
  static constexpr bool done = true;
};
template <class T>
struct result_verdict<fault<void, T>> : result<T> {
  static constexpr bool done = true;
};
template <class Owner, class Member>
struct result_verdict<fault<Owner, Member>> : result_member<Owner, Member> {
  static constexpr bool done = true;
};

// ---- stages -------------------------------------------------------------------------------------

template <class A>
concept Storable = std::is_constructible_v<std::decay_t<A>, A>;

template <class A>
struct stored_argument {
  static_assert(
      Storable<A>,
      "quiesce: this argument cannot be copied into the task: pass it with std::move (what cannot be moved "
      "either goes into a std::unique_ptr)");
  static_assert(argument_verdict<found_in<std::decay_t<A>>>::done);
  static constexpr bool done = true;
};

template <class... Args>
concept SendableArguments = ((Storable<Args> && Sendable<std::decay_t<Args>>)&&...);

struct stage_skipped {
  using value_type = void;
  using error_type = Error;
  static constexpr bool done = true;
};

template <class R>
struct task_check {
  static_assert(
      ReturnsTask<R>,
      "quiesce: this function must return a quiesce::Task<T>: make it a coroutine, and write the return "
      "type (an ordinary function goes to spawn_blocking)");
  using value_type = typename task_parts<R>::value_type;
  using error_type = typename task_parts<R>::error_type;
  static_assert(
      MadeFromError<error_type>,
      "quiesce: the task's error type must be constructible from quiesce::Error, in which the runtime "
      "reports its own refusals: add that constructor, or use quiesce::Error");
  static_assert(
      BecomesError<error_type>,
      "quiesce: the task's error type must convert to quiesce::Error, in which the region's policy sees "
      "it: add `operator quiesce::Error() const`, or use quiesce::Error");
  static constexpr bool done = true;
};

template <class R>
struct sendable_task_check : task_check<R> {
  static_assert(result_verdict<found_in<typename task_parts<R>::value_type>>::done &&
                result_verdict<found_in<typename task_parts<R>::error_type>>::done);
};

template <class F, class Cx, class... Args>
concept CallableOnceItTakesContext = !TakesContext<F, Cx> || CallableAs<F, Cx, Args...>;

template <class F, class Cx, class... Args>
struct call_check {
  static_assert(TakesContext<F, Cx>,
                "quiesce: this function must take the context, quiesce::Cx, as its first parameter");
  static_assert(
      CallableOnceItTakesContext<F, Cx, Args...>,
      "quiesce: this function cannot be called with the context and these arguments: each arrives as an "
      "rvalue of its decayed type, so take T by value (and look at their number and types)");
  static constexpr bool done = true;
};

template <class F, class Cx, class... Args>
struct coroutine_call_check {
  static_assert(
      TakesByValue<F, Cx, Args...>,
      "quiesce: this function takes a parameter by reference, and a coroutine keeps the reference when "
      "what it refers to is gone: take the context and every argument by value");
  static_assert(call_check<F, Cx, Args...>::done);
  static constexpr bool done = true;
};

template <class F>
struct function_check {
  static_assert(
      CapturesNothing<F>,
      "quiesce: this function must be a plain function or a captureless lambda, since a task may outlive "
      "what is captured: pass what it needs as arguments, or wrap it in quiesce::unsafe_send(f)");
  static constexpr bool done = true;
};

// ---- the checks ---------------------------------------------------------------------------------

template <class F, class Cx, class... Args>
struct spawn_check {
  static_assert(function_check<std::decay_t<F>>::done && (stored_argument<Args>::done && ...));
  static constexpr bool sends = SpawnableCallable<F> && SendableArguments<Args...>;
  using call = std::conditional_t<sends, coroutine_call_check<F, Cx, Args...>, stage_skipped>;
  static_assert(call::done);
  static constexpr bool calls = sends && CallableAs<F, Cx, Args...>;
  using outcome = std::conditional_t<calls, sendable_task_check<call_result_t<F, Cx, Args...>>, stage_skipped>;
  using value_type = typename outcome::value_type;
  using error_type = typename outcome::error_type;
  static constexpr bool done = outcome::done;
};

/// `spawn`, `spawn_task`, `launch`, `start`: a task that may run on any worker.
template <class F, class Cx, class... Args>
consteval bool check_spawn() {
  return spawn_check<F, Cx, Args...>::done;
}

template <class F, class Cx, class... Args>
struct local_spawn_check {
  static_assert(SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  static_assert(call_check<F, Cx, Args...>::done);
  using outcome =
      std::conditional_t<CallableAs<F, Cx, Args...>, task_check<call_result_t<F, Cx, Args...>>, stage_skipped>;
  using value_type = typename outcome::value_type;
  using error_type = typename outcome::error_type;
  static constexpr bool done = outcome::done;
};

/// `spawn_local`: pinned to this worker, so captures, borrowed arguments and any result are the caller's
/// affair.
template <class F, class Cx, class... Args>
consteval bool check_local_spawn() {
  return local_spawn_check<F, Cx, Args...>::done;
}

/// What a blocking task gives: an Outcome or a std::expected is its outcome, if its error type may be a task's; anything else is
/// its value.
template <class R>
struct function_result {
  using value_type = R;
  using error_type = Error;
};
template <class T, class E>
requires MadeFromError<E> && BecomesError<E>
struct function_result<Outcome<T, E>> {
  using value_type = T;
  using error_type = E;
};
template <class T, class E>
requires MadeFromError<E> && BecomesError<E>
struct function_result<std::expected<T, E>> {
  using value_type = T;
  using error_type = E;
};

template <class R>
struct blocking_result_check {
  static_assert(
      ReturnsNoTask<R>,
      "quiesce: spawn_blocking takes an ordinary function, which runs to its end on a thread of its own: "
      "for a coroutine use spawn");
  static_assert(result_verdict<std::conditional_t<is_task<R>, sound, found_in<R>>>::done);
  using value_type = typename function_result<R>::value_type;
  using error_type = typename function_result<R>::error_type;
  static constexpr bool done = true;
};

template <class F, class Cx, class... Args>
struct blocking_check {
  static_assert(function_check<std::decay_t<F>>::done && (stored_argument<Args>::done && ...));
  static constexpr bool sends = SpawnableCallable<F> && SendableArguments<Args...>;
  using call = std::conditional_t<sends, call_check<F, Cx, Args...>, stage_skipped>;
  static_assert(call::done);
  static constexpr bool calls = sends && CallableAs<F, Cx, Args...>;
  using outcome =
      std::conditional_t<calls, blocking_result_check<call_result_t<F, Cx, Args...>>, stage_skipped>;
  using value_type = typename outcome::value_type;
  using error_type = typename outcome::error_type;
  static constexpr bool done = outcome::done;
};

/// `spawn_blocking`: an ordinary function on the blocking pool. It may take its parameters by reference: the
/// job keeps them until it returns.
template <class F, class Cx, class... Args>
consteval bool check_blocking() {
  return blocking_check<F, Cx, Args...>::done;
}

template <class F, class Cx, class Scope>
struct body_check {
  static_assert(SurvivesAwait<F>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  static_assert(CallableAsBody<F, Cx, Scope>,
                "quiesce: this body cannot be called as Task<T>(quiesce::Cx, quiesce::Scope<P>&): look at its "
                "parameters and at the policy P");
  using outcome = std::conditional_t<CallableAsBody<F, Cx, Scope>,
                                     task_check<typename body_result<F, Cx, Scope>::type>, stage_skipped>;
  using value_type = typename outcome::value_type;
  using error_type = typename outcome::error_type;
  static constexpr bool done = outcome::done;
};

/// The body of `region` and `block_on`: may capture by reference, since it ends before its caller goes on.
template <class F, class Cx, class Scope>
consteval bool check_body() {
  return body_check<F, Cx, std::remove_reference_t<Scope>>::done;
}

/// True or false, without an error, where check_spawn would print a sentence.
template <class F, class Cx, class... Args>
concept spawnable = SpawnableCallable<F> && SendableArguments<Args...> && TakesByValue<F, Cx, Args...> &&
    CallableAs<F, Cx, Args...> && sendable_result<call_result_t<F, Cx, Args...>>;

}  // namespace quiesce::detail
