#pragma once
// Which body an exploration was given: by it a token tells that it is of another one.
#include <cstdint>
#include <functional>
#include <type_traits>
#include <typeinfo>

namespace quiesce::lab::detail {

/// A hash of the name of the body's type, or of the function where it is a plain one. 0: not known, as of a std::function.
struct BodyId {
  std::uint32_t fingerprint = 0;
};

BodyId id_of_type(const std::type_info& type) noexcept;
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
