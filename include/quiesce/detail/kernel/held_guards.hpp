#pragma once
// Which locks a task holds guards of, in one word of its record: only the task itself reads or writes it.
//
// A guard must not outlive the task that locked: when the task ends, the kernel asks here whether one did (coro/step.cpp), and of what.
// The upper 16 bits count guards; the lower 48 are the XOR of the addresses of what they lock. So a lock and its release are
// one addition and one XOR each, in any order, and when one guard is left its lock can be named.
#include <cstdint>

#include "quiesce/detail/kernel/primitive_kind.hpp"

namespace quiesce::detail {

/// What something that tasks wait for is called. `name` is a literal, or nullptr.
struct PrimitiveName {
  const char* name;
  PrimitiveKind kind;
  // A constructor, so that what follows may lie in the seven bytes that are left of the second word.
  PrimitiveName(PrimitiveKind k, const char* literal) noexcept : name(literal), kind(k) {}
};

struct HeldGuards {
  std::uint64_t word;  // trivial: it shares its place with something else (TaskRecord)

  void add(const PrimitiveName& of) noexcept { word = (word ^ address(of)) + one; }
  void remove(const PrimitiveName& of) noexcept { word = (word ^ address(of)) - one; }
  std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(word >> count_shift); }
  /// nullptr: not one.
  const PrimitiveName* only() const noexcept {
    return count() == 1 ? reinterpret_cast<const PrimitiveName*>(word & (one - 1)) : nullptr;
  }

 private:
  static constexpr int count_shift = 48;  // of user space: addresses are below 2^47
  static constexpr std::uint64_t one = std::uint64_t{1} << count_shift;
  static std::uint64_t address(const PrimitiveName& of) noexcept {
    return reinterpret_cast<std::uintptr_t>(&of) & (one - 1);
  }
};
static_assert(sizeof(HeldGuards) == 8);

}  // namespace quiesce::detail
