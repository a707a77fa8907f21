#pragma once
// The name of a body in one form for all compilers, so that a token that one compiler's build made is known to the other's.
#include <string>
#include <string_view>

namespace quiesce::lab::detail {

/// Of the symbol of a type (std::type_info::name) or of a function. What has no name in a function - a lambda, a struct - is {unnamed}
/// there, without parameters and number: compilers number them each in its way, and g++ and clang agree on no more than the function.
/// A lambda outside of a function stays as it is: clang does not tell the variable that holds it.
std::string body_name(const char* symbol);

}  // namespace quiesce::lab::detail
