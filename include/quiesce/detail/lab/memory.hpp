#pragma once
// What a load may read: the weak memory model of a run with Options::memory = lab::weak.
//
// An operational, view-based form of the C++20 memory model as repaired by Lahav, Vafeiadis, Kang, Hur, Dreyer: Repairing
// sequential consistency in C/C++11, PLDI 2017 (RC11), in the line of Kang, Hur, Lahav, Vafeiadis, Dreyer: A promising
// semantics for relaxed-memory concurrency, POPL 2017, without its promises.
//
//  1. Each atomic has a *history*: all values that were ever stored, in its modification order. Of each the run knows who made it
//     and who has read it, as stamps of vector clocks (clock.hpp), and what a reader that acquires comes to know: `released`.
//  2. An agent's *bound* in a history is the newest value of which it knows that it was made or read: by itself, or by anything
//     that happens before. It reads any value from its bound on (coherence); which one is a draw, 0 for the newest.
//  3. A store takes any place behind the bound. A read-modify-write stands directly behind the value it reads, and nothing comes
//     between the two later: so it reads one that no other has read in this way (atomicity).
//  4. A release store releases what its agent knows; a relaxed one what its agent knew at its last release fence. A
//     read-modify-write releases what the value released that it has read, too: release sequences. A load that acquires knows what
//     its value has released; a relaxed one will know it at its agent's next acquire fence.
//  5. The seq_cst operations have one order, S. As a rule it is the order in which the run makes them: each history has a *mark*, the
//     newest value that such an operation has stored or read, and a seq_cst operation on it stands no further back.
//  6. An agent may have heard of a seq_cst access by relaxed means only: it has read, directly or through others, or reads just now, what
//     was stored after it, and it does not happen before. Then a seq_cst access of that agent may come before that one in S, though it
//     is made later: it reads, or stores, behind the mark. What S is bound to is kept as a graph, in which no cycle may come to be.
//  7. A seq_cst fence is in S after all that was made before it and before all that comes later. It counts as a read of each history at
//     its mark, by which its agent, and whoever comes to know of the fence, is bound; and it moves the mark to what its agent is
//     bound to. Behind a mark that a fence has seen no seq_cst access stands.
//
// What it shows: every execution of C++20 in which nothing is read before it is stored and seq_cst fences stand in S as they were made. What it does
// not: a load that reads from a store that has not been made yet (load buffering: RC11 forbids it, hardware and C++20 allow
// it), and fences that come before others in S of which they have heard by relaxed means. Of the seq_cst accesses of a run the
// first 256 may be taken out of order.
//
// Determinism and dependence: what an operation may read depends on the earlier operations on its object, on what happens before
// it, and, for seq_cst operations, on the fences. So a seq_cst access touches `sc_object` (Read), a seq_cst fence too (Write), and
// a seq_cst load that moves the mark writes its object. One that may be taken out of order (6) depends on all of S: it writes
// `sc_object`.
#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <source_location>
#include <vector>

#include "quiesce/detail/lab/clock.hpp"
#include "quiesce/detail/lab/strategy.hpp"

namespace quiesce::lab::detail {

class Engine;
class WeakMemory;

/// What stands for the order of all seq_cst operations among the touches of a step.
inline constexpr LogicalId sc_object = child(LogicalId{~std::uint64_t{0}}, 0);

enum class Effect : std::uint8_t { Load, Store, Modify };

/// The seq_cst accesses of a run, and which of them must come before which in S.
class ScOrder {
 public:
  static constexpr std::size_t accesses_max = 256;
  using Set = std::bitset<accesses_max>;
  using Index = std::size_t;

  void clear() { accesses_.clear(); }
  bool is_full() const { return accesses_.size() == accesses_max; }
  /// Those that strongly happen before what the agent does next, and all before those.
  Set before(const AgentClock& agent) const;
  /// The set and all before it.
  Set closure(const Set& set) const;
  /// A new one, after `before`, which is closed, and before `after`.
  Index add(const AgentClock& agent, bool is_write, const Set& before, const Set& after);

 private:
  struct Access {
    Stamp known_by;  // whoever knows this has heard of what its agent did after it
    Set before;
  };
  std::vector<Access> accesses_;
};

/// The values of one atomic in their modification order. Values are kept as bytes.
class History {
 public:
  /// The initial value is made, not stored: whoever uses the atomic must know of its making.
  History(Engine& engine, WeakMemory& memory, LogicalId object, const void* initial, std::size_t size);

  // An operation is begun and finished within one step.

  /// Decides by draws what the operation reads and which place its value takes. The value read; of a store nothing.
  const void* begin(Engine& engine, Effect effect, std::memory_order order);
  /// Of a compare-exchange: true if it finds what it expects, and is then to be finished.
  bool begin_compare(Engine& engine, const void* expected, std::memory_order success,
                     std::memory_order failure);
  /// A load of a value that is not `old`; nullptr if the agent may read none.
  const void* begin_other(Engine& engine, const void* old, std::memory_order order);
  /// Puts the value of a store or a read-modify-write in its place.
  void finish(Engine& engine, const void* value);

  const void* value_read() const { return value_of(read_); }
  const void* newest() const { return value_of(order_.back()); }

 private:
  friend WeakMemory;
  using Index = std::uint32_t;  // of a message, in the order of making
  using Place = std::size_t;    // of a message, in the modification order

  struct Message {
    Stamp made;
    bool is_modified;  // the message behind it is a read-modify-write of it
    Clock released;
    std::vector<Stamp> readers{};  // the first read of each slot
    ScOrder::Set sc_accesses{};    // that made or read it
    ScOrder::Set sc_made{};        // the one that made it
    ScOrder::Set heard{};          // accesses that come before it by reading-from and program order
  };
  /// What an operation does with the value it finds.
  struct Use {
    bool reads;
    bool modifies;
  };
  /// What an operation may choose from.
  struct Limits {
    Place bound;  // no place before this one
    Use use;
    bool is_sc = false;
    bool is_loose = false;  // it may stand behind the mark, where S allows that
    ScOrder::Set before{};  // what comes before it in S whatever it chooses
  };

  const void* value_of(Index message) const { return values_.data() + message * size_; }
  bool is_value(Index message, const void* value) const {
    return std::memcmp(value_of(message), value, size_) == 0;
  }
  Place place_of(Index message) const;
  Place bound_of(const AgentClock& agent) const;
  Limits limits_of(Engine& engine, const AgentClock& agent, std::memory_order order, Use use) const;
  /// Of an access that reads the value at the place or stores behind it: what comes before it in S, and after it.
  ScOrder::Set before(const Limits& limits, Place place) const;
  ScOrder::Set after(Place place) const;
  /// And what it has heard of besides.
  ScOrder::Set loosely_heard(const AgentClock& agent, const Limits& limits, Place place) const;
  bool is_allowed(const AgentClock& agent, const Limits& limits, Place place) const;
  void check_made(Engine& engine) const;
  void choose_sc(const AgentClock& agent, const Limits& limits);
  void draw(Engine& engine);
  void read(Engine& engine, Index message, std::memory_order order);
  void mark_read(Index message, Stamp stamp);
  void move_mark(Engine& engine, Index message, std::memory_order order);

  WeakMemory& memory_;
  LogicalId object_;
  std::size_t size_;
  std::vector<Message> messages_;
  std::vector<std::byte> values_;
  std::vector<Index> order_;
  Index sc_mark_ = 0;     // the newest that a seq_cst operation has made or read
  Index fence_mark_ = 0;  // what it was at the last seq_cst fence, or what that one's agent was bound to
  // of the operation that has been begun
  std::vector<Place> candidates_;
  Index read_ = 0;
  Place place_ = 0;
  ScOrder::Set sc_access_;  // itself, if it is one
  std::memory_order order_of_write_ = std::memory_order_relaxed;
  bool is_modify_ = false;
};

/// What a run's agents and histories have in common.
class WeakMemory {
 public:
  void begin_run();
  void fence(Engine& engine, std::memory_order order, std::source_location at);

 private:
  friend History;
  struct Fences {
    Clock released;  // what the agent knew at its last release fence
    Clock acquired;  // what its next acquire fence will let it know
  };
  struct Agent : Fences {
    ScOrder::Set heard;  // accesses that come before what it does, by reading-from and program order
  };
  Agent& of(const AgentClock& agent);
  void mark_all(const AgentClock& agent);

  std::vector<Agent> agents_;  // by slot
  ScOrder sc_order_;
  std::vector<std::weak_ptr<History>> histories_;

 public:
  std::shared_ptr<History> make_history(Engine& engine, LogicalId object, const void* initial,
                                        std::size_t size);
};

void fence_in(Engine& engine, std::memory_order order, std::source_location at);
/// Outside of a run.
void fence_outside(std::memory_order order) noexcept;

}  // namespace quiesce::lab::detail
