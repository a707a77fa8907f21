#pragma once
// watch: the latest value of something; receivers read it, and wait until it changes.
//
//   auto [tx, rx] = q::watch::channel<Config>(Config{…}, "config");
//   tx.send(config);                                       // never waits; the value before is gone, seen or not
//   tx.send_modify([](Config& c) { ++c.generation; });     // a changed copy
//
//   std::shared_ptr<const Config> now = rx.read();         // the latest, and it counts as seen
//   auto next = co_await rx.changed(cx);                   // what is newer than what was seen, once there is such
//   auto ready = co_await rx.wait_for(cx, [](const Config& c) { return c.generation > 3; });
//
// No update is lost: a value sent between a read and `changed` is what `changed` gives, at once. Values in between may be skipped: a
// receiver sees the latest, never an older one than it has seen. The initial value counts as seen, and for a later receiver the latest.
// When the sender is gone, `changed` and `wait_for` still give what is new (or what already holds), and then end with
// Err(Disconnected); `read` goes on giving the last value.
// Values are immutable and shared: reading copies a pointer, and a value lives as long as somebody holds it. T's constructors,
// destructors, the functions of `send_modify` and `wait_for` run under no lock. One sender, so `send_modify` loses nothing either; one
// that throws has sent nothing.
// Cancel-safety: `changed` that is cancelled, or loses a select, has seen nothing. `wait_for` may have seen values for which the
// predicate did not hold. Fairness: all that wait are woken by one send, in the order in which they came.
// Receivers may be copied; a copy has seen what the other has. Thread-safety: the sender and each receiver by one thread at a time; of
// one receiver one wait at a time: a second beside it may get Err(InvalidArgument). A receiver stays where it is while it is awaited.
// Cost: one lock each; a send allocates the value. Memory: less than 128 bytes and the value.
#include <concepts>
#include <cstdint>
#include <memory>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/assert.hpp"
#include "quiesce/detail/channel/watch_core.hpp"
#include "quiesce/detail/channel/watch_until.hpp"
#include "quiesce/detail/core/soundness_closure.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

namespace detail {

template <class T>
class WatchChangeOf : public WatchChange {
 public:
  using value_type = std::shared_ptr<const T>;
  using error_type = Error;
  static constexpr const char* what = "a change of a watched value";

  using WatchChange::WatchChange;
  Outcome<value_type> take() noexcept {
    if (WatchCore::Value news = core().read_news(seen()))
      return Outcome<value_type>::ok(std::static_pointer_cast<const T>(std::move(news)));
    return Outcome<value_type>::err(core().gone());
  }
};

}  // namespace detail

namespace watch {

template <class T>
class Receiver {
  using Change = detail::WatchChangeOf<T>;

 public:
  Receiver(std::shared_ptr<detail::WatchCore> core, std::uint64_t seen) noexcept
      : core_(std::move(core)), seen_(seen) {}
  Receiver(const Receiver& other) noexcept : core_(other.core_), seen_(other.seen_) {
    if (core_ != nullptr) core_->add_receiver();
  }
  Receiver(Receiver&& other) noexcept : core_(std::move(other.core_)), seen_(other.seen_) {}
  Receiver& operator=(Receiver other) noexcept {
    core_.swap(other.core_);
    std::swap(seen_, other.seen_);
    return *this;
  }
  ~Receiver() {
    if (core_ != nullptr) core_->drop_receiver();
  }

  /// The latest; it counts as seen.
  std::shared_ptr<const T> read() noexcept { return std::static_pointer_cast<const T>(core().read(&seen_)); }
  /// The latest, without that.
  std::shared_ptr<const T> peek() const noexcept {
    return std::static_pointer_cast<const T>(core().read(nullptr));
  }
  /// Is there something newer than what was seen?
  bool has_changed() const noexcept { return core().has_news(seen_); }

  /// std::shared_ptr<const T>, never null: the latest once it is newer than what was seen; it then counts as seen.
  template <class Caps>
  auto changed(const BasicCx<Caps>& cx) {
    return Wait<Change>(cx.core(), Change(core(), seen_));
  }
  /// For select.
  auto changed() { return Operation<Change>(Change(core(), seen_)); }
  /// std::shared_ptr<const T>, never null: the first value seen for which the predicate holds, the latest now included.
  template <class Caps, class Predicate>
  auto wait_for(const BasicCx<Caps>& cx, Predicate&& holds) {
    static_assert(detail::SurvivesAwait<Predicate>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
    using Until = detail::WatchUntil<T, std::decay_t<Predicate>>;
    return Wait<Until>(cx.core(), Until(core(), seen_, std::forward<Predicate>(holds)));
  }
  /// For select.
  template <class Predicate>
  auto wait_for(Predicate&& holds) {
    static_assert(detail::SurvivesAwait<Predicate>, QUIESCE_DETAIL_MISCOMPILED_CLOSURE);
    using Until = detail::WatchUntil<T, std::decay_t<Predicate>>;
    return Operation<Until>(Until(core(), seen_, std::forward<Predicate>(holds)));
  }
  Statistics statistics() const noexcept { return core().statistics(); }

 private:
  detail::WatchCore& core() const noexcept {
    QUIESCE_ASSERT(core_ != nullptr, "a receiver that was moved from watches nothing");
    return *core_;
  }
  std::shared_ptr<detail::WatchCore> core_;
  std::uint64_t seen_;
};

/// Move-only: one sender.
template <class T>
class Sender {
 public:
  explicit Sender(std::shared_ptr<detail::WatchCore> core) noexcept : core_(std::move(core)) {}
  Sender(Sender&&) noexcept = default;
  Sender& operator=(Sender&& other) noexcept {
    Sender gone(std::move(*this));
    core_ = std::move(other.core_);
    return *this;
  }
  ~Sender() {
    if (core_ != nullptr) core_->close();
  }

  void send(T value) { core().send(std::make_shared<const T>(std::move(value))); }
  /// f(T&), on a copy of the latest, which is then sent.
  template <class F>
  void send_modify(F&& f) {
    static_assert(std::copy_constructible<T>,
                  "quiesce: watch: send_modify changes a copy of the value, so T must be copyable");
    auto changed = std::make_shared<T>(*latest());
    std::forward<F>(f)(*changed);
    core().send(std::move(changed));
  }
  std::shared_ptr<const T> latest() const noexcept {
    return std::static_pointer_cast<const T>(core().read(nullptr));
  }
  /// It has seen what is the latest now.
  Receiver<T> subscribe() const noexcept { return Receiver<T>(core_, core().add_receiver()); }
  Statistics statistics() const noexcept { return core().statistics(); }

 private:
  detail::WatchCore& core() const noexcept {
    QUIESCE_ASSERT(core_ != nullptr, "a sender that was moved from sends nothing");
    return *core_;
  }
  std::shared_ptr<detail::WatchCore> core_;
};

template <class T>
std::pair<Sender<T>, Receiver<T>> channel(T initial, Name name = {}) {
  auto core = std::make_shared<detail::WatchCore>(std::make_shared<const T>(std::move(initial)), name);
  const std::uint64_t seen = core->add_receiver();
  return {Sender<T>(core), Receiver<T>(core, seen)};
}

}  // namespace watch

template <class T>
inline constexpr bool enable_sendable<watch::Sender<T>> = static_cast<bool>(Sendable<T>);
template <class T>
inline constexpr bool enable_sendable<watch::Receiver<T>> = static_cast<bool>(Sendable<T>);

}  // namespace quiesce
