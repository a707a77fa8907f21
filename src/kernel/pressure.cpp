#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <ostream>
#include <thread>

#include "quiesce/capabilities.hpp"

namespace quiesce {

std::string_view to_string(PressureSource source) noexcept {
  switch (source) {
    case PressureSource::None: return "none";
    case PressureSource::Fixed: return "fixed";
    case PressureSource::StallInformation: return "stall-information";
    case PressureSource::LoadAverage: return "load-average";
  }
  return "unknown";
}

std::ostream& operator<<(std::ostream& out, PressureSource source) { return out << to_string(source); }

double PressureReading::worst() const noexcept { return std::max({cpu_some, memory_some, io_some}); }

namespace {

constexpr double full_percent = 100.0;

// A line is `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`. Where the kernel was booted without PSI the file
// may be there and fail to be read.
std::optional<double> read_some_avg10(const std::string& path) {
  static constexpr std::string_view key = "avg10=";
  std::ifstream file(path);
  std::string kind;
  std::string average;
  if (!(file >> kind >> average) || kind != "some" || !average.starts_with(key)) return std::nullopt;
  const char* begin = average.c_str() + key.size();
  char* end = nullptr;
  const double value = std::strtod(begin, &end);
  if (end == begin) return std::nullopt;
  return std::clamp(value, 0.0, full_percent);
}

std::optional<PressureReading> read_stall_information(const std::string& proc_root) {
  const auto cpu = read_some_avg10(proc_root + "/pressure/cpu");
  const auto memory = read_some_avg10(proc_root + "/pressure/memory");
  const auto io = read_some_avg10(proc_root + "/pressure/io");
  if (!cpu && !memory && !io) return std::nullopt;
  return PressureReading{cpu.value_or(0), memory.value_or(0), io.value_or(0), PressureSource::StallInformation};
}

std::optional<PressureReading> read_load_average(const std::string& proc_root) {
  std::ifstream file(proc_root + "/loadavg");
  double load = 0;
  if (!(file >> load)) return std::nullopt;
  const double processors = std::max(1U, std::thread::hardware_concurrency());
  const double waiting_share = load > processors ? (load - processors) / load : 0;
  return PressureReading{full_percent * waiting_share, 0, 0, PressureSource::LoadAverage};
}

}  // namespace

LinuxPressure::LinuxPressure(std::string proc_root) : proc_root_(std::move(proc_root)) {}

PressureReading LinuxPressure::read() const {
  if (const auto stall = read_stall_information(proc_root_)) return *stall;
  if (const auto load = read_load_average(proc_root_)) return *load;
  return {};
}

FixedPressure::FixedPressure(double percent)
    : FixedPressure(PressureReading{percent, percent, percent, PressureSource::Fixed}) {}
FixedPressure::FixedPressure(PressureReading reading) : reading_(reading) {}

PressureReading FixedPressure::read() const { return reading_; }

}  // namespace quiesce
