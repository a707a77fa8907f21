#include "day.hpp"

#include <quiesce/runtime.hpp>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <memory>
#include <thread>

#include "teller.hpp"

namespace bank {
namespace {

namespace q = quiesce;
using namespace std::chrono_literals;

constexpr std::size_t accounts = 50;
constexpr Money paid_in = 100'00;  // into each
constexpr Money largest_order = 40'00;
constexpr int customers = 64;
constexpr q::Duration hasty = 5ms;
constexpr q::Duration patient = 1s;
constexpr q::Duration between_audits = 5ms;

struct Day {
  // With 64 customers the queue at the clearing is at times longer than the hasty ones wait.
  Bank bank{accounts, paid_in, 100us, 50us, Refunds::ByTransfer};
  std::atomic<std::uint64_t> done = 0, not_enough = 0, too_late = 0, audits = 0, uneven_audits = 0;

  void count(Served served) {
    ++(served == Served::Done ? done : served == Served::TooLate ? too_late : not_enough);
  }
  void audit() {
    ++audits;
    if (!bank.books.audit().balances()) ++uneven_audits;
  }
};

}  // namespace
}  // namespace bank

template <>
inline constexpr bool quiesce::enable_sync<bank::Day> = true;

namespace bank {
namespace {

std::size_t other_than(std::size_t account, q::Cx cx) {
  return (account + 1 + cx.random_index(accounts - 1)) % accounts;
}

/// Comes again and again, until the bank closes.
q::Task<> customer(q::Cx cx, q::Scope<> scope, std::shared_ptr<Day> day) {
  const std::shared_ptr<Bank> bank(day, &day->bank);
  for (;;) {
    const std::size_t from = cx.random_index(accounts);
    const Order order{from, other_than(from, cx),
                      1 + static_cast<Money>(cx.random_index(static_cast<std::uint64_t>(largest_order))),
                      cx.random_index(4) == 0 ? hasty : patient};
    day->count(co_await serve(cx, scope, bank, order));
  }
}

q::Task<> auditor(q::Cx cx, std::shared_ptr<Day> day) {
  for (;;) {
    co_await cx.sleep(between_audits);
    day->audit();
  }
}

}  // namespace

bool run_day(std::chrono::milliseconds length) {
  auto day = std::make_shared<Day>();
  const unsigned workers = std::max(1u, std::thread::hardware_concurrency());
  q::Runtime runtime = q::Runtime::builder().workers(workers).name("bank").build();
  auto open = [&](q::Cx cx, q::Scope<>& bank) -> q::Task<> {
    for (int i = 0; i < customers; ++i) co_await bank.launch(cx, customer, bank, day);
    co_await bank.launch(cx, auditor, day);
    co_await cx.sleep(length);
    bank.cancel(q::CancelReason::user("closing time"));
  };
  const q::Outcome<> closed = runtime.block_on(open);
  day->audit();  // everything has ended
  const Audit audit = day->bank.books.audit();
  std::cout << customers << " customers on " << workers << " workers until " << closed << "\n  " << day->done
            << " transfers made, " << day->too_late << " given up and undone, " << day->not_enough
            << " refused\n  " << day->audits << " audits, " << day->uneven_audits
            << " of them uneven\n  at the end " << audit.text() << '\n';
  const bool is_even = day->uneven_audits == 0 && audit.in_transit == 0;
  std::cout << (is_even ? "The books balance.\n" : "The books do not balance.\n");
  return is_even;
}

}  // namespace bank
