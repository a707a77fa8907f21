#pragma once
// A teller takes a customer's order, makes the transfer as a task, and waits for it as long as the customer does.
//
// A transfer takes the money from one account, passes the clearing, pays it into the other account, and writes a receipt. What is
// asked here is who pays back when it is cut short: by the customer's patience, or because the bank closes.
#include <quiesce/scope.hpp>

#include <cstdint>
#include <memory>

#include "books.hpp"
#include "desk.hpp"

namespace bank {

enum class Refunds {
  ByTeller,   // wrong: "it timed out" does not say how far the transfer had come
  ByTransfer  // right: it alone knows, and what follows its payment cannot be cut short
};

struct Bank {
  Books books;
  Desk clearing;
  Desk receipts;
  Refunds refunds;

  Bank(std::size_t accounts, Money each, quiesce::Duration clearing_time, quiesce::Duration receipt_time,
       Refunds who)
      : books(accounts, each),
        clearing("clearing", clearing_time),
        receipts("receipts", receipt_time),
        refunds(who) {}
};

struct Order {
  std::size_t from;
  std::size_t to;
  Money amount;
  quiesce::Duration patience;
};

enum class Served : std::uint8_t { Done, NotEnough, TooLate };

/// Ends Cancelled when it is: the books are even then with Refunds::ByTransfer.
quiesce::Task<Served> serve(quiesce::Cx cx, quiesce::Scope<> scope, std::shared_ptr<Bank> bank, Order order);

}  // namespace bank

template <>
inline constexpr bool quiesce::enable_sync<bank::Bank> = true;
