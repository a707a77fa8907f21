// Awaitables that are not the library's, of every kind that the language allows.
#include <coroutine>
#include <memory>
#include <utility>
#include <vector>

#include "coroutine_forms/elsewhere_support.hpp"
#include "coroutine_forms/form_support.hpp"

namespace forms {
namespace {

// What they have in common: an object whose identity is checked, and an outcome for await_resume. Whether they suspend is
// the ending's affair, so every kind is tried ready and not.
class Base {
 public:
  explicit Base(At at) : at_(at), probe_(0) {}
  bool await_ready() const { return probe_.value() != 0 || !at_.end.waits; }
  q::Outcome<int> await_resume() const {
    probe_.value();
    return outcome_of(at_);
  }

 protected:
  At at_;
  Probe probe_;
};

struct NeverReady : Base {
  using Base::Base;
  bool await_ready() const { return false; }
};

// ---- the three shapes of await_suspend, resumed at once, later, and before they return ----

struct ResumesInline : NeverReady {
  using NeverReady::NeverReady;
  void await_suspend(std::coroutine_handle<> handle) const { handle.resume(); }
};
struct ResumesElsewhere : Base {
  using Base::Base;
  void await_suspend(std::coroutine_handle<> handle) const { Elsewhere::the().resume(handle); }
};
struct ResumesElsewhereFirst : NeverReady {
  using NeverReady::NeverReady;
  void await_suspend(std::coroutine_handle<> handle) const { Elsewhere::the().resume_and_wait(handle); }
};
struct SaysNo : NeverReady {
  using NeverReady::NeverReady;
  bool await_suspend(std::coroutine_handle<>) const { return probe_.value() != 0; }
};
struct SaysYes : NeverReady {
  using NeverReady::NeverReady;
  bool await_suspend(std::coroutine_handle<> handle) const {
    Elsewhere::the().resume(handle);
    return true;
  }
};
struct SaysYesInline : NeverReady {
  using NeverReady::NeverReady;
  bool await_suspend(std::coroutine_handle<> handle) const {
    handle.resume();
    return true;
  }
};
struct GivesItself : NeverReady {
  using NeverReady::NeverReady;
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) const { return handle; }
};
struct GivesNoop : NeverReady {
  using NeverReady::NeverReady;
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> handle) const {
    Elsewhere::the().resume(handle);
    return std::noop_coroutine();
  }
};
struct GivesNoopTyped : NeverReady {
  using NeverReady::NeverReady;
  std::noop_coroutine_handle await_suspend(std::coroutine_handle<> handle) const {
    Elsewhere::the().resume(handle);
    return std::noop_coroutine();
  }
};
struct AsTemplate : NeverReady {
  using NeverReady::NeverReady;
  template <class P>
  void await_suspend(std::coroutine_handle<P> handle) const {
    Elsewhere::the().resume(handle);
  }
};

FORM(foreign_ready) {
  struct Ready : Base {
    using Base::Base;
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const { std::terminate(); }
  };
  co_return co_await co_await Ready(at);
}
FORM(foreign_void_inline) { co_return co_await co_await ResumesInline(at); }
FORM(foreign_void_elsewhere) { co_return co_await co_await ResumesElsewhere(at); }
FORM(foreign_void_elsewhere_before_it_returns) { co_return co_await co_await ResumesElsewhereFirst(at); }
FORM(foreign_bool_false) { co_return co_await co_await SaysNo(at); }
FORM(foreign_bool_true) { co_return co_await co_await SaysYes(at); }
FORM(foreign_bool_true_inline) { co_return co_await co_await SaysYesInline(at); }
FORM(foreign_handle_of_itself) { co_return co_await co_await GivesItself(at); }
FORM(foreign_handle_of_nothing) { co_return co_await co_await GivesNoop(at); }
FORM(foreign_handle_of_nothing_typed) { co_return co_await co_await GivesNoopTyped(at); }
FORM(foreign_template) { co_return co_await co_await AsTemplate(at); }

// ---- how it is written ----

FORM(foreign_named) {
  ResumesElsewhere named(at);
  co_return co_await co_await named;
}
FORM(foreign_named_const) {
  const ResumesElsewhere named(at);
  co_return co_await co_await named;
}
FORM(foreign_named_and_moved) {
  ResumesElsewhere named(at);
  co_return co_await co_await std::move(named);
}
FORM(foreign_braced) { co_return co_await co_await ResumesElsewhere{at}; }
FORM(foreign_named_outcome) {
  q::Outcome<int> outcome = co_await ResumesElsewhere(at);
  co_return co_await std::move(outcome);
}
FORM(foreign_through_a_pointer) {
  auto held = std::make_unique<ResumesElsewhere>(at);
  co_return co_await co_await *held;
}
FORM(foreign_in_an_argument) {
  co_return co_await take_number(at.fine(), co_await co_await ResumesElsewhere(at));
}
FORM(foreign_beside_temporaries) {
  co_return (Probe(0) + Probe(co_await co_await ResumesElsewhere(at))).value();
}
FORM(foreign_in_a_loop) {
  int sum = 0;
  for (int i = 0; i < 5; ++i) sum += co_await co_await ResumesElsewhere(i == 4 ? at : at.fine());
  co_return sum / 5;
}
FORM(foreign_awaited_many_times) {
  ResumesElsewhere named(at.fine());
  int sum = 0;
  for (int i = 0; i < 3; ++i) sum += co_await co_await named;
  co_await ending(at);
  co_return sum / 3;
}
FORM(foreign_in_a_task_in_a_task) {
  struct Inner {
    static q::Task<int> inner(At here) { co_return co_await co_await SaysYes(here); }
    static q::Task<int> outer(At here) {
      Probe bystander(0);
      co_return co_await inner(here) + bystander.value();
    }
  };
  co_return co_await Inner::outer(at);
}
FORM(foreign_condition) {
  Probe bystander(0);
  if ((co_await ResumesElsewhere(at.fine())).is_ok()) co_return co_await leaf(at);
  co_return bystander.value();
}

// ---- awaitables that have to be asked for their awaiter ----

struct MemberAsk : Base {
  using Base::Base;
  ResumesElsewhere operator co_await() const { return ResumesElsewhere(at_); }
};
struct MemberAskRvalue : Base {
  using Base::Base;
  ResumesElsewhere operator co_await() && { return ResumesElsewhere(at_); }
};
struct MemberAskReference : Base {
  explicit MemberAskReference(At at) : Base(at), inner(at) {}
  ResumesElsewhere inner;
  ResumesElsewhere& operator co_await() { return inner; }
};
struct FreeAsk {
  At at;
  Probe probe;
  explicit FreeAsk(At a) : at(a), probe(0) {}
};
ResumesElsewhere operator co_await(const FreeAsk& ask) { return ResumesElsewhere(ask.at); }
struct FreeAskRvalue : FreeAsk {
  using FreeAsk::FreeAsk;
};
SaysYes operator co_await(FreeAskRvalue&& ask) { return SaysYes(ask.at); }
struct Pinned : NeverReady {
  explicit Pinned(At at) : NeverReady(at), self(this) {}
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  void await_suspend(std::coroutine_handle<> handle) const { Elsewhere::the().resume(handle); }
  q::Outcome<int> await_resume() const { return self == this ? Base::await_resume() : q::Outcome<int>::ok(0); }
  const Pinned* self;
};
struct PinnedAsk : FreeAsk {
  using FreeAsk::FreeAsk;
  PinnedAsk(const PinnedAsk&) = delete;
  Pinned operator co_await() const { return Pinned(at); }
};

FORM(foreign_member_operator) { co_return co_await co_await MemberAsk(at); }
FORM(foreign_member_operator_of_a_name) {
  MemberAsk ask(at);
  co_return co_await co_await ask;
}
FORM(foreign_member_operator_of_an_rvalue) { co_return co_await co_await MemberAskRvalue(at); }
FORM(foreign_member_operator_that_gives_a_reference) {
  MemberAskReference ask(at);
  co_return co_await co_await ask;
}
FORM(foreign_free_operator) { co_return co_await co_await FreeAsk(at); }
FORM(foreign_free_operator_of_a_name) {
  FreeAsk ask(at);
  co_return co_await co_await ask;
}
FORM(foreign_free_operator_of_an_rvalue) { co_return co_await co_await FreeAskRvalue(at); }
FORM(foreign_that_cannot_move) {
  Pinned pinned(at);
  co_return co_await co_await pinned;
}
FORM(foreign_temporary_that_cannot_move) { co_return co_await co_await Pinned(at); }
FORM(foreign_awaiter_that_cannot_move) { co_return co_await co_await PinnedAsk(at); }

// ---- what await_resume gives ----

template <class Give>
struct Gives : NeverReady {
  Give give;
  Gives(At at, Give g) : NeverReady(at), give(std::move(g)) {}
  void await_suspend(std::coroutine_handle<> handle) const { Elsewhere::the().resume(handle); }
  decltype(auto) await_resume() { return give(); }
};

FORM(foreign_gives_nothing) {
  auto nothing = [] {};
  co_await Gives(at, nothing);
  co_return co_await leaf(at);
}
FORM(foreign_gives_an_object) {
  auto object = [] { return Probe(42); };
  Probe got = co_await Gives(at, object);
  co_await ending(at);
  co_return got.value();
}
FORM(foreign_gives_a_move_only_object) {
  auto object = [] { return Lone(42); };
  Lone got = co_await Gives(at, object);
  co_await ending(at);
  co_return got.value();
}
FORM(foreign_gives_a_reference) {
  Probe named(42);
  auto reference = [&]() -> Probe& { return named; };
  Probe& got = co_await Gives(at, reference);
  co_await ending(at);
  co_return &got == &named ? got.value() : 0;
}
FORM(foreign_gives_an_rvalue_reference) {
  Lone named(42);
  auto reference = [&]() -> Lone&& { return std::move(named); };
  Lone got = co_await Gives(at, reference);
  co_await ending(at);
  co_return got.value();
}
FORM(foreign_gives_a_task) {
  auto task = [&] { return leaf(at); };
  co_return co_await co_await Gives(at, task);
}

// ---- exceptions from each of the three functions, caught here or by the task's boundary ----

enum class From { Ready, Suspend, Resume };
template <class Answer>
struct Throws : NeverReady {
  From from;
  Throws(At at, From where) : NeverReady(at), from(where) {}
  void fire(From here) const {
    if (at_.end.how == How::Exception && from == here) throw Boom();
  }
  bool await_ready() const {
    fire(From::Ready);
    return false;
  }
  Answer await_suspend(std::coroutine_handle<> handle) const {
    fire(From::Suspend);
    Elsewhere::the().resume(handle);
    if constexpr (std::same_as<Answer, bool>) return true;
    if constexpr (std::same_as<Answer, std::coroutine_handle<>>) return std::noop_coroutine();
  }
  q::Outcome<int> await_resume() const {
    fire(From::Resume);
    return Base::await_resume();
  }
};

FORM(foreign_throws_from_ready) { co_return co_await co_await Throws<void>(at, From::Ready); }
FORM(foreign_throws_from_resume) { co_return co_await co_await Throws<void>(at, From::Resume); }
FORM(foreign_throws_from_suspend_void) { co_return co_await co_await Throws<void>(at, From::Suspend); }
FORM(foreign_throws_from_suspend_bool) { co_return co_await co_await Throws<bool>(at, From::Suspend); }
FORM(foreign_throws_from_suspend_handle) {
  co_return co_await co_await Throws<std::coroutine_handle<>>(at, From::Suspend);
}
FORM(foreign_throws_from_its_operator) {
  struct Ask : FreeAsk {
    using FreeAsk::FreeAsk;
    ResumesElsewhere operator co_await() const {
      if (at.end.how == How::Exception) throw Boom();
      return ResumesElsewhere(at);
    }
  };
  co_return co_await co_await Ask(at);
}
q::Task<int> catches(At at, From from) {
  bool caught = false;
  q::Outcome<int> outcome = q::Outcome<int>::ok(0);
  try {
    Probe bystander(1);
    outcome = co_await Throws<void>(at, from);
  } catch (const Boom&) { caught = true; }
  if (!caught) co_return co_await std::move(outcome);
  co_await at.cx.yield();  // the wait that was thrown out of is over: another one may begin
  throw Boom();
}
FORM(foreign_exception_from_ready_is_caught) { co_return co_await catches(at, From::Ready); }
FORM(foreign_exception_from_suspend_is_caught) { co_return co_await catches(at, From::Suspend); }
FORM(foreign_exception_from_resume_is_caught) { co_return co_await catches(at, From::Resume); }

// ---- a coroutine type of somebody else's, lazy and with symmetric transfer ----

class Other {
 public:
  struct promise_type {
    std::coroutine_handle<> continuation;
    std::exception_ptr thrown;
    int value = 0;

    Other get_return_object() { return Other(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    auto final_suspend() const noexcept {
      struct Final {
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
          return self.promise().continuation;
        }
        void await_resume() const noexcept {}
      };
      return Final{};
    }
    void return_value(int v) { value = v; }
    void unhandled_exception() { thrown = std::current_exception(); }
  };

  explicit Other(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Other(Other&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  ~Other() {
    if (handle_) handle_.destroy();
  }
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) const {
    handle_.promise().continuation = awaiting;
    return handle_;
  }
  int await_resume() const {
    if (handle_.promise().thrown) std::rethrow_exception(handle_.promise().thrown);
    return handle_.promise().value;
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

struct Hop {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { Elsewhere::the().resume(handle); }
  void await_resume() const noexcept {}
};
Other other_leaf(bool hops, bool throws) {
  Probe bystander(42);
  if (hops) co_await Hop();
  if (throws) throw Boom();
  co_return bystander.value();
}
Other other_outer(bool hops, bool throws) { co_return co_await other_leaf(hops, throws); }

FORM(other_coroutine) {
  int value = co_await other_leaf(at.end.waits, at.end.how == How::Exception);
  co_await ending(at);
  co_return value;
}
FORM(other_coroutine_in_its_own_kind) {
  int value = co_await other_outer(at.end.waits, at.end.how == How::Exception);
  co_await ending(at);
  co_return value;
}
FORM(other_coroutine_in_an_argument) {
  co_return co_await take_number(at, co_await other_leaf(at.end.waits, at.end.how == How::Exception));
}
FORM(standard_suspend_never) {
  co_await std::suspend_never();
  co_return co_await leaf(at);
}

}  // namespace
}  // namespace forms
