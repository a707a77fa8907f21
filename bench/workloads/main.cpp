// bench_workloads WORKLOAD [--workers N] [--small]: runs one workload and prints what it measured, one line a metric:
//   workload metric value unit
// A sum that is wrong ends it with status 1. bench_workloads --list names the workloads; bench/README.md says what each measures.
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>

#include <unistd.h>

#include "workload.hpp"

namespace workloads {

void report(const char* workload, const char* metric, double value, const char* unit) {
  std::printf("%s %s %.6g %s\n", workload, metric, value, unit);
  std::fflush(stdout);
}

void expect_sum(const char* workload, std::uint64_t sum, std::uint64_t expected) {
  if (sum == expected) return;
  std::fprintf(stderr, "%s: the sum is %llu and should be %llu: a task was lost or run twice\n", workload,
               static_cast<unsigned long long>(sum), static_cast<unsigned long long>(expected));
  std::exit(1);
}

void expect_most(const char* workload, std::uint64_t cancelled, std::uint64_t of) {
  if (cancelled <= of && cancelled + of / 1000 + 1 >= of) return;
  std::fprintf(
      stderr, "%s: %llu of %llu timers were cancelled, the others fired before: this measures something else\n",
      workload, static_cast<unsigned long long>(cancelled), static_cast<unsigned long long>(of));
  std::exit(1);
}

void expect_ok(const char* workload, const q::Outcome<>& outcome) {
  if (outcome.is_ok()) return;
  std::ostringstream text;
  text << outcome;
  std::fprintf(stderr, "%s: the run did not end Ok: %s\n", workload, text.str().c_str());
  std::exit(1);
}

std::int64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  long total = 0, resident = 0;
  if (file == nullptr || std::fscanf(file, "%ld %ld", &total, &resident) != 2) {
    std::fprintf(stderr, "/proc/self/statm cannot be read, so resident memory cannot be measured\n");
    std::exit(1);
  }
  std::fclose(file);
  return static_cast<std::int64_t>(resident) * sysconf(_SC_PAGESIZE);
}

namespace {

constexpr std::array families{spawning, fork_join, messages, yielding, timers, locking, cancelling, algorithms};

const Workload* find(std::string_view name) {
  for (auto family : families) {
    for (const Workload& workload : family()) {
      if (name == workload.name) return &workload;
    }
  }
  return nullptr;
}

int list() {
  for (auto family : families) {
    for (const Workload& workload : family()) std::printf("%-15s %s\n", workload.name, workload.what);
  }
  return 0;
}

int usage(const char* problem, const char* value) {
  std::fprintf(stderr, "%s%s\nusage: bench_workloads WORKLOAD [--workers N] [--small] | --list\n", problem,
               value);
  return 2;
}

std::optional<std::uint32_t> count_of(std::string_view text) {
  std::uint32_t count = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count == 0 || count > 1024)
    return std::nullopt;
  return count;
}

int run(int argc, char** argv) {
  Options options;
  options.workers = std::max(1U, std::thread::hardware_concurrency());
  const Workload* workload = nullptr;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--list") return list();
    if (argument == "--small") {
      options.is_small = true;
    } else if (argument == "--workers") {
      const char* given = i + 1 < argc ? argv[++i] : "";
      std::optional<std::uint32_t> count = count_of(given);
      if (!count) return usage("--workers needs a number from 1 to 1024, and was given: ", given);
      options.workers = *count;
    } else if (workload != nullptr) {
      return usage("one workload at a time; this is one too many: ", argv[i]);
    } else if ((workload = find(argument)) == nullptr) {
      return usage("no such workload or option: ", argv[i]);
    }
  }
  if (workload == nullptr) return usage("no workload was named; --list shows them", "");
  workload->run(options);
  return 0;
}

}  // namespace
}  // namespace workloads

int main(int argc, char** argv) { return workloads::run(argc, argv); }
