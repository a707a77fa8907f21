#pragma once
// What `merge` and `buffered` share: tasks that feed one stream through a bounded buffer, in a region that has closed when they return.
//
//  1. The region's body is the consumer. So the region is open while it runs, and a failure or request that ends it ends the rest.
//  2. Each feeder is a task of the region, pinned to its worker, for the frame of a stream cannot be seen. It passes values on, and
//     a failure too, behind them: so the consumer meets it in its place, by its stream. A panic goes to the region at once.
//  3. When the consumer has ended Ok the others are asked to stop by the region itself (RaceLost), which takes no part in the outcome.
//     What they had made and nobody has pulled goes, failures too; a panic stands.
#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "quiesce/detail/channel/node_queue.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/policy.hpp"
#include "quiesce/scope.hpp"
#include "quiesce/stream.hpp"

namespace quiesce {

namespace detail {
Error no_buffering();
}

/// Where a stream comes from: a Stream, or a function that makes one from the context of the task that pulls it.
template <class T, class E = Error>
class StreamSource {
 public:
  StreamSource(Stream<T, E> stream) : opener_(std::make_unique<Made>(std::move(stream))) {}  // NOLINT
  template <class F>
  requires std::same_as<std::invoke_result_t<F&, Cx>, Stream<T, E>> StreamSource(
      F make)  // NOLINT: q::sources(a, b)
      : opener_(std::make_unique<Maker<F>>(std::move(make))) {}

  /// Once. What it is made from stays alive with this object.
  Stream<T, E> open(Cx cx) { return opener_->open(cx); }

 private:
  struct Opener {
    virtual ~Opener() = default;
    virtual Stream<T, E> open(Cx cx) = 0;
  };
  struct Made final : Opener {
    Stream<T, E> stream;
    explicit Made(Stream<T, E> s) : stream(std::move(s)) {}
    Stream<T, E> open(Cx) override { return std::move(stream); }
  };
  template <class F>
  struct Maker final : Opener {
    F make;
    explicit Maker(F f) : make(std::move(f)) {}
    Stream<T, E> open(Cx cx) override { return make(cx); }
  };
  std::unique_ptr<Opener> opener_;
};

namespace detail {

/// Failures that nobody has pulled are nobody's; a panic is everybody's.
struct PanicsOnly {
  PolicyAction on_child_failure(const ChildFailure& failure) const noexcept {
    return failure.kind == OutcomeKind::Panicked ? PolicyAction::CancelRegion : PolicyAction::Continue;
  }
  void aggregate(Outcome<>& so_far, Outcome<> next) const {
    if (next.is_panicked()) so_far = std::move(so_far).join(std::move(next));
  }
};

template <class S>
struct stream_of {
  using type = std::invoke_result_t<S&, Cx>;
};
template <class T, class E>
struct stream_of<Stream<T, E>> {
  using type = Stream<T, E>;
};
template <class T, class E>
struct stream_of<StreamSource<T, E>> {
  using type = Stream<T, E>;
};
template <class S>
using StreamOf = typename stream_of<std::decay_t<S>>::type;
template <class S>
using SourceOf = StreamSource<typename StreamOf<S>::value_type, typename StreamOf<S>::error_type>;

/// The region's own request to stop: the consumer has what it wants.
void stop_feeders(ScopeCore scope) noexcept;
/// The work of the task of `cx` ended Cancelled, and the region was not asked to stop: what that is for the consumer (as O5).
std::optional<Error> cancelled_alone(CxCore cx, const CancelReason& reason);

/// A value on its way, or the failure behind the last one.
template <class V, class E>
struct FeedNode : QueueNode {
  Outcome<V, E> outcome;
  explicit FeedNode(Outcome<V, E> o) : outcome(std::move(o)) {}
};

template <class V, class E>
class FeedPush {
 public:
  using value_type = void;
  using error_type = Error;
  static constexpr const char* what = "room in the buffer of a stream";

  FeedPush(NodeQueue& queue, std::unique_ptr<FeedNode<V, E>> node) noexcept
      : node_(std::move(node)), push_(queue, *node_) {}
  bool try_now() noexcept { return push_.try_now(); }
  void enlist(WaitNode& node) noexcept { push_.enlist(node); }
  PushOperation& found() noexcept { return push_; }
  bool delist(WaitNode& node) noexcept { return push_.delist(node); }
  Outcome<> take() noexcept {
    (void)node_.release();  // it is the queue's
    return Outcome<>::ok();
  }
  void give_back() noexcept { (void)node_.release(); }
  WaitSubject subject() const noexcept { return push_.subject(); }

 private:
  std::unique_ptr<FeedNode<V, E>> node_;
  PushOperation push_;
};

template <class V, class E>
class FeedPop {
 public:
  using value_type = std::unique_ptr<FeedNode<V, E>>;  // null: the last feeder has ended
  using error_type = Error;
  static constexpr const char* what = "a value of the streams behind this one";

  explicit FeedPop(NodeQueue& queue) noexcept : pop_(queue) {}
  bool try_now() noexcept { return pop_.try_now(); }
  void enlist(WaitNode& node) noexcept { pop_.enlist(node); }
  PopOperation& found() noexcept { return pop_; }
  bool delist(WaitNode& node) noexcept { return pop_.delist(node); }
  Outcome<value_type> take() noexcept {
    return Outcome<value_type>::ok(value_type(static_cast<FeedNode<V, E>*>(pop_.node())));
  }
  void give_back() noexcept { delete static_cast<FeedNode<V, E>*>(pop_.give_back()); }
  WaitSubject subject() const noexcept { return pop_.subject(); }

 private:
  PopOperation pop_;
};

/// The buffer. It outlives the region.
template <class V, class E>
class Feed {
 public:
  using Node = FeedNode<V, E>;

  Feed(PrimitiveKind kind, std::uint32_t capacity, std::uint32_t feeders) noexcept
      : queue_(kind, {}, capacity, feeders) {}
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;
  ~Feed() {
    QueueNode* left = queue_.close_receivers();
    while (left != nullptr) delete static_cast<Node*>(std::exchange(left, left->next));
  }

  Wait<FeedPush<V, E>> push(const Cx& cx, Outcome<V, E> outcome) {
    return Wait<FeedPush<V, E>>(cx.core(), FeedPush<V, E>(queue_, std::make_unique<Node>(std::move(outcome))));
  }
  Wait<FeedPop<V, E>> pop(const Cx& cx) { return Wait<FeedPop<V, E>>(cx.core(), FeedPop<V, E>(queue_)); }
  /// The last that a feeder says. Does not wait.
  void fail(E error) {
    auto node = std::make_unique<Node>(Outcome<V, E>::err(std::move(error)));
    if (queue_.push_last(*node)) (void)node.release();
  }
  void leave() noexcept { queue_.drop_sender(); }

 private:
  NodeQueue queue_;
};

template <class V, class E>
struct LeavesFeed {
  Feed<V, E>* feed;
  explicit LeavesFeed(Feed<V, E>* which) : feed(which) {}
  LeavesFeed(const LeavesFeed&) = delete;
  LeavesFeed& operator=(const LeavesFeed&) = delete;
  ~LeavesFeed() { feed->leave(); }
};

/// A feeder around what it does: the failure of that goes behind its values, instead of ending the task.
template <class V, class E>
Task<void, E> run_feeder(Cx cx, Feed<V, E>* feed, Task<void, E> work) {
  const LeavesFeed<V, E> leaves(feed);
  Outcome<void, E> ended = co_await std::move(work).outcome();
  if (ended.is_err()) {
    feed->fail(std::move(ended).error());
    co_return;
  }
  if (ended.is_cancelled()) {
    if (std::optional<Error> error = cancelled_alone(cx.core(), ended.cancel_reason()))
      feed->fail(E(std::move(*error)));
  }
  co_await std::move(ended);
}

template <class T, class E>
Task<void, E> pass_on(Cx cx, Feed<T, E>* feed, StreamSource<T, E>* source) {
  auto stream = source->open(cx);
  while (auto value = co_await stream.next(cx)) co_await feed->push(cx, Outcome<T, E>::ok(std::move(*value)));
}
template <class T, class E>
Task<void, E> merge_feeder(Cx cx, Feed<T, E>* feed, StreamSource<T, E>* source) {
  auto fed = run_feeder(cx, feed, pass_on(cx, feed, source));
  co_await std::move(fed);
}

template <class T, class E>
Stream<T, E> fed_values(Cx cx, Feed<T, E>* feed) {
  for (;;) {
    auto node = co_await feed->pop(cx);
    if (node == nullptr) co_return;
    T value = co_await std::move(node->outcome);
    node.reset();
    co_yield std::move(value);
  }
}

/// The consumer, and when it has ended Ok, the request to the others.
template <class R, class E2, class T, class E, class CxType, class Body>
Task<R, E2> consume(CxType cx, ScopeCore scope, Stream<T, E> values, Body& body) {
  auto task = body(cx, values);
  if constexpr (std::is_void_v<R>) {
    co_await std::move(task);
    stop_feeders(scope);
  } else {
    R result = co_await std::move(task);
    stop_feeders(scope);
    co_return std::move(result);
  }
}

template <class R, class E2, class T, class E, class CxType, class Body>
Task<R, E2> run_merge(CxType cx, std::vector<StreamSource<T, E>> sources, Body body, std::uint32_t capacity) {
  Feed<T, E> feed("merge", capacity, static_cast<std::uint32_t>(sources.size()));
  auto inside = [&](CxType inner, Scope<PanicsOnly>& scope) -> Task<R, E2> {
    for (StreamSource<T, E>& source : sources)
      (void)co_await scope.spawn_local(inner, merge_feeder<T, E>, &feed, &source);
    auto consumed =
        consume<R, E2, T, E, CxType>(inner, scope.core(), fed_values<T, E>(Cx(inner.core()), &feed), body);
    co_return co_await std::move(consumed);
  };
  auto all = region(cx, PanicsOnly(), inside);
  co_return co_await std::move(all);
}

}  // namespace detail

/// A list of sources for `merge`, all of one type.
template <class First, class... More>
auto sources(First&& first, More&&... more) {
  static_assert((detail::SurvivesAwait<First> && ... && detail::SurvivesAwait<More>),
                QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
  std::vector<detail::SourceOf<First>> all;
  all.reserve(1 + sizeof...(More));
  all.emplace_back(std::forward<First>(first));
  (all.emplace_back(std::forward<More>(more)), ...);
  return all;
}

}  // namespace quiesce
