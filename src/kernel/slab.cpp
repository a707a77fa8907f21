#include "quiesce/detail/kernel/slab.hpp"

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>

#include "quiesce/detail/kernel/ageing.hpp"
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

template <class Record>
concept IsGivenBack = requires {
  typename Record::Lives;
};

template <class Record>
struct Span {
  struct Stays {};
  template <class R>
  static auto lives_of() {
    if constexpr (IsGivenBack<R>) {
      return typename R::Lives{};
    } else {
      return Stays{};
    }
  }

  Span* prev = nullptr;  // in its list
  Span* next = nullptr;
  Record* free = nullptr;  // those that are in the depot
  std::uint32_t free_count = 0;
  std::uint32_t first = 0;  // the index of its first record
  bool is_given_back = false;
  [[no_unique_address]] decltype(lives_of<Record>()) lives;

  void put(Record* record) {
    free_link(*record) = free;
    free = record;
    ++free_count;
  }
  Record* take() {
    --free_count;
    return std::exchange(free, free_link(*free));
  }
};

template <class Record>
struct SpanList {
  Span<Record>* first = nullptr;
  Span<Record>* last = nullptr;
  std::uint32_t size = 0;

  void push(Span<Record>& span) {
    span.prev = nullptr;
    span.next = first;
    (first == nullptr ? last : first->prev) = &span;
    first = &span;
    ++size;
  }
  void remove(Span<Record>& span) {
    (span.prev == nullptr ? first : span.prev->next) = span.next;
    (span.next == nullptr ? last : span.next->prev) = span.prev;
    --size;
  }
};

/// What all threads share.
template <class Record>
struct Depot {
  using S = Slab<Record>;
  static constexpr std::uint32_t spans_of_chunk = S::chunk_size / S::span_size;

  SpinLock<> lock;
  SpanList<Record> partial, whole, blank;
  std::uint32_t least_whole = 0;  // in this period
  std::uint32_t chunk_count = 0;
  Span<Record>* spans[S::chunks_max] = {};  // of each chunk

  static Depot& instance() {
    static Depot& depot = *new Depot;  // outlives every thread
    return depot;
  }
  bool is_whole(const Span<Record>& span) const { return span.free_count == S::span_size; }

  // Under the lock.
  void put(Record* record) {
    Span<Record>& span = spans[record->index / S::chunk_size][record->index % S::chunk_size / S::span_size];
    span.put(record);
    if (span.free_count == 1) partial.push(span);
    if (!is_whole(span)) return;
    partial.remove(span);
    whole.push(span);
  }
  /// What there is, a magazine full at most.
  void take(Stack<Record>& to) {
    while (partial.first != nullptr && to.size < magazine_size) {
      Span<Record>& span = *partial.first;
      to.push(span.take());
      if (span.free_count == 0) partial.remove(span);
    }
    if (to.size > 0 || whole.first == nullptr) return;
    Span<Record>& span = *whole.first;
    whole.remove(span);
    least_whole = std::min(least_whole, whole.size);
    to.head = std::exchange(span.free, nullptr);
    to.size = std::exchange(span.free_count, 0);
  }
  /// Makes another chunk when there is none. nullptr: memory or indices are exhausted.
  Span<Record>* take_blank(std::atomic<Record*>* chunks) {
    if (blank.first == nullptr && !grow(chunks)) return nullptr;
    Span<Record>* span = blank.first;
    blank.remove(*span);
    return span;
  }

 private:
  bool grow(std::atomic<Record*>* chunks);
};

/// Its memory stays as long as the process. nullptr: there is none.
template <class Record>
Record* make_chunk() {
  constexpr std::size_t bytes = Slab<Record>::chunk_size * sizeof(Record);
  if constexpr (IsGivenBack<Record>) {  // zeros, in whole pages
    void* memory = RealPlatform::map_zeros(bytes);
    if (memory != nullptr) RealPlatform::make_present(memory, bytes);
    return static_cast<Record*>(memory);
  } else {
    void* memory = ::operator new(bytes, std::align_val_t(alignof(Record)), std::nothrow);
    return memory == nullptr ? nullptr : new (memory) Record[Slab<Record>::chunk_size];
  }
}

template <class Record>
bool Depot<Record>::grow(std::atomic<Record*>* chunks) {
  if (chunk_count == S::chunks_max) return false;
  auto* made = new (std::nothrow) Span<Record>[spans_of_chunk];
  Record* chunk = made == nullptr ? nullptr : make_chunk<Record>();
  if (chunk == nullptr) {
    delete[] made;
    return false;
  }
  const std::uint32_t first = chunk_count * S::chunk_size;
  for (std::uint32_t i = spans_of_chunk; i-- > 0;) {
    made[i].first = first + i * S::span_size;
    blank.push(made[i]);
  }
  spans[chunk_count] = made;
  chunks[chunk_count++].store(chunk, std::memory_order_release);  // pairs with the acquire in find
  return true;
}

/// A thread's own free records. Trivial, so that reaching it costs no initialisation check; `MagazineReaper` empties it at thread exit.
template <class Record>
constinit thread_local Stack<Record> magazine{};

/// Only task records are given back by age: of all records, they are as many as there are tasks.
struct TaskRecords;
constinit Ageing<TaskRecords> ageing{};

template <class Record>
void give_back(std::uint32_t keep) {
  Stack<Record>& mine = magazine<Record>;
  Depot<Record>& depot = Depot<Record>::instance();
  std::scoped_lock hold(depot.lock);
  while (mine.size > keep) depot.put(mine.pop());
  if constexpr (IsGivenBack<Record>) ageing.note_use();
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

/// The records of a blank span, in the order of their addresses.
template <class Record>
void begin_all(Span<Record>& span, Stack<Record>& to) {
  Record* const records = Slab<Record>::at(span.first);
  if constexpr (IsGivenBack<Record>) {
    if (std::exchange(span.is_given_back, false))
      RealPlatform::make_present(records, Slab<Record>::span_size * sizeof(Record));
  }
  for (std::uint32_t i = Slab<Record>::span_size; i-- > 0; to.push(records + i)) {
    if constexpr (IsGivenBack<Record>) {
      records[i].begin(span.first + i, span.lives);
    } else {
      records[i].index = span.first + i;
    }
  }
}

struct TaskRecords {
  static constexpr std::uint32_t spans_max = 8;  // in one call: some 50 us

  /// The system has not taken a span: its pages are larger, or locked. Whoever ages. No more is tried in that period, and nobody wakes
  /// for it before records have come back again.
  static inline bool is_refused = false;

  static bool release_some() noexcept {
    if (is_refused) return false;
    auto& depot = Depot<TaskRecord>::instance();
    SpanList<TaskRecord> old;
    bool is_more;
    {
      std::scoped_lock hold(depot.lock);
      for (; old.size < spans_max && depot.least_whole > 0; --depot.least_whole) {
        Span<TaskRecord>& span = *depot.whole.last;  // the longest there
        depot.whole.remove(span);
        old.push(span);
      }
      is_more = depot.least_whole > 0;
    }
    while (old.first != nullptr) {
      Span<TaskRecord>& span = *old.first;
      old.remove(span);
      const bool is_blank = make_blank(span);
      if (!is_blank) is_refused = true;
      std::scoped_lock hold(depot.lock);
      (is_blank ? depot.blank : depot.whole).push(span);
    }
    return is_more;
  }
  static void all_released() noexcept {}
  static void begin_period() noexcept {
    give_back<TaskRecord>(0);  // this thread has nothing to do
    auto& depot = Depot<TaskRecord>::instance();
    std::scoped_lock hold(depot.lock);
    depot.least_whole = depot.whole.size;
  }
  static bool has_any() noexcept { return !std::exchange(is_refused, false) && whole_record_spans() > 0; }

 private:
  static bool make_blank(Span<TaskRecord>& span) noexcept {
    TaskRecord* const records = TaskSlab::at(span.first);
    for (std::uint32_t i = 0; i < TaskSlab::span_size; ++i) span.lives.include(records[i]);
    if (!RealPlatform::give_back(records, TaskSlab::span_size * sizeof(TaskRecord))) return false;
    span.is_given_back = true;
    span.free = nullptr;
    span.free_count = 0;
    return true;
  }
};

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
  Span<Record>* blank = nullptr;
  {
    std::scoped_lock hold(depot.lock);
    depot.take(mine);
    if (mine.size == 0) blank = depot.take_blank(chunks_);
  }
  if (blank != nullptr) begin_all(*blank, mine);
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

std::optional<std::int64_t> record_age(std::int64_t now_ns) noexcept { return ageing.age(now_ns); }

std::uint32_t whole_record_spans() noexcept {
  auto& depot = Depot<TaskRecord>::instance();
  std::scoped_lock hold(depot.lock);
  return depot.whole.size;
}

}  // namespace quiesce::detail
