#pragma once
// The status file: what the explorations of this process do, for who watches them from outside. One JSON object a line, each written
// whole, so that several processes may share a file.
//
//   {"event": "begin", "exploration": 0, "body": "b1a2b3c4", "mode": "hunt"}       mode: explore, hunt, replay
//   {"event": "progress", "exploration": 0, "runs": …, "seconds": …, "suspensions": […], "cancel_points": […], "landed": […]}
//   {"event": "failure", "exploration": 0, "kind": …, "message": …, "token": …, "crash_pack": …, "text": …}
//   {"event": "end", "exploration": 0, "runs": …, "failed": …}
//   {"event": "skipped", "body": …}                                                 its token is of another body
// Each has "pid" besides. The lists hold what is new since the line before.
#include <cstdint>
#include <string>
#include <string_view>

#include "coverage.hpp"
#include "quiesce/lab/report.hpp"

namespace quiesce::lab::detail {

class Status {
 public:
  /// An empty path: nobody asks, and nothing is written. A file that cannot be written is told on stderr once.
  explicit Status(std::string path);
  bool is_wanted() const { return !path_.empty(); }

  void skipped(std::string_view body);
  void begin(std::string_view body, std::string_view mode);
  void progress(const Report& so_far, Coverage::News news);
  /// Of its failure too, if it has one.
  void end(const Report& report, Coverage::News news);

 private:
  void write(const std::string& line);

  std::string path_;
  std::uint64_t exploration_ = 0;  // of this process
};

}  // namespace quiesce::lab::detail
