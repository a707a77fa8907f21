#include "table.hpp"

#include <algorithm>
#include <utility>

namespace philosophers {
namespace {

namespace q = quiesce;

constexpr q::Name names[] = {"fork 0", "fork 1", "fork 2", "fork 3", "fork 4", "fork 5", "fork 6", "fork 7"};

q::Task<> philosopher(q::Cx cx, std::shared_ptr<Table> table, std::uint32_t seat, std::uint32_t meals,
                      Manners manners) {
  std::uint32_t first = seat, second = (seat + 1) % table->seats();
  if (manners == Manners::lower_first && second < first) std::swap(first, second);
  for (std::uint32_t meal = 0; meal < meals; ++meal) {
    auto one = co_await table->fork(first).lock(cx);
    co_await cx.yield();  // a look around the table
    auto other = co_await table->fork(second).lock(cx);
    ++one->meals;
    ++other->meals;
  }
}

}  // namespace

Table::Table(std::uint32_t seats) {
  for (std::uint32_t i = 0; i < seats; ++i) forks_.emplace_back(Fork(), names[i % std::size(names)]);
}

q::Task<std::uint64_t> dinner(q::Cx cx, std::uint32_t seats, std::uint32_t meals, Manners manners) {
  auto table = std::make_shared<Table>(seats);
  auto evening = [&](q::Cx inner, q::Scope<>& scope) -> q::Task<> {
    for (std::uint32_t seat = 0; seat < seats; ++seat)
      co_await scope.launch(inner, philosopher, table, seat, meals, manners);
  };
  co_await q::region(cx, q::FailFast(), evening);
  std::uint64_t used = 0;
  for (std::uint32_t i = 0; i < seats; ++i) {
    auto fork = co_await table->fork(i).lock(cx);
    used += fork->meals;
  }
  co_return used;
}

}  // namespace philosophers
