#include "quiesce/detail/lab/body.hpp"

#include <map>
#include <mutex>
#include <string_view>

#include "fnv.hpp"

// The part of libbacktrace that is used here; its header lies in a directory of gcc's own that clang does not search.
extern "C" {
struct backtrace_state;
backtrace_state* backtrace_create_state(const char* file, int threaded, void (*error)(void*, const char*, int),
                                        void* data);
int backtrace_syminfo(backtrace_state*, std::uintptr_t address,
                      void (*found)(void* data, std::uintptr_t pc, const char* symbol, std::uintptr_t value,
                                    std::uintptr_t size),
                      void (*error)(void*, const char*, int), void* data);
}

namespace quiesce::lab::detail {
namespace {

/// 0 is kept for what is not known.
BodyId id_of_name(std::string_view name) noexcept {
  const std::uint32_t hash = fnv1a_32(name);
  return {hash != 0 ? hash : 1};
}

BodyId look_up(std::uintptr_t address) {
  const auto ignore_error = [](void*, const char*, int) {};
  // One state for the process: what it reads can never be freed.
  static backtrace_state* const state = backtrace_create_state(nullptr, 1, ignore_error, nullptr);
  BodyId id;
  if (state == nullptr) return id;
  const auto found = [](void* data, std::uintptr_t, const char* symbol, std::uintptr_t, std::uintptr_t) {
    if (symbol != nullptr) *static_cast<BodyId*>(data) = id_of_name(symbol);
  };
  backtrace_syminfo(state, address, found, ignore_error, &id);
  return id;
}

}  // namespace

BodyId id_of_type(const std::type_info& type) noexcept { return id_of_name(type.name()); }

BodyId id_of_function(void (*function)()) {
  static std::mutex mutex;
  static std::map<std::uintptr_t, BodyId> known;
  const std::scoped_lock lock(mutex);
  const auto address = reinterpret_cast<std::uintptr_t>(function);
  const auto [entry, is_new] = known.try_emplace(address);
  if (is_new) entry->second = look_up(address);
  return entry->second;
}

}  // namespace quiesce::lab::detail
