#include "books.hpp"

#include <mutex>
#include <numeric>

namespace bank {
namespace {

std::string in_units(Money cents) {
  const std::string rest = std::to_string(cents % 100);
  return std::to_string(cents / 100) + (rest.size() == 1 ? ".0" : ".") + rest;
}

}  // namespace

std::string Audit::text() const {
  return in_units(in_accounts) + " in the accounts and " + in_units(in_transit) + " in transit, of " +
         in_units(paid_in) + " paid in";
}

Books::Books(std::size_t accounts, Money each)
    : paid_in_(static_cast<Money>(accounts) * each), balances_(accounts, each) {}

bool Books::debit(const Payment& payment) {
  std::lock_guard lock(mutex_);
  if (balances_[payment.from] < payment.amount) return false;
  balances_[payment.from] -= payment.amount;
  in_transit_[payment.id] = payment.amount;
  return true;
}

void Books::credit(const Payment& payment) {
  std::lock_guard lock(mutex_);
  in_transit_.erase(payment.id);
  balances_[payment.to] += payment.amount;
}

void Books::refund(const Payment& payment) {
  std::lock_guard lock(mutex_);
  in_transit_.erase(payment.id);
  balances_[payment.from] += payment.amount;
}

Audit Books::audit() {
  std::lock_guard lock(mutex_);
  Audit audit{paid_in_, std::reduce(balances_.begin(), balances_.end(), Money{0}), 0};
  for (const auto& [id, amount] : in_transit_) audit.in_transit += amount;
  return audit;
}

}  // namespace bank
