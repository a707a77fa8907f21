#pragma once
// FNV-1a (Fowler, Noll, Vo), for fingerprints that people read: not for tables.
#include <cstdint>
#include <string_view>

namespace quiesce::lab::detail {

constexpr std::uint32_t fnv1a_32(std::string_view text) noexcept {
  std::uint32_t hash = 0x811C9DC5U;
  for (const char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x01000193U;
  return hash;
}

constexpr std::uint64_t fnv1a_64(std::string_view text, std::uint64_t hash = 0xCBF29CE484222325U) noexcept {
  for (const char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3U;
  return hash;
}

}  // namespace quiesce::lab::detail
