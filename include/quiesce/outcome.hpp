// Outcome<T, E>: how a task, a region body or a combinator ended. Exactly one of Ok(T), Err(E),
// Cancelled(CancelReason) and Panicked(PanicPayload) (O1), and, rarely, the lesser or later failures that were
// folded into it.
//
// Severity is the total order Ok < Err < Cancelled < Panicked (O2). `a.join(b)`: the worse stands; of two
// equally severe the first, `a`. Every failure that does not stand is attached to the one that does, so none is
// lost; the value of an Ok that does not stand is destroyed. In severity join is associative, commutative and
// idempotent, with Ok as its unit.
//
// `value()`, `error()`, `cancel_reason()` and `panic()` of another kind throw BadOutcomeAccess, which names the
// actual outcome. Functions given to map, map_error, and_then and visit may throw; their exception passes
// through. Equality looks at the kind and its payload; attached failures are a record of what else happened and
// take no part.
//
// T may be void or move-only, not a reference. Moves are noexcept when T's and E's are, and cost one branch and
// T's own move when Ok. A moved-from outcome keeps its kind, with a moved-from payload. Outcome<>, Outcome<int>
// are 24 bytes. Not synchronised; distinct copies may be used from distinct threads.
//   Outcome<int> o = parse(text);                       // from a T, a std::expected, or the four factories
//   if (o.is_ok()) use(o.value()); else std::cerr << o;  // "Err(InvalidArgument: not a number)"
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <iosfwd>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "quiesce/cancel.hpp"
#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/intrusive_ptr.hpp"
#include "quiesce/error.hpp"
#include "quiesce/panic.hpp"

namespace quiesce {

enum class OutcomeKind : std::uint8_t { Ok, Err, Cancelled, Panicked };
using Severity = OutcomeKind;  // compared with <: the order of the enumerators is the order of severity

[[nodiscard]] std::string_view to_string(OutcomeKind kind) noexcept;
std::ostream& operator<<(std::ostream& os, OutcomeKind kind);

// A failure that was folded into another outcome, without its types. `exception` is set for a panic that threw.
struct AttachedFailure {
  OutcomeKind kind = OutcomeKind::Err;
  std::string text;
  std::exception_ptr exception;

  AttachedFailure() = default;
  AttachedFailure(OutcomeKind ended, std::string description, std::exception_ptr thrown = {})
      : kind(ended), text(std::move(description)), exception(std::move(thrown)) {}
};

// Thrown by an accessor of the wrong kind: "Outcome::value() on Err(User: no such file)".
class BadOutcomeAccess : public std::exception {
 public:
  BadOutcomeAccess(std::string_view accessor, OutcomeKind actual, std::string_view description);
  [[nodiscard]] const char* what() const noexcept override { return text_.message().c_str(); }
  [[nodiscard]] OutcomeKind kind() const noexcept { return kind_; }

 private:
  Error text_;  // shared, so that copying the exception cannot throw
  OutcomeKind kind_;
};

template <class T = void, class E = Error>
class Outcome;

}  // namespace quiesce

#include "quiesce/detail/outcome_parts.hpp"

namespace quiesce {

template <class T, class E>
class [[nodiscard]] Outcome {
  static_assert(
      !std::is_reference_v<T>,
      "quiesce::Outcome<T, E>: T must not be a reference; use a value, a pointer or std::reference_wrapper");
  static_assert(std::is_object_v<E>, "quiesce::Outcome<T, E>: E must be an object type");
  static_assert(std::is_void_v<T> || std::is_object_v<T>,
                "quiesce::Outcome<T, E>: T must be void or an object type");

  using Stored = std::conditional_t<std::is_void_v<T>, detail::Unit, T>;
  static constexpr bool nothrow_move =
      std::is_nothrow_move_constructible_v<Stored> && std::is_nothrow_move_constructible_v<E>;
  static constexpr bool copyable = std::is_copy_constructible_v<Stored> && std::is_copy_constructible_v<E>;
  template <OutcomeKind K>
  using As = detail::KindTag<K>;

 public:
  using value_type = T;
  using error_type = E;

  // Construction
  Outcome() requires std::default_initializable<Stored> : value_(), kind_(OutcomeKind::Ok) {}

  template <class U = T>
  requires detail::OutcomeValue<U, T>
  explicit(!std::is_convertible_v<U, T>) Outcome(U&& value)
      : Outcome(As<OutcomeKind::Ok>(), std::forward<U>(value)) {}

  template <class U, class G>
  requires(!std::is_same_v<T, std::expected<U, G>> && detail::ValueConverts<U, T> &&
           std::is_constructible_v<E, G>) Outcome(std::expected<U, G> expected);

  // From an outcome of other types, Ok or not. Attached failures come along.
  template <class U, class G>
  requires detail::OutcomeConverts<U, G, T, E>
  explicit(!detail::OutcomeConvertsImplicitly<U, G, T, E>) Outcome(Outcome<U, G> other) {
    construct(std::move(other));
  }

  static Outcome ok() requires std::default_initializable<Stored> { return Outcome(As<OutcomeKind::Ok>()); }
  static Outcome ok(Stored value) requires(!std::is_void_v<T>) {
    return Outcome(As<OutcomeKind::Ok>(), std::move(value));
  }
  static Outcome err(E error) { return Outcome(As<OutcomeKind::Err>(), std::move(error)); }
  static Outcome cancelled(CancelReason reason) {
    return Outcome(As<OutcomeKind::Cancelled>(), std::move(reason));
  }
  static Outcome panicked(PanicPayload panic) { return Outcome(As<OutcomeKind::Panicked>(), std::move(panic)); }

  Outcome(const Outcome& other) requires copyable { construct(other); }
  Outcome(Outcome&& other) noexcept(nothrow_move) { construct(std::move(other)); }
  Outcome& operator=(const Outcome& other) requires copyable { return *this = Outcome(other); }
  Outcome& operator=(Outcome&& other) noexcept(nothrow_move);
  ~Outcome() { destroy(); }

  // Inspection
  [[nodiscard]] OutcomeKind kind() const noexcept { return kind_; }
  [[nodiscard]] Severity severity() const noexcept { return kind_; }
  [[nodiscard]] bool is_ok() const noexcept { return kind_ == OutcomeKind::Ok; }
  [[nodiscard]] bool is_err() const noexcept { return kind_ == OutcomeKind::Err; }
  [[nodiscard]] bool is_cancelled() const noexcept { return kind_ == OutcomeKind::Cancelled; }
  [[nodiscard]] bool is_panicked() const noexcept { return kind_ == OutcomeKind::Panicked; }

  std::add_lvalue_reference_t<T> value() & { return value_of(*this); }
  std::add_lvalue_reference_t<const T> value() const& { return value_of(*this); }
  std::add_rvalue_reference_t<T> value() && { return value_of(std::move(*this)); }

  [[nodiscard]] E& error() & { return expect<OutcomeKind::Err>("error()"), error_; }
  [[nodiscard]] const E& error() const& { return expect<OutcomeKind::Err>("error()"), error_; }
  [[nodiscard]] E&& error() && { return expect<OutcomeKind::Err>("error()"), std::move(error_); }
  [[nodiscard]] const CancelReason& cancel_reason() const& {
    return expect<OutcomeKind::Cancelled>("cancel_reason()"), reason_;
  }
  [[nodiscard]] CancelReason&& cancel_reason() && {
    return expect<OutcomeKind::Cancelled>("cancel_reason()"), std::move(reason_);
  }
  [[nodiscard]] const PanicPayload& panic() const& { return expect<OutcomeKind::Panicked>("panic()"), panic_; }
  [[nodiscard]] PanicPayload&& panic() && {
    return expect<OutcomeKind::Panicked>("panic()"), std::move(panic_);
  }

  // The failures that were folded into this outcome, in the order they were attached.
  [[nodiscard]] const std::vector<AttachedFailure>& attached() const noexcept {
    return detail::attached_in(attached_);
  }

  // Transformation
  // f(T) -> U; gives Outcome<U, E>.
  template <class F>
  auto map(F&& f) const& {
    return map_value(*this, std::forward<F>(f));
  }
  template <class F>
  auto map(F&& f) && {
    return map_value(std::move(*this), std::forward<F>(f));
  }

  // f(E) -> E2; gives Outcome<T, E2>.
  template <class F>
  auto map_error(F&& f) const& {
    return map_failure(*this, std::forward<F>(f));
  }
  template <class F>
  auto map_error(F&& f) && {
    return map_failure(std::move(*this), std::forward<F>(f));
  }

  // f(T) -> Outcome<U, E>; gives that, with this outcome's attached failures after its own.
  template <class F>
  auto and_then(F&& f) const& {
    return chain(*this, std::forward<F>(f));
  }
  template <class F>
  auto and_then(F&& f) && {
    return chain(std::move(*this), std::forward<F>(f));
  }

  // Calls the function of this outcome's kind: ok(T), err(E), cancelled(CancelReason), panicked(PanicPayload);
  // for void ok(). The result is of their common type.
  template <class Ok, class Err, class Cancelled, class Panicked>
  auto visit(Ok&& ok, Err&& err, Cancelled&& cancelled, Panicked&& panicked) const& {
    return visit_as(*this, ok, err, cancelled, panicked);
  }
  template <class Ok, class Err, class Cancelled, class Panicked>
  auto visit(Ok&& ok, Err&& err, Cancelled&& cancelled, Panicked&& panicked) && {
    return visit_as(std::move(*this), ok, err, cancelled, panicked);
  }

  // The same failure as an outcome of other types, with what is attached. Not for Ok.
  template <class U, class G = E>
  requires std::is_constructible_v<G, const E&> Outcome<U, G> failure_as()
  const& { return failure_of<U, G>(*this); }
  template <class U, class G = E>
  requires std::is_constructible_v<G, E&&> Outcome<U, G> failure_as() && {
    return failure_of<U, G>(std::move(*this));
  }

  // Aggregation
  // Worst wins, the first stands among equals, the rest is attached. `other` may be of other types: only its
  // failure counts.
  template <class U, class G>
  requires std::is_constructible_v<E, G> Outcome join(Outcome<U, G> other)
  const& { return Outcome(*this).join(std::move(other)); }
  template <class U, class G>
  requires std::is_constructible_v<E, G> Outcome join(Outcome<U, G> other) &&;

  // Attaches `other`'s failure (if it is one) and what it has attached; this outcome's kind stays, whatever it
  // is.
  template <class U, class G>
  void attach(const Outcome<U, G>& other);
  void attach(AttachedFailure failure) { detail::attach_to(attached_, std::move(failure)); }

  friend bool operator==(const Outcome& a, const Outcome& b) requires std::equality_comparable<Stored> &&
      std::equality_comparable<E> {
    return a.is_equal(b);
  }

 private:
  template <class, class>
  friend class Outcome;

  template <class... Args>
  explicit Outcome(As<OutcomeKind::Ok>, Args&&... args)
      : value_(std::forward<Args>(args)...), kind_(OutcomeKind::Ok) {}
  template <class G>
  explicit Outcome(As<OutcomeKind::Err>, G&& error) : error_(std::forward<G>(error)), kind_(OutcomeKind::Err) {}
  explicit Outcome(As<OutcomeKind::Cancelled>, CancelReason reason)
      : reason_(std::move(reason)), kind_(OutcomeKind::Cancelled) {}
  explicit Outcome(As<OutcomeKind::Panicked>, PanicPayload panic)
      : panic_(std::move(panic)), kind_(OutcomeKind::Panicked) {}

  template <class Other>
  void construct(Other&& other);
  template <class Other>
  void construct_failure(Other&& other);
  void destroy() noexcept;
  bool is_equal(const Outcome& other) const;

  template <OutcomeKind K>
  void expect(std::string_view accessor) const {
    if (kind_ != K) [[unlikely]]
      detail::throw_bad_access(accessor, kind_, describe());
  }
  // The payload of a failure in words; "" for Ok.
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] AttachedFailure erased() const;

  template <class Self>
  static decltype(auto) value_of(Self&& self);
  template <class Self, class F>
  static auto map_value(Self&& self, F&& f);
  template <class Self, class F>
  static auto map_failure(Self&& self, F&& f);
  template <class Self, class F>
  static auto chain(Self&& self, F&& f);
  template <class U, class G, class Self>
  static Outcome<U, G> failure_of(Self&& self);
  template <class Self, class... Fs>
  static auto visit_as(Self&& self, Fs&... fs);

  // For who holds one in storage of its own: there is nothing that the destructor would do.
  friend bool detail_needs_no_end(const Outcome& outcome) noexcept {
    return std::is_trivially_destructible_v<Stored> && outcome.kind_ == OutcomeKind::Ok && !outcome.attached_;
  }

  // Invariant: exactly the member that kind_ names is alive.
  union {
    Stored value_;
    E error_;
    CancelReason reason_;
    PanicPayload panic_;
  };
  detail::AttachedList attached_;
  OutcomeKind kind_;
};

}  // namespace quiesce

#include "quiesce/detail/outcome_impl.hpp"
