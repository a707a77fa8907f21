#pragma once
// The wait of a watch's receiver until a predicate holds: it looks again at each change (sync/operation.hpp).
#include <memory>
#include <utility>

#include "quiesce/detail/channel/watch_core.hpp"

namespace quiesce::detail {

template <class T, class Predicate>
class WatchUntil : public WatchChange {
 public:
  using value_type = std::shared_ptr<const T>;
  using error_type = Error;
  static constexpr const char* what = "a watched value to become what is waited for";

  WatchUntil(WatchCore& core, std::uint64_t& seen, Predicate holds)
      : WatchChange(core, seen), holds_(std::move(holds)) {}
  bool try_now() noexcept { return is_first_ || WatchChange::try_now(); }
  bool again() {
    const WatchCore::Value now =
        std::exchange(is_first_, false) ? core().read(&seen()) : core().read_news(seen());
    if (now == nullptr) return true;  // the sender is gone
    auto value = std::static_pointer_cast<const T>(now);
    if (!holds_(*value)) return false;
    found_ = std::move(value);
    return true;
  }
  Outcome<value_type> take() noexcept {
    if (found_ != nullptr) return Outcome<value_type>::ok(std::move(found_));
    return Outcome<value_type>::err(core().gone());
  }

 private:
  Predicate holds_;
  value_type found_;
  bool is_first_ = true;  // the latest is looked at, seen or not
};

}  // namespace quiesce::detail
