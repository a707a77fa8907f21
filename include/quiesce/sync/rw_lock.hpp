#pragma once
// RwLock<T>: a value that many tasks may read at a time, or one may write.
//
//   q::RwLock<Table> table(Table(), "routes");
//   auto seen = co_await table.read(cx);       // *seen is const Table&; others may read beside
//   auto mine = co_await table.write(cx);      // *mine is Table&; nobody else is inside
//   auto still = std::move(mine).downgrade();  // reads on, without letting another writer in between
//
// Writers are preferred, readers come in batches: while a writer waits, readers that come wait too; when a writer leaves, all readers that
// wait then go in as one batch, and then it is the turn of the next writer. Writers among themselves: first come, first served. So:
//   a reader waits for the batch that is inside, if a writer waits already, and for one writer: R + W at most;
//   a writer with w writers before it waits for them, for who is inside, and for a batch after each: (w + 1) · (W + R) at most;
// where W is how long the longest writer stays and R how long the longest of a batch does. `try_read` and `try_write` overtake nobody.
// Guards are those of Mutex (sync/mutex.hpp): they may be held over suspensions, are not sendable, must not outlive their task (it
// ends Panicked), and there is no poisoning.
// Cancel-safety: a wait that is cancelled holds no lock and no place; readers that waited behind a writer that left go on.
// Refuses: InvalidArgument to a task that would wait for itself: it writes, or is one of the first four that read, and wants to
// write, or to read behind a writer that waits; TimedOut where a deadline was given.
// Thread-safety: any thread; waiting is for tasks. Cost: a short critical section each; no allocation.
// It must outlive its guards and every call into it.
#include <array>
#include <optional>
#include <type_traits>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/timed.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

template <class T>
class RwLock;

/// A look at it; the next moment it may be otherwise.
struct RwLockStatistics {
  std::uint32_t readers = 0;  // inside
  bool is_writing = false;
  TaskId writer;  // not valid: nobody writes, or code outside of any task does
  std::uint32_t waiting_readers = 0, waiting_writers = 0;
  std::uint64_t waited = 0;  // locks that had to sleep, since it was made
};

namespace detail {

enum class RwKind : std::uint8_t { Read, Write };

/// The lock of RwLock<T> without its T.
class RawRwLock {
 public:
  explicit RawRwLock(Name name) noexcept : primitive_("reader-writer lock", name) {}
  RwLockStatistics statistics() const noexcept;
  WaitSubject subject() const noexcept;
  const Primitive& primitive() const noexcept { return primitive_; }

  enum class Tried : std::uint8_t { Locked, Busy, Mine };
  Tried try_lock(RwKind kind) noexcept;
  void enlist(RwKind kind, WaitNode& node) noexcept;
  bool delist(RwKind kind, WaitNode& node) noexcept;
  /// The running task has a guard of what was granted, or tried for. Who it is, to be told to `unlock`.
  TaskId count_guard() noexcept;
  /// Of something that no guard was counted for.
  void give_back(RwKind kind) noexcept;
  void unlock(RwKind kind, TaskId who) noexcept;
  void downgrade(TaskId who) noexcept;

 private:
  void pump(WakeList& woken) noexcept;
  bool is_mine(RwKind wants, TaskId me) const noexcept;
  void leave(RwKind kind) noexcept;
  void note_reader(TaskId who) noexcept;
  void forget_reader(TaskId who) noexcept;

  Primitive primitive_;
  // Under the lock.
  WaitList readers_waiting_, writers_waiting_;
  std::uint32_t readers_ = 0;  // inside, those who were granted and have not moved yet among them
  bool writing_ = false;
  bool readers_turn_ = false;  // a writer has left, and those who waited to read go before the next
  std::uint32_t waiting_writers_ = 0;
  TaskId writer_;
  std::array<TaskId, 4> known_readers_{};
};

class RwLockOperationBase {
 public:
  using error_type = Error;

  bool try_now() noexcept {
    const RawRwLock::Tried tried = lock_->try_lock(kind_);
    mine_ = tried == RawRwLock::Tried::Mine;
    return tried != RawRwLock::Tried::Busy;
  }
  void enlist(WaitNode& node) noexcept { lock_->enlist(kind_, node); }
  bool delist(WaitNode& node) noexcept { return lock_->delist(kind_, node); }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept {
    const Primitive::Hold hold(lock_->primitive());
    return Primitive::keep_place(node, waiter);
  }
  void give_back() noexcept {
    if (!mine_) lock_->give_back(kind_);
  }
  WaitSubject subject() const noexcept { return lock_->subject(); }

 protected:
  RwLockOperationBase(RawRwLock& lock, RwKind kind) noexcept : lock_(&lock), kind_(kind) {}
  /// The running task is inside already, and would wait for itself.
  bool is_refused() const noexcept { return mine_; }
  Error why_refused() const;

  RawRwLock* lock_;
  RwKind kind_;

 private:
  bool mine_ = false;
};

/// What a guard has in common: of which lock, and whose it is.
template <class T, RwKind kind>
class RwGuard {
 public:
  RwGuard(RwGuard&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)), who_(other.who_) {}
  RwGuard& operator=(RwGuard&& other) noexcept {
    RwGuard gone(std::move(*this));
    lock_ = std::exchange(other.lock_, nullptr);
    who_ = other.who_;
    return *this;
  }
  ~RwGuard() { unlock(); }

  /// Now, instead of at the end of its life; the value is out of reach from then on.
  void unlock() noexcept {
    if (RwLock<T>* lock = std::exchange(lock_, nullptr)) lock->raw_.unlock(kind, who_);
  }
  /// False after it was unlocked or moved from.
  explicit operator bool() const noexcept { return lock_ != nullptr; }

 protected:
  explicit RwGuard(RwLock<T>& lock) noexcept : lock_(&lock), who_(lock.raw_.count_guard()) {}
  /// Of what is entered already.
  RwGuard(RwLock<T>& lock, TaskId who) noexcept : lock_(&lock), who_(who) {}
  T& value() const noexcept { return lock_->value_; }

  RwLock<T>* lock_;
  TaskId who_;
};

template <class T, RwKind kind>
class RwLockOperation;

}  // namespace detail

/// A place among the readers of one RwLock<T>. Move-only; its destructor leaves.
template <class T>
class [[nodiscard]] ReadGuard : public detail::RwGuard<T, detail::RwKind::Read> {
  using Base = detail::RwGuard<T, detail::RwKind::Read>;

 public:
  const T& operator*() const noexcept { return this->value(); }
  const T* operator->() const noexcept { return &this->value(); }

 private:
  template <class, detail::RwKind>
  friend class detail::RwLockOperation;
  template <class>
  friend class WriteGuard;
  friend RwLock<T>;
  using Base::Base;
};

/// The one writer of one RwLock<T>. Move-only; its destructor unlocks.
template <class T>
class [[nodiscard]] WriteGuard : public detail::RwGuard<T, detail::RwKind::Write> {
  using Base = detail::RwGuard<T, detail::RwKind::Write>;

 public:
  T& operator*() const noexcept { return this->value(); }
  T* operator->() const noexcept { return &this->value(); }
  /// From now on a reader; those that waited to read come in too. Of a guard that holds its lock.
  ReadGuard<T> downgrade() && noexcept {
    RwLock<T>* lock = std::exchange(this->lock_, nullptr);
    lock->raw_.downgrade(this->who_);
    return ReadGuard<T>(*lock, this->who_);
  }

 private:
  template <class, detail::RwKind>
  friend class detail::RwLockOperation;
  friend RwLock<T>;
  using Base::Base;
};

namespace detail {

template <class T, RwKind kind>
class RwLockOperation : public RwLockOperationBase {
 public:
  using value_type = std::conditional_t<kind == RwKind::Read, ReadGuard<T>, WriteGuard<T>>;
  static constexpr const char* what =
      kind == RwKind::Read ? "a reader-writer lock, to read," : "a reader-writer lock, to write,";

  explicit RwLockOperation(RwLock<T>& lock) noexcept : RwLockOperationBase(lock.raw_, kind), of_(&lock) {}
  Outcome<value_type> take() noexcept {
    if (is_refused()) [[unlikely]]
      return Outcome<value_type>::err(why_refused());
    return Outcome<value_type>::ok(value_type(*of_));
  }
  /// Without waiting.
  static std::optional<value_type> try_take(RwLock<T>& lock) noexcept {
    if (lock.raw_.try_lock(kind) != RawRwLock::Tried::Locked) return std::nullopt;
    return std::optional<value_type>(value_type(lock));
  }

 private:
  RwLock<T>* of_;
};

}  // namespace detail

template <class T>
class RwLock {
  static_assert(std::is_object_v<T>, "quiesce: RwLock<T>: T must be an object type, for the value lies inside");
  using Read = detail::RwLockOperation<T, detail::RwKind::Read>;
  using Write = detail::RwLockOperation<T, detail::RwKind::Write>;

 public:
  RwLock() requires std::default_initializable<T> : RwLock(std::in_place, Name()) {}
  explicit RwLock(T value, Name name = {}) : raw_(name), value_(std::move(value)) {}
  /// The value is made where it lies: for one that cannot be moved.
  template <class... Args>
  explicit RwLock(std::in_place_t, Name name, Args&&... args)
      : raw_(name), value_(std::forward<Args>(args)...) {}

  template <class Caps>
  auto read(const BasicCx<Caps>& cx) {
    return Wait<Read>(cx.core(), Read(*this));
  }
  template <class Caps>
  auto write(const BasicCx<Caps>& cx) {
    return Wait<Write>(cx.core(), Write(*this));
  }
  /// For select.
  auto read() { return Operation<Read>(Read(*this)); }
  auto write() { return Operation<Write>(Write(*this)); }
  /// Err(TimedOut) if it is not its turn by then.
  template <class Caps>
  auto read_until(const BasicCx<Caps>& cx, Time until) {
    return detail::wait_until(cx, Read(*this), until, "RwLock::read_until");
  }
  template <class Caps>
  auto write_until(const BasicCx<Caps>& cx, Time until) {
    return detail::wait_until(cx, Write(*this), until, "RwLock::write_until");
  }
  template <class Caps>
  auto read_for(const BasicCx<Caps>& cx, Duration duration) {
    return read_until(cx, cx.now() + duration);
  }
  template <class Caps>
  auto write_for(const BasicCx<Caps>& cx, Duration duration) {
    return write_until(cx, cx.now() + duration);
  }
  /// For select: a duration counts from there.
  auto read_until(Time until) { return detail::wait_until(Read(*this), {until, {}, "RwLock::read_until"}); }
  auto write_until(Time until) { return detail::wait_until(Write(*this), {until, {}, "RwLock::write_until"}); }
  auto read_for(Duration duration) {
    return detail::wait_until(Read(*this), {{}, duration, "RwLock::read_for"});
  }
  auto write_for(Duration duration) {
    return detail::wait_until(Write(*this), {{}, duration, "RwLock::write_for"});
  }
  /// nullopt: a writer is inside or waits; for a writer, anybody. No cancel point. Also for code outside of tasks.
  std::optional<ReadGuard<T>> try_read() noexcept { return Read::try_take(*this); }
  std::optional<WriteGuard<T>> try_write() noexcept { return Write::try_take(*this); }
  RwLockStatistics statistics() const noexcept { return raw_.statistics(); }

 private:
  template <class, detail::RwKind>
  friend class detail::RwGuard;
  template <class, detail::RwKind>
  friend class detail::RwLockOperation;
  friend WriteGuard<T>;
  detail::RawRwLock raw_;
  T value_;
};

template <class T>
inline constexpr bool enable_sync<RwLock<T>> = Sendable<T>;
template <class T>
inline constexpr bool enable_sendable<ReadGuard<T>> = false;
template <class T>
inline constexpr bool enable_sendable<WriteGuard<T>> = false;

}  // namespace quiesce
