#include "quiesce/detail/lab/body.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

#include "body_name.hpp"
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

constexpr std::uint32_t number_mask = 0xF;

/// 0 is kept for what is not known.
std::uint32_t hash_of_symbol(const char* symbol) {
  const std::uint32_t hash = fnv1a_32(body_name(symbol)) & ~number_mask;
  return hash != 0 ? hash : number_mask + 1;
}

/// 0: it has none.
std::uint32_t hash_of_function(std::uintptr_t address) {
  const auto ignore_error = [](void*, const char*, int) {};
  // One state for the process: what it reads can never be freed.
  static backtrace_state* const state = backtrace_create_state(nullptr, 1, ignore_error, nullptr);
  std::uint32_t hash = 0;
  if (state == nullptr) return hash;
  const auto found = [](void* data, std::uintptr_t, const char* symbol, std::uintptr_t, std::uintptr_t) {
    if (symbol != nullptr) *static_cast<std::uint32_t*>(data) = hash_of_symbol(symbol);
  };
  backtrace_syminfo(state, address, found, ignore_error, &hash);
  return hash;
}

/// The bodies of each name that were explored, in the order in which they came.
class Numbers {
 public:
  /// 0: it is not there.
  std::uint32_t find(BodyId body) {
    const std::scoped_lock lock(mutex_);
    return place_in(known_[body.name], body);
  }
  std::uint32_t find_or_add(BodyId body) {
    const std::scoped_lock lock(mutex_);
    auto& known = known_[body.name];
    if (place_in(known, body) == 0) known.push_back(body.identity);
    return place_in(known, body);
  }

 private:
  /// From 1; those behind the last number that there is share it.
  static std::uint32_t place_in(const std::vector<const void*>& known, BodyId body) {
    const auto at = std::ranges::find(known, body.identity);
    if (at == known.end()) return 0;
    return std::min(static_cast<std::uint32_t>(at - known.begin()) + 1, number_mask);
  }

  std::mutex mutex_;
  std::map<std::uint32_t, std::vector<const void*>> known_;
};
Numbers& numbers() {
  static Numbers all;
  return all;
}

}  // namespace

BodyId id_of_type(const std::type_info& type) { return {hash_of_symbol(type.name()), &type}; }

BodyId id_of_function(void (*function)()) {
  static std::mutex mutex;
  static std::map<std::uintptr_t, std::uint32_t> known;
  const std::scoped_lock lock(mutex);
  const auto address = reinterpret_cast<std::uintptr_t>(function);
  const auto [entry, is_new] = known.try_emplace(address);
  if (is_new) entry->second = hash_of_function(address);
  return {entry->second, reinterpret_cast<const void*>(address)};
}

std::uint32_t fingerprint_of(BodyId body) {
  return body.name == 0 ? 0 : body.name | numbers().find_or_add(body);
}

std::uint32_t known_fingerprint_of(BodyId body) {
  return body.name == 0 ? 0 : body.name | numbers().find(body);
}

bool may_be_same_body(std::uint32_t a, std::uint32_t b) noexcept {
  if (a == 0 || b == 0 || a == b) return true;
  const bool is_one_without_number = (a & number_mask) == 0 || (b & number_mask) == 0;
  return is_one_without_number && (a & ~number_mask) == (b & ~number_mask);
}

}  // namespace quiesce::lab::detail
