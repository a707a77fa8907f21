// logstat: requests, bytes and paths of access logs, summed up by a pipeline with back-pressure. stages.hpp has its shape.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "stages.hpp"

int main(int argc, char** argv) {
  logstat::Options options;
  CLI::App app("logstat: sums up access logs in the common log format", "logstat");
  app.add_option("FILE", options.files, "Logs")->required();
  app.add_option("-j,--parsers", options.parsers, "Tasks that parse (2)")->check(CLI::Range(1u, 256u));
  app.add_option("--paths", options.paths, "So many of the paths asked for most (10)");
  CLI11_PARSE(app, argc, argv);

  quiesce::Runtime runtime = quiesce::Runtime::builder().name("logstat").build();
  const auto totals = logstat::sum_up(runtime, options);
  if (!totals.is_ok()) {
    fmt::print(stderr, "logstat: {}\n", totals.is_err() ? totals.error().message() : "stopped");
    return 1;
  }
  totals.value().print(options.paths);
  return 0;
}
