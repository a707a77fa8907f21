// Locks may be shared between tasks where what they guard may go to another.
#include "library.hpp"

#include <quiesce/sync/mutex.hpp>
#include <quiesce/sync/once_cell.hpp>
#include <quiesce/sync/rw_lock.hpp>
#include <quiesce/sync/value.hpp>

#include <memory>

q::Task<> work(q::Cx, std::shared_ptr<q::Mutex<int>>, std::shared_ptr<q::RwLock<std::string>>,
               std::shared_ptr<q::OnceCell<int>>, std::shared_ptr<q::Value<std::string>>);

void test(q::Cx cx, q::Scope<>& scope) {
  (void)scope.spawn(cx, work, std::make_shared<q::Mutex<int>>(1), std::make_shared<q::RwLock<std::string>>("a"),
                    std::make_shared<q::OnceCell<int>>(), std::make_shared<q::Value<std::string>>("b"));
}
