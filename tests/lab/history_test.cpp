// The checker itself: what it must accept, and what it must refuse.
#include "lab/history.hpp"

#include <gtest/gtest.h>

#include "lab/channel/queue_model.hpp"

namespace quiesce::lab_tests {
namespace {

using Kind = QueueModel::Kind;
using Code = QueueModel::Code;
using Calls = History<QueueModel>;
QueueModel::Op send(int value) { return {Kind::Send, value}; }
constexpr QueueModel::Op recv{Kind::Recv};
QueueModel::Result got(int value) { return {Code::Ok, value}; }
constexpr QueueModel::Result ok{}, end{Code::Disconnected};

/// A register, as a model whose results follow from the state.
struct RegisterModel {
  using State = int;
  struct Op {
    bool writes;
    int value = 0;
  };
  using Result = int;
  static std::optional<int> apply(int& state, const Op& op) {
    if (op.writes) state = op.value;
    return state;
  }
  static std::string text(const Op& op, const int*) { return op.writes ? "write" : "read"; }
};

TEST(LabHistory, OneByOneItMustBeTheModel) {
  Calls right(QueueModel::State(2, 1));
  right.did(send(1), ok);
  right.did(send(2), ok);
  right.did(recv, got(1));
  right.did({Kind::DropSender}, ok);
  right.did(recv, got(2));
  right.did(recv, end);
  EXPECT_TRUE(right.is_linearizable()) << right.text();
  right.check();

  Calls wrong(QueueModel::State(2, 1));
  wrong.did(send(1), ok);
  wrong.did(send(2), ok);
  wrong.did(recv, got(2));
  EXPECT_FALSE(wrong.is_linearizable()) << "the second came first";
  EXPECT_EQ(wrong.text(), "0 to 1: send 1 gave ok\n2 to 3: send 2 gave ok\n4 to 5: recv gave ok 2\n");
}

TEST(LabHistory, CallsThatOverlapMayHaveHappenedInAnyOrder) {
  Calls history(QueueModel::State(2, 1));
  auto first = history.invoke(send(1)), second = history.invoke(send(2));
  first.returned(ok);
  second.returned(ok);
  history.did(recv, got(2));
  history.did(recv, got(1));
  EXPECT_TRUE(history.is_linearizable());
}

TEST(LabHistory, AMessageIsReceivedOnce) {
  Calls history(QueueModel::State(2, 1));
  auto a = history.invoke(recv), b = history.invoke(recv);
  history.did(send(1), ok);
  a.returned(got(1));
  b.returned(got(1));
  EXPECT_FALSE(history.is_linearizable());
}

TEST(LabHistory, ACancelledCallHasHadNoEffect) {
  Calls history(QueueModel::State(2, 1));
  { auto cancelled = history.invoke(send(1)); }
  EXPECT_EQ(history.size(), 0u);
  history.did(recv, got(1));
  EXPECT_FALSE(history.is_linearizable()) << "it had one";
}

TEST(LabHistory, AnOpenCallMayHaveHadItsEffect) {
  for (bool had : {true, false}) {
    Calls history(QueueModel::State(2, 0));
    history.invoke(send(1)).leave_open();
    history.did(recv, had ? got(1) : end);
    EXPECT_TRUE(history.is_linearizable());
    history.did(recv, got(1));
    EXPECT_EQ(history.is_linearizable(), !had) << "but once";
  }
}

TEST(LabHistory, WhatWaitsIsNotDoneEarly) {
  Calls history(QueueModel::State(1, 1));
  history.did(send(1), ok);
  history.did(send(2), ok);  // there was room for one
  history.did(recv, got(1));
  EXPECT_FALSE(history.is_linearizable());
}

// From Herlihy and Wing, "Linearizability" (TOPLAS 12(3), 1990), figure 2: sequentially consistent, and not linearizable.
TEST(LabHistory, TheOrderOfCallsThatDoNotOverlapIsKept) {
  History<RegisterModel> stale;
  stale.did({true, 1}, 1);
  stale.did({false}, 0);
  EXPECT_FALSE(stale.is_linearizable());

  History<RegisterModel> fresh;
  auto write = fresh.invoke({true, 1});
  fresh.did({false}, 1);
  fresh.did({false}, 1);
  write.returned(1);
  EXPECT_TRUE(fresh.is_linearizable());

  History<RegisterModel> back;
  auto slow = back.invoke({true, 1});
  back.did({false}, 1);
  back.did({false}, 0);  // it had been seen
  slow.returned(1);
  EXPECT_FALSE(back.is_linearizable());
}

// Ten calls that all overlap have 3.6 million orders, but only 2^10 sets of them can be done first, in one of two states each.
TEST(LabHistory, WhatWasSearchedIsNotSearchedAgain) {
  History<RegisterModel> history;
  std::vector<History<RegisterModel>::Invocation> calls;
  for (int i = 0; i < 10; ++i) calls.push_back(history.invoke({true, i % 2}));
  for (int i = 0; i < 10; ++i) calls[static_cast<std::size_t>(i)].returned(i % 2);
  history.did({false}, 2);
  EXPECT_FALSE(history.is_linearizable());
}

}  // namespace
}  // namespace quiesce::lab_tests
