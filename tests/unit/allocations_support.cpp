#include "unit/allocations.hpp"

#include <malloc.h>

#include <cerrno>
#include <cstdlib>

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

#if QUIESCE_COUNTS_ALLOCATIONS
void* counted(void* memory, std::size_t bytes) noexcept {
  if (memory == nullptr) return nullptr;
  ++so_far.count;
  so_far.bytes += bytes;
  ++so_far.live_count;
  so_far.live_bytes += static_cast<std::int64_t>(malloc_usable_size(memory));
  return memory;
}
void goes(void* memory) noexcept {
  if (memory == nullptr) return;
  --so_far.live_count;
  so_far.live_bytes -= static_cast<std::int64_t>(malloc_usable_size(memory));
}
#endif
}  // namespace

Allocations allocations() noexcept { return so_far; }
bool counts_allocations() noexcept { return QUIESCE_COUNTS_ALLOCATIONS != 0; }

}  // namespace quiesce::testing_support

// The names under which glibc has its own allocator are for who replaces it; `new` comes by here too.
#if QUIESCE_COUNTS_ALLOCATIONS
using quiesce::testing_support::counted;
using quiesce::testing_support::goes;

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t bytes) noexcept { return counted(__libc_malloc(bytes), bytes); }
void* calloc(std::size_t n, std::size_t bytes) noexcept { return counted(__libc_calloc(n, bytes), n * bytes); }
void* realloc(void* memory, std::size_t bytes) noexcept {
  goes(memory);
  return counted(__libc_realloc(memory, bytes), bytes);
}
void* memalign(std::size_t align, std::size_t bytes) noexcept {
  return counted(__libc_memalign(align, bytes), bytes);
}
void* aligned_alloc(std::size_t align, std::size_t bytes) noexcept { return memalign(align, bytes); }
int posix_memalign(void** memory, std::size_t align, std::size_t bytes) noexcept {
  *memory = memalign(align, bytes);
  return *memory == nullptr ? ENOMEM : 0;
}
void free(void* memory) noexcept {
  goes(memory);
  __libc_free(memory);
}
}
#endif
