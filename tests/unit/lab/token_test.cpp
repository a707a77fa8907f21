// Tokens: that what is written is read, and that nothing else is.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "quiesce/detail/lab/token.hpp"

namespace quiesce::lab {
namespace {

using detail::make_token;
using detail::parse_token;
using detail::TokenError;

RC_GTEST_PROP(LabToken, RoundTrips, (const std::vector<std::uint32_t>& choices)) {
  const auto token = make_token(choices);
  RC_ASSERT(token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
            token.npos);
  const auto parsed = parse_token(token);
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(*parsed == choices);
  RC_ASSERT(parse_token(" " + token + "\n").value() == choices);
}

TEST(LabToken, RepetitionsAreShort) {
  const std::vector<std::uint32_t> choices(100'000, 3);
  const std::string token = make_token(choices);
  EXPECT_LT(token.size(), 20u);
  EXPECT_EQ(parse_token(token).value(), choices);
  EXPECT_EQ(parse_token(make_token(std::vector<std::uint32_t>{~0U, ~0U, 0})).value(),
            (std::vector<std::uint32_t>{~0U, ~0U, 0}));
}

TEST(LabToken, EveryMistypedCharacterIsNoticed) {
  const std::string token = make_token(std::vector<std::uint32_t>{0, 1, 1, 2, 0, 300, 1});
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (const char letter : std::string_view("AZaz09-_")) {
      if (letter == token[i]) continue;
      std::string wrong = token;
      wrong[i] = letter;
      EXPECT_FALSE(parse_token(wrong).has_value()) << wrong;
    }
    EXPECT_FALSE(parse_token(token.substr(0, i)).has_value());
  }
}

TEST(LabToken, ErrorsAreToldApart) {
  const std::string token = make_token(std::vector<std::uint32_t>{1, 0, 1});
  EXPECT_EQ(parse_token("").error(), TokenError::Unreadable);
  EXPECT_EQ(parse_token("two words").error(), TokenError::Unreadable);
  EXPECT_EQ(parse_token(token + "+").error(), TokenError::Unreadable);
  std::string other_version = token;
  other_version[0] = 'B';
  EXPECT_EQ(parse_token(other_version).error(), TokenError::WrongVersion);
  std::string mistyped = token;
  mistyped[3] = mistyped[3] == 'A' ? 'B' : 'A';
  EXPECT_EQ(parse_token(mistyped).error(), TokenError::WrongChecksum);
  EXPECT_NE(to_string(TokenError::WrongVersion), to_string(TokenError::WrongChecksum));
  // Of version 1 and with the right checksum: the choice 0, 2^40 times; a choice of 2^32; a repetition without
  // its count.
  for (const char* token_without_sense : {"AQGAgICAgCAxZSis", "AYCAgIAgrNf5xw", "AQEoE8Uv"})
    EXPECT_EQ(parse_token(token_without_sense).error(), TokenError::Unreadable) << token_without_sense;
}

}  // namespace
}  // namespace quiesce::lab
