#pragma once
// What Scope does, without its types.
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <expected>
#include <memory>
#include <optional>
#include <utility>

#include "quiesce/cx.hpp"
#include "quiesce/detail/kernel/records.hpp"
#include "quiesce/spawn_error.hpp"

namespace quiesce::detail {

struct ScopeCore {
  RegionRecord* region = nullptr;
  std::uint32_t generation = 0;
  RegionId id() const { return {region == nullptr ? 0 : region->index, generation}; }
};

/// Admission: counted, with a record, not published yet. nullptr: it was refused, and why.
TaskRecord* begin_spawn(ScopeCore scope, CxCore cx, TaskTier tier, const PolicyOps* policy, bool has_handle,
                        std::unique_ptr<SpawnError>& refused);
void publish_spawn(TaskRecord& task) noexcept;
void abandon_spawn(TaskRecord& task) noexcept;
/// Publishes a blocking task and hands its job to the pool; a refused job ends it Cancelled.
void publish_blocking(TaskRecord& task, BlockingJob& job) noexcept;

/// Rolls an admission back unless `publish` was reached: a throwing factory leaves no trace (S1).
class PendingSpawn {
 public:
  explicit PendingSpawn(TaskRecord* task) : task_(task) {}
  PendingSpawn(const PendingSpawn&) = delete;
  PendingSpawn& operator=(const PendingSpawn&) = delete;
  ~PendingSpawn() {
    if (task_ != nullptr) abandon_spawn(*task_);
  }
  /// False: it was refused.
  explicit operator bool() const { return task_ != nullptr; }
  CxCore cx() const { return {task_, task_->generation.load(std::memory_order_relaxed)}; }
  TaskRecord& record() const { return *task_; }
  TaskRecord* publish() {
    publish_spawn(*task_);
    return std::exchange(task_, nullptr);
  }
  TaskRecord* release() { return std::exchange(task_, nullptr); }

 private:
  TaskRecord* task_;
};

void scope_cancel(ScopeCore scope, const CancelReason& reason) noexcept;
void scope_close(ScopeCore scope) noexcept;
std::optional<Budget> scope_budget(ScopeCore scope);
std::expected<void, RegionError> scope_defer(ScopeCore scope, std::unique_ptr<FinalizerNode> node);

struct HeapSlot {
  RegionId region;
  std::uint32_t index = 0;
};
/// Room for a value; then the value itself, made outside every lock.
std::expected<HeapSlot, RegionError> scope_heap_put(ScopeCore scope, std::unique_ptr<HeapNode> node,
                                                    std::size_t bytes);
/// The node, when `cx` may read it (its region, or a descendant) and the region's heap is alive.
std::expected<HeapNode*, RegionError> heap_find(HeapSlot slot, CxCore cx);

/// R11: a combinator needs a scope of the calling task's own region. The error otherwise.
std::optional<Error> wrong_region(ScopeCore scope, CxCore cx, const char* what);

template <class P>
struct PolicyOpsOf {
  static PolicyAction on_child_failure(void* policy, const ChildFailure& failure) {
    return static_cast<P*>(policy)->on_child_failure(failure);
  }
  static void aggregate(void* policy, Outcome<>& so_far, Outcome<>&& next) {
    static_cast<P*>(policy)->aggregate(so_far, std::move(next));
  }
  static inline P instance{};
  static constexpr bool joins = std::same_as<P, FailFast> || std::same_as<P, CollectAll>;
  static constexpr PolicyOps ops{on_child_failure, aggregate, &instance, joins};
};

template <class F>
struct SyncFinalizer final : FinalizerNode {
  F function;
  explicit SyncFinalizer(F&& f) : function(std::move(f)) {}
  explicit SyncFinalizer(const F& f) : function(f) {}
  void start(TaskRecord&) override { function(); }
};

}  // namespace quiesce::detail
