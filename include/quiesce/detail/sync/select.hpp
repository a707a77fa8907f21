#pragma once
// The wait for the first of several operations (select.hpp), and sleeping and joining as operations.
//
//  1. Each operation is tried once, with nothing armed: the first that takes effect ends the select.
//  2. Else one wait is armed, and every operation enlisted with its Waiter. Whatever grants one of them claims the wait, and only one
//     claim is won (sync/primitive.hpp): at most one operation takes effect.
//  3. After the wait every operation is taken out of its list. The one that was granted is the winner. A join is not granted: it wins
//     if its task has ended and nothing else was; an ended task whose join does not win keeps its result.
//  4. Operations that look again or close (operation.hpp) are taken out first. If one of them was granted, the others keep their places
//     until it has said whether that is what it waits for; if it is not, one wait is armed for all once more.
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/handle.hpp"

namespace quiesce {

template <class T, class E>
class Next;  // of a Stream

namespace detail {

class SleepOperation {
 public:
  using value_type = void;
  using error_type = Error;
  static constexpr const char* what = "sleep";

  explicit SleepOperation(const Sleep& sleep) noexcept : cx_(sleep.cx_), until_(sleep.until_) {}
  bool try_now() noexcept;
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  Outcome<> take() noexcept;
  void give_back() noexcept {}
  WaitSubject subject() const noexcept { return {what, nullptr, {}, 0}; }

 private:
  CxCore cx_;
  Time until_;
  WaitAlarm alarm_;
};

/// The part of a join that does not depend on the type of the result.
class JoinOperationBase {
 public:
  static constexpr const char* what = "the end of a task";

  explicit JoinOperationBase(TaskRecord* target) noexcept : target_(target) {}
  bool try_now() noexcept;
  void enlist(WaitNode& node) noexcept;
  bool delist(WaitNode& node) noexcept;
  void give_back() noexcept {}
  WaitSubject subject() const noexcept;

 protected:
  TaskRecord* target_;
  std::optional<Error> misuse_ = {};
  bool announced_ = false;
};

template <class T, class E>
class JoinOperation : public JoinOperationBase {
 public:
  using value_type = T;
  using error_type = E;
  static constexpr bool is_granted = false;  // see 3 above

  explicit JoinOperation(TaskRecord* target) noexcept : JoinOperationBase(target) {}
  Outcome<T, E> take() noexcept {
    if (misuse_) return Outcome<T, E>::err(E(std::move(*misuse_)));
    JoinWait wait(CxCore{}, target_, true);
    std::optional<Outcome<T, E>> result;
    collect_result<T, E>(wait, *current_task(), result);
    return std::move(*result);
  }
};

// ---- what may stand in a select ----

template <class Operation, bool Observed>
struct BranchOf {
  using Op = Operation;
  using Outcome = quiesce::Outcome<typename Op::value_type, typename Op::error_type>;
  static constexpr bool observed = Observed;
  /// What the branch gives when it wins.
  using Value = std::conditional_t<
      observed, Outcome,
      std::conditional_t<std::is_void_v<typename Op::value_type>, std::monostate, typename Op::value_type>>;
};

template <class A>
struct Branch {
  static_assert(
      !std::same_as<A, A>,
      "quiesce: select waits for operations of the library: sleep, join, and what channels and locks "
      "give; a Task is none, for dropping it would lose what it has done: spawn it, and select its join. "
      "Where the library gives a Task, docs/laws.md says which operation stands for it");
};
template <class T, class E>
struct Branch<Next<T, E>> {
  static_assert(!std::same_as<T, T>,
                "quiesce: the next value of a Stream is no branch of select: its generator is a coroutine, "
                "which would be left half run when another branch is faster: spawn a task that pulls the "
                "stream and sends into a channel, and select the channel's recv");
};
template <class Op>
struct Branch<Operation<Op>> : BranchOf<Op, false> {};
template <class Op>
struct Branch<Wait<Op>> : BranchOf<Op, false> {};
template <>
struct Branch<Sleep> : BranchOf<SleepOperation, false> {};
template <>
struct Branch<Sleep::Observed> : BranchOf<SleepOperation, true> {};
template <class T, class E>
struct Branch<Join<T, E>> : BranchOf<JoinOperation<T, E>, false> {};

template <class A>
concept ObservedOperation = WaitOperation<typename A::quiesce_operation> &&
    (std::same_as<A, typename Operation<typename A::quiesce_operation>::Observed> ||
     std::same_as<A, typename Wait<typename A::quiesce_operation>::Observed>);
template <ObservedOperation A>
struct Branch<A> : BranchOf<typename A::quiesce_operation, true> {};
template <class A>
concept ObservedJoin = requires(const A& a) {
  a.detail_join();
};
template <ObservedJoin A>
struct Branch<A>
    : BranchOf<typename decltype(std::declval<const A&>().detail_join())::quiesce_operation, true> {};

template <class A>
typename Branch<A>::Op operation_of(A&& branch) {
  using Op = typename Branch<A>::Op;
  if constexpr (requires { std::move(branch).detail_operation(); }) {
    return std::move(branch).detail_operation();
  } else if constexpr (std::same_as<A, Sleep>) {
    return Op(branch);
  } else if constexpr (std::same_as<A, Sleep::Observed>) {
    return Op(branch.detail_sleep());
  } else if constexpr (ObservedJoin<A>) {
    return Op(branch.detail_join().detail_record());
  } else {
    return Op(branch.detail_record());
  }
}

// ---- the wait ----

struct SelectBranch {
  const OperationOps* ops;
  void* op;
  bool is_granted;  // else it is one that wins by a look (3 above)
  LongNode node = {};

  void renew_node(Waiter waiter) noexcept {
    node = LongNode(waiter, ops->found == nullptr ? op : ops->found(op));
  }
};

struct SelectBase {
  std::span<SelectBranch> branches;
  bool biased;
  bool observed;
  bool requested = false;     // a request has ended the wait
  bool others_wait = false;   // those that neither look again nor close have not been taken out of their lists
  std::uint32_t closing = 0;  // the branch that closes
  std::size_t first = 0;      // which is tried first
  std::size_t winner = nobody;
  /// Collects what the winner gave, or `refused`. True: the awaiting coroutine has ended with it.
  bool (*settle)(SelectBase&, TaskRecord&, std::size_t won, Outcome<>* refused) noexcept = nullptr;

  static constexpr std::size_t nobody = ~std::size_t{0};
  SelectBase(bool is_biased, bool observes) : biased(is_biased), observed(observes) {}
  bool start(PromiseBase& self, CxCore cx) noexcept;
  static LeafNext finish(TaskRecord& task, void* data, TaskWord before) noexcept;
  static WaitSubject subject(void* data) noexcept;

 private:
  bool answer(TaskRecord& task, std::size_t won, Outcome<>* refused) noexcept;
  bool refuse_request(TaskRecord& task) noexcept;
  LeafNext begin(TaskRecord& task) noexcept;
  bool go_on(TaskRecord& task, LeafNext next) noexcept;
  LeafNext settle_with(TaskRecord& task, Outcome<>* refused) noexcept;
  LeafNext settle_request(TaskRecord& task) noexcept;
  void delist_with_more() noexcept;
  void delist_others() noexcept;
  bool arm(TaskRecord& task, bool again) noexcept;
  LeafNext close(TaskRecord& task) noexcept;
  LeafNext look(TaskRecord& task) noexcept;
  std::optional<LeafNext> look_at_the_rest(TaskRecord& task, std::size_t but) noexcept;
  static LeafNext finish_closing(TaskRecord& task, void* data, TaskWord before) noexcept;
  static LeafNext start_late(TaskRecord& task, void* data, TaskWord before) noexcept;
  static const LeafOps select_wait, select_closing, select_late;
};

template <class Branch>
constexpr bool branch_is_granted() {
  if constexpr (requires { Branch::Op::is_granted; }) {
    return Branch::Op::is_granted;
  } else {
    return true;
  }
}

template <bool Observed, class... Branches>
class SelectAwaiter;

}  // namespace detail

/// What `select` gives: `co_await` it once.
template <class... Branches>
class [[nodiscard]] Select {
 public:
  using quiesce_awaiter = detail::SelectAwaiter<false, Branches...>;
  using value_type = std::variant<typename Branches::Value...>;
  using Operations = std::tuple<typename Branches::Op...>;

  class [[nodiscard]] Observed {
   public:
    using quiesce_awaiter = detail::SelectAwaiter<true, Branches...>;
    explicit Observed(Select&& select) : select_(std::move(select)) {}

   private:
    friend quiesce_awaiter;
    Select select_;
  };

  Select(const detail::CxCore& cx, bool biased, Operations operations)
      : cx_(cx), biased_(biased), operations_(std::move(operations)) {}
  Observed outcome() && { return Observed(std::move(*this)); }

 private:
  template <bool, class...>
  friend class detail::SelectAwaiter;
  detail::CxCore cx_;
  bool biased_;
  Operations operations_;
};

namespace detail {

template <bool Observed, class... Branches>
class SelectAwaiter : SelectBase {
  using Selected = Select<Branches...>;
  using Variant = typename Selected::value_type;
  static constexpr std::size_t count = sizeof...(Branches);

 public:
  template <class A>
  explicit SelectAwaiter(A&& what) : SelectBase(selected(what).biased_, Observed), what_(&selected(what)) {
    fill(std::make_index_sequence<count>());
    branches = branches_;
  }
  SelectAwaiter(const SelectAwaiter&) = delete;
  SelectAwaiter& operator=(const SelectAwaiter&) = delete;
  bool await_ready() const noexcept { return false; }

  template <class U, class F>
  bool await_suspend(std::coroutine_handle<Promise<U, F>> self) noexcept {
    settle = [](SelectBase& base, TaskRecord& task, std::size_t won, Outcome<>* refused) noexcept {
      auto& select = static_cast<SelectAwaiter&>(base);
      if (refused == nullptr) return select.template take<U, F>(task, won, std::make_index_sequence<count>());
      return select.template fail<U, F>(task, std::move(*refused));
    };
    return start(self.promise(), what_->cx_);
  }

  auto await_resume() {
    if constexpr (Observed) {
      return std::move(*outcome_);
    } else {
      return std::move(*outcome_).value();
    }
  }

 private:
  template <class A>
  static Selected& selected(A& what) {
    if constexpr (Observed) {
      return what.select_;
    } else {
      return what;
    }
  }
  template <std::size_t... I>
  void fill(std::index_sequence<I...>) {
    ((branches_[I] = {&operation_ops<typename Branches::Op>, &std::get<I>(what_->operations_),
                      branch_is_granted<Branches>()}),
     ...);
  }

  template <class U, class F, std::size_t... I>
  bool take(TaskRecord& task, std::size_t won, std::index_sequence<I...>) {
    bool ended = false;
    ((won == I ? void(ended = take_branch<U, F, I>(task)) : void()), ...);
    return ended;
  }
  template <class U, class F, std::size_t I>
  bool take_branch(TaskRecord& task) {
    using Mine = std::tuple_element_t<I, std::tuple<Branches...>>;
    auto outcome = std::get<I>(what_->operations_).take();
    if constexpr (Mine::observed) {
      outcome_.emplace(Outcome<Variant>::ok(Variant(std::in_place_index<I>, std::move(outcome))));
    } else if (!outcome.is_ok()) {
      return fail<U, F>(task, std::move(outcome));
    } else if constexpr (std::is_void_v<typename Mine::Op::value_type>) {
      outcome_.emplace(Outcome<Variant>::ok(Variant(std::in_place_index<I>)));
    } else {
      outcome_.emplace(Outcome<Variant>::ok(Variant(std::in_place_index<I>, std::move(outcome).value())));
    }
    return false;
  }
  template <class U, class F, class T, class E>
  bool fail(TaskRecord& task, Outcome<T, E>&& failure) {
    if constexpr (Observed) {
      outcome_.emplace(std::move(failure).template failure_as<Variant, Error>());
      return false;
    } else {
      end_leaf_with<U, F>(task, std::move(failure));
      return true;
    }
  }

  Selected* what_;
  std::array<SelectBranch, count> branches_;
  std::optional<Outcome<Variant>> outcome_;
};

}  // namespace detail
}  // namespace quiesce
