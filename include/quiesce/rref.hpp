#pragma once
// RRef<T>: a reference to a value on a region's heap (rule R9).
//
// Copyable, and sendable when T is const or guards itself (enable_sync<T>). The value lives until the region's last finalizer
// has run. `get(cx)` is checked every time: a typed error, never undefined behaviour, when the region has closed, the reference is
// stale, or the calling task is neither of that region nor below it. Cost: one lock of the region.
#include <expected>
#include <functional>

#include "quiesce/detail/scope/scope_core.hpp"
#include "quiesce/sendable.hpp"

namespace quiesce {

namespace detail {
template <class T>
struct HeapValue final : HeapNode {
  T value;
  template <class... Args>
  explicit HeapValue(Args&&... args) : value(std::forward<Args>(args)...) {}
};
}  // namespace detail

template <class T>
class RRef {
 public:
  RRef() = default;
  explicit RRef(detail::HeapSlot slot) : slot_(slot) {}

  template <class Caps>
  std::expected<std::reference_wrapper<T>, RegionError> get(const BasicCx<Caps>& cx) const {
    auto node = detail::heap_find(slot_, cx.core());
    if (!node) return std::unexpected(std::move(node).error());
    return std::ref(static_cast<detail::HeapValue<std::remove_const_t<T>>*>(*node)->value);
  }
  /// The same value, read only.
  operator RRef<const T>() const requires(!std::is_const_v<T>) { return RRef<const T>(slot_); }
  RegionId region_id() const noexcept { return slot_.region; }

 private:
  detail::HeapSlot slot_;
};

template <class T>
inline constexpr bool enable_sendable<RRef<T>> = std::is_const_v<T> || enable_sync<T>;

}  // namespace quiesce
