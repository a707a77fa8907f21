// By which name a token knows its body: one that both compilers give, whatever stands above the body in its file.
#include "quiesce/detail/lab/body.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "lab/body_name.hpp"
#include "quiesce/lab.hpp"
#include "quiesce/lab/explore_threads.hpp"

namespace quiesce::lab::detail {
namespace {

using testing::ContainsRegex;

struct Spelling {
  const char *gcc, *clang;
  const char* name;
};

class LabBodyName : public testing::TestWithParam<Spelling> {};

TEST_P(LabBodyName, IsTheSameForBothCompilers) {
  EXPECT_EQ(body_name(GetParam().gcc), GetParam().name);
  EXPECT_EQ(body_name(GetParam().clang), GetParam().name);
}

// As g++ 12.2 and clang 19 spell them.
INSTANTIATE_TEST_SUITE_P(
    Spellings, LabBodyName,
    testing::Values(
        // the lambda of a test, and a second one with the same parameters
        Spelling{"ZN12_GLOBAL__N_18Foo_Test8TestBodyEvEUliR4PackIJiEEE_",
                 "ZN12_GLOBAL__N_18Foo_Test8TestBodyEvE3$_1",
                 "(anonymous namespace)::Foo_Test::TestBody()::{unnamed}"},
        Spelling{"ZN12_GLOBAL__N_18Foo_Test8TestBodyEvEUliR4PackIJiEEE0_",
                 "ZN12_GLOBAL__N_18Foo_Test8TestBodyEvE4$_13",
                 "(anonymous namespace)::Foo_Test::TestBody()::{unnamed}"},
        // in a generic lambda
        Spelling{
            "ZZN12_GLOBAL__N_18Foo_Test8TestBodyEvENKUlT_E1_clIiEEDaS1_EUlvE_",
            "ZZN12_GLOBAL__N_18Foo_Test8TestBodyEvENK3$_0clIiEEDaT_EUlvE_",
            "(anonymous namespace)::Foo_Test::TestBody()::{unnamed}::operator()<int>(int) const::{unnamed}"},
        // in a lambda in a lambda
        Spelling{"ZZZN12_GLOBAL__N_18Foo_Test8TestBodyEvENKUlvE2_clEvENKUlvE_clEvEUlvE_",
                 "ZZZN12_GLOBAL__N_18Foo_Test8TestBodyEvENK3$_4clEvENKUlvE_clEvEUlvE_",
                 "(anonymous namespace)::Foo_Test::TestBody()::{unnamed}::operator()() "
                 "const::{unnamed}::operator()() "
                 "const::{unnamed}"},
        // with a pointer to a function among its parameters
        Spelling{"ZN12_GLOBAL__N_18Foo_Test8TestBodyEvEUlPDoFimEE3_",
                 "ZN12_GLOBAL__N_18Foo_Test8TestBodyEvE3$_5",
                 "(anonymous namespace)::Foo_Test::TestBody()::{unnamed}"},
        // in a template over a lambda, where clang numbers those of one signature and g++ all
        Spelling{
            "Z4wrapIZN12_GLOBAL__N_18Foo_Test8TestBodyEvEUliR4PackIJiEEE_EvT_EUlRKSt6vectorINSt7__cxx1112basic_"
            "stringIcSt11char_traitsIcESaIcEEESaISD_EEmPS5_E0_",
            "Z4wrapIZN12_GLOBAL__N_18Foo_Test8TestBodyEvE3$_1EvT_EUlRKSt6vectorINSt7__cxx1112basic_"
            "stringIcSt11char_"
            "traitsIcESaIcEEESaISA_EEmPS2_E_",
            "wrap<(anonymous namespace)::Foo_Test::TestBody()::{unnamed}>((anonymous "
            "namespace)::Foo_Test::TestBody()::{unnamed})::{unnamed}"},
        // as arguments of a class template, beside a string and an unsigned long
        Spelling{"4PackIJZN12_GLOBAL__N_18Foo_Test8TestBodyEvEUliRS_IJiEEE_ZNS1_8TestBodyEvEUliS3_E0_NSt7__"
                 "cxx1112basic_"
                 "stringIcSt11char_traitsIcESaIcEEEmDnEE",
                 "4PackIJZN12_GLOBAL__N_18Foo_Test8TestBodyEvE3$_1ZNS1_8TestBodyEvE3$_3NSt7__cxx1112basic_"
                 "stringIcSt11char_"
                 "traitsIcESaIcEEEmDnEE",
                 "Pack<(anonymous namespace)::Foo_Test::TestBody()::{unnamed}, (anonymous "
                 "namespace)::Foo_Test::TestBody()::{unnamed}, std::__cxx11::basic_string<char, "
                 "std::char_traits<char>, "
                 "std::allocator<char> >, unsigned long, decltype(nullptr)>"},
        // a struct without a name, and one with
        Spelling{"ZN12_GLOBAL__N_18Foo_Test8TestBodyEvEUt_", "ZN12_GLOBAL__N_18Foo_Test8TestBodyEvE3$_2",
                 "(anonymous namespace)::Foo_Test::TestBody()::{unnamed}"},
        Spelling{"ZN12_GLOBAL__N_18Foo_Test8TestBodyEvE5Local", "ZN12_GLOBAL__N_18Foo_Test8TestBodyEvE5Local",
                 "(anonymous namespace)::Foo_Test::TestBody()::Local"},
        // of functions that others can see, that are const, and that are static
        Spelling{"ZN3Ext8TestBodyEvEUlvE0_", "ZN3Ext8TestBodyEvE3$_1", "Ext::TestBody()::{unnamed}"},
        Spelling{"ZNK3Ext4bodyEiEUlvE_", "ZNK3Ext4bodyEiE3$_0", "Ext::body(int) const::{unnamed}"},
        Spelling{"ZNKR3Ext4bodyEiEUlvE_", "ZNKR3Ext4bodyEiE3$_0", "Ext::body(int) const &::{unnamed}"},
        Spelling{"ZL4statvEUlvE_", "ZL4statvE3$_0", "stat()::{unnamed}"},
        // a lambda as a pointer to a function, and functions
        Spelling{"Z4mainEUlvE_", "Z4mainE3$_0", "main::{unnamed}"},
        Spelling{"Z4wrapIZ4mainEUlvE_EvT_EUlvE_", "Z4wrapIZ4mainE3$_0EvT_EUlvE_",
                 "wrap<main::{unnamed}>(main::{unnamed})::{unnamed}"},
        Spelling{"_ZZ4mainENUlvE_4_FUNEv", "_ZZ4mainEN3$_08__invokeEv", "main::{unnamed}::__invoke()"},
        Spelling{"_ZN12_GLOBAL__N_113two_transfersEv", "_ZN12_GLOBAL__N_113two_transfersEv",
                 "(anonymous namespace)::two_transfers()"},
        Spelling{"main", "main", "main"}));

// clang does not say that it is in `sound`: nothing would be left to tell it from others.
TEST(LabBodyNames, OfALambdaOutsideOfFunctionsStaysAsItIs) {
  EXPECT_EQ(body_name("N12_GLOBAL__N_15soundMUliE_E"), "(anonymous namespace)::sound::{lambda(int)#1}");
  EXPECT_EQ(body_name("N12_GLOBAL__N_13$_5E"), "(anonymous namespace)::$_5");
  EXPECT_EQ(body_name("3$_7"), "$_7");
}

TEST(LabBodyNames, SymbolsThatAreNoneAreKept) {
  for (const char* symbol : {"", "_Z", "$_", "{lambda(", "()::{lambda(", "()::{unnamed type#", "no symbol"})
    EXPECT_EQ(body_name(symbol), symbol);
}

// The number is here so that it is the same whichever compiler built this test.
TEST(LabBodies, ThisCompilersFingerprintsAreTheOthers) {
  auto lambda = [](int) {};
  EXPECT_EQ(body_name(typeid(lambda).name()),
            "quiesce::lab::detail::(anonymous namespace)::"
            "LabBodies_ThisCompilersFingerprintsAreTheOthers_Test::TestBody()::{unnamed}");
  EXPECT_EQ(fingerprint_of(id_of_body(lambda)), 0x76828631U);
}

TEST(LabBodies, ThoseOfOneNameAreNumberedAsTheyAreExplored) {
  auto first = [](int) {};
  auto second = [](int) {};
  const BodyId a = id_of_body(first), b = id_of_body(second);
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(known_fingerprint_of(b), b.name) << "not explored, so without a number";
  EXPECT_EQ(fingerprint_of(a), a.name + 1);
  EXPECT_EQ(fingerprint_of(b), b.name + 2);
  EXPECT_EQ(fingerprint_of(a), a.name + 1) << "once more";
  EXPECT_EQ(known_fingerprint_of(b), b.name + 2);
  EXPECT_EQ(fingerprint_of(BodyId{}), 0u) << "not known";
}

TEST(LabBodies, TheLastNumberIsSharedByAllThatComeLate) {
  const std::uint32_t name = 0x1230;
  std::array<char, 40> bodies{};
  for (std::size_t i = 0; i < bodies.size(); ++i)
    EXPECT_EQ(fingerprint_of({name, &bodies[i]}), name + std::min<std::size_t>(i + 1, 15));
  EXPECT_EQ(fingerprint_of({name + 16, bodies.data()}), name + 16 + 1);
}

TEST(LabBodies, MayBeTheSameUnlessTheyAreKnownNotToBe) {
  EXPECT_TRUE(may_be_same_body(0x51, 0x51));
  EXPECT_TRUE(may_be_same_body(0x51, 0));
  EXPECT_TRUE(may_be_same_body(0, 0x51));
  EXPECT_TRUE(may_be_same_body(0x51, 0x50)) << "of the same name, and one has no number";
  EXPECT_TRUE(may_be_same_body(0x50, 0x53));
  EXPECT_FALSE(may_be_same_body(0x51, 0x52));
  EXPECT_FALSE(may_be_same_body(0x51, 0x61));
  EXPECT_FALSE(may_be_same_body(0x51, 0x60));
}

// A program may explore two bodies of one function and replay the second one's token in another process, without the first.
TEST(LabBodies, ATokenOfTheOtherLambdaIsRefusedOnceBothAreKnown) {
  auto right = [] { check(true, "right"); };
  auto wrong = [] { check(false, "wrong"); };
  const auto token_of = [](auto& body) { return explore_threads({}, body).failure()->token; };
  const std::string token = token_of(wrong);
  EXPECT_FALSE(replay_threads(token, right).failed()) << "not explored: its choices have to tell";
  EXPECT_FALSE(explore_threads({}, right).failed());
  const Report refused = replay_threads(token, right);
  ASSERT_TRUE(refused.failed());
  EXPECT_EQ(refused.failure()->kind, FailureKind::divergence);
  EXPECT_THAT(refused.failure()->message,
              ContainsRegex("the token is of another body: its maker has the fingerprint "
                            "b[0-9a-f]{7}1, this one has b[0-9a-f]{7}2"));
  EXPECT_EQ(replay_threads(token, wrong).failure()->message, "wrong");
}

}  // namespace
}  // namespace quiesce::lab::detail
