#pragma once
// The token of a run: its choices, so that it can be made again. A line of letters, digits, '-' and '_'
// (base64url, RFC 4648): a byte with the version, the choices with repetitions counted, and a checksum of both.
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quiesce::lab::detail {

enum class TokenError : std::uint8_t {
  Unreadable,    // not what make_token writes: cut off, or with other characters in it
  WrongVersion,  // of another version of the library
  WrongChecksum  // mistyped
};
/// "the token is cut off or holds other characters", …
std::string_view to_string(TokenError error) noexcept;

std::string make_token(std::span<const std::uint32_t> choices);
/// White space around it is ignored.
std::expected<std::vector<std::uint32_t>, TokenError> parse_token(std::string_view token);

}  // namespace quiesce::lab::detail
