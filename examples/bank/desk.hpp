#pragma once
// A desk of the bank that serves one after the other: the clearing of payments, the writing of receipts.
#include <quiesce/cx.hpp>
#include <quiesce/lab/mutex.hpp>
#include <quiesce/sendable.hpp>
#include <quiesce/task.hpp>

#include <mutex>
#include <string_view>

namespace bank {

class Desk {
 public:
  Desk(std::string_view name, quiesce::Duration each) : mutex_(name), each_(each) {}

  /// Waits for its turn and until it has been served. A cancel point.
  quiesce::Task<> serve(quiesce::Cx cx) { co_await cx.sleep_until(book(cx.now())); }

 private:
  quiesce::Time book(quiesce::Time now) {
    std::lock_guard lock(mutex_);
    return free_from_ = (free_from_ < now ? now : free_from_) + each_;
  }

  quiesce::lab::mutex mutex_;
  const quiesce::Duration each_;
  quiesce::Time free_from_;
};

}  // namespace bank
