#pragma once
// stderr: whole lines from any thread, and on a terminal a progress bar below them.
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

namespace treehash {

class Console {
 public:
  Console();

  bool is_terminal() const noexcept { return is_terminal_; }
  /// Characters in a line of the terminal.
  std::size_t width() const noexcept;
  /// Prints one line; a bar gives way to it.
  void say(std::string_view line);
  /// Puts the bar in place of the last one. `text` is at most width() - 1 characters.
  void draw_bar(std::string_view text);
  void clear_bar();

 private:
  const bool is_terminal_;
  std::mutex mutex_;
  bool bar_shown_ = false;
};

/// A path for a message: on one line, and without characters that a terminal would obey.
std::string printable(std::string_view path);

}  // namespace treehash
