#include "coverage.hpp"

#include <fmt/format.h>

#include <boost/container_hash/hash.hpp>
#include <utility>

#include "where.hpp"

namespace quiesce::lab::detail {

constinit thread_local Coverage* Coverage::current_ = nullptr;

std::size_t Coverage::HashOfPlace::operator()(const Place& place) const noexcept {
  std::size_t seed = 0;
  boost::hash_combine(seed, place.what);
  boost::hash_combine(seed, place.whose);
  boost::hash_combine(seed, place.file);
  boost::hash_combine(seed, place.line);
  return seed;
}

void Coverage::suspended(std::string_view what, std::string_view whose, std::source_location where) {
  const bool is_new = places_.insert({what.data(), whose.data(), where.file_name(), where.line()}).second;
  if (!is_new) return;
  std::string name(what);
  if (!whose.empty()) name += fmt::format(" of {}", whose);
  name += at_text(where);
  if (names_.insert(name).second) news_.suspensions.push_back(std::move(name));
}

void Coverage::cancel_point(LogicalId task, std::uint32_t ordinal, bool landed) {
  const std::uint64_t key = child(task, ordinal).value;
  const auto [point, is_new] = cancel_points_.try_emplace(key, false);
  if (is_new) news_.cancel_points.push_back(fmt::format("{:x}", key));
  if (!landed || std::exchange(point->second, true)) return;
  ++landed_;
  news_.landed.push_back(fmt::format("{:x}", key));
}

Coverage::Counts Coverage::counts() const { return {names_.size(), cancel_points_.size(), landed_}; }

Coverage::News Coverage::take_news() { return std::exchange(news_, {}); }

}  // namespace quiesce::lab::detail
