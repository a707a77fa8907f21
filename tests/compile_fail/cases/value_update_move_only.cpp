// expect: quiesce: Value<T>::update changes a copy: T must be copyable; use set
#include "library.hpp"

#include <quiesce/sync/value.hpp>

#include <memory>

void test(q::Value<std::unique_ptr<int>>& value) {
  value.update([](std::unique_ptr<int>&) {});
}
