#include "teller.hpp"

#include <quiesce/handle.hpp>

#include <utility>

namespace bank {
namespace {

namespace q = quiesce;

constexpr const char* not_enough = "there is not enough in the account";

/// Pays back what has left its account, unless it has arrived.
class Transit {
 public:
  Transit(Books& books, const Payment& payment) : books_(books), payment_(payment) {}
  Transit(const Transit&) = delete;
  Transit& operator=(const Transit&) = delete;
  ~Transit() {
    if (!has_arrived_) books_.refund(payment_);
  }
  void arrive() {
    books_.credit(payment_);
    has_arrived_ = true;
  }

 private:
  Books& books_;
  const Payment payment_;
  bool has_arrived_ = false;
};

/// The bug: a request that comes while the receipt is written ends a transfer whose money has arrived.
q::Task<> transfer_refunded_by_teller(q::Cx cx, std::shared_ptr<Bank> bank, Payment payment) {
  if (!bank->books.debit(payment)) co_await q::fail(q::ErrorCode::User, not_enough);
  co_await bank->clearing.serve(cx);
  bank->books.credit(payment);
  co_await bank->receipts.serve(cx);
}

/// Until the money arrives the transfer may be cut short, and is undone; from then on it is done, whatever is asked.
q::Task<> transfer(q::Cx cx, std::shared_ptr<Bank> bank, Payment payment) {
  if (!bank->books.debit(payment)) co_await q::fail(q::ErrorCode::User, not_enough);
  Transit transit(bank->books, payment);
  co_await bank->clearing.serve(cx);
  auto uncancelled = cx.mask();
  transit.arrive();
  co_await bank->receipts.serve(cx);
}

}  // namespace

q::Task<Served> serve(q::Cx cx, q::Scope<> scope, std::shared_ptr<Bank> bank, Order order) {
  const Payment payment{cx.random_u64(), order.from, order.to, order.amount};
  const bool by_teller = bank->refunds == Refunds::ByTeller;
  auto work = co_await scope.spawn(cx, by_teller ? transfer_refunded_by_teller : transfer, bank, payment);
  q::Outcome<> ended = co_await scope.timeout(cx, order.patience, std::move(work)).outcome();
  if (ended.is_ok()) co_return Served::Done;
  if (ended.is_cancelled()) co_await q::cancelled(ended.cancel_reason());
  if (!ended.is_err()) co_await std::move(ended);  // it panicked, and so does this
  if (ended.error().code() != q::ErrorCode::TimedOut) co_return Served::NotEnough;
  if (by_teller) bank->books.refund(payment);
  co_return Served::TooLate;
}

}  // namespace bank
