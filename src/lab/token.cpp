#include "quiesce/detail/lab/token.hpp"

#include <array>
#include <cstddef>
#include <limits>
#include <optional>

namespace quiesce::lab::detail {

namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t checksum_bytes = 4;
/// A token may be short and stand for many choices; nothing makes one for more than this.
constexpr std::size_t choices_max = std::size_t{1} << 24;

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t no_digit = 64;
constexpr std::array<std::uint8_t, 256> digit_values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_digit);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

using Bytes = std::vector<std::uint8_t>;

// CRC-32 (ISO-HDLC): finds every burst of up to 32 bits, which a mistyped character is.
std::uint32_t checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

std::string to_base64url(const Bytes& bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int held = 0;
  for (const std::uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    for (held += 8; held >= 6; held -= 6) text += alphabet[bits >> (held - 6) & 63];
  }
  if (held > 0) text += alphabet[bits << (6 - held) & 63];
  return text;
}

std::optional<Bytes> from_base64url(std::string_view text) {
  Bytes bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char letter : text) {
    const std::uint8_t digit = digit_values[static_cast<unsigned char>(letter)];
    if (digit == no_digit) return std::nullopt;
    bits = bits << 6 | digit;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes.push_back(static_cast<std::uint8_t>(bits >> held));
  }
  const bool is_whole = held < 6 && (bits & ((1U << held) - 1)) == 0;
  return is_whole ? std::optional(std::move(bytes)) : std::nullopt;
}

void put(Bytes& bytes, std::uint64_t number) {  // LEB128
  for (; number >= 0x80; number >>= 7) bytes.push_back(static_cast<std::uint8_t>(number | 0x80));
  bytes.push_back(static_cast<std::uint8_t>(number));
}

std::optional<std::uint64_t> take(std::span<const std::uint8_t>& bytes) {
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < 63 && !bytes.empty(); shift += 7) {
    const std::uint8_t byte = bytes.front();
    bytes = bytes.subspan(1);
    number |= std::uint64_t{byte & 0x7FU} << shift;
    if ((byte & 0x80) == 0) return number;
  }
  return std::nullopt;
}

// Each run of equal choices is the number 2·choice for one of them, and 2·choice + 1 followed by their count
// for more.
std::optional<std::vector<std::uint32_t>> take_choices(std::span<const std::uint8_t> bytes) {
  std::vector<std::uint32_t> choices;
  while (!bytes.empty()) {
    const auto head = take(bytes);
    if (!head || *head / 2 > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    const auto count = (*head & 1) != 0 ? take(bytes) : std::optional<std::uint64_t>(1);
    if (!count || *count > choices_max - choices.size()) return std::nullopt;
    choices.insert(choices.end(), static_cast<std::size_t>(*count), static_cast<std::uint32_t>(*head / 2));
  }
  return choices;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const auto begin = text.find_first_not_of(space);
  return begin == text.npos ? std::string_view() : text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

}  // namespace

std::string_view to_string(TokenError error) noexcept {
  switch (error) {
    case TokenError::Unreadable: return "the token is cut off, or not a token";
    case TokenError::WrongVersion: return "the token is of another version of the library";
    case TokenError::WrongChecksum:
      return "the token's checksum is wrong, so a part of it is mistyped or missing";
  }
  return "the token is wrong";
}

std::string make_token(std::span<const std::uint32_t> choices) {
  Bytes bytes{version};
  while (!choices.empty()) {
    std::size_t count = 1;
    while (count < choices.size() && choices[count] == choices.front()) ++count;
    put(bytes, std::uint64_t{choices.front()} * 2 + (count > 1 ? 1 : 0));
    if (count > 1) put(bytes, count);
    choices = choices.subspan(count);
  }
  const std::uint32_t sum = checksum(bytes);
  for (std::size_t i = 0; i < checksum_bytes; ++i) bytes.push_back(static_cast<std::uint8_t>(sum >> (8 * i)));
  return to_base64url(bytes);
}

std::expected<std::vector<std::uint32_t>, TokenError> parse_token(std::string_view token) {
  const auto bytes = from_base64url(trim(token));
  if (!bytes || bytes->size() < 1 + checksum_bytes) return std::unexpected(TokenError::Unreadable);
  if (bytes->front() != version) return std::unexpected(TokenError::WrongVersion);
  const auto covered = std::span(*bytes).first(bytes->size() - checksum_bytes);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < checksum_bytes; ++i)
    sum |= std::uint32_t{(*bytes)[covered.size() + i]} << (8 * i);
  if (sum != checksum(covered)) return std::unexpected(TokenError::WrongChecksum);
  auto choices = take_choices(covered.subspan(1));
  if (!choices) return std::unexpected(TokenError::Unreadable);
  return std::move(*choices);
}

}  // namespace quiesce::lab::detail
