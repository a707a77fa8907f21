#pragma once
// A call of a session in its two halves, each an operation: sending the request, and the wait for its reply.
#include <memory>
#include <optional>
#include <utility>

#include "quiesce/detail/channel/session_core.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

namespace session {
template <class Req, class Rep>
class PendingReply;
}

namespace detail {

template <class Req, class Rep>
struct Call;

template <class Req, class Rep>
class ReplyOperation : public ReplyWait {
 public:
  using value_type = Rep;

  explicit ReplyOperation(Call<Req, Rep>& call) noexcept : ReplyWait(call), call_(&call) {}
  Outcome<Rep> take() noexcept {
    Outcome<> answered = ReplyWait::take();
    if (!answered.is_ok()) return Outcome<Rep>::err(std::move(answered).error());
    if (!call_->reply) return Outcome<Rep>::err(reply_taken_before());
    std::optional<Rep> reply = std::move(call_->reply);
    call_->reply.reset();
    return Outcome<Rep>::ok(std::move(*reply));
  }

 private:
  Call<Req, Rep>* call_;
};

/// Room in the queue; the request is made before, and goes with the operation where that takes no effect.
template <class Req, class Rep>
class RequestOperation {
 public:
  using value_type = session::PendingReply<Req, Rep>;
  using error_type = Error;
  static constexpr const char* what = "room in a session";

  RequestOperation(std::shared_ptr<SessionCore> core, Req&& request)
      : core_(std::move(core)),
        call_(new Call<Req, Rep>(std::as_const(core_->queue).primitive(), std::move(request))),
        push_(core_->queue, call_) {}
  bool try_now() noexcept { return push_.try_now(); }
  void enlist(WaitNode& node) noexcept { push_.enlist(node); }
  PushOperation& found() noexcept { return push_.found(); }
  bool delist(WaitNode& node) noexcept { return push_.delist(node); }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept {
    const Primitive::Hold hold(std::as_const(core_->queue).primitive());
    return Primitive::keep_place(node, waiter);
  }
  Outcome<value_type> take() noexcept {
    const bool sent = push_.take().value();
    if (!sent) call_->finish(CallState::NoServer);
    value_type pending(std::move(core_), std::move(call_));
    if (sent) return Outcome<value_type>::ok(std::move(pending));
    return Outcome<value_type>::err(pending.failure());
  }
  void give_back() noexcept { (void)take(); }
  WaitSubject subject() const noexcept { return push_.subject(); }

 private:
  std::shared_ptr<SessionCore> core_;
  CallRef call_;
  CallPush push_;
};

}  // namespace detail

namespace session {

/// A request that was sent, whose reply has not been had. Move-only; to drop it leaves the call: a request that no server has received
/// is taken back, of another the server is told (is_abandoned).
template <class Req, class Rep>
class [[nodiscard]] PendingReply {
  using Reply = detail::ReplyOperation<Req, Rep>;

 public:
  PendingReply(PendingReply&&) noexcept = default;
  PendingReply& operator=(PendingReply&& other) noexcept {
    PendingReply gone(std::move(*this));
    core_ = std::move(other.core_);
    call_ = std::move(other.call_);
    return *this;
  }
  ~PendingReply() {
    if (call_) const detail::CallGuard leaves(*core_, *call_);
  }

  /// The reply, once; or the failure that `call` would end with. May be waited for again where another operation was faster. This
  /// object stays where it is meanwhile.
  template <class Caps>
  auto reply(const BasicCx<Caps>& cx) {
    return Wait<Reply>(cx.core(), Reply(call()));
  }
  auto reply() { return Operation<Reply>(Reply(call())); }
  /// It has been answered, or nobody will.
  bool is_ready() const noexcept { return call_->state() != detail::CallState::Open; }

 private:
  friend class detail::RequestOperation<Req, Rep>;
  PendingReply(std::shared_ptr<detail::SessionCore> core, detail::CallRef call) noexcept
      : core_(std::move(core)), call_(std::move(call)) {}
  Error failure() const { return call_->failure(); }
  detail::Call<Req, Rep>& call() const noexcept { return static_cast<detail::Call<Req, Rep>&>(*call_); }

  std::shared_ptr<detail::SessionCore> core_;
  detail::CallRef call_;
};

}  // namespace session

template <class Req, class Rep>
inline constexpr bool enable_sendable<session::PendingReply<Req, Rep>> = Sendable<Req>&& Sendable<Rep>;

}  // namespace quiesce
