#pragma once
// The books of the bank: what is in the accounts, and what is on its way between two of them.
//
// Each function is one entry under one lock. The lock is the lab's, so that the lab sees what tasks share; in the running bank it
// is a std::mutex and costs no more.
#include <quiesce/lab/mutex.hpp>
#include <quiesce/sendable.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bank {

using Money = std::int64_t;       // in cents
using PaymentId = std::uint64_t;  // drawn

struct Payment {
  PaymentId id;
  std::size_t from;
  std::size_t to;
  Money amount;
};

/// What an auditor finds.
struct Audit {
  Money paid_in;
  Money in_accounts;
  Money in_transit;

  bool balances() const { return in_accounts + in_transit == paid_in; }
  std::string text() const;
};

class Books {
 public:
  Books(std::size_t accounts, Money each);

  /// From the account into transit. False when there is not enough.
  bool debit(const Payment& payment);
  /// Out of transit to the account that it is for.
  void credit(const Payment& payment);
  /// Out of transit to the account that it came from.
  void refund(const Payment& payment);
  Audit audit();

 private:
  quiesce::lab::mutex mutex_{"books"};
  const Money paid_in_;
  std::vector<Money> balances_;
  std::map<PaymentId, Money> in_transit_;
};

}  // namespace bank

template <>
inline constexpr bool quiesce::enable_sync<bank::Books> = true;
