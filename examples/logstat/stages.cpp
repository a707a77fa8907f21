#include "stages.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <quiesce/channel/mpmc.hpp>
#include <quiesce/channel/mpsc.hpp>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <utility>

namespace logstat {
namespace {

namespace q = quiesce;

constexpr std::uint32_t batches_max = 8;  // in each channel
constexpr std::size_t block_bytes = 64 * 1024;

/// The whole lines of a block, each with its newline.
using Lines = std::string;
struct Parsed {
  std::vector<Record> records;
  std::uint64_t lines = 0;
};

class File {
 public:
  explicit File(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

q::Error io_error(const std::string& path) {
  return q::Error(q::ErrorCode::Io, path + ": " + std::generic_category().message(errno));
}

/// A job of the blocking pool: the file's next bytes behind `carried`; none: its end.
q::Outcome<std::string> read_block(q::Cx, std::shared_ptr<const File> file, std::string path,
                                   std::string carried) {
  const std::size_t before = carried.size();
  carried.resize(before + block_bytes);
  ssize_t got;
  do got = read(file->fd(), carried.data() + before, block_bytes);
  while (got < 0 && errno == EINTR);
  if (got < 0) return q::Outcome<std::string>::err(io_error(path));
  carried.resize(before + static_cast<std::size_t>(got));
  return q::Outcome<std::string>::ok(std::move(carried));
}

q::Task<> read_file(q::Cx cx, q::Scope<> scope, std::string path, q::mpmc::Sender<Lines> lines) {
  auto file = std::make_shared<const File>(path);
  if (file->fd() < 0) co_await q::fail(io_error(path));
  std::string carried;  // the line that the last block has only begun
  for (;;) {
    auto permit = co_await lines.reserve(cx);  // a place first: nothing is read that nobody has room for
    const std::size_t before = carried.size();
    auto job = co_await scope.spawn_blocking(cx, read_block, file, path, std::move(carried));
    std::string block = co_await job.join(cx);
    const bool at_end = block.size() == before;
    const std::size_t whole = at_end ? block.size() : block.rfind('\n') + 1;  // none: 0
    carried = block.substr(whole);
    block.resize(whole);
    if (!block.empty()) (void)permit.send(std::move(block));
    if (at_end) co_return;
  }
}

q::Task<> parse_lines(q::Cx cx, q::mpmc::Receiver<Lines> lines, q::mpsc::Sender<Parsed> records) {
  while (auto batch = co_await lines.recv(cx)) {
    Parsed parsed;
    std::string_view rest = *batch;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      ++parsed.lines;
      if (auto record = parse(line)) parsed.records.push_back(std::move(*record));
    }
    co_await records.send(cx, std::move(parsed));
  }
}

q::Task<Totals> sum_up_records(q::Cx cx, q::mpsc::Receiver<Parsed> records) {
  Totals totals;
  while (auto parsed = co_await records.recv(cx)) {
    totals.lines += parsed->lines;
    totals.unreadable += parsed->lines - parsed->records.size();
    for (const Record& record : parsed->records) totals.add(record);
  }
  co_return totals;
}

}  // namespace

q::Outcome<Totals> sum_up(q::Runtime& runtime, const Options& options) {
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<Totals> {
    auto [lines_in, lines_out] = q::mpmc::channel<Lines>(batches_max, "lines");
    auto [records_in, records_out] = q::mpsc::channel<Parsed>(batches_max, "records");
    auto summing = co_await scope.spawn(cx, sum_up_records, std::move(records_out));
    for (std::uint32_t i = 0; i < options.parsers; ++i)
      co_await scope.launch(cx, parse_lines, lines_out, records_in);
    for (const std::string& path : options.files) co_await scope.launch(cx, read_file, scope, path, lines_in);
    { auto gone_lines = std::move(lines_in); }  // the tasks have senders of their own
    { auto gone_records = std::move(records_in); }
    co_return co_await summing.join(cx);
  };
  return runtime.block_on(body);
}

}  // namespace logstat
