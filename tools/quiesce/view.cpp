// quiesce view: a trace as a page, or for Perfetto.
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "commands.hpp"
#include "quiesce/lab/trace_file.hpp"
#include "render.hpp"

namespace quiesce_command {

namespace lab = quiesce::lab;
namespace fs = std::filesystem;

namespace {

ExitStatus refuse(std::string_view sentence) {
  fmt::print(stderr, "quiesce view: {}\n", sentence);
  return ExitStatus::usage;
}

}  // namespace

ExitStatus view(const ViewOptions& options) {
  std::error_code ignored;
  const bool is_pack = fs::is_directory(options.file, ignored);
  const fs::path trace = is_pack ? options.file / "trace.qtrace" : options.file;
  const auto file = lab::read_trace(trace);
  if (!file) return refuse(file.error().message);
  const fs::path called = is_pack ? fs::absolute(options.file).lexically_normal() / "" : trace;
  const std::string title = is_pack ? called.parent_path().filename().string() : called.filename().string();
  const std::string text = options.perfetto ? render_perfetto(*file) : render_page(*file, title);
  if (options.output == "-") {
    return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() ? ExitStatus::well
                                                                           : refuse("stdout cannot be written");
  }
  fs::path output = options.output;
  if (output.empty()) output = fs::path(trace).replace_extension(options.perfetto ? ".perfetto.json" : ".html");
  errno = 0;
  std::ofstream out(output, std::ios::binary);
  out << text;
  out.close();
  if (!out) return refuse(fmt::format("{} cannot be written: {}", output.string(), std::strerror(errno)));
  fmt::print("{} shows the trace: {} events of {} actors\n", output.string(), file->trace.events.size(),
             file->trace.actors.size());
  return ExitStatus::well;
}

}  // namespace quiesce_command
