#pragma once
// Which body an exploration was given: by it a token tells that it is of another one.
#include <cstdint>
#include <functional>
#include <type_traits>
#include <typeinfo>

namespace quiesce::lab::detail {

struct BodyId {
  /// A hash of the name of the body's type, or of the function where it is a plain one. Its last four bits are clear; 0: not known, as of
  /// a std::function.
  std::uint32_t name = 0;
  /// What tells it from others of that name, in this process.
  const void* identity = nullptr;
};

/// What a token has of a body. The lambdas of one function share a name, for compilers number them each in its own way; so the last four
/// bits number the bodies of one name in the order in which the process comes to explore them. 0: not known.
std::uint32_t fingerprint_of(BodyId body);
/// The same of one that need not have been explored here: its number is 0 when it has not.
std::uint32_t known_fingerprint_of(BodyId body);
/// False: they are of different bodies. Nobody can say that of one that is not known, nor of numbers when one of them is not.
bool may_be_same_body(std::uint32_t a, std::uint32_t b) noexcept;

BodyId id_of_type(const std::type_info& type);
/// By the function's symbol; of a stripped program not known.
BodyId id_of_function(void (*function)());

template <class>
constexpr bool is_std_function = false;
template <class Signature>
constexpr bool is_std_function<std::function<Signature>> = true;

template <class Body>
BodyId id_of_body(Body& body) {
  using Type = std::remove_cvref_t<Body>;
  if constexpr (is_std_function<Type>) {
    return {};
  } else if constexpr (std::is_function_v<Type>) {
    return id_of_function(reinterpret_cast<void (*)()>(&body));
  } else if constexpr (std::is_pointer_v<Type>) {
    return id_of_function(reinterpret_cast<void (*)()>(body));
  } else {
    return id_of_type(typeid(Type));
  }
}

}  // namespace quiesce::lab::detail
