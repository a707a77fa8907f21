#include "run_mode.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace quiesce::lab::detail {
namespace {

template <class Number>
bool read_number(std::string_view digits, Number& value, int base = 10) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  return error == std::errc() && end == digits.data() + digits.size();
}

/// One part of a prefix: a letter, and what follows it up to the dot.
struct Part {
  char letter;
  /// False: as by default, and not written.
  bool (*write)(const RunMode& mode, std::string& rest);
  bool (*read)(std::string_view rest, RunMode& mode);
};

constexpr std::array parts = {
    Part{'b',
         [](const RunMode& mode, std::string& rest) {
           rest = fmt::format("{:08x}", mode.body);
           return mode.body != 0;
         },
         [](std::string_view rest, RunMode& mode) {
           return rest.size() == 8 && read_number(rest, mode.body, 16);
         }},
    Part{'s',
         [](const RunMode& mode, std::string& rest) {
           rest = fmt::format("{}", mode.seed);
           return mode.seed != 0;
         },
         [](std::string_view rest, RunMode& mode) { return read_number(rest, mode.seed); }},
    Part{'w',
         [](const RunMode& mode, std::string& rest) {
           rest = fmt::format("{}", mode.workers);
           return mode.workers != 1;
         },
         [](std::string_view rest, RunMode& mode) { return read_number(rest, mode.workers); }},
    Part{'c', [](const RunMode& mode, std::string&) { return mode.draws_cancels; },
         [](std::string_view rest, RunMode& mode) { return rest.empty() && (mode.draws_cancels = true); }},
};

bool read_part(std::string_view text, RunMode& mode) {
  const auto part = std::ranges::find(parts, text.front(), &Part::letter);
  return part != parts.end() && part->read(text.substr(1), mode);
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view space = " \t\r\n";
  const auto begin = text.find_first_not_of(space);
  return begin == text.npos ? std::string_view() : text.substr(begin, text.find_last_not_of(space) - begin + 1);
}

}  // namespace

RunMode RunMode::of(std::uint32_t body, const Options& options) {
  return {.body = body, .seed = options.seed, .workers = options.workers};
}

Options RunMode::applied_to(Options options) const {
  options.seed = seed;
  options.workers = workers;
  return options;
}

std::string RunMode::prefix() const {
  std::string text, rest;
  for (const Part& part : parts) {
    rest.clear();
    if (part.write(*this, rest)) text += part.letter + rest + '.';
  }
  return text;
}

RunMode RunMode::take_from(std::string_view& token) {
  RunMode mode;
  token = trim(token);
  for (std::size_t dot = token.find('.'); dot != std::string_view::npos && dot > 0; dot = token.find('.')) {
    RunMode with_part = mode;
    if (!read_part(token.substr(0, dot), with_part)) break;
    mode = with_part;
    token.remove_prefix(dot + 1);
  }
  return mode;
}

bool may_be_of(const RunMode& token, std::uint32_t body) noexcept {
  return token.body == 0 || body == 0 || token.body == body;
}

}  // namespace quiesce::lab::detail
