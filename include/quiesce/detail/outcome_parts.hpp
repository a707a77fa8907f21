// What Outcome is declared with: tags, the concepts of its conversions, and the list of attached failures.
// Included by outcome.hpp only.
#pragma once

namespace quiesce::detail {

struct Unit {
  friend bool operator==(Unit, Unit) noexcept = default;
};

template <OutcomeKind K>
struct KindTag {};

template <class>
inline constexpr bool is_outcome = false;
template <class T, class E>
inline constexpr bool is_outcome<Outcome<T, E>> = true;
template <class>
inline constexpr bool is_expected = false;
template <class T, class E>
inline constexpr bool is_expected<std::expected<T, E>> = true;

// U is a value that makes a T, rather than an outcome or expected to be looked into (unless T is that very
// type).
template <class U, class T>
concept OutcomeValue = (std::same_as<std::remove_cvref_t<U>, T> ||
                        (!is_outcome<std::remove_cvref_t<U>> && !is_expected<std::remove_cvref_t<U>>)) &&
                       std::is_constructible_v<T, U>;

template <class U, class T>
concept ValueConverts = (std::is_void_v<U> && std::is_void_v<T>) || std::is_constructible_v<T, U>;

template <class U, class G, class T, class E>
concept OutcomeConverts = !std::same_as<Outcome<U, G>, Outcome<T, E>> && !std::same_as<Outcome<U, G>, T> &&
                          ValueConverts<U, T> && std::is_constructible_v<E, G>;

template <class U, class G, class T, class E>
concept OutcomeConvertsImplicitly = ((std::is_void_v<U> && std::is_void_v<T>) ||
                                     std::is_convertible_v<U, T>)&&std::is_convertible_v<G, E>;

// Null while nothing is attached; shared by copies, and copied on the first change by one of them. Its length
// is bounded by what was folded in: the children of one region, the branches of one combinator.
struct AttachedNode;
void intrusive_retain(const AttachedNode* node) noexcept;
void intrusive_release(const AttachedNode* node) noexcept;
using AttachedList = IntrusivePtr<AttachedNode>;

const std::vector<AttachedFailure>& attached_in(const AttachedList& list) noexcept;
void attach_to(AttachedList& list, AttachedFailure failure);
void attach_all(AttachedList& list, const AttachedList& more);
// " (+2 attached: Err(User: a); Panicked(b))", or "" for none.
std::string attached_text(const std::vector<AttachedFailure>& attached);

[[noreturn]] void throw_bad_access(std::string_view accessor, OutcomeKind actual, std::string_view description);

// An error of any type in words, as far as it can be said without streams.
template <class E>
std::string describe_error(const E& error) {
  using std::to_string;
  if constexpr (std::is_convertible_v<const E&, std::string_view>) {
    return std::string(static_cast<std::string_view>(error));
  } else if constexpr (requires { std::string(to_string(error)); }) {
    return std::string(to_string(error));
  } else if constexpr (std::is_constructible_v<Error, const E&>) {
    return to_string(Error(error));
  } else if constexpr (std::is_enum_v<E>) {
    return to_string(static_cast<std::underlying_type_t<E>>(error));
  } else {
    return "(an error that cannot be printed)";
  }
}

// In place of std::construct_at, whose header costs more than all of this one. The storage is a member of a
// union in which nothing is alive.
template <class Member, class... Args>
void revive(Member& storage, Args&&... args) {
  ::new (const_cast<void*>(static_cast<const volatile void*>(std::addressof(storage))))
      Member(std::forward<Args>(args)...);
}

}  // namespace quiesce::detail
