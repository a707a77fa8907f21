#pragma once
// What can be waited for: `mutex.lock(cx)` or `rx.recv(cx)` is a wait (wait.hpp) for one of these.
//
// An operation is a small movable object that says how one thing is waited for. All its functions are called by the task that waits;
// they take the primitive's lock (Primitive::Hold) themselves, and throw nothing:
//   using value_type = T;  using error_type = E;
//   bool try_now()               it takes effect, if it can at once. True: `take` comes next
//   void enlist(WaitNode&)       the wait is armed: into the list, and then, in the same critical section, whoever can be is granted
//   bool delist(WaitNode&)       after a wait: out of the list, if it is there. True: it had been granted; `take` or `give_back` is next
//   Outcome<T, E> take()         what it has given, once; Err where the primitive refuses (closed, misuse)
//   void give_back()             instead of `take`: as if it had not been granted
//   WaitSubject subject() const  who is waited for; called while the task waits, by any thread
//   static constexpr const char* what    a literal for reports: "a permit of a semaphore"
// Once the wait is armed an operation takes effect by a claim of it only, never by itself: so of those that one `select` waits for at
// most one does.
//
// Two more things that an operation may be; all of them are called by the task that waits, under no lock.
//  One that *looks again*: being woken says only that what it waits for may have come (Value::wait_until).
//   bool again()                 once it was granted, or `try_now` gave true: false: not yet, and the wait is armed once more. What
//                                was granted until then had no effect that others see; `give_back` undoes it where the wait is not
//                                armed again. May run code of the user, and throw: then the task's coroutine ends Panicked, as by
//                                a child that did
//  One that *closes*: before its task goes on something must be had that no request cuts short (CondVar: the lock).
//   void armed()                 after `enlist` of all that a select waits for, if nothing has come meanwhile
//   bool close(bool won)         after the wait, however it ended: true: nothing is to be waited for
//   void close_enlist(WaitNode&) a stubborn wait is armed: registers it with what ends it, which claims it, at once perhaps
//   void closed()                after that wait
//  The order is: delist, close, again, take. An escalated task (C10) is not kept by `close`.
// Arming once more: in a select the others keep their places meanwhile. They cannot be granted, for the wait is claimed; whoever
// tried takes the node out of the list and marks it (`missed`), and it comes back to the front of its line.
//   bool keep_place(WaitNode&, Waiter)   where the place is worth keeping: Primitive::keep_place under the lock. Else, and where that
//                                gives false, the operation is enlisted anew. Those that look again are always enlisted anew
//
// What a primitive must write to or read from whoever waits – how many permits, where a message goes – it finds by the node
// (waiting_operation). An operation of which it does so has
//   X& found()                   what is to be found: itself, or the part of it that waits
//
// An operation that takes effect by nothing but a grant of its primitive says so: static constexpr bool is_granted = true. Its wait, where
// it is all that its task waits for, is not armed before `enlist` but announced (kernel/task_word.hpp, 2), which spares a transition.
//
// Laws that every operation obeys (docs/laws.md): it is a cancel point, also when it could go on at once; it refuses before it has
// any effect; a request that wins leaves nothing behind; `.outcome()` shows Cancelled or Err instead of ending the coroutine.
#include <concepts>
#include <cstdint>
#include <exception>
#include <utility>

#include "quiesce/detail/sync/primitive.hpp"
#include "quiesce/outcome.hpp"

namespace quiesce::detail {

template <class Op>
concept WaitOperation = std::move_constructible<Op> && requires(Op op, const Op& look, WaitNode& node) {
  typename Op::value_type;
  typename Op::error_type;
  { op.try_now() }
  noexcept->std::same_as<bool>;
  { op.enlist(node) }
  noexcept;
  { op.delist(node) }
  noexcept->std::same_as<bool>;
  { op.take() }
  noexcept->std::same_as<Outcome<typename Op::value_type, typename Op::error_type>>;
  { op.give_back() }
  noexcept;
  { look.subject() }
  noexcept->std::same_as<WaitSubject>;
  { Op::what } -> std::convertible_to<const char*>;
};

enum class Look : std::uint8_t { Yes, NotYet, Threw };

/// What only some operations do; what is null they do not.
struct OperationMore {
  Look (*again)(void*, std::exception_ptr& thrown) noexcept;
  void (*armed)(void*) noexcept;
  bool (*close)(void*, bool won) noexcept;
  void (*close_enlist)(void*, WaitNode&) noexcept;
  void (*closed)(void*) noexcept;
};
/// An operation without its type.
struct OperationOps {
  bool (*try_now)(void*) noexcept;
  void (*enlist)(void*, WaitNode&) noexcept;
  bool (*delist)(void*, WaitNode&) noexcept;
  void (*give_back)(void*) noexcept;
  WaitSubject (*subject)(const void*) noexcept;
  void (*renew)(void*, WaitNode&, Waiter) noexcept;
  const OperationMore* more;
  void* (*found)(void*) noexcept;  // null: nobody looks for it
  bool is_granted;
};

template <class Op>
concept LooksAgain = requires(Op op) {
  { op.again() } -> std::same_as<bool>;
};
template <class Op>
concept Closes = requires(Op op) {
  { op.close(true) } -> std::same_as<bool>;
};
template <class Op>
concept IsFound = requires(Op op) {
  op.found();
};
template <class Op>
constexpr auto found_of_operation() -> void* (*)(void*) noexcept {
  if constexpr (IsFound<Op>) {
    return [](void* op) noexcept -> void* { return &static_cast<Op*>(op)->found(); };
  } else {
    return nullptr;
  }
}

template <class Op>
concept IsGranted = !LooksAgain<Op> && !Closes<Op> && requires {
  requires Op::is_granted;
};

template <class Op>
Look look_again(void* op, std::exception_ptr& thrown) noexcept {
  try {
    return static_cast<Op*>(op)->again() ? Look::Yes : Look::NotYet;
  } catch (...) {
    thrown = std::current_exception();
    return Look::Threw;
  }
}
template <class Op>
constexpr OperationMore operation_more() {
  OperationMore more{};
  if constexpr (LooksAgain<Op>) more.again = look_again<Op>;
  if constexpr (Closes<Op>) {
    more.armed = [](void* op) noexcept { static_cast<Op*>(op)->armed(); };
    more.close = [](void* op, bool won) noexcept { return static_cast<Op*>(op)->close(won); };
    more.close_enlist = [](void* op, WaitNode& node) noexcept { static_cast<Op*>(op)->close_enlist(node); };
    more.closed = [](void* op) noexcept { static_cast<Op*>(op)->closed(); };
  }
  return more;
}
template <class Op>
inline constexpr OperationMore more_of_operation = operation_more<Op>();

template <class Op>
void renew_operation(void* erased, WaitNode& node, Waiter waiter) noexcept {
  Op& op = *static_cast<Op*>(erased);
  if constexpr (requires { op.keep_place(node, waiter); }) {
    if (op.keep_place(node, waiter)) return;
    node.waiter = waiter;
  } else {
    op.delist(node);
    node.renew(waiter);
  }
  op.enlist(node);
}
template <class Op>
inline constexpr OperationOps operation_ops{
    [](void* op) noexcept { return static_cast<Op*>(op)->try_now(); },
    [](void* op, WaitNode& node) noexcept { static_cast<Op*>(op)->enlist(node); },
    [](void* op, WaitNode& node) noexcept { return static_cast<Op*>(op)->delist(node); },
    [](void* op) noexcept { static_cast<Op*>(op)->give_back(); },
    [](const void* op) noexcept { return static_cast<const Op*>(op)->subject(); },
    renew_operation<Op>,
    LooksAgain<Op> || Closes<Op> ? &more_of_operation<Op> : nullptr,
    found_of_operation<Op>(),
    IsGranted<Op>};

/// The subject of a wait for a primitive that knows no holders.
inline WaitSubject subject_of(const Primitive& primitive) noexcept {
  return {primitive.kind(), primitive.name(), {}, 0};
}

/// A timer that grants a node; a node and a timer of one wait. It stays where it is while it is armed.
class WaitAlarm : TimerEntry {
 public:
  void arm(WaitNode& node, Time until) noexcept;
  /// It is not firing either from then on. True: it had granted its node.
  bool disarm() noexcept;

 private:
  static void fired(TimerEntry& entry) noexcept;
  WaitNode* node_ = nullptr;
};

/// Where an operation waits: in which list of what.
struct WaitPlace {
  Primitive* primitive;
  WaitList* list;
};

/// What most operations have in common: a place in one list. Op has
///   WaitPlace place() const      always the same
///   void pump(WakeList&)         under the lock: grants whoever can be, as the primitive does whenever that may have changed
/// and, where all that wait are told together and nothing is kept for later, told_together = true: one that was told while its task
/// looked at something else has been told.
template <class Op>
class ListedOperation {
 public:
  using error_type = Error;

  void enlist(WaitNode& node) noexcept {
    WakeList woken;
    const WaitPlace place = self().place();
    const Primitive::Hold hold(*place.primitive);
    const bool missed = node.missed();
    place.primitive->enlist(*place.list, node);
    self().pump(woken);
    if constexpr (requires { Op::told_together; }) {
      if (missed && node.linked()) place.primitive->grant(*place.list, node, woken);
    }
  }
  bool delist(WaitNode& node) noexcept {
    const WaitPlace place = self().place();
    const Primitive::Hold hold(*place.primitive);
    return place.primitive->delist(*place.list, node);
  }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept {
    const Primitive::Hold hold(*self().place().primitive);
    return Primitive::keep_place(node, waiter);
  }
  void give_back() noexcept {}
  WaitSubject subject() const noexcept { return subject_of(*static_cast<const Op*>(this)->place().primitive); }

 private:
  Op& self() noexcept { return static_cast<Op&>(*this); }
};

}  // namespace quiesce::detail
