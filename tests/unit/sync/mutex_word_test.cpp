// The word of a mutex: every transition of every word.
#include "quiesce/detail/sync/mutex_word.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace quiesce::detail {
namespace {

using mutex_word::Next;

constexpr std::uint64_t nobody = 0;
constexpr std::uint64_t ann = MutexWord::holder_bits(1, 7), bob = MutexWord::holder_bits(0xffffff, 0xffffffff);
constexpr std::uint64_t held = MutexWord::held_bit, waiters = MutexWord::waiters_bit,
                        called = MutexWord::called_bit;

std::vector<MutexWord> all_words(bool valid) {
  std::vector<MutexWord> words;
  for (std::uint64_t flags = 0; flags < 8; ++flags) {
    for (const std::uint64_t holder : {nobody, ann, bob}) {
      const MutexWord word{flags | holder};
      if (word.is_valid() == valid) words.push_back(word);
    }
  }
  return words;
}

TEST(MutexWord, WhatIsValid) {
  // Free: nobody waits, or somebody was called. Held by three: nobody waits, somebody does, somebody was called.
  EXPECT_EQ(all_words(true).size(), 2u + 3u * 3u);
  EXPECT_FALSE(MutexWord{waiters}.is_valid()) << "free, somebody waits, and nobody was told";
  EXPECT_FALSE(MutexWord{called}.is_valid());
  EXPECT_FALSE((MutexWord{ann}.is_valid())) << "free, and yet somebody has it";
  EXPECT_FALSE(Next());
  EXPECT_EQ(MutexWord{held | bob}.index(), 0xffffffu);
  EXPECT_EQ(MutexWord{held | bob}.generation(), 0xffffffffu);
}

/// What a transition makes of every valid word is what `expected` says of it, and valid.
template <class Transition, class Expected>
void for_every_word(Transition transition, Expected expected) {
  for (const MutexWord word : all_words(true)) {
    const Next next = transition(word);
    EXPECT_EQ(next, expected(word)) << std::hex << word.bits;
    EXPECT_TRUE(!next || (*next).is_valid()) << std::hex << word.bits << " -> " << (*next).bits;
  }
}

TEST(MutexWord, AFreeLockIsTakenAndRemembersWhoWaits) {
  for (const std::uint64_t me : {nobody, ann, bob}) {
    for_every_word([&](MutexWord w) { return mutex_word::lock(w, me); },
                   [&](MutexWord w) -> Next {
                     if (w == MutexWord{}) return MutexWord{held | me};
                     if (w == MutexWord{waiters | called}) return MutexWord{held | waiters | called | me};
                     return {};
                   });
  }
}

TEST(MutexWord, UnlockingNeedsTheSpinLockUnlessNobodyWaitsOrOneWasCalledThatMayBePassed) {
  for (const bool may_pass : {false, true}) {
    for_every_word([&](MutexWord w) { return mutex_word::unlock(w, may_pass); },
                   [&](MutexWord w) -> Next {
                     if (w.held() && !w.waiters()) return MutexWord{};
                     if (w.held() && w.called() && may_pass) return MutexWord{waiters | called};
                     return {};
                   });
  }
}

TEST(MutexWord, TheHolderCallsOneOrHandsOverOrReleases) {
  for_every_word(mutex_word::call, [](MutexWord w) -> Next {
    return w.held() && !w.called() ? Next(MutexWord{waiters | called}) : Next();
  });
  for_every_word([](MutexWord w) { return mutex_word::hand_over(w, bob); },
                 [](MutexWord w) -> Next {
                   if (!w.held()) return {};
                   return MutexWord{held | waiters | (w.called() ? called : 0) | bob};
                 });
  for_every_word([](MutexWord w) { return mutex_word::hand_over(w, nobody); },
                 [](MutexWord) { return Next(); });
  for_every_word(mutex_word::release,
                 [](MutexWord w) -> Next { return w.held() && !w.called() ? Next(MutexWord{}) : Next(); });
}

TEST(MutexWord, WhoComesAndGoesChangesOnlyWhetherSomebodyWaits) {
  for_every_word(mutex_word::queue,
                 [](MutexWord w) { return w.held() ? Next(MutexWord{w.bits | waiters}) : Next(); });
  for_every_word([](MutexWord w) { return mutex_word::leave(w, true); }, [](MutexWord w) { return Next(w); });
  // Nobody leaves an empty list of a lock that is free: the called one is in none.
  for_every_word([](MutexWord w) { return mutex_word::leave(w, false); },
                 [](MutexWord w) { return Next(w.called() ? w : MutexWord{w.bits & ~waiters}); });
}

TEST(MutexWord, TheCalledOneHasItWhereItIsFreeOrItsOwn) {
  for (const bool more : {false, true}) {
    for_every_word([&](MutexWord w) { return mutex_word::answer(w, ann, more); },
                   [&](MutexWord w) -> Next {
                     if (!w.called() || (w.held() && w.holder() != ann)) return {};
                     return MutexWord{held | (more ? waiters : 0) | ann};
                   });
    for_every_word([&](MutexWord w) { return mutex_word::decline(w, ann, more); },
                   [&](MutexWord w) -> Next {
                     if (!w.called() || !w.held() || w.holder() == ann) return {};
                     return MutexWord{held | (more ? waiters : 0) | w.holder()};
                   });
  }
}

TEST(MutexWord, ItIsSeizedWhereItIsFreeOrWasHandedToACalledOneThatGoes) {
  for_every_word([](MutexWord w) { return mutex_word::seize(w, ann); },
                 [](MutexWord w) -> Next {
                   const bool is_mine = w.called() && w.holder() == ann;
                   return !w.held() || is_mine ? Next(MutexWord{held | waiters}) : Next();
                 });
}

TEST(MutexWord, TheCalledOneCanAlwaysDoOneOfThree) {
  for (const MutexWord word : all_words(true)) {
    if (!word.called()) continue;
    EXPECT_NE(bool(mutex_word::decline(word, ann, true)), bool(mutex_word::seize(word, ann)));
    EXPECT_EQ(bool(mutex_word::answer(word, ann, true)), bool(mutex_word::seize(word, ann)));
  }
}

}  // namespace
}  // namespace quiesce::detail
