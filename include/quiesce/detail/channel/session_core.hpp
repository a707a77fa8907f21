#pragma once
// A call of a session, without its types, and the waits for it.
//
//  1. A call is one node with two owners: the caller's frame, and the queue or the request that the server holds. Request and reply lie
//     in it, so neither is copied from frame to frame.
//  2. Its state goes from Open to one of the others once, by the server's side, under the lock of the call. The reply is written
//     before, and read after.
//  3. A caller that leaves takes the call out of the queue; if it is there no more, the call is marked abandoned.
#include <atomic>
#include <cstdint>
#include <expected>
#include <optional>
#include <source_location>

#include "quiesce/detail/channel/node_queue.hpp"
#include "quiesce/detail/intrusive_ptr.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/obligation.hpp"

namespace quiesce::detail {

enum class CallState : std::uint8_t { Open, Replied, Refused, Dropped, NoServer };

class CallCore : public QueueNode {
 public:
  explicit CallCore(const Primitive& session) noexcept;
  CallCore(const CallCore&) = delete;
  CallCore& operator=(const CallCore&) = delete;
  virtual ~CallCore() = default;

  /// The server's side, once. True: the caller had not left.
  bool finish(CallState how) noexcept;
  void taken_by(TaskId server) noexcept;
  bool is_abandoned() const noexcept;
  void abandon() noexcept;
  CallState state() const noexcept;
  /// Why there is no reply.
  Error failure() const;

  std::optional<Error> refusal = {};  // written before Refused

 private:
  friend void intrusive_retain(const CallCore* call) noexcept;
  friend void intrusive_release(const CallCore* call) noexcept;
  friend class ReplyWait;

  RefCount references_;
  const char* session_name_;
  Primitive primitive_;
  // Under the lock.
  WaitList caller_;
  CallState state_ = CallState::Open;
  bool abandoned_ = false;
  TaskId server_;
};
void intrusive_retain(const CallCore* call) noexcept;
void intrusive_release(const CallCore* call) noexcept;
using CallRef = IntrusivePtr<CallCore>;

/// What the two ends of a session share.
struct SessionCore {
  NodeQueue queue;
  std::atomic<std::uint32_t> unanswered = 0;  // requests that a server holds

  SessionCore(Name name, std::uint32_t capacity) noexcept : queue("session", name, capacity) {}
  ~SessionCore() { close(); }
  SessionCore(const SessionCore&) = delete;
  SessionCore& operator=(const SessionCore&) = delete;
  /// No server any more: every call that is queued, and every later one, learns it.
  void close() noexcept;
};

/// Whatever ends the frame that waits for a reply, a reply included.
struct CallGuard {
  SessionCore& session;
  CallCore& call;
  CallGuard(SessionCore& s, CallCore& c) noexcept : session(s), call(c) {}
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;
  ~CallGuard();
};

/// The sending of a call. False: there is no server.
class CallPush {
 public:
  using value_type = bool;
  using error_type = Error;
  static constexpr const char* what = "room in a session";

  CallPush(NodeQueue& queue, CallRef call) noexcept : call_(std::move(call)), push_(queue, *call_) {}
  bool try_now() noexcept { return push_.try_now(); }
  void enlist(WaitNode& node) noexcept { push_.enlist(node); }
  PushOperation& found() noexcept { return push_; }
  bool delist(WaitNode& node) noexcept { return push_.delist(node); }
  Outcome<bool> take() noexcept {
    give_back();
    return Outcome<bool>::ok(push_.was_sent());
  }
  void give_back() noexcept {
    if (push_.was_sent()) (void)call_.detach();  // this reference is the queue's
  }
  WaitSubject subject() const noexcept { return push_.subject(); }

 private:
  CallRef call_;
  PushOperation push_;
};

/// The wait until a call has been answered.
class ReplyWait {
 public:
  using value_type = void;
  using error_type = Error;
  static constexpr const char* what = "a reply";

  explicit ReplyWait(CallCore& call) noexcept : call_(&call) {}
  bool try_now() noexcept { return call_->state() != CallState::Open; }
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  Outcome<> take() noexcept;
  void give_back() noexcept {}
  WaitSubject subject() const noexcept;

 private:
  CallCore* call_;
};

/// Why a reply cannot be had twice.
Error reply_taken_before();
/// An obligation to answer, of the running task.
std::expected<Obligation, Error> owe_reply(std::source_location where);

}  // namespace quiesce::detail
