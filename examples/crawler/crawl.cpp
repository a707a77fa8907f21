#include "crawl.hpp"

#include <quiesce/combinators/join_set.hpp>
#include <quiesce/combinators/retry.hpp>

#include <set>
#include <utility>
#include <vector>

namespace crawler {
namespace {

namespace q = quiesce;
using namespace std::chrono_literals;

/// A page, with a place at its host's door for each attempt: while it waits for the next attempt others may go in.
q::Task<Page> fetch_politely(q::Cx cx, std::shared_ptr<Web> web, Url url) {
  auto attempt = [&](q::Cx mine) -> q::Task<Page> {
    auto inside = co_await web->door(url.host).acquire(mine);
    co_return co_await web->fetch(mine, url);
  };
  const q::RetryPolicy policy = q::RetryPolicy().attempts(4).first_delay(2ms);
  co_return co_await q::retry(cx, policy, attempt);
}

}  // namespace

// One task owns the list of what was seen and what is to come, so it needs no lock. CollectAll: a page that is lost stops nobody.
q::Task<Found> crawl(q::Cx cx, std::shared_ptr<Web> web, CrawlOptions options) {
  Found found;
  auto body = [&](q::Cx inner, q::Scope<q::CollectAll>& scope) -> q::Task<> {
    q::JoinSet<Page> pages(scope, options.at_once);
    std::set<Url> seen{Url()};
    std::vector<Url> todo{Url()};
    for (;;) {
      while (!todo.empty() && seen.size() <= options.pages_max) {
        auto started = pages.spawn(inner, fetch_politely, web, todo.back());
        if (!started) break;  // as many as may run do: the next to end makes room
        todo.pop_back();
      }
      auto ended = co_await pages.join_next(inner);
      if (!ended) co_return;
      if (!ended->is_ok()) {
        ++found.lost;
        continue;
      }
      ++found.pages;
      for (const Url& link : ended->value().links) {
        if (seen.size() < options.pages_max && seen.insert(link).second) todo.push_back(link);
      }
    }
  };
  co_await q::region(cx, q::CollectAll(), body);
  co_return found;
}

}  // namespace crawler
