#include "progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

namespace treehash {
namespace {

namespace q = quiesce;
using namespace std::chrono_literals;

constexpr auto between_bars = 100ms;
constexpr std::size_t bar_cells = 20;

double seconds(q::Duration duration) { return std::chrono::duration<double>(duration).count(); }

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
}

std::string bar(const Progress& progress) {
  if (!progress.is_counted) return "counting";
  const double done = progress.bytes_total > 0 ? share(progress.bytes_done, progress.bytes_total)
                                               : share(progress.files_done, progress.files_total);
  const auto full = static_cast<std::size_t>(done * static_cast<double>(bar_cells));
  return fmt::format("[{:#>{}}{:.>{}}] {:3.0f}%", "", full, "", bar_cells - full, 100 * done);
}

std::string bar_text(const Progress& progress, double bytes_per_s) {
  return fmt::format("{}  {}/{} files  {}/{}  {}/s", bar(progress), progress.files_done.load(),
                     progress.files_total.load(), format_bytes(static_cast<double>(progress.bytes_done)),
                     format_bytes(static_cast<double>(progress.bytes_total)), format_bytes(bytes_per_s));
}

/// The rate over about the last second: a weighted mean of the rates between bars.
class Rate {
 public:
  double update(std::uint64_t bytes, q::Time now) {
    const double passed_s = seconds(now - last_time_);
    if (passed_s <= 0) return per_s_;
    const double current = static_cast<double>(bytes - last_bytes_) / passed_s;
    const double weight = last_time_ == q::Time::zero() ? 1.0 : std::min(1.0, passed_s);
    per_s_ += weight * (current - per_s_);
    last_bytes_ = bytes;
    last_time_ = now;
    return per_s_;
  }

 private:
  std::uint64_t last_bytes_ = 0;
  q::Time last_time_ = q::Time::zero();
  double per_s_ = 0;
};

}  // namespace

std::string format_bytes(double bytes) {
  constexpr std::array<std::string_view, 6> units{"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 999.95 && unit + 1 < units.size()) {
    bytes /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

q::Task<> show_progress(q::Cx cx, std::shared_ptr<RunState> run) {
  Rate rate;
  for (;;) {
    co_await cx.sleep(between_bars);
    const double per_s = rate.update(run->progress.bytes_done, cx.now());
    std::string text = bar_text(run->progress, per_s);
    text.resize(std::min(text.size(), run->console.width() - 1));
    run->console.draw_bar(text);
  }
}

}  // namespace treehash
