#include "hunt.hpp"

#include <quiesce/lab.hpp>

#include <array>
#include <memory>
#include <vector>

namespace bank {
namespace {

namespace q = quiesce;
namespace lab = quiesce::lab;
using namespace std::chrono_literals;

constexpr std::uint64_t runs_max = 200'000;

// A payment is cleared in 30 ms, one after the other, so the third one arrives after 90 ms and has its receipt after 110. The one
// who is hasty leaves in between, if he is the third.
constexpr q::Duration clearing_time = 30ms;
constexpr q::Duration receipt_time = 20ms;
constexpr q::Duration hasty = 100ms;
constexpr q::Duration patient = 1s;
constexpr q::Duration audit_after = 65ms;
constexpr std::array orders{Order{0, 1, 30'00, patient}, Order{1, 2, 50'00, patient}, Order{2, 3, 20'00, hasty},
                            Order{3, 0, 10'00, patient}};
constexpr Money paid_in = 100'00;

q::Task<> customer(q::Cx cx, q::Scope<> scope, std::shared_ptr<Bank> bank, Order order) {
  (void)co_await serve(cx, scope, bank, order);
}

void check(Books& books) {
  const Audit audit = books.audit();
  lab::check(audit.balances(), "the books do not balance: " + audit.text());
}

/// While it is open, and when it has closed.
q::Task<> morning(q::Cx cx, q::Scope<>& scope, Refunds refunds) {
  auto bank = std::make_shared<Bank>(orders.size(), paid_in, clearing_time, receipt_time, refunds);
  auto open = [&](q::Cx inner, q::Scope<>& inside) -> q::Task<> {
    for (const Order& order : orders) co_await inside.launch(inner, customer, inside, bank, order);
    co_await inner.sleep(audit_after);
    check(bank->books);
  };
  (void)co_await scope.region(cx, q::FailFast{}, open).outcome();
  check(bank->books);
  lab::check(bank->books.audit().in_transit == 0, "money is in transit, and nobody is left to bring it");
}

auto body(Refunds refunds) {
  return [refunds](q::Cx cx, q::Scope<>& scope) -> q::Task<> { return morning(cx, scope, refunds); };
}

}  // namespace

lab::Report explore_morning(Refunds refunds, lab::StrategySpec strategy) {
  return lab::explore({.strategy = strategy, .max_runs = runs_max}, body(refunds));
}

lab::Report cancel_morning(Refunds refunds) { return lab::cancel_everywhere(body(refunds)); }

lab::Report replay_morning(std::string_view token) { return lab::replay(token, body(Refunds::ByTeller)); }

}  // namespace bank
