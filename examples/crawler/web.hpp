#pragma once
// A network that is simulated: hosts with pages that link to each other. A fetch takes some milliseconds of the context's time and
// sometimes fails, both drawn from the context's entropy: the same on all cores, and in the lab, where time is virtual.
#include <quiesce/cx.hpp>
#include <quiesce/sync/semaphore.hpp>
#include <quiesce/task.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <vector>

namespace crawler {

struct Url {
  std::uint32_t host = 0, page = 0;
  friend auto operator<=>(const Url&, const Url&) = default;
};

struct Page {
  Url url;
  std::vector<Url> links;
};

struct WebShape {
  std::uint32_t hosts = 20, pages_per_host = 50, links = 6;
  std::uint32_t failures_one_in = 8;
  quiesce::Duration latency_max = std::chrono::milliseconds(5);
};

class Web {
 public:
  explicit Web(const WebShape& shape);
  /// Err(Io) where the connection breaks.
  quiesce::Task<Page> fetch(quiesce::Cx cx, Url url);

  /// As many connections to a host at a time as it is polite to have.
  quiesce::Semaphore& door(std::uint32_t host) { return doors_[host]; }
  const WebShape& shape() const { return shape_; }
  std::uint64_t fetched() const { return fetched_.load(); }
  std::uint64_t broken() const { return broken_.load(); }

  static constexpr std::uint32_t polite = 2;

 private:
  WebShape shape_;
  std::deque<quiesce::Semaphore> doors_;
  std::atomic<std::uint64_t> fetched_{0}, broken_{0};
};

}  // namespace crawler

template <>
inline constexpr bool quiesce::enable_sync<crawler::Web> = true;  // its doors and counters guard themselves
