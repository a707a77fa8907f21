#pragma once
// What the environment asks of the explorations of this process (quiesce/lab/environment.hpp).
#include <expected>
#include <functional>
#include <optional>
#include <string>

#include "quiesce/lab/environment.hpp"

namespace quiesce::lab::detail {

struct Environment {
  std::optional<std::string> replay;  // a token
  std::optional<HuntOrder> hunt;
  std::string status;       // empty: nobody asks
  std::string crash_packs;  // empty: none

  /// The value of a variable, or nullptr.
  using Lookup = std::function<const char*(const char* name)>;
  /// Else one sentence that names the variable. A variable that is empty counts as not set.
  static std::expected<Environment, std::string> read(const Lookup& lookup);
  /// Of the process.
  static std::expected<Environment, std::string> read();
};

}  // namespace quiesce::lab::detail
