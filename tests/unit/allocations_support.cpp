#include "unit/allocations.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QUIESCE_COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define QUIESCE_COUNTS_ALLOCATIONS 0
#endif
#endif
#ifndef QUIESCE_COUNTS_ALLOCATIONS
#define QUIESCE_COUNTS_ALLOCATIONS 1
#endif

namespace quiesce::testing_support {
namespace {
constinit thread_local Allocations so_far;
}
Allocations allocations() noexcept { return so_far; }
bool counts_allocations() noexcept { return QUIESCE_COUNTS_ALLOCATIONS != 0; }

#if QUIESCE_COUNTS_ALLOCATIONS
namespace {
void* counted(std::size_t bytes, std::size_t align) {
  ++so_far.count;
  so_far.bytes += bytes;
  align = std::max(align, alignof(std::max_align_t));
  void* memory = std::aligned_alloc(align, (std::max<std::size_t>(bytes, 1) + align - 1) / align * align);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace
#endif

}  // namespace quiesce::testing_support

#if QUIESCE_COUNTS_ALLOCATIONS
void* operator new(std::size_t bytes) { return quiesce::testing_support::counted(bytes, 0); }
void* operator new(std::size_t bytes, std::align_val_t align) {
  return quiesce::testing_support::counted(bytes, static_cast<std::size_t>(align));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
#endif
