#include "signal_dump.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>

namespace quiesce::detail {
namespace {

/// By signal: its eventfd plus 1; 0: none has been made.
std::atomic<int> bells[NSIG];
std::mutex installing;
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler reads it");

void ring(int bell) noexcept {
  const std::uint64_t once = 1;
  // It can only fail when it has been rung some 10^19 times and nobody has listened.
  [[maybe_unused]] const ssize_t written = ::write(bell, &once, sizeof once);
}

void on_signal(int signal) noexcept {
  const int saved_errno = errno;
  ring(bells[signal].load(std::memory_order_relaxed) - 1);
  errno = saved_errno;
}

/// The signal's eventfd, quiet.
int bell_of(int signal) {
  if (const int made = bells[signal].load() - 1; made >= 0) {
    pollfd ready{made, POLLIN, 0};
    std::uint64_t rings;
    if (::poll(&ready, 1, 0) == 1 && ::read(made, &rings, sizeof rings) < 0)
      throw std::system_error(errno, std::generic_category(), "eventfd");
    return made;
  }
  const int bell = ::eventfd(0, EFD_CLOEXEC);
  if (bell < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  bells[signal].store(bell + 1);
  return bell;
}

bool is_free(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) == 0 && (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN);
}

bool is_ours(const struct sigaction& action) noexcept {
  return (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == on_signal;
}

std::string name_of(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

}  // namespace

bool may_dump_on(int signal) noexcept {
  constexpr std::array refused{SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
  return signal >= 1 && signal < NSIG && std::ranges::find(refused, signal) == refused.end() &&
         (signal < 32 || (signal >= SIGRTMIN && signal <= SIGRTMAX));
}

SignalDump::SignalDump(int signal, std::function<void()> dump) : signal_(signal), dump_(std::move(dump)) {
  std::scoped_lock hold(installing);
  struct sigaction now {};
  ::sigaction(signal, nullptr, &now);
  if (!is_free(now)) {
    throw std::invalid_argument(
        fmt::format("Runtime::builder().dump_on_signal({0}): {0} has a handler already, {1}: choose another "
                    "signal, or call "
                    "Runtime::dump from your own code",
                    name_of(signal), is_ours(now) ? "another Runtime's" : "which is not quiesce's"));
  }
  bell_of(signal);
  start_thread();
  struct sigaction ours {};
  ours.sa_handler = on_signal;
  ours.sa_flags = SA_RESTART;
  ::sigemptyset(&ours.sa_mask);
  ::sigaction(signal, &ours, &before_);
}

SignalDump::~SignalDump() {
  std::scoped_lock hold(installing);
  struct sigaction now {};
  ::sigaction(signal_, nullptr, &now);
  if (is_ours(now)) ::sigaction(signal_, &before_, nullptr);
  stops_.store(true);
  ring(bells[signal_].load() - 1);
  thread_.join();
}

void SignalDump::start_thread() {
  sigset_t all, mine;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &mine);  // the new thread inherits it
  try {
    thread_ = std::thread([this] { run(); });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &mine, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &mine, nullptr);
}

void SignalDump::run() noexcept {
  ::pthread_setname_np(::pthread_self(), "quiesce-dump");
  const int bell = bells[signal_].load() - 1;
  for (;;) {
    std::uint64_t rings;
    if (::read(bell, &rings, sizeof rings) < 0 && errno == EINTR) continue;
    if (stops_.load()) return;
    try {
      dump_();
    } catch (const std::exception&) {}  // no memory for it: the program goes on without this dump
  }
}

}  // namespace quiesce::detail
