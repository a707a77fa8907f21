#include "child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

namespace quiesce_command {
namespace {

Ended ended_of(int status) {
  return WIFSIGNALED(status) ? Ended{0, WTERMSIG(status)} : Ended{WEXITSTATUS(status), 0};
}

// Between fork and exec nothing that allocates: everything is made before.
struct Prepared {
  std::vector<char*> arguments;
  std::vector<std::string> variables;
  std::vector<char*> environment;
  int output = -1;

  explicit Prepared(const Child::Start& start) {
    for (const std::string& argument : start.program) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    for (char** variable = environ; *variable != nullptr; ++variable) {
      const std::string_view text = *variable;
      if (!start.environment.contains(std::string(text.substr(0, text.find('=')))))
        variables.emplace_back(text);
    }
    for (const auto& [name, value] : start.environment) {
      if (value) variables.push_back(name + '=' + *value);
    }
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    if (!start.output.empty()) {
      output = ::open(start.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
      if (output < 0) throw std::system_error(errno, std::generic_category(), start.output.string());
    }
  }
  Prepared(const Prepared&) = delete;
  Prepared& operator=(const Prepared&) = delete;
  ~Prepared() {
    if (output >= 0) ::close(output);
  }
};

[[noreturn]] void become(const Prepared& prepared, int errors) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (prepared.output >= 0) {
    ::setpgid(0, 0);
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(prepared.output, STDOUT_FILENO);
    ::dup2(prepared.output, STDERR_FILENO);
  }
  ::execvpe(prepared.arguments[0], prepared.arguments.data(), prepared.environment.data());
  const int error = errno;
  if (::write(errors, &error, sizeof error) != sizeof error) ::_exit(126);
  ::_exit(127);
}

}  // namespace

std::string Ended::text() const {
  if (signal != 0) return fmt::format("was ended by signal {} ({})", signal, ::strsignal(signal));
  return fmt::format("ended with status {}", code);
}

std::expected<Child, std::string> Child::start(const Start& start) {
  const Prepared prepared(start);
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const pid_t pid = ::fork();
  if (pid == 0) become(prepared, pipe[1]);
  const int fork_error = errno;
  ::close(pipe[1]);
  int error = 0;
  // The pipe closes without a word when the program has begun.
  const bool has_failed = pid > 0 && ::read(pipe[0], &error, sizeof error) == sizeof error;
  ::close(pipe[0]);
  if (pid < 0) throw std::system_error(fork_error, std::generic_category(), "fork");
  if (!has_failed) return Child(pid, prepared.output >= 0);
  ::waitpid(pid, nullptr, 0);
  return std::unexpected(fmt::format("{} cannot be run: {}", start.program[0], std::strerror(error)));
}

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)), has_group_(other.has_group_) {}

Child::~Child() {
  if (pid_ == 0) return;
  kill(SIGKILL);
  wait();
}

std::optional<Ended> Child::poll() {
  int status = 0;
  if (pid_ == 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  pid_ = 0;
  return ended_of(status);
}

Ended Child::wait() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  pid_ = 0;
  return ended_of(status);
}

void Child::kill(int signal) noexcept {
  if (pid_ != 0) ::kill(has_group_ ? -pid_ : pid_, signal);
}

}  // namespace quiesce_command
