#include "fiber.hpp"

#include <cxxabi.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstring>
#include <new>
#include <utility>

#include "quiesce/detail/assert.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUIESCE_LAB_ASAN 1
#elif __has_feature(thread_sanitizer)
#define QUIESCE_LAB_TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define QUIESCE_LAB_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define QUIESCE_LAB_TSAN 1
#endif

#ifdef QUIESCE_LAB_ASAN
#include <sanitizer/asan_interface.h>
#endif
#ifdef QUIESCE_LAB_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace quiesce::lab::detail {

namespace {

namespace context = boost::context::detail;

// Instrumented frames are several times as large.
#if defined(QUIESCE_LAB_ASAN) || defined(QUIESCE_LAB_TSAN)
constexpr std::size_t stack_factor = 4;
#else
constexpr std::size_t stack_factor = 1;
#endif

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

std::size_t whole_pages(std::size_t bytes) { return (bytes + page_bytes() - 1) / page_bytes() * page_bytes(); }

char* map_stack(std::size_t stack_bytes) {
  const std::size_t guard = page_bytes();
  void* mapping = mmap(nullptr, guard + stack_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  if (mprotect(mapping, guard, PROT_NONE) != 0) {
    munmap(mapping, guard + stack_bytes);
    throw std::bad_alloc();
  }
  return static_cast<char*>(mapping);
}

}  // namespace

Fiber::Fiber(std::size_t stack_bytes)
    : mapping_(map_stack(whole_pages(stack_bytes * stack_factor))),
      stack_bytes_(whole_pages(stack_bytes * stack_factor)) {
  context_ = context::make_fcontext(mapping_ + page_bytes() + stack_bytes_, stack_bytes_,
                                    [](context::transfer_t from) {
                                      auto& fiber = *static_cast<Fiber*>(from.data);
                                      fiber.home_ = from.fctx;
                                      fiber.run();
                                    });
#ifdef QUIESCE_LAB_TSAN
  sanitizer_.thread = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
  if (is_idle()) resume();  // leaves for good
#ifdef QUIESCE_LAB_ASAN
  // What is mapped here next must not inherit the poison of frames that were never left.
  __asan_unpoison_memory_region(mapping_ + page_bytes(), stack_bytes_);
#endif
#ifdef QUIESCE_LAB_TSAN
  __tsan_destroy_fiber(sanitizer_.thread);
#endif
  munmap(mapping_, page_bytes() + stack_bytes_);
}

void Fiber::swap_exceptions(void* globals) noexcept {
  ExceptionState mine;
  std::memcpy(&mine, globals, sizeof mine);
  std::swap(mine, exceptions_);
  std::memcpy(globals, &mine, sizeof mine);
}

void Fiber::resume() noexcept {
  void* const globals = abi::__cxa_get_globals();
  swap_exceptions(globals);
#ifdef QUIESCE_LAB_ASAN
  void* fake_stack = nullptr;
  __sanitizer_start_switch_fiber(&fake_stack, mapping_ + page_bytes(), stack_bytes_);
#endif
#ifdef QUIESCE_LAB_TSAN
  sanitizer_.home_thread = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(sanitizer_.thread, 0);
#endif
  context_ = context::jump_fcontext(context_, this).fctx;
#ifdef QUIESCE_LAB_ASAN
  __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  swap_exceptions(globals);
}

void Fiber::suspend() noexcept { leave(false); }

void Fiber::leave(bool for_good) noexcept {
#ifdef QUIESCE_LAB_ASAN
  // Without a place to save it the fake stack of this fiber is freed.
  __sanitizer_start_switch_fiber(for_good ? nullptr : &sanitizer_.fake_stack, sanitizer_.home_bottom,
                                 sanitizer_.home_bytes);
#endif
#ifdef QUIESCE_LAB_TSAN
  __tsan_switch_to_fiber(sanitizer_.home_thread, 0);
#endif
  home_ = context::jump_fcontext(home_, nullptr).fctx;
  QUIESCE_ASSERT(!for_good, "a fiber that was left for good is resumed");
#ifdef QUIESCE_LAB_ASAN
  __sanitizer_finish_switch_fiber(sanitizer_.fake_stack, &sanitizer_.home_bottom, &sanitizer_.home_bytes);
#endif
}

void Fiber::run() noexcept {
#ifdef QUIESCE_LAB_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &sanitizer_.home_bottom, &sanitizer_.home_bytes);
#endif
  while (!is_idle()) {
    entry_(argument_);
    entry_ = nullptr;
    leave(false);
  }
  leave(true);
}

}  // namespace quiesce::lab::detail
