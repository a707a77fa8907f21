#include "web.hpp"

#include <string>

namespace crawler {

namespace q = quiesce;

Web::Web(const WebShape& shape) : shape_(shape) {
  for (std::uint32_t i = 0; i < shape_.hosts; ++i) doors_.emplace_back(polite, q::Name("door of a host"));
}

q::Task<Page> Web::fetch(q::Cx cx, Url url) {
  const auto latency_us = static_cast<std::uint64_t>(shape_.latency_max / std::chrono::microseconds(1));
  co_await cx.sleep(std::chrono::microseconds(cx.random_index(latency_us + 1)));
  if (shape_.failures_one_in != 0 && cx.random_index(shape_.failures_one_in) == 0) {
    broken_.fetch_add(1);
    std::string where = std::to_string(url.host) + "/" + std::to_string(url.page);
    co_await q::fail(q::Error(q::ErrorCode::Io, "the connection broke").with_context("url", std::move(where)));
  }
  fetched_.fetch_add(1);
  Page page;
  page.url = url;
  // Where links lead depends on the page only: the web is the same for everybody.
  std::uint64_t next = std::uint64_t{url.host} * shape_.pages_per_host + url.page;
  for (std::uint32_t i = 0; i < shape_.links; ++i) {
    next = next * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX
    page.links.push_back({static_cast<std::uint32_t>(next >> 33) % shape_.hosts,
                          static_cast<std::uint32_t>(next >> 17) % shape_.pages_per_host});
  }
  co_return page;
}

}  // namespace crawler
