#include "quiesce/channel/session.hpp"

#include <string>

#include "quiesce/detail/kernel/kernel.hpp"

namespace quiesce::detail {

void intrusive_retain(const CallCore* call) noexcept { call->references_.retain(); }
void intrusive_release(const CallCore* call) noexcept {
  if (call->references_.release()) delete call;
}

CallCore::CallCore(const Primitive& session) noexcept
    : session_name_(session.name()), primitive_("session reply") {}

bool CallCore::finish(CallState how) noexcept {
  WakeList woken;
  const Primitive::Hold hold(primitive_);
  state_ = how;
  primitive_.grant_all(caller_, woken);
  return !abandoned_;
}

void CallCore::taken_by(TaskId server) noexcept {
  const Primitive::Hold hold(primitive_);
  server_ = server;
}

bool CallCore::is_abandoned() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return abandoned_;
}

void CallCore::abandon() noexcept {
  const Primitive::Hold hold(primitive_);
  abandoned_ = true;
}

CallState CallCore::state() const noexcept {
  const Primitive::Hold hold(primitive_, Use::Read);
  return state_;
}

Error CallCore::failure() const {
  const CallState ended = state();
  if (ended == CallState::Refused) return *refusal;
  std::string text = "session ";
  if (session_name_ != nullptr) text.append(session_name_).append(": ");
  text += ended == CallState::Dropped ? "the request was dropped without a reply"
                                      : "there is no server any more: nobody will answer";
  return Error(ErrorCode::Disconnected, std::move(text));
}

void SessionCore::close() noexcept {
  QueueNode* left = queue.close_receivers();
  while (left != nullptr) {
    const CallRef call(static_cast<CallCore*>(std::exchange(left, left->next)));
    call->finish(CallState::NoServer);
  }
}

CallGuard::~CallGuard() {
  if (call.state() != CallState::Open) return;
  if (session.queue.remove(call)) {
    const CallRef queued(&call);
  } else {
    call.abandon();
  }
}

void ReplyWait::enlist(WaitNode& node) noexcept {
  WakeList woken;
  const Primitive::Hold hold(call_->primitive_);
  call_->primitive_.enlist(call_->caller_, node);
  if (call_->state_ != CallState::Open) call_->primitive_.grant_all(call_->caller_, woken);
}

bool ReplyWait::delist(WaitNode& node) noexcept {
  const Primitive::Hold hold(call_->primitive_);
  return call_->primitive_.delist(call_->caller_, node);
}

Outcome<> ReplyWait::take() noexcept {
  if (call_->state() == CallState::Replied) return Outcome<>::ok();
  return Outcome<>::err(call_->failure());
}

WaitSubject ReplyWait::subject() const noexcept {
  const Primitive::Hold hold(call_->primitive_, Use::Read);
  WaitSubject subject{"session", call_->session_name_, {}, 0};
  if (call_->server_.is_valid()) {
    subject.holders[0] = call_->server_;
    subject.holder_count = 1;
  }
  return subject;
}

Error reply_taken_before() {
  return Error(ErrorCode::PolledAfterCompletion,
               "session: the reply of this request was taken before: wait for it once, and keep it");
}

std::expected<Obligation, Error> owe_reply(std::source_location where) {
  TaskRecord* task = current_task();
  if (task == nullptr)
    return std::unexpected(
        Error(ErrorCode::ForeignContext, "session: a reply is an obligation, and no task runs here to owe it"));
  auto owed = Obligation::detail_reserve(CxCore{task, task->id().generation}, ObligationKind::Ack, where);
  if (!owed) return std::unexpected(Error(std::move(owed).error()));
  return std::move(*owed);
}

}  // namespace quiesce::detail
