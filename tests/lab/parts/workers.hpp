#pragma once
// Workers that sleep and are woken, with the idle set, the parkers and the queues as runtime/worker.cpp uses them.
#include <array>

#include "exploring.hpp"
#include "quiesce/detail/exec/deque.hpp"
#include "quiesce/detail/exec/idle_set.hpp"
#include "quiesce/detail/exec/injector.hpp"
#include "quiesce/detail/exec/parker.hpp"
#include "quiesce/lab/check.hpp"
#include "quiesce/lab/shared.hpp"

namespace quiesce::lab::parts {

struct Item {
  Item* queue_next = nullptr;
  lab::shared<int> state{0};  // 1: given to the queue, 2: taken

  void fill() { state.write(1); }
  void take() {
    state.update([](int& now) {
      lab::check(now == 1, "an item is taken once, with what it was given with");
      now = 2;
    });
  }
};

using Injector = quiesce::detail::Injector<Item, LabPlatform>;
using Deque = quiesce::detail::WorkDeque<Item, LabPlatform, 2>;
using quiesce::detail::Woken;

/// What a worker's loop does besides its work (runtime/worker.cpp).
enum class Flaw : std::uint8_t {
  None,
  NoSecondLook,       // sleeps without having looked after it announced itself
  LookBefore,         // looks, then announces itself
  NoChain,            // whoever stops searching last does not wake another
  NoSearchAfterLook,  // what the look before sleeping finds is taken by one who does not search
  AsksBefore,         // asks whether it may search, then announces itself
  WakeBeforeGiving    // claims a worker before the work can be seen
};

struct Workers {
  explicit Workers(std::uint32_t count, Flaw has, bool steal = false) : idle(count), flaw(has), steals(steal) {}

  quiesce::detail::IdleSet<LabPlatform> idle;
  std::array<quiesce::detail::Parker<LabPlatform>, 2> parkers;
  std::array<Item, 2> items;
  Flaw flaw;
  bool steals;  // the work is such as only searchers take

  void wake_one() {
    if (const auto worker = idle.claim_one()) parkers[*worker].unpark();
  }
  template <class Give>
  void give(Give to_queue, std::size_t item) {
    items[item].fill();
    if (flaw == Flaw::WakeBeforeGiving) wake_one();
    to_queue(&items[item]);
    if (flaw != Flaw::WakeBeforeGiving) wake_one();
  }

  /// Sleeps and looks until it has got an item, runs that, and is busy for ever.
  template <class Take, class IsEmpty>
  void run(std::uint32_t self, Take take, IsEmpty is_empty, bool searching = false) {
    for (;;) {
      Item* item = steals && !searching ? nullptr : take();
      if (item == nullptr && !searching) {
        searching = idle.try_become_searcher();
        if (searching) item = take();
      }
      if (item != nullptr) {
        if (searching && idle.stop_searching() && flaw != Flaw::NoChain) wake_one();
        return item->take();
      }
      searching = park(self, searching, is_empty);
    }
  }

 private:
  template <class IsEmpty>
  bool park(std::uint32_t self, bool searching, IsEmpty is_empty) {
    if (searching) (void)idle.stop_searching();
    const bool was_empty = flaw != Flaw::LookBefore || is_empty();
    const bool asked = flaw == Flaw::AsksBefore && !idle.may_search();
    idle.prepare_park(self);
    const bool has_found = flaw == Flaw::NoSecondLook ? false
                           : flaw == Flaw::LookBefore ? !was_empty
                                                      : !is_empty();
    const bool leaves_it = steals && (flaw == Flaw::AsksBefore ? asked : !idle.may_search());
    if (!has_found || leaves_it) parkers[self].park();
    if (idle.finish_park(self) == Woken::AsSearcher) return true;
    return has_found && flaw != Flaw::NoSearchAfterLook && idle.try_become_searcher();
  }
};

/// A thief sleeps; the owner of a deque gives it something to steal.
inline std::function<void()> thief_of_deque(Flaw flaw = Flaw::None) {
  return [=] {
    Workers workers(1, flaw);
    Deque deque;
    const auto push = [&](Item* item) { lab::check(deque.push(item), "there is room"); };
    run_threads({[&] { workers.give(push, 0); },
                 [&] {
                   workers.run(
                       0, [&] { return deque.steal(); }, [&] { return deque.empty(); });
                 }});
  };
}

}  // namespace quiesce::lab::parts
