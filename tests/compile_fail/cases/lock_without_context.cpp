// expect: quiesce: an operation without a context is for select only
#include "library.hpp"

#include <quiesce/sync/mutex.hpp>

q::Task<> work(q::Cx, q::Mutex<int>& mutex) { auto guard = co_await mutex.lock(); }
