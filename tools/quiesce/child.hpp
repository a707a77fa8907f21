#pragma once
// A process that runs the user's program.
#include <sys/types.h>

#include <expected>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace quiesce_command {

struct Ended {
  int code = 0;    // of its exit, unless:
  int signal = 0;  // ended it
  /// "ended with status 1", "was ended by signal 11 (Segmentation fault)"
  std::string text() const;
};

class Child {
 public:
  struct Start {
    const std::vector<std::string>& program;
    std::map<std::string, std::optional<std::string>> environment;  // no value: not set
    std::filesystem::path output{};  // stdout and stderr; empty: ours, and ours are the terminal's signals too
  };
  /// Else one sentence: the program is not there, or cannot be executed.
  static std::expected<Child, std::string> start(const Start& start);

  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) = delete;
  /// Ends it.
  ~Child();

  /// Whether it has ended, and how; does not wait.
  std::optional<Ended> poll();
  Ended wait();
  /// It and what it has started, unless it runs in the terminal's group.
  void kill(int signal) noexcept;

 private:
  Child(pid_t pid, bool has_group) : pid_(pid), has_group_(has_group) {}

  pid_t pid_;  // 0: has ended
  bool has_group_;
};

}  // namespace quiesce_command
