#include "console.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace treehash {
namespace {

constexpr std::string_view erase_line = "\r\x1b[K";
constexpr std::size_t width_default = 80;

/// One write for each message, so that lines of other programs do not cut into it. What stderr does not take is lost: there is
/// nowhere to complain about it.
void put(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

Console::Console() : is_terminal_(::isatty(STDERR_FILENO) == 1) {}

std::size_t Console::width() const noexcept {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : width_default;
}

void Console::say(std::string_view line) {
  std::scoped_lock hold(mutex_);
  put(fmt::format("{}{}\n", bar_shown_ ? erase_line : std::string_view(), line));
  bar_shown_ = false;
}

void Console::draw_bar(std::string_view text) {
  std::scoped_lock hold(mutex_);
  put(fmt::format("{}{}", erase_line, text));
  bar_shown_ = true;
}

void Console::clear_bar() {
  std::scoped_lock hold(mutex_);
  if (bar_shown_) put(erase_line);
  bar_shown_ = false;
}

std::string printable(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace treehash
