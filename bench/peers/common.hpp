#pragma once
// What the peers written in C++ have in common: options, time, the line that each prints, and sums that must be right.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include <unistd.h>

namespace peer {

struct Options {
  unsigned workers = std::thread::hardware_concurrency();
  bool is_small = false;

  /// What is to be done a `full` number of times; a hundredth of it to try the program out.
  std::uint64_t scaled(std::uint64_t full) const { return is_small ? full / 100 : full; }
};

inline void report(const char* workload, const char* metric, double value, const char* unit) {
  std::printf("%s %s %.6g %s\n", workload, metric, value, unit);
  std::fflush(stdout);
}

inline void expect_sum(const char* workload, std::uint64_t sum, std::uint64_t expected) {
  if (sum == expected) return;
  std::fprintf(stderr, "%s: the sum is %llu and should be %llu: a task was lost or run twice\n", workload,
               static_cast<unsigned long long>(sum), static_cast<unsigned long long>(expected));
  std::exit(1);
}

/// All but a few: the first may come too late where the machine is slow for a moment.
inline void expect_most(const char* workload, std::uint64_t cancelled, std::uint64_t of) {
  if (cancelled <= of && cancelled + of / 1000 + 1 >= of) return;
  std::fprintf(
      stderr, "%s: %llu of %llu timers were cancelled, the others fired before: this measures something else\n",
      workload, static_cast<unsigned long long>(cancelled), static_cast<unsigned long long>(of));
  std::exit(1);
}

inline std::uint64_t fibonacci(unsigned n) {
  std::uint64_t now = 0, next = 1;
  for (; n > 0; --n) {
    const std::uint64_t sum = now + next;
    now = next;
    next = sum;
  }
  return now;
}

inline std::int64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  long total = 0, resident = 0;
  if (file == nullptr || std::fscanf(file, "%ld %ld", &total, &resident) != 2) {
    std::fprintf(stderr, "/proc/self/statm cannot be read, so resident memory cannot be measured\n");
    std::exit(1);
  }
  std::fclose(file);
  return static_cast<std::int64_t>(resident) * sysconf(_SC_PAGESIZE);
}

class Clock {
 public:
  double ns() const {
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start_).count();
  }
  double ms() const { return ns() * 1e-6; }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

using Workloads = std::map<std::string, std::function<void(const Options&)>>;

[[noreturn]] inline void usage(const std::string& problem) {
  std::fprintf(stderr, "%s\nusage: workloads WORKLOAD [--workers N] [--small]\n", problem.c_str());
  std::exit(2);
}

/// main of a peer.
inline int run(int argc, char** argv, const Workloads& workloads) {
  Options options;
  auto chosen = workloads.end();
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--small") {
      options.is_small = true;
    } else if (argument == "--workers") {
      options.workers = i + 1 < argc ? static_cast<unsigned>(std::atoi(argv[++i])) : 0;
      if (options.workers < 1) usage("--workers needs a number above 0");
    } else if ((chosen = workloads.find(argument)) == workloads.end()) {
      usage("no such workload: " + argument);
    }
  }
  if (chosen == workloads.end()) usage("no workload was named");
  chosen->second(options);
  return 0;
}

}  // namespace peer
