#include "quiesce/budget.hpp"

#include <fmt/format.h>

#include <iterator>
#include <ostream>

namespace quiesce {

std::string to_string(const Budget& budget) {
  if (budget == Budget::infinite()) return "Budget(infinite)";
  std::string text = "Budget(";
  const char* separator = "";
  auto write = [&](const char* name, const auto& value) {
    fmt::format_to(std::back_inserter(text), "{}{}={}", separator, name, value);
    separator = ", ";
  };
  if (budget.deadline) write("deadline", to_string(*budget.deadline));
  if (budget.poll_quota != Budget::infinite_polls) write("polls", budget.poll_quota);
  if (budget.cost_quota) write("cost", *budget.cost_quota);
  if (budget.priority != 0) write("priority", budget.priority);
  return text + ")";
}

std::ostream& operator<<(std::ostream& os, const Budget& budget) { return os << to_string(budget); }

}  // namespace quiesce
