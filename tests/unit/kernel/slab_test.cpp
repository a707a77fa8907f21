// Records that are never unmapped, and their memory that goes back by age.
#include "quiesce/detail/kernel/slab.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "quiesce/detail/kernel/ageing.hpp"
#include "quiesce/detail/kernel/kernel.hpp"
#include "quiesce/detail/kernel/records.hpp"
#include "quiesce/quiesce.hpp"

namespace quiesce::detail {
namespace {

using namespace std::chrono_literals;

/// Later than any worker of another test has looked at the clock, and than all earlier calls here.
std::int64_t next_period() {
  static std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                (std::chrono::steady_clock::now() + 2h).time_since_epoch())
                                .count();
  return now += ageing_period_ns;
}

/// A period ends, and all goes that nobody needed in it. How many slices that were.
int end_period() {
  const std::int64_t now = next_period();
  for (int calls = 1;; ++calls) {
    const std::optional<std::int64_t> next = record_age(now);
    if (!next || *next > now) return calls;
  }
}
void give_back_all() {
  end_period();
  end_period();
}

std::vector<TaskRecord*> take(std::size_t count) {
  std::vector<TaskRecord*> records(count);
  for (TaskRecord*& record : records) record = TaskSlab::allocate();
  return records;
}
void free_all(const std::vector<TaskRecord*>& records) {
  for (TaskRecord* record : records) TaskSlab::free(record);
}

bool is_resident(const TaskRecord* record) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  unsigned char resident = 0;
  auto* begin = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(record) / page * page);
  EXPECT_EQ(mincore(begin, page, &resident), 0);
  return (resident & 1) != 0;
}
std::size_t resident_count(const std::vector<TaskRecord*>& records) {
  return static_cast<std::size_t>(std::count_if(records.begin(), records.end(), is_resident));
}

/// As a task does: a life with some waits.
void live(TaskRecord& record, int waits) {
  record.generation.fetch_add(1);
  EXPECT_TRUE(record.word.apply_alone([](TaskWord w) { return task_word::birth(w, false); }));
  for (int i = 0; i < waits; ++i) {
    EXPECT_TRUE(record.word.apply([](TaskWord w) { return task_word::prepare(w, false); }));
    EXPECT_TRUE(record.word.apply([](TaskWord w) { return task_word::disarm(w); }));
  }
  EXPECT_TRUE(record.word.apply([](TaskWord w) { return task_word::complete(w); }));
  record.generation.fetch_add(1);
  EXPECT_TRUE(record.word.apply_alone([](TaskWord w) { return task_word::release(w); }));
}

TEST(Slab, an_index_names_the_same_record_for_ever_and_none_is_handed_out_twice) {
  const std::vector<TaskRecord*> records = take(3'000);
  const std::set<TaskRecord*> distinct(records.begin(), records.end());
  EXPECT_EQ(distinct.size(), records.size());
  for (const TaskRecord* record : records) EXPECT_EQ(TaskSlab::find(record->index), record);
  EXPECT_EQ(TaskSlab::find(TaskSlab::records_max), nullptr);
  EXPECT_EQ(TaskSlab::find(TaskSlab::records_max - 1), nullptr) << "never made";
  free_all(records);
}

TEST(SlabAge, a_burst_goes_when_nobody_needed_it_for_a_period) {
  give_back_all();  // what other tests have left
  std::vector<TaskRecord*> records = take(64'000);
  EXPECT_EQ(resident_count(records), records.size());
  free_all(records);
  const std::uint32_t full = whole_record_spans();
  EXPECT_GE(full, 990u) << "spans of 64, but for what the thread keeps";
  end_period();
  EXPECT_GE(whole_record_spans(), full) << "they came in this period";
  records = take(32'000);
  free_all(records);
  EXPECT_GE(end_period(), 30) << "a slice at a time";
  EXPECT_GE(whole_record_spans(), 500u) << "32,000 were needed";
  EXPECT_LE(whole_record_spans(), 510u);
  give_back_all();
  EXPECT_EQ(whole_record_spans(), 0u);
  EXPECT_EQ(record_age(next_period()), std::nullopt) << "nothing can grow old";
  EXPECT_LE(resident_count(records), 256u) << "but those of partial spans";
}

TEST(SlabAge, a_record_that_lives_keeps_its_span_and_no_other) {
  give_back_all();
  std::vector<TaskRecord*> records = take(6'400);
  std::vector<TaskRecord*> kept;
  for (std::size_t i = 0; i < records.size(); i += 640) kept.push_back(records[i]);
  for (TaskRecord* record : kept) record->created_ms = 4711;
  std::erase_if(records, [&](TaskRecord* r) { return std::find(kept.begin(), kept.end(), r) != kept.end(); });
  free_all(records);
  give_back_all();
  for (const TaskRecord* record : kept) EXPECT_EQ(record->created_ms, 4711u);
  EXPECT_LE(resident_count(records), 20 * 64u);
  free_all(kept);
}

/// Under the sanitizers, and without the right to, nothing is locked.
bool can_lock_pages() {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* probe = mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool can = mlock(probe, page) == 0 && madvise(probe, page, MADV_DONTNEED) != 0;
  munmap(probe, page);
  return can;
}

TEST(SlabAge, what_the_system_does_not_take_stays_and_wakes_nobody) {
  if (!can_lock_pages()) GTEST_SKIP() << "pages cannot be locked here";
  give_back_all();
  // Four spans, 32 KiB: containers often allow 64 to be locked.
  const std::vector<TaskRecord*> records = take(4 * TaskSlab::span_size);
  for (TaskRecord* record : records) record->created_ms = 4711;
  const bool locked =
      std::ranges::all_of(records, [](TaskRecord* record) { return mlock(record, sizeof(TaskRecord)) == 0; });
  free_all(records);
  if (!locked) {
    for (TaskRecord* record : records) munlock(record, sizeof(TaskRecord));
    GTEST_SKIP() << "not enough may be locked here: ulimit -l tells how much";
  }
  end_period();
  const std::int64_t now = next_period();
  std::optional<std::int64_t> next = now;
  for (int calls = 0; next && *next <= now && calls < 1'000; ++calls) next = record_age(now);
  EXPECT_EQ(next, std::nullopt) << "there is no use in coming back";
  EXPECT_GE(whole_record_spans(), 1u);
  for (const TaskRecord* record : records) EXPECT_EQ(record->created_ms, 4711u);
  for (TaskRecord* record : records) ASSERT_EQ(munlock(record, sizeof(TaskRecord)), 0);
  free_all(take(records.size()));
  give_back_all();
  EXPECT_EQ(whole_record_spans(), 0u) << "now it takes them";
}

TEST(SlabAge, what_is_given_back_reads_as_free_and_of_no_generation_and_begins_beyond_what_it_was) {
  give_back_all();
  std::vector<TaskRecord*> records = take(1'280);
  struct Past {
    std::uint32_t generation;
    std::uint64_t epoch;
  };
  std::map<std::uint32_t, Past> past;
  int waits = 0;
  for (TaskRecord* record : records) {
    live(*record, ++waits % 7);
    past[record->index] = {record->generation.load(), record->word.load().epoch()};
  }
  free_all(records);
  give_back_all();
  std::size_t gone = 0;
  for (const TaskRecord* record : records) {
    if (record->generation.load() != 0) continue;  // of a partial span
    ++gone;
    EXPECT_EQ(record->word.load().bits, 0u);
    EXPECT_EQ(record->word.load().run(), RunState::Free);
    EXPECT_FALSE(TaskRef(record).get()->id().is_valid());
    // A wait that began when the record was as far as this is not that of a late claim.
    EXPECT_LT(record->word.load().next_epoch().epoch(), TaskRecord::Lives{}.word.next_epoch().epoch());
  }
  EXPECT_GE(gone, 1'000u);
  for (TaskRecord* record : take(1'280)) {
    const auto was = past.find(record->index);
    if (was != past.end()) {
      EXPECT_GE(record->generation.load(), was->second.generation);
      EXPECT_GE(record->word.load().epoch(), was->second.epoch);
      EXPECT_EQ(record->generation.load() % 2, 0u) << "as of any free one";
      ++waits;
    }
    EXPECT_EQ(TaskSlab::find(record->index), record);
    EXPECT_EQ(record->links.next, MemberLinks::none);
    live(*record, 1);
    TaskSlab::free(record);
  }
  EXPECT_GT(waits, 1'280) << "some have come again";
}

TEST(SlabAge, a_task_of_a_burst_that_is_gone_is_stale_and_a_late_claim_of_it_fails) {
  auto rt = RuntimeBuilder().workers(2).build();
  std::vector<TaskId> ids;
  std::vector<Waiter> waiters;
  auto burst = [&](Cx cx, Scope<>& scope) -> Task<> {
    std::vector<TaskHandle<>> handles;
    for (int i = 0; i < 6'400; ++i)
      handles.push_back(co_await scope.spawn(cx, [](Cx own) -> Task<> { co_await own.yield(); }));
    for (auto& handle : handles) {
      ids.push_back(handle.task_id());
      waiters.push_back(Waiter::of(handle.task_id().index, 2));
    }
    for (auto& handle : handles) (void)co_await handle.join(cx);
  };
  EXPECT_TRUE(rt.block_on(burst).is_ok());
  give_back_all();
  std::size_t gone = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const TaskRecord* record = TaskSlab::find(ids[i].index);
    EXPECT_NE(record->id(), ids[i]);
    EXPECT_FALSE((CxCore{TaskRef(ids[i].index), ids[i].generation}.alive()));
    EXPECT_FALSE(Kernel::claim(waiters[i], false, Origin::Wake));
    gone += record->generation.load() == 0;
  }
  EXPECT_GE(gone, 5'000u);
  ids.clear();
  waiters.clear();
  EXPECT_TRUE(rt.block_on(burst).is_ok());  // in the same records, from the beginning
}

TEST(SlabAge, threads_take_and_free_while_another_gives_back) {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      std::map<std::uint32_t, std::uint32_t> seen;  // the generation of each index that this thread has had
      for (int round = 0; round < 60; ++round) {
        const std::vector<TaskRecord*> records = take(500 + 300 * static_cast<std::size_t>((round + t) % 5));
        for (TaskRecord* record : records) {
          if (record == nullptr || TaskSlab::find(record->index) != record) ++wrong;
          std::uint32_t& before = seen[record->index];
          if (record->generation.load() < before || record->word.load().run() != RunState::Free) ++wrong;
          live(*record, 1);
          before = record->generation.load();
        }
        for (const TaskRecord* record : records) wrong += record->generation.load() != seen[record->index];
        free_all(records);
      }
    });
  }
  std::thread ager([&] {
    while (!stop.load()) end_period();
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  ager.join();
  EXPECT_EQ(wrong.load(), 0u);
}

}  // namespace
}  // namespace quiesce::detail
