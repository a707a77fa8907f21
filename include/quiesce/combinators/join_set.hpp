#pragma once
// JoinSet: tasks of one result type, joined in the order in which they end.
//
//   q::JoinSet<Page> pages(scope, 16);                             // at most 16 run at a time; without a number, any
//   for (const Url& url : urls) co_await pages.spawn_next(cx, fetch, url);    // waits for a place
//   while (auto ended = co_await pages.join_next(cx)) use(ended->value());    // std::optional<Outcome<Page>>
//
// A set belongs to a scope: its tasks are tasks of that region, which does not close before they have ended; nothing outlives it. The set
// itself is one task's, which may destroy it at any time: what then still runs goes on, as with a handle that was dropped, and a
// failure that nobody has joined goes to the region's policy (S5, R7).
//   spawn(cx, f, args...)        as scope.spawn; refused with RegionAtCapacity when as many run as may
//   spawn_next(cx, f, args...)   the same once there is a place; a cancel point
//   place(cx), place()           until there is a place: a JoinSetPlace, for spawn(place, cx, f, args...); for select
//   join_next(cx), join_next()   the outcome of the next one that has ended; nullopt when none is left; for select too
//   next(cx), next()             the same without its outcome: the handle of a task that has ended, or is just about to
//   join_all(cx)                 all outcomes, in the order of their ends; cancelled while it waits it cancels and drains all (J6)
//   abort_all()                  asks all to stop; at once
//   shutdown(cx)                 asks all to stop, and waits, uncancellably, until they have ended; their outcomes are dropped
// Cancel-safety: a join_next that is cancelled has consumed nothing. Thread-safety: one task at a time. Refuses: as spawn.
// Cost: a spawn, an allocation; a join looks at one task only.
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "quiesce/detail/combinators/turnstile.hpp"
#include "quiesce/scope.hpp"

namespace quiesce {

namespace detail {

/// One task of a set. In the list of all: the owner of the set only; in that of the ended: under the lock.
struct JoinSetMember {
  JoinSetMember* prev = nullptr;
  JoinSetMember* next = nullptr;
  JoinSetMember* ended_next = nullptr;
  virtual ~JoinSetMember() = default;
};
template <class T, class E>
struct JoinSetTask final : JoinSetMember {
  TaskHandle<T, E> handle;
};

/// What a set shares with its tasks: it is there until the last of them has ended.
class JoinSetState {
 public:
  JoinSetState(std::uint32_t running_max, Name name) noexcept
      : places(
            running_max == Turnstile::unbounded ? PrimitiveKind("join set") : PrimitiveKind("join set's limit"),
            running_max, name),
        primitive_("join set", name) {}
  ~JoinSetState();
  JoinSetState(const JoinSetState&) = delete;
  JoinSetState& operator=(const JoinSetState&) = delete;

  // The owner:
  void add(std::unique_ptr<JoinSetMember> member) noexcept;
  /// The member that has ended first; nullptr: none has.
  JoinSetMember* pop_ended() noexcept;
  /// Out of the list of the ended, where it is by now.
  void forget_ended(JoinSetMember& member) noexcept;
  /// Out of the list of all; it is the caller's.
  std::unique_ptr<JoinSetMember> remove(JoinSetMember& member) noexcept;
  JoinSetMember* first() const noexcept { return first_; }
  std::size_t size() const noexcept { return size_; }

  // Any thread:
  void ended(JoinSetMember& member) noexcept;

  /// The member that has ended first, which stays.
  JoinSetMember* front_ended() const noexcept;

  Turnstile places;

 private:
  friend class NextBase;
  bool has_next() const noexcept { return ended_first_ != nullptr || size_ == 0; }

  Primitive primitive_;
  JoinSetMember* first_ = nullptr;
  std::size_t size_ = 0;
  // Under the lock.
  WaitList waiters_;
  JoinSetMember* ended_first_ = nullptr;
  JoinSetMember* ended_last_ = nullptr;
};

/// In the frame of a task of the set: gives its place back and tells when the frame goes. It keeps the state, and so the place, there.
class JoinSetHook {
 public:
  JoinSetHook(std::shared_ptr<JoinSetState> state, JoinSetMember& member, TurnstilePass place) noexcept
      : state_(std::move(state)), member_(&member), place_(std::move(place)) {}
  JoinSetHook(JoinSetHook&& other) noexcept = default;
  JoinSetHook& operator=(JoinSetHook&&) = delete;
  ~JoinSetHook() {
    if (state_ == nullptr) return;
    place_.leave();
    state_->ended(*member_);
  }
  /// It tells nobody; the place is given back all the same.
  void dismiss() noexcept {
    place_.leave();
    state_ = nullptr;
  }

 private:
  std::shared_ptr<JoinSetState> state_;
  JoinSetMember* member_;
  TurnstilePass place_;
};

/// Until one has ended, or is about to, or there is none.
class NextBase : public ListedOperation<NextBase> {
 public:
  static constexpr const char* what = "a task of a set to end";

  explicit NextBase(JoinSetState& state) noexcept : state_(&state) {}
  bool try_now() noexcept;
  WaitPlace place() const noexcept;
  void pump(WakeList& woken) noexcept;

 protected:
  JoinSetState* state_;
};

template <class T, class E>
class NextOperation : public NextBase {
 public:
  using value_type = std::optional<TaskHandle<T, E>>;

  using NextBase::NextBase;
  Outcome<value_type> take() noexcept {
    JoinSetMember* member = state_->pop_ended();
    if (member == nullptr) return Outcome<value_type>::ok(value_type());
    const std::unique_ptr<JoinSetMember> gone = state_->remove(*member);
    return Outcome<value_type>::ok(value_type(std::move(static_cast<JoinSetTask<T, E>&>(*member).handle)));
  }
};

/// A stubborn wait for the end of a task that is about to end. It has no other joiner.
void wait_for_end(TaskRecord& task, Waiter waiter) noexcept;

/// The outcome of the next one. What has won has perhaps not ended altogether: it closes (sync/operation.hpp).
template <class T, class E>
class JoinNextOperation : public NextBase {
 public:
  using value_type = std::optional<Outcome<T, E>>;

  using NextBase::NextBase;
  void armed() noexcept {}
  bool close(bool won) noexcept {
    const JoinSetMember* member = won ? state_->front_ended() : nullptr;
    return member == nullptr || is_done(record_of(*member));
  }
  void close_enlist(WaitNode& node) noexcept { wait_for_end(record_of(*state_->front_ended()), node.waiter); }
  void closed() noexcept {}
  Outcome<value_type> take() noexcept {
    JoinSetMember* member = state_->pop_ended();
    if (member == nullptr) return Outcome<value_type>::ok(value_type());
    const std::unique_ptr<JoinSetMember> gone = state_->remove(*member);
    return Outcome<value_type>::ok(value_type(take_outcome(static_cast<JoinSetTask<T, E>&>(*member).handle)));
  }

 private:
  static TaskRecord& record_of(const JoinSetMember& member) noexcept {
    return *static_cast<const JoinSetTask<T, E>&>(member).handle.detail_record();
  }
};

template <class T, class E, class F, class CxType, class... Args>
Task<T, E> run_member(CxType cx, JoinSetHook, F f, Args... args) {
  auto task = f(cx, std::move(args)...);
  Outcome<T, E> ended = co_await std::move(task).outcome();
  FinishWith<T, E> finish(std::move(ended));
  co_await std::move(finish);
}

SpawnError join_set_full(const Turnstile& places);

}  // namespace detail

/// A place in a JoinSet with a bound. Move-only; its destructor gives it back.
using JoinSetPlace = detail::TurnstilePass;

template <class T, class E = Error>
class JoinSet {
 public:
  static constexpr std::uint32_t unbounded = detail::Turnstile::unbounded;

  template <class P>
  explicit JoinSet(const Scope<P>& scope, std::uint32_t running_max = unbounded, Name name = {})
      : scope_(scope.core()),
        policy_(&detail::PolicyOpsOf<P>::ops),
        state_(std::make_shared<detail::JoinSetState>(running_max, name)) {}
  JoinSet(JoinSet&& other) noexcept = default;
  JoinSet& operator=(JoinSet&&) = delete;
  ~JoinSet() {
    // Tasks that still run will look at their members once more.
    if (state_ != nullptr) for_each([](TaskHandle<T, E>& handle) { handle = TaskHandle<T, E>(); });
  }

  template <class Caps, class F, class... Args>
  std::expected<void, SpawnError> spawn(const BasicCx<Caps>& cx, F&& f, Args&&... args) {
    check<Caps, F, Args...>();
    detail::TurnstilePass place = state_->places.try_enter();
    if (!place) return std::unexpected(detail::join_set_full(state_->places));
    return spawn_at(std::move(place), cx, std::forward<F>(f), std::forward<Args>(args)...);
  }
  /// At a place that was waited for: nobody else has it.
  template <class Caps, class F, class... Args>
  std::expected<void, SpawnError> spawn(JoinSetPlace place, const BasicCx<Caps>& cx, F&& f, Args&&... args) {
    check<Caps, F, Args...>();
    return spawn_at(std::move(place), cx, std::forward<F>(f), std::forward<Args>(args)...);
  }
  template <class Caps>
  auto place(const BasicCx<Caps>& cx) {
    return state_->places.enter(cx.core());
  }
  auto place() { return Operation<detail::EnterOperation>(detail::EnterOperation(state_->places)); }
  template <class Caps, class F, class... Args>
  Task<> spawn_next(const BasicCx<Caps>& cx, F&& f, Args&&... args) {
    check<Caps, F, Args...>();
    return spawn_when_free<Caps, std::decay_t<F>, std::decay_t<Args>...>(cx, std::forward<F>(f),
                                                                         std::forward<Args>(args)...);
  }

  template <class Caps>
  auto next(const BasicCx<Caps>& cx) {
    return Wait<detail::NextOperation<T, E>>(cx.core(), detail::NextOperation<T, E>(*state_));
  }
  auto next() { return Operation<detail::NextOperation<T, E>>(detail::NextOperation<T, E>(*state_)); }
  template <class Caps>
  auto join_next(const BasicCx<Caps>& cx) {
    return Wait<JoinNext>(cx.core(), JoinNext(*state_));
  }
  auto join_next() { return Operation<JoinNext>(JoinNext(*state_)); }
  template <class Caps>
  Task<std::vector<Outcome<T, E>>> join_all(const BasicCx<Caps>& cx) {
    return join_the_rest(Cx(cx.core()));
  }
  void abort_all(std::source_location at = std::source_location::current()) {
    for_each([&](TaskHandle<T, E>& handle) { handle.abort(at); });
  }
  template <class Caps>
  Task<> shutdown(const BasicCx<Caps>&) {
    return drain_all();
  }

  /// Tasks that have not been joined.
  std::size_t size() const noexcept { return state_->size(); }
  bool empty() const noexcept { return size() == 0; }
  /// Of those, tasks that have not ended.
  std::uint32_t running() const noexcept { return state_->places.statistics().inside; }

 private:
  using JoinNext = detail::JoinNextOperation<T, E>;
  template <class Caps, class F, class... Args>
  static constexpr void check() {
    static_assert(detail::Holds<Caps::bits, cap::Spawn::bits>,
                  "quiesce: this context lacks the capability Spawn (cap::Spawn), which a JoinSet needs");
    using Check = detail::spawn_check<F, BasicCx<Caps>, Args...>;
    static_assert(Check::done);
    static_assert(std::same_as<typename Check::value_type, T> && std::same_as<typename Check::error_type, E>,
                  "quiesce: JoinSet<T, E>: the function must return Task<T, E>, with the T and E of the set");
  }
  template <class Each>
  void for_each(Each each) {
    for (detail::JoinSetMember* at = state_->first(); at != nullptr; at = at->next)
      each(static_cast<detail::JoinSetTask<T, E>&>(*at).handle);
  }

  template <class Caps, class F, class... Args>
  std::expected<void, SpawnError> spawn_at(detail::TurnstilePass place, const BasicCx<Caps>& cx, F&& f,
                                           Args&&... args) {
    auto owned = std::make_unique<detail::JoinSetTask<T, E>>();
    detail::JoinSetTask<T, E>& member = *owned;
    std::unique_ptr<SpawnError> refusal;
    detail::PendingSpawn pending(
        detail::begin_spawn(scope_, cx.core(), detail::TaskTier::Task, policy_, true, refusal));
    if (!pending) return std::unexpected(std::move(*refusal));
    detail::TokenMoveOf<Args...> tokens(pending.record());
    if (auto refused = detail::move_tokens(tokens, args...)) return std::unexpected(SpawnError(*refused));
    using Context = BasicCx<Caps>;
    detail::JoinSetHook hook(state_, member, std::move(place));
    try {
      detail_install(pending.record(),
                     detail::run_member<T, E, std::decay_t<F>, Context, detail::received_t<Args>...>(
                         Context(pending.cx()), std::move(hook), std::forward<F>(f),
                         detail::receive_argument(std::forward<Args>(args))...));
    } catch (...) {
      hook.dismiss();
      state_->forget_ended(member);  // by then the hook may have been in a frame that is gone
      throw;
    }
    tokens.keep();
    state_->add(std::move(owned));
    member.handle = TaskHandle<T, E>(&pending.record());
    pending.publish();
    return {};
  }
  template <class Caps, class F, class... Args>
  Task<> spawn_when_free(BasicCx<Caps> cx, F f, Args... args) {
    detail::TurnstilePass place = co_await state_->places.enter(cx.core());
    auto spawned = spawn_at(std::move(place), cx, std::move(f), std::move(args)...);
    co_await std::move(spawned);
  }

  Task<std::vector<Outcome<T, E>>> join_the_rest(Cx cx) {
    std::vector<Outcome<T, E>> outcomes;
    for (;;) {
      auto next_one = co_await join_next(cx).outcome();
      if (!next_one.is_ok()) {
        co_await drain_all();
        detail::FinishWith<std::vector<Outcome<T, E>>, Error> finish(
            std::move(next_one).template failure_as<std::vector<Outcome<T, E>>, Error>());
        co_await std::move(finish);
      }
      std::optional<Outcome<T, E>> ended = std::move(next_one).value();
      if (!ended) co_return outcomes;
      outcomes.push_back(std::move(*ended));
    }
  }
  Task<> drain_all() {
    abort_all();
    for (detail::JoinSetMember* at = state_->first(); at != nullptr; at = at->next) {
      detail::TaskRecord* record = static_cast<detail::JoinSetTask<T, E>&>(*at).handle.detail_record();
      while (!detail::is_done(*record)) co_await detail::WaitAny{{&record, 1}, {}, true};
    }
    for_each([](TaskHandle<T, E>& handle) { (void)detail::take_outcome(handle); });
    while (state_->pop_ended() != nullptr) continue;
    while (state_->first() != nullptr) (void)state_->remove(*state_->first());
  }

  detail::ScopeCore scope_;
  const detail::PolicyOps* policy_;
  std::shared_ptr<detail::JoinSetState> state_;
};

template <class T, class E = Error>
using TaskGroup = JoinSet<T, E>;

template <class T, class E>
inline constexpr bool enable_sendable<JoinSet<T, E>> = false;

}  // namespace quiesce
