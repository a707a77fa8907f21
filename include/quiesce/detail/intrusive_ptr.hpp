// IntrusivePtr<T>: a shared owner of a node that counts its own references. One word, noexcept copies.
//
// A node embeds a RefCount (which starts at 1, the reference that IntrusivePtr's adopting constructor takes
// over) and its namespace offers `intrusive_retain(const T*)` and `intrusive_release(const T*)`, both noexcept.
// They are found by argument-dependent lookup and may be defined out of line, so T may be incomplete wherever a
// pointer to it is held.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace quiesce::detail {

template <template <class> class Atomic = std::atomic>
class BasicRefCount {
 public:
  BasicRefCount() noexcept = default;
  BasicRefCount(const BasicRefCount&) = delete;
  BasicRefCount& operator=(const BasicRefCount&) = delete;

  // Relaxed: whoever retains already owns a reference, so nothing has to become visible here.
  void retain() const noexcept { count_.fetch_add(1, std::memory_order_relaxed); }

  // True for the last owner, who must destroy the node. The release half publishes this owner's use of the
  // node; the acquire half (or the acquire load below) of the last owner pairs with it, so destruction comes
  // after every use.
  [[nodiscard]] bool release() const noexcept {
    return is_unique() || count_.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

  // Acquire pairs with the decrement of whoever let go last: a sole owner may write to the node, or destroy it.
  // With one owner nobody else can be retaining, so the answer cannot become stale.
  [[nodiscard]] bool is_unique() const noexcept { return count_.load(std::memory_order_acquire) == 1; }

 private:
  mutable Atomic<std::uint32_t> count_{1};
};
using RefCount = BasicRefCount<>;

template <class T>
class IntrusivePtr {
 public:
  constexpr IntrusivePtr() noexcept = default;
  explicit constexpr IntrusivePtr(T* adopted) noexcept : node_(adopted) {}

  IntrusivePtr(const IntrusivePtr& other) noexcept : node_(other.node_) {
    if (node_ != nullptr) intrusive_retain(node_);
  }
  constexpr IntrusivePtr(IntrusivePtr&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  IntrusivePtr& operator=(const IntrusivePtr& other) noexcept {
    IntrusivePtr(other).swap(*this);
    return *this;
  }
  IntrusivePtr& operator=(IntrusivePtr&& other) noexcept {
    IntrusivePtr(std::move(other)).swap(*this);
    return *this;
  }
  ~IntrusivePtr() {
    if (node_ != nullptr) intrusive_release(node_);
  }

  void swap(IntrusivePtr& other) noexcept { std::swap(node_, other.node_); }
  // Gives up ownership without releasing: for destructors that walk a chain in a loop.
  [[nodiscard]] T* detach() noexcept { return std::exchange(node_, nullptr); }

  [[nodiscard]] T* get() const noexcept { return node_; }
  T* operator->() const noexcept { return node_; }
  T& operator*() const noexcept { return *node_; }
  explicit operator bool() const noexcept { return node_ != nullptr; }
  friend bool operator==(const IntrusivePtr&, const IntrusivePtr&) noexcept = default;

 private:
  T* node_ = nullptr;
};

}  // namespace quiesce::detail
