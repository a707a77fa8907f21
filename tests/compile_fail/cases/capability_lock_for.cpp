// expect: quiesce: this context lacks the capability Time (cap::Time), which a wait with a deadline needs
#include "library.hpp"

#include <quiesce/sync/mutex.hpp>

q::Task<> work(q::BasicCx<q::cap::Spawn> cx, q::Mutex<int>& mutex) {
  auto guard = co_await mutex.lock_for(cx, q::Duration(1));
}
