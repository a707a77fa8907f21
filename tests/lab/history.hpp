#pragma once
// Is what concurrent operations gave explained by some order in which they were done one by one? (linearizability)
//
//   lab_tests::History<QueueModel> history;                       // in the body, around the region of the tasks
//   auto call = history.invoke({.kind = Send, .value = 1});       // in a task, right before the operation
//   co_await tx.send(cx, 1);
//   call.returned({.ok = true});                                  // right after it
//   ...
//   history.check();                                              // lab::check, with the history in its message
//
// The order must keep two calls in their order where one had returned before the other was invoked. A call that ends without
// `returned` was cancelled, and by the laws of the library it has had no effect: it is taken out of the history, so that any effect
// of it is one that nothing explains. Where that is not promised, `leave_open` says that it may have had its effect or not.
//
// A Model is the sequential object:
//   struct QueueModel {
//     struct State { ...; auto operator<=>(const State&) const = default; };       // made as State(): the object when it is new
//     struct Op { ... };  struct Result { ...; bool operator==(const Result&) const = default; };
//     static std::optional<Result> apply(State&, const Op&);          // nullopt: it cannot be done in this state; it waits
//     static std::string text(const Op&, const Result*);              // for messages; nullptr: it has not returned
//   };
// Where one state allows several results, instead: static bool apply(State&, const Op&, const Result* seen): is `seen` (nullptr: any)
// a result that it may have? If so it takes effect.
//
// The search is that of Wing and Gong, "Testing and verifying concurrent objects" (JPDC 17, 1993): any call that was invoked before the
// first return among those left may be next. With Lowe, "Testing for linearizability" (Concurrency and Computation 29(4), 2017), a
// pair of calls done and state reached that has been searched is not searched again. Its cost is exponential in the calls that overlap;
// histories of some dozen calls take microseconds.
// The times are those of the run. dpor() makes one order of steps that do not depend on each other, so calls that overlap in the one
// it makes may follow one another in one that it does not make: explore with random() or pct() too.
#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <list>
#include <optional>
#include <set>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include "quiesce/lab/check.hpp"

namespace quiesce::lab_tests {

template <class M>
concept SeesResults = requires(typename M::State& state, const typename M::Op& op,
                               const typename M::Result* seen) {
  { M::apply(state, op, seen) } -> std::same_as<bool>;
};
template <class M>
concept GivesResults = requires(typename M::State& state, const typename M::Op& op) {
  { M::apply(state, op) } -> std::same_as<std::optional<typename M::Result>>;
};
template <class M>
concept Model = (SeesResults<M> || GivesResults<M>)&&std::totally_ordered<typename M::State>&& requires(
    const typename M::Op& op, const typename M::Result* seen) {
  { M::text(op, seen) } -> std::same_as<std::string>;
};

template <Model M>
class History {
 public:
  using Op = typename M::Op;
  using Result = typename M::Result;
  using State = typename M::State;

 private:
  struct Call {
    Op op;
    std::uint64_t invoked;
    std::uint64_t returned_at = never;
    std::optional<Result> result = {};
  };
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();

 public:
  explicit History(State initial = State()) : initial_(std::move(initial)) {}
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  /// One operation, from its invocation on. It must not outlive the history.
  class [[nodiscard]] Invocation {
   public:
    Invocation(Invocation&& other) noexcept
        : history_(std::exchange(other.history_, nullptr)), call_(other.call_) {}
    Invocation& operator=(Invocation&&) = delete;
    ~Invocation() {
      if (history_ != nullptr) history_->calls_.erase(call_);
    }
    void returned(Result result) {
      call_->returned_at = history_->now_++;
      call_->result = std::move(result);
      history_ = nullptr;
    }
    /// It is not known whether it had its effect.
    void leave_open() { history_ = nullptr; }

   private:
    friend History;
    Invocation(History& history, typename std::list<Call>::iterator call) : history_(&history), call_(call) {}
    History* history_;
    typename std::list<Call>::iterator call_;
  };

  Invocation invoke(Op op) {
    calls_.push_back(Call{std::move(op), now_++});
    return Invocation(*this, std::prev(calls_.end()));
  }
  /// An operation that neither waits nor is cancelled.
  void did(Op op, Result result) { invoke(std::move(op)).returned(std::move(result)); }

  bool is_linearizable() const {
    std::vector<const Call*> calls;
    for (const Call& call : calls_) calls.push_back(&call);
    Search search{std::move(calls)};
    return search.from(std::vector<bool>(search.calls.size()), initial_);
  }
  void check(std::source_location where = std::source_location::current()) const {
    if (!is_linearizable())
      lab::check(false, "no order of the operations explains what they gave:\n" + text(), where);
  }
  /// A line for each call, with the times of its invocation and return.
  std::string text() const {
    std::string all;
    for (const Call& call : calls_) {
      all += std::to_string(call.invoked) + " to " +
             (call.returned_at == never ? "?" : std::to_string(call.returned_at)) + ": " +
             M::text(call.op, call.result ? &*call.result : nullptr) + "\n";
    }
    return all;
  }
  std::size_t size() const { return calls_.size(); }

 private:
  struct Search {
    std::vector<const Call*> calls;  // in the order of their invocations
    std::set<std::pair<std::vector<bool>, State>> seen = {};

    static bool apply(State& state, const Call& call) {
      const Result* result = call.result ? &*call.result : nullptr;
      if constexpr (SeesResults<M>) {
        return M::apply(state, call.op, result);
      } else {
        const std::optional<Result> given = M::apply(state, call.op);
        return given && (result == nullptr || *given == *result);
      }
    }
    /// As deep as there are calls.
    bool from(std::vector<bool> done, const State& state) {
      std::uint64_t first_return = never;
      for (std::size_t i = 0; i < calls.size(); ++i)
        if (!done[i]) first_return = std::min(first_return, calls[i]->returned_at);
      if (first_return == never) return true;  // those that are left may have had no effect
      if (!seen.emplace(done, state).second) return false;
      for (std::size_t i = 0; i < calls.size() && calls[i]->invoked < first_return; ++i) {
        if (done[i]) continue;
        State next = state;
        if (!apply(next, *calls[i])) continue;
        done[i] = true;
        if (from(done, next)) return true;
        done[i] = false;
      }
      return false;
    }
  };

  State initial_;
  std::list<Call> calls_;
  std::uint64_t now_ = 0;
};

}  // namespace quiesce::lab_tests
