#pragma once
// session: requests that are answered, where the answer is an obligation.
//
//   auto [client, server] = q::session::channel<Query, Row>(8, "database");
//
//   Row row = co_await client.call(cx, Query{…});                        // the reply, or this coroutine ends with the failure
//   q::Outcome<Row> outcome = co_await client.call(cx, query).outcome();
//
//   while (auto request = co_await server.recv(cx)) request->reply(look_up(request->value()));
//
// A call is a Task of two operations, for when the request was sent the server may have seen it; in a select:
//   auto pending = co_await client.request(cx, Query{…});                // or select(cx, client.request(query), …)
//   auto first = co_await q::select(cx, pending.reply(), cx.sleep(1s));   // a `pending` that goes leaves the call
//
// A request that was received is an obligation of kind Ack, held by the receiving task (rules L1 to L4): its region cannot close before
// it has been answered or dropped. Dropping it unanswered – the server returned early, failed, was cancelled – gives the caller
// Err(Disconnected) "… was dropped without a reply": no caller waits for ever.
// At most `capacity` requests are queued (1 at least); with that many `call` waits for room. First come, first served.
// Clients may be copied, and used by many tasks; `recv` gives nullopt once the last client is gone and everything was received. When the
// server is gone, every call that was not received, and every later one, ends with Disconnected.
// Cancel-safety: a call that is cancelled before it was received is taken out of the queue, and no server sees it. Later, the
// server is told: `request.is_abandoned()`; its reply is then dropped. A `recv` that is cancelled has received nothing.
// Refuses: `recv` as a reservation does (RegionAtCapacity), the request then stays the first in the queue.
// Values: a request and its reply are moved in and out by the tasks themselves, under no lock; what is left of them is destroyed by
// whichever side lets go last. Thread-safety: client, server and request by one thread each at a time, copies of a client independently.
// Cost: one allocation for each call; two locks, and the ledger's. Memory: less than 128 bytes, whatever the capacity.
#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/channel/session_core.hpp"
#include "quiesce/detail/channel/session_pending.hpp"
#include "quiesce/scope.hpp"
#include "quiesce/sendable.hpp"
#include "quiesce/task.hpp"

namespace quiesce {

namespace detail {

template <class T>
concept SessionValue = std::is_object_v<T> && std::move_constructible<T>;

template <class Req, class Rep>
struct Call final : CallCore {
  Req request;
  std::optional<Rep> reply = {};
  Call(const Primitive& session, Req&& value) : CallCore(session), request(std::move(value)) {}
};

template <class Req, class Rep>
class ReceiveRequest;

}  // namespace detail

namespace session {

/// A request that was received, and the duty to answer it. Move-only; it stays with the task that received it, unless moved on.
template <class Req, class Rep>
class [[nodiscard]] Request {
 public:
  Request(Request&&) noexcept = default;
  Request& operator=(Request&& other) noexcept {
    Request gone(std::move(*this));
    core_ = std::move(other.core_);
    call_ = std::move(other.call_);
    owed_ = std::move(other.owed_);
    return *this;
  }
  ~Request() {
    if (owed_) end(detail::CallState::Dropped);
  }

  /// Good for the life of this object.
  Req& value() noexcept { return call().request; }
  const Req& value() const noexcept { return call().request; }

  /// Once; false: the caller has left, or this was answered before, and `reply` is dropped.
  bool reply(Rep reply) {
    if (!owed_) return false;
    call().reply.emplace(std::move(reply));
    return end(detail::CallState::Replied);
  }
  /// The same with a failure: the call ends with Err(error).
  bool refuse(Error error) {
    if (!owed_) return false;
    call().refusal.emplace(std::move(error));
    return end(detail::CallState::Refused);
  }
  /// The caller was cancelled: nobody waits for the answer.
  bool is_abandoned() const noexcept { return call_->is_abandoned(); }
  bool is_answered() const noexcept { return !owed_; }
  /// The task of `cx` becomes the one that owes, in the scope's region (Obligation::move_to).
  template <class P, class Caps>
  std::expected<void, RegionError> move_to(const Scope<P>& scope, const BasicCx<Caps>& cx) {
    return owed_.move_to(scope, cx);
  }

 private:
  using Call = detail::Call<Req, Rep>;
  friend class detail::ReceiveRequest<Req, Rep>;
  Request(std::shared_ptr<detail::SessionCore> core, detail::CallRef call, Obligation owed) noexcept
      : core_(std::move(core)), call_(std::move(call)), owed_(std::move(owed)) {
    core_->unanswered.fetch_add(1, std::memory_order_relaxed);
  }
  Call& call() const noexcept {
    QUIESCE_ASSERT(call_, "a request that was moved from has no value");
    return static_cast<Call&>(*call_);
  }
  bool end(detail::CallState how) noexcept {
    core_->unanswered.fetch_sub(1, std::memory_order_relaxed);
    Obligation settled(std::move(owed_));
    const bool seen = call_->finish(how);
    if (how != detail::CallState::Dropped) (void)settled.commit();
    return seen;
  }

  std::shared_ptr<detail::SessionCore> core_;
  detail::CallRef call_;
  Obligation owed_;
};

}  // namespace session

namespace detail {

template <class Req, class Rep>
class ReceiveRequest {
 public:
  using value_type = std::optional<session::Request<Req, Rep>>;
  using error_type = Error;
  static constexpr const char* what = "a request of a session";

  ReceiveRequest(std::shared_ptr<SessionCore> core, std::source_location where) noexcept
      : core_(std::move(core)), pop_(core_->queue), where_(where) {}
  bool try_now() noexcept { return pop_.try_now(); }
  void enlist(WaitNode& node) noexcept { pop_.enlist(node); }
  PopOperation& found() noexcept { return pop_; }
  bool delist(WaitNode& node) noexcept { return pop_.delist(node); }
  Outcome<value_type> take() noexcept {
    if (pop_.node() == nullptr) return Outcome<value_type>::ok(std::nullopt);
    auto owed = owe_reply(where_);
    if (!owed) {
      give_back();
      return Outcome<value_type>::err(std::move(owed).error());
    }
    CallRef call(static_cast<CallCore*>(pop_.node()));
    call->taken_by(current_task()->id());
    return Outcome<value_type>::ok(
        value_type(session::Request<Req, Rep>(std::move(core_), std::move(call), std::move(*owed))));
  }
  void give_back() noexcept {
    if (auto* left = static_cast<CallCore*>(pop_.give_back())) {
      const CallRef call(left);
      call->finish(CallState::NoServer);
    }
  }
  WaitSubject subject() const noexcept { return pop_.subject(); }

 private:
  std::shared_ptr<SessionCore> core_;
  PopOperation pop_;
  std::source_location where_;
};

template <class Req, class Rep>
Task<Rep> call_session(Cx cx, std::shared_ptr<SessionCore> core, Req request) {
  const auto* queue = &core->queue;
  auto* call = new Call<Req, Rep>(queue->primitive(), std::move(request));
  const CallRef mine(call);
  const CallGuard guard(*core, *call);
  const bool sent = co_await Wait<CallPush>(cx.core(), CallPush(core->queue, mine));
  if (!sent) call->finish(CallState::NoServer);
  co_await Wait<ReplyWait>(cx.core(), ReplyWait(*call));
  co_return std::move(*call->reply);
}

}  // namespace detail

namespace session {

/// A look at it; the next moment it may be otherwise.
struct Statistics {
  std::uint32_t queued = 0;           // sent and not received
  std::uint32_t unanswered = 0;       // received, and owed
  std::uint32_t waiting_callers = 0;  // for room
  std::uint32_t waiting_servers = 0;
  std::uint64_t waited = 0;  // how often one of these had to sleep, since it was made
};

/// The side that asks. Copyable.
template <class Req, class Rep>
class Client {
 public:
  explicit Client(std::shared_ptr<detail::SessionCore> core) noexcept : core_(std::move(core)) {}
  Client(const Client& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) core_->queue.add_sender();
  }
  Client(Client&&) noexcept = default;
  Client& operator=(Client other) noexcept {
    core_.swap(other.core_);
    return *this;
  }
  ~Client() {
    if (core_ != nullptr) core_->queue.drop_sender();
  }

  template <class Caps>
  Task<Rep> call(const BasicCx<Caps>& cx, Req request) const {
    QUIESCE_ASSERT(core_ != nullptr, "a client that was moved from calls nobody");
    return detail::call_session<Req, Rep>(Cx(cx.core()), core_, std::move(request));
  }
  /// The first half of `call`: PendingReply<Req, Rep>, whose `reply(cx)` is the other. In a select the request goes with an operation
  /// that another was faster than.
  template <class Caps>
  auto request(const BasicCx<Caps>& cx, Req request) const {
    return Wait<Asking>(cx.core(), asking(std::move(request)));
  }
  auto request(Req request) const { return Operation<Asking>(asking(std::move(request))); }
  Statistics statistics() const noexcept { return look(*core_); }

 private:
  using Asking = detail::RequestOperation<Req, Rep>;
  Asking asking(Req&& request) const {
    QUIESCE_ASSERT(core_ != nullptr, "a client that was moved from calls nobody");
    return Asking(core_, std::move(request));
  }
  template <class, class>
  friend class Server;
  static Statistics look(const detail::SessionCore& core) noexcept {
    const detail::NodeQueueStatistics queue = core.queue.statistics();
    return {queue.queued, core.unanswered.load(std::memory_order_relaxed), queue.waiting_senders,
            queue.waiting_receivers, queue.waited};
  }

  std::shared_ptr<detail::SessionCore> core_;
};

/// The side that answers. Move-only; several tasks may receive from it.
template <class Req, class Rep>
class Server {
  using Receive = detail::ReceiveRequest<Req, Rep>;

 public:
  explicit Server(std::shared_ptr<detail::SessionCore> core) noexcept : core_(std::move(core)) {}
  Server(Server&&) noexcept = default;
  Server& operator=(Server&& other) noexcept {
    Server gone(std::move(*this));
    core_ = std::move(other.core_);
    return *this;
  }
  ~Server() { close(); }

  /// std::optional<Request>: nullopt once every client is gone and all was received.
  template <class Caps>
  auto recv(const BasicCx<Caps>& cx, std::source_location where = std::source_location::current()) {
    return Wait<Receive>(cx.core(), operation(where));
  }
  /// For select.
  auto recv(std::source_location where = std::source_location::current()) {
    return Operation<Receive>(operation(where));
  }
  /// As if it were gone. Requests that were received are still owed.
  void close() noexcept {
    if (core_ != nullptr) core_->close();
  }
  Statistics statistics() const noexcept { return Client<Req, Rep>::look(*core_); }

 private:
  Receive operation(std::source_location where) {
    QUIESCE_ASSERT(core_ != nullptr, "a server that was moved from receives nothing");
    return Receive(core_, where);
  }
  std::shared_ptr<detail::SessionCore> core_;
};

template <class Req, class Rep>
std::pair<Client<Req, Rep>, Server<Req, Rep>> channel(std::uint32_t capacity, Name name = {}) {
  static_assert(
      detail::SessionValue<Req> && detail::SessionValue<Rep>,
      "quiesce: session::channel<Req, Rep>: both must be object types that can be moved; where there is "
      "nothing to say use std::monostate");
  auto core = std::make_shared<detail::SessionCore>(name, capacity);
  return {Client<Req, Rep>(core), Server<Req, Rep>(core)};
}

}  // namespace session

template <class Req, class Rep>
inline constexpr bool enable_sendable<session::Client<Req, Rep>> = Sendable<Req>&& Sendable<Rep>;
template <class Req, class Rep>
inline constexpr bool enable_sendable<session::Server<Req, Rep>> = Sendable<Req>&& Sendable<Rep>;
template <class Req, class Rep>
inline constexpr bool enable_sendable<session::Request<Req, Rep>> = false;

}  // namespace quiesce
