#pragma once
// Crawling: as many pages at a time as asked for, politely, each page once, again where the connection broke.
#include <quiesce/scope.hpp>

#include <cstdint>
#include <memory>

#include "web.hpp"

namespace crawler {

struct CrawlOptions {
  std::uint32_t at_once = 32;
  std::uint64_t pages_max = 400;
};

struct Found {
  std::uint64_t pages = 0, lost = 0;  // lost: unreachable after all attempts
};

/// From page 0 of host 0 on. When it returns nothing of it runs any more.
quiesce::Task<Found> crawl(quiesce::Cx cx, std::shared_ptr<Web> web, CrawlOptions options);

}  // namespace crawler
