#pragma once
// Semaphore: a number of permits; a task that wants more than are free waits until they are given back.
//
//   q::Semaphore uploads(4, "uploads");
//   q::SemaphorePermit permit = co_await uploads.acquire(cx);      // or acquire_many(cx, 3)
//   ...                                                            // given back when `permit` goes out of scope
//
// A permit is an obligation of kind Lease in the ledger of the acquiring task's region (rules L1 to L4): the region cannot close before
// it was given back, and one that its task has left behind is reported as leaked, with where it was acquired.
// First come, first served: a request for many permits is not overtaken by a smaller one behind it (so at most the tasks that already
// waited come before a task: bounded by their number). `try_acquire` overtakes nobody either.
// `close()` refuses every task that waits, and every later one, with Disconnected; permits that are held stay good.
// Cancel-safety: a wait that is cancelled holds no permit and no place. Thread-safety: any thread; acquiring is for tasks, since somebody
// must owe. Refuses: Disconnected; InvalidArgument for none or more than there can ever be; as a reservation does
// (RegionAtCapacity). Cost: one lock each, and the ledger's. It must outlive its permits; `acquire_owned` keeps it alive instead.
#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <source_location>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/sync/wait.hpp"
#include "quiesce/obligation.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

class Semaphore;
namespace detail {
class AcquireOperation;
}

/// Permits that were acquired together. Move-only; its destructor gives them back.
class [[nodiscard]] SemaphorePermit {
 public:
  SemaphorePermit(SemaphorePermit&& other) noexcept
      : semaphore_(std::exchange(other.semaphore_, nullptr)),
        owner_(std::move(other.owner_)),
        lease_(std::move(other.lease_)),
        holder_(other.holder_),
        count_(std::exchange(other.count_, 0)) {}
  SemaphorePermit& operator=(SemaphorePermit&& other) noexcept {
    SemaphorePermit gone(std::move(*this));
    semaphore_ = std::exchange(other.semaphore_, nullptr);
    owner_ = std::move(other.owner_);
    lease_ = std::move(other.lease_);
    holder_ = other.holder_;
    count_ = std::exchange(other.count_, 0);
    return *this;
  }
  ~SemaphorePermit() { release(); }

  /// Now, instead of at the end of its life.
  void release() noexcept;
  /// The permits are not given back: there are fewer from now on.
  void forget() noexcept;
  /// 0 after it was released or moved from.
  std::uint32_t count() const noexcept { return count_; }
  explicit operator bool() const noexcept { return count_ > 0; }

 private:
  friend class detail::AcquireOperation;
  SemaphorePermit(Semaphore& semaphore, std::shared_ptr<Semaphore> owner, Obligation lease, TaskId holder,
                  std::uint32_t count)
      : semaphore_(&semaphore),
        owner_(std::move(owner)),
        lease_(std::move(lease)),
        holder_(holder),
        count_(count) {}

  Semaphore* semaphore_;
  std::shared_ptr<Semaphore> owner_;  // of an owned permit
  Obligation lease_;
  TaskId holder_;
  std::uint32_t count_;
};

namespace detail {

class AcquireOperation : public ListedOperation<AcquireOperation> {
 public:
  using value_type = SemaphorePermit;
  static constexpr const char* what = "a permit of a semaphore";
  static constexpr bool is_granted = true;

  AcquireOperation(Semaphore& semaphore, std::uint32_t count, std::source_location where) noexcept
      : semaphore_(&semaphore), count_(count), where_(where) {}
  AcquireOperation(std::shared_ptr<Semaphore> owner, std::uint32_t count, std::source_location where) noexcept
      : semaphore_(owner.get()), owner_(std::move(owner)), count_(count), where_(where) {}
  AcquireOperation& found() noexcept { return *this; }
  bool try_now() noexcept;
  bool delist(WaitNode& node) noexcept;
  Outcome<SemaphorePermit> take() noexcept;
  void give_back() noexcept;
  WaitSubject subject() const noexcept;
  WaitPlace place() const noexcept;
  void pump(WakeList& woken) noexcept;

 private:
  friend Semaphore;
  Semaphore* semaphore_;
  std::shared_ptr<Semaphore> owner_ = {};
  std::uint32_t count_;
  bool closed_ = false;  // instead of permits it was told this
  std::source_location where_;
};

}  // namespace detail

/// A look at it; the next moment it may be otherwise.
struct SemaphoreStatistics {
  std::uint32_t free = 0;
  std::uint32_t held = 0;
  std::uint32_t waiters = 0;
  std::uint64_t waited = 0;  // acquisitions that had to sleep, since it was made
  bool is_closed = false;
};

class Semaphore {
 public:
  explicit Semaphore(std::uint32_t permits, Name name = {}) noexcept
      : primitive_("semaphore", name), free_(permits) {}

  template <class Caps>
  auto acquire(const BasicCx<Caps>& cx, std::source_location where = std::source_location::current()) {
    return acquire_many(cx, 1, where);
  }
  template <class Caps>
  auto acquire_many(const BasicCx<Caps>& cx, std::uint32_t count,
                    std::source_location where = std::source_location::current()) {
    return Wait<detail::AcquireOperation>(cx.core(), detail::AcquireOperation(*this, count, where));
  }
  /// For select and timeout.
  auto acquire(std::source_location where = std::source_location::current()) {
    return Operation<detail::AcquireOperation>(detail::AcquireOperation(*this, 1, where));
  }
  auto acquire_many(std::uint32_t count, std::source_location where = std::source_location::current()) {
    return Operation<detail::AcquireOperation>(detail::AcquireOperation(*this, count, where));
  }
  /// The permit keeps the semaphore alive.
  template <class Caps>
  static auto acquire_owned(const BasicCx<Caps>& cx, std::shared_ptr<Semaphore> semaphore,
                            std::uint32_t count = 1,
                            std::source_location where = std::source_location::current()) {
    return Wait<detail::AcquireOperation>(cx.core(),
                                          detail::AcquireOperation(std::move(semaphore), count, where));
  }
  /// Without waiting. `nullopt`: they are not free, or others wait for them. Must be called by a task.
  std::optional<Outcome<SemaphorePermit>> try_acquire(
      std::uint32_t count = 1, std::source_location where = std::source_location::current()) noexcept;

  /// So many permits more.
  void add_permits(std::uint32_t count) noexcept;
  void close() noexcept;
  std::uint32_t available_permits() const noexcept;
  SemaphoreStatistics statistics() const noexcept;

 private:
  friend SemaphorePermit;
  friend detail::AcquireOperation;
  void pump(detail::WakeList& woken) noexcept {
    if (!waiters_.empty()) serve(woken);
  }
  void serve(detail::WakeList& woken) noexcept;
  void note_holder(TaskId task) noexcept;
  void put_back(std::uint32_t count, TaskId holder, bool for_good) noexcept;

  detail::Primitive primitive_;
  // Under the lock.
  detail::WaitList waiters_;
  std::uint32_t free_;
  std::uint32_t held_ = 0;
  std::uint32_t holder_count_ = 0;      // permits that were acquired together count once
  std::array<TaskId, 4> holders_ = {};  // of some of them, for reports
  bool closed_ = false;
};

template <>
inline constexpr bool enable_sync<Semaphore> = true;
template <>
inline constexpr bool enable_sendable<SemaphorePermit> = false;

}  // namespace quiesce
