// crawler: a fan-out over a simulated network, on all cores or in the lab. See --help.
#include <fmt/core.h>
#include <quiesce/lab.hpp>
#include <quiesce/runtime.hpp>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "crawl.hpp"

namespace crawler {
namespace {

namespace q = quiesce;
namespace lab = quiesce::lab;
using namespace std::chrono_literals;

bool crawl_for_real(const CrawlOptions& options) {
  auto web = std::make_shared<Web>(WebShape());
  q::Runtime runtime = q::Runtime::builder().name("crawler").build();
  auto body = [&](q::Cx cx, q::Scope<>&) -> q::Task<Found> { return crawl(cx, web, options); };
  const auto found = runtime.block_on(body);
  if (!found.is_ok()) return false;
  fmt::print("{} pages found, {} lost; {} fetches, {} connections broke\n", found.value().pages,
             found.value().lost, web->fetched(), web->broken());
  return found.value().pages == web->fetched() && found.value().pages + found.value().lost > 0;
}

/// A small web; whatever happens, also when it is cancelled anywhere, every door is left as it was found.
q::Task<> crawl_in_lab(q::Cx cx, q::Scope<>&) {
  WebShape shape;
  shape.hosts = 3;
  shape.pages_per_host = 4;
  shape.links = 3;
  shape.failures_one_in = 4;
  auto web = std::make_shared<Web>(shape);
  CrawlOptions options;
  options.at_once = 3;
  options.pages_max = 8;
  auto crawling = crawl(cx, web, options);
  const auto found = co_await std::move(crawling).outcome();
  for (std::uint32_t host = 0; host < shape.hosts; ++host)
    lab::check(web->door(host).available_permits() == Web::polite, "somebody is still at a door");
  if (found.is_ok()) lab::check(found.value().pages == web->fetched(), "what was fetched was found");
}

bool explore() {
  bool holds = true;
  auto show = [&](const char* what, const lab::Report& report) {
    fmt::print("{}: {}\n", what, report.text());
    holds = holds && !report.failed();
  };
  // The seed also draws latencies and failures: with another one the web is another.
  for (std::uint64_t seed = 1; seed <= 20 && holds; ++seed) {
    show("random", lab::explore({.strategy = lab::random(), .seed = seed, .max_runs = 100}, crawl_in_lab));
    show("pct(3)", lab::explore({.strategy = lab::pct(3), .seed = seed, .max_runs = 100}, crawl_in_lab));
  }
  show("a request at each cancel point", lab::cancel_everywhere(crawl_in_lab));
  return holds;
}

int run_program(int argc, char** argv) {
  CLI::App app("crawler: a fan-out over a simulated network", "crawler");
  bool explores = false;
  CrawlOptions options;
  app.add_flag("--lab", explores, "A small web in the lab: many schedules, and a request at each cancel point");
  app.add_option("--at-once", options.at_once, "Fetches at a time (32)")->check(CLI::Range(1u, 10'000u));
  app.add_option("--pages", options.pages_max, "Pages at most (400)");
  CLI11_PARSE(app, argc, argv);
  return (explores ? explore() : crawl_for_real(options)) ? 0 : 1;
}

}  // namespace
}  // namespace crawler

int main(int argc, char** argv) {
  try {
    return crawler::run_program(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "crawler: %s\n", error.what());
    return 1;
  }
}
