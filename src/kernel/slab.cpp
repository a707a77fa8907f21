#include "quiesce/detail/kernel/slab.hpp"

#include <mutex>
#include <new>

#include "quiesce/detail/kernel/obligations.hpp"
#include "quiesce/detail/kernel/records.hpp"

namespace quiesce::detail {
namespace {

constexpr std::uint32_t magazine_size = 64;

template <class Record>
struct Stack {
  Record* head = nullptr;
  std::uint32_t size = 0;
  bool is_reaped = false;  // a thread's, at its end

  void push(Record* record) {
    free_link(*record) = head;
    head = record;
    ++size;
  }
  Record* pop() {
    Record* record = head;
    if (record != nullptr) {
      head = free_link(*record);
      --size;
    }
    return record;
  }
};

/// What all threads share: free records, and the next chunk to make.
template <class Record>
struct Depot {
  SpinLock<> lock;
  Stack<Record> free;
  std::uint32_t chunks = 0;

  static Depot& instance() {
    static Depot& depot = *new Depot;  // outlives every thread
    return depot;
  }
};

/// A thread's own free records. Trivial, so that reaching it costs no initialisation check; `MagazineReaper` empties it at thread exit.
template <class Record>
constinit thread_local Stack<Record> magazine{};

template <class Record>
void give_back(std::uint32_t keep) {
  Stack<Record>& mine = magazine<Record>;
  Depot<Record>& depot = Depot<Record>::instance();
  std::scoped_lock hold(depot.lock);
  while (mine.size > keep) depot.free.push(mine.pop());
}

template <class Record>
struct MagazineReaper {
  ~MagazineReaper() { give_back<Record>(0); }
};

template <class Record>
void touch_magazine_reaper() {
  static thread_local MagazineReaper<Record> reaper;
  (void)reaper;
  magazine<Record>.is_reaped = true;
}

/// Makes one more chunk; false when memory or indices are exhausted. Under the depot's lock.
template <class Record>
bool grow(Depot<Record>& depot, std::atomic<Record*>* chunks) {
  using S = Slab<Record>;
  if (depot.chunks == S::chunks_max) return false;
  void* memory =
      ::operator new(S::chunk_size * sizeof(Record), std::align_val_t(alignof(Record)), std::nothrow);
  if (memory == nullptr) return false;
  RealPlatform::make_present(memory, S::chunk_size * sizeof(Record));
  auto* chunk = new (memory) Record[S::chunk_size];  // as long as the process
  for (std::uint32_t i = S::chunk_size; i-- > 0;) {
    chunk[i].index = depot.chunks * S::chunk_size + i;
    depot.free.push(chunk + i);
  }
  chunks[depot.chunks++].store(chunk, std::memory_order_release);  // pairs with the acquire in find
  return true;
}

}  // namespace

template <class Record>
Record* Slab<Record>::allocate() noexcept {
  Stack<Record>& mine = magazine<Record>;
  if (Record* record = mine.pop()) [[likely]]
    return record;
  return allocate_first();
}

/// The thread has none.
template <class Record>
[[gnu::noinline]] Record* Slab<Record>::allocate_first() noexcept {
  Stack<Record>& mine = magazine<Record>;
  touch_magazine_reaper<Record>();
  Depot<Record>& depot = Depot<Record>::instance();
  std::scoped_lock hold(depot.lock);
  if (depot.free.head == nullptr && !grow(depot, chunks_)) return nullptr;
  for (std::uint32_t i = 0; i < magazine_size && depot.free.head != nullptr; ++i) mine.push(depot.free.pop());
  return mine.pop();
}

template <class Record>
void Slab<Record>::free(Record* record) noexcept {
  Stack<Record>& mine = magazine<Record>;
  mine.push(record);
  if (mine.size > 2 * magazine_size || !mine.is_reaped) [[unlikely]]
    free_many();
}

/// The thread has so many that some go; or it frees for the first time, and is to give them back at its end.
template <class Record>
[[gnu::noinline]] void Slab<Record>::free_many() noexcept {
  touch_magazine_reaper<Record>();
  if (magazine<Record>.size > 2 * magazine_size) give_back<Record>(magazine_size);
}

template class Slab<TaskRecord>;
template class Slab<RegionRecord>;
template class Slab<TaskExtra>;
template class Slab<ObligationRecord>;

}  // namespace quiesce::detail
