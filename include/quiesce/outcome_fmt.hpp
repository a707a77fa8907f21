// fmt support, opt-in: makes Outcome, Error, CancelReason, PanicPayload, Budget, Time and the ids formattable
// with fmt, in the form that operator<< prints. The format spec is that of a string, so widths and alignment
// work. Costs what <fmt/format.h> and <sstream> cost to include; nothing in the library includes it.
//   fmt::print("{:>40}\n", outcome);
#pragma once

#include <fmt/format.h>

#include <sstream>
#include <string>
#include <string_view>

#include "quiesce/budget.hpp"
#include "quiesce/outcome.hpp"

namespace quiesce::detail {

// `Value` in the form that operator<< gives it.
template <class Value>
struct StreamedFormatter : fmt::formatter<std::string_view> {
  template <class FormatContext>
  auto format(const Value& value, FormatContext& context) const {
    std::ostringstream text;
    text << value;
    return fmt::formatter<std::string_view>::format(std::move(text).str(), context);
  }
};

}  // namespace quiesce::detail

template <class T, class E>
struct fmt::formatter<quiesce::Outcome<T, E>> : quiesce::detail::StreamedFormatter<quiesce::Outcome<T, E>> {};
template <class Tag>
struct fmt::formatter<quiesce::Id<Tag>> : quiesce::detail::StreamedFormatter<quiesce::Id<Tag>> {};
template <>
struct fmt::formatter<quiesce::Error> : quiesce::detail::StreamedFormatter<quiesce::Error> {};
template <>
struct fmt::formatter<quiesce::CancelReason> : quiesce::detail::StreamedFormatter<quiesce::CancelReason> {};
template <>
struct fmt::formatter<quiesce::PanicPayload> : quiesce::detail::StreamedFormatter<quiesce::PanicPayload> {};
template <>
struct fmt::formatter<quiesce::Budget> : quiesce::detail::StreamedFormatter<quiesce::Budget> {};
template <>
struct fmt::formatter<quiesce::Time> : quiesce::detail::StreamedFormatter<quiesce::Time> {};
