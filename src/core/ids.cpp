#include "quiesce/ids.hpp"

#include <fmt/format.h>

#include <ostream>

namespace quiesce::detail {

std::string id_text(char prefix, std::uint32_t index, std::uint32_t generation) {
  return fmt::format("{}{}.{}", prefix, index, generation);
}

std::ostream& write_id(std::ostream& os, char prefix, std::uint32_t index, std::uint32_t generation) {
  return os << id_text(prefix, index, generation);
}

}  // namespace quiesce::detail
