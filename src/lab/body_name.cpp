#include "body_name.hpp"

#include <cxxabi.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>

namespace quiesce::lab::detail {
namespace {

constexpr std::string_view digits = "0123456789";

// The demangler is the same for both compilers, so white space, the names of numbers and inline namespaces are no matter.
std::string demangled(const char* symbol) {
  struct Free {
    void operator()(char* text) const { std::free(text); }
  };
  int status = 0;
  const std::unique_ptr<char, Free> text(abi::__cxa_demangle(symbol, nullptr, nullptr, &status));
  return text != nullptr ? text.get() : symbol;
}

bool drop_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool drop_suffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

bool drop_number(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of(digits), text.size());
  text.remove_prefix(end);
  return end > 0;
}

/// Up to the parenthesis that belongs to the one before the text.
bool drop_parameters(std::string_view& text) {
  int open = 1;
  while (open > 0 && !text.empty()) {
    open += text.front() == '(' ? 1 : text.front() == ')' ? -1 : 0;
    text.remove_prefix(1);
  }
  return open == 0;
}

/// What is left behind "{lambda(int)#2}" or "{unnamed type#1}", as g++ numbers them, or "$_3", as clang does.
std::optional<std::string_view> behind_unnamed(std::string_view text) {
  if (drop_prefix(text, "$_")) return drop_number(text) ? std::optional(text) : std::nullopt;
  const bool is_unnamed =
      drop_prefix(text, "{lambda(") ? drop_parameters(text) : drop_prefix(text, "{unnamed type");
  if (is_unnamed && drop_prefix(text, "#") && drop_number(text) && drop_prefix(text, "}")) return text;
  return std::nullopt;
}

/// The only function that is spelt without parameters.
bool is_main(std::string_view name) {
  if (!drop_suffix(name, "main")) return false;
  return name.empty() || std::string_view("<(, ").find(name.back()) != std::string_view::npos;
}

/// It ends in "f(int) const::": what comes is in a function.
bool is_in_function(std::string_view before) {
  if (!drop_suffix(before, "::")) return false;
  if (is_main(before)) return true;
  static constexpr std::array qualifiers{std::string_view(" const"), std::string_view(" volatile"),
                                         std::string_view(" &"), std::string_view("&")};
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view qualifier : qualifiers) again = drop_suffix(before, qualifier) || again;
  }
  return before.ends_with(')') && !before.ends_with("(anonymous namespace)");
}

/// The function that a lambda without captures is when it has become a pointer.
void rename_call(std::string& name) {
  constexpr std::string_view of_gcc = "{unnamed}::_FUN", of_clang = "{unnamed}::__invoke";
  for (std::size_t at = name.find(of_gcc); at != name.npos; at = name.find(of_gcc, at + 1))
    name.replace(at, of_gcc.size(), of_clang);
}

}  // namespace

std::string body_name(const char* symbol) {
  const std::string whole = demangled(symbol);
  std::string name;
  for (std::string_view left = whole; !left.empty();) {
    const auto behind = is_in_function(name) ? behind_unnamed(left) : std::nullopt;
    if (behind) {
      name += "{unnamed}";
      left = *behind;
    } else {
      name += left.front();
      left.remove_prefix(1);
    }
  }
  rename_call(name);
  return name;
}

}  // namespace quiesce::lab::detail
