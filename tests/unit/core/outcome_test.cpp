#include <gtest/gtest.h>
#include <quiesce/outcome.hpp>

#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <type_traits>

#include "generators.hpp"

namespace q = quiesce;
using q::CancelReason;
using q::Error;
using q::ErrorCode;
using q::Outcome;
using q::OutcomeKind;
using q::PanicPayload;

namespace {

static_assert(sizeof(Outcome<>) <= 48 && sizeof(Outcome<int>) <= 48);
static_assert(std::is_nothrow_move_constructible_v<Outcome<std::string>>);
static_assert(std::is_nothrow_move_assignable_v<Outcome<std::string>>);
static_assert(std::is_copy_constructible_v<Outcome<std::string>>);
static_assert(std::is_move_constructible_v<Outcome<std::unique_ptr<int>>>);
static_assert(!std::is_copy_constructible_v<Outcome<std::unique_ptr<int>>>);
static_assert(std::is_convertible_v<int, Outcome<int>> && !std::is_convertible_v<Error, Outcome<int>>);
static_assert(std::is_convertible_v<Outcome<int>, Outcome<long>>);
static_assert(!std::is_convertible_v<Outcome<int>, Outcome<>>);

// One outcome of each kind.
template <class T>
Outcome<T> err(std::string text = "e") {
  return Outcome<T>::err(Error(std::move(text)));
}
template <class T>
Outcome<T> cancelled(std::string text = "c") {
  return Outcome<T>::cancelled(CancelReason::user(std::move(text)));
}
template <class T>
Outcome<T> panicked(std::string text = "p") {
  return Outcome<T>::panicked(PanicPayload(std::move(text)));
}

std::string printed(const auto& value) {
  std::ostringstream os;
  os << value;
  return os.str();
}

// Counts live objects; its moves may be told to throw.
struct Tracked {
  static inline int live = 0;
  static inline int throw_after = -1;
  int value;

  explicit Tracked(int v) : value(v) { ++live; }
  Tracked(const Tracked& other) : value(other.value) { ++live; }
  Tracked(Tracked&& other) : value(other.value) {
    if (throw_after >= 0 && throw_after-- == 0) throw std::runtime_error("move failed");
    ++live;
  }
  Tracked& operator=(const Tracked&) = default;
  ~Tracked() { --live; }
};

// A type of error that Error can be made from, without an operator<<.
struct FileError {
  int number;
  explicit operator Error() const { return Error(ErrorCode::Io, "errno " + std::to_string(number)); }
};
struct FromError {
  std::string text;
  explicit FromError(Error error) : text(error.message()) {}
};

TEST(Outcome, O1_is_exactly_one_of_four) {
  const Outcome<int> all[] = {7, err<int>(), cancelled<int>(), panicked<int>()};
  for (int kind = 0; kind < 4; ++kind) {
    EXPECT_EQ(all[kind].kind(), static_cast<OutcomeKind>(kind));
    EXPECT_EQ(all[kind].is_ok(), kind == 0);
    EXPECT_EQ(all[kind].is_err(), kind == 1);
    EXPECT_EQ(all[kind].is_cancelled(), kind == 2);
    EXPECT_EQ(all[kind].is_panicked(), kind == 3);
  }
  EXPECT_EQ(all[0].value(), 7);
  EXPECT_EQ(all[1].error(), Error("e"));
  EXPECT_EQ(all[2].cancel_reason().message(), "c");
  EXPECT_EQ(all[3].panic().message(), "p");
}

TEST(Outcome, O2_severity_is_a_total_order) {
  EXPECT_LT(Outcome<>::ok().severity(), err<void>().severity());
  EXPECT_LT(err<void>().severity(), cancelled<void>().severity());
  EXPECT_LT(cancelled<void>().severity(), panicked<void>().severity());
}

TEST(Outcome, access_of_another_kind_names_the_actual_outcome) {
  const auto message_of = [](auto access) -> std::string {
    try {
      access();
    } catch (const q::BadOutcomeAccess& bad) { return bad.what(); }
    return "nothing was thrown";
  };
  EXPECT_EQ(message_of([] { (void)err<int>("gone").value(); }), "Outcome::value() on Err(User: gone)");
  EXPECT_EQ(message_of([] { panicked<void>("broke").value(); }), "Outcome::value() on Panicked(broke)");
  EXPECT_EQ(message_of([] { (void)Outcome<int>(1).error(); }), "Outcome::error() on Ok");
  EXPECT_EQ(message_of([] { (void)err<int>().cancel_reason(); }), "Outcome::cancel_reason() on Err(User: e)");
  EXPECT_EQ(message_of([] { (void)Outcome<>::ok().panic(); }), "Outcome::panic() on Ok");
  EXPECT_EQ(message_of([] { (void)Outcome<int, FileError>::err({2}).value(); }),
            "Outcome::value() on Err(Io: errno 2)");
  EXPECT_EQ(message_of([] { (void)Outcome<int, int>::err(13).value(); }), "Outcome::value() on Err(13)");
  EXPECT_EQ(message_of([] { (void)Outcome<int, std::string>::err("s").value(); }),
            "Outcome::value() on Err(s)");
}

TEST(Outcome, is_made_from_values_and_expected) {
  const auto half = [](int n) -> Outcome<int> {
    if (n % 2 == 0) return n / 2;
    return Outcome<int>::err(Error("odd"));
  };
  EXPECT_EQ(half(8).value(), 4);
  EXPECT_EQ(half(7).error().message(), "odd");
  EXPECT_EQ((Outcome<std::string>("text").value()), "text");
  EXPECT_EQ((Outcome<std::vector<int>>::ok({1, 2}).value().size()), 2U);
  EXPECT_EQ((Outcome<long>(std::expected<int, Error>(3)).value()), 3);
  EXPECT_TRUE((Outcome<>(std::expected<void, Error>()).is_ok()));
  const std::expected<int, Error> bad = std::unexpected(Error("bad"));
  EXPECT_EQ(Outcome<int>(bad).error().message(), "bad");
  const Outcome<std::expected<int, Error>> nested = bad;
  EXPECT_TRUE(nested.is_ok());
  EXPECT_FALSE(nested.value().has_value());
  EXPECT_EQ(Outcome<int>().value(), 0);
}

TEST(Outcome, move_only_values_move_through) {
  Outcome<std::unique_ptr<int>> outcome = std::make_unique<int>(5);
  auto moved = std::move(outcome);
  EXPECT_TRUE(outcome.is_ok());  // NOLINT(bugprone-use-after-move): keeps its kind
  EXPECT_EQ(outcome.value(), nullptr);
  auto doubled = std::move(moved).map([](std::unique_ptr<int> p) { return std::make_unique<int>(*p * 2); });
  const std::unique_ptr<int> taken = std::move(doubled).value();
  EXPECT_EQ(*taken, 10);
}

TEST(Outcome, destroys_what_it_held_once) {
  Tracked::live = 0;
  {
    Outcome<Tracked> a = Tracked(1);
    auto b = a;
    b = std::move(a);
    a = Outcome<Tracked>::err(Error("x"));
    EXPECT_EQ(Tracked::live, 1);
    a = b;
    EXPECT_EQ(Tracked::live, 2);
    auto& self = b;
    b = self;
    b = std::move(self);
    EXPECT_EQ(b.value().value, 1);
    b = panicked<Tracked>();
    EXPECT_EQ(Tracked::live, 1);
  }
  EXPECT_EQ(Tracked::live, 0);
}

TEST(Outcome, a_move_that_throws_in_assignment_leaves_a_panic) {
  Tracked::live = 0;
  {
    Outcome<Tracked> target = Tracked(1);
    Outcome<Tracked> source = Tracked(2);
    Tracked::throw_after = 1;  // the second move is made when the target's old value is gone
    EXPECT_THROW(target = std::move(source), std::runtime_error);
    Tracked::throw_after = -1;
    EXPECT_TRUE(target.is_panicked());
  }
  EXPECT_EQ(Tracked::live, 0);
}

TEST(Outcome, assignment_from_within_its_own_value) {
  struct Node {
    std::unique_ptr<Outcome<Node>> next;
    int number = 0;
  };
  Outcome<Node> list = Node{std::make_unique<Outcome<Node>>(Node{nullptr, 2}), 1};
  list = std::move(*list.value().next);
  EXPECT_EQ(list.value().number, 2);
}

TEST(Outcome, map_touches_only_the_value) {
  const auto plus_one = [](int x) { return x + 1.5; };
  EXPECT_EQ(Outcome<int>(1).map(plus_one).value(), 2.5);
  EXPECT_EQ(err<int>("kept").map(plus_one).error().message(), "kept");
  EXPECT_EQ(cancelled<int>("kept").map(plus_one).cancel_reason().message(), "kept");
  EXPECT_EQ(panicked<int>("kept").map(plus_one).panic().message(), "kept");
  int seen = 0;
  const Outcome<int> four = 4;
  const Outcome<> nothing = four.map([&](int x) { seen = x; });
  EXPECT_TRUE(nothing.is_ok());
  EXPECT_EQ(seen, 4);
  EXPECT_EQ(nothing.map([] { return 9; }).value(), 9);
}

TEST(Outcome, map_error_touches_only_the_error) {
  const auto length = [](const Error& error) { return error.message().size(); };
  EXPECT_EQ(err<int>("four").map_error(length).error(), 4U);
  EXPECT_EQ(Outcome<int>(3).map_error(length).value(), 3);
  EXPECT_TRUE(Outcome<>::ok().map_error(length).is_ok());
  EXPECT_EQ(cancelled<int>("kept").map_error(length).cancel_reason().message(), "kept");
  const auto panic = panicked<int>("kept");
  EXPECT_EQ(panic.map_error(length).panic().message(), "kept");
}

TEST(Outcome, and_then_chains_and_keeps_what_is_attached) {
  const auto positive = [](int x) -> Outcome<std::string> {
    if (x > 0) return std::to_string(x);
    return err<std::string>("not positive");
  };
  EXPECT_EQ(Outcome<int>(1).and_then(positive).value(), "1");
  EXPECT_EQ(Outcome<int>(0).and_then(positive).error().message(), "not positive");
  EXPECT_TRUE(cancelled<int>().and_then(positive).is_cancelled());
  EXPECT_TRUE(Outcome<>::ok().and_then([] { return Outcome<>::ok(); }).is_ok());
  Outcome<int> noted = 1;
  noted.attach(err<void>("noted"));
  EXPECT_EQ(noted.and_then(positive).attached().size(), 1U);
  EXPECT_EQ(noted.map([](int x) { return x; }).attached().size(), 1U);
  EXPECT_EQ(noted.map_error([](const Error& e) { return e; }).attached().size(), 1U);
}

TEST(Outcome, visit_calls_the_function_of_its_kind) {
  const auto name = [](const Outcome<int>& outcome) {
    return outcome.visit(
        [](int x) { return "ok " + std::to_string(x); }, [](const Error& e) { return e.message(); },
        [](const CancelReason& r) { return r.message(); }, [](const PanicPayload& p) { return p.message(); });
  };
  EXPECT_EQ(name(1), "ok 1");
  EXPECT_EQ(name(err<int>("e")), "e");
  EXPECT_EQ(name(cancelled<int>("c")), "c");
  EXPECT_EQ(name(panicked<int>("p")), "p");
  int calls = 0;
  Outcome<>::ok().visit([&] { ++calls; }, [](const Error&) {}, [](const CancelReason&) {},
                        [](const PanicPayload&) {});
  EXPECT_EQ(calls, 1);
  Outcome<std::unique_ptr<int>> owned = std::make_unique<int>(3);
  const auto none = [](auto&&) { return std::unique_ptr<int>(); };
  EXPECT_EQ(*std::move(owned).visit([](std::unique_ptr<int> p) { return p; }, none, none, none), 3);
}

TEST(Outcome, a_failure_crosses_types) {
  auto source = err<int>("text");
  source.attach(panicked<void>("noted"));
  const auto crossed = source.failure_as<std::string, FromError>();
  EXPECT_EQ(crossed.error().text, "text");
  EXPECT_EQ(crossed.attached().size(), 1U);
  EXPECT_TRUE(std::move(source).failure_as<void>().is_err());
  EXPECT_TRUE(cancelled<int>().failure_as<void>().is_cancelled());
  EXPECT_DEATH((void)Outcome<int>(1).failure_as<void>(), "failure_as on Ok");
}

TEST(Outcome, converts_to_wider_types) {
  const Outcome<long> wide = Outcome<int>(3);
  EXPECT_EQ(wide.value(), 3);
  const Outcome<int, FromError> other(err<int>("text"));
  EXPECT_EQ(other.error().text, "text");
  const Outcome<std::optional<int>> wrapped = panicked<int>("p");
  EXPECT_EQ(wrapped.panic().message(), "p");
}

TEST(Outcome, O2_join_worst_wins_and_the_first_stands_among_equals) {
  const auto joined = Outcome<int>(1).join(err<int>("first")).join(err<int>("second")).join(Outcome<int>(2));
  EXPECT_EQ(joined.error().message(), "first");
  ASSERT_EQ(joined.attached().size(), 1U);
  EXPECT_EQ(joined.attached()[0].text, "User: second");
  const auto worse = joined.join(panicked<int>("worst")).join(cancelled<int>("last"));
  EXPECT_EQ(worse.panic().message(), "worst");
  ASSERT_EQ(worse.attached().size(), 3U);
  EXPECT_EQ(worse.attached()[0].text, "User: first");
  EXPECT_EQ(worse.attached()[1].text, "User: second");
  EXPECT_EQ(worse.attached()[2].kind, OutcomeKind::Cancelled);
  EXPECT_EQ(joined.attached().size(), 1U);  // copies share the list, and are not changed by each other
  EXPECT_EQ(Outcome<int>(1).join(Outcome<int>(2)).value(), 1);
}

TEST(Outcome, join_takes_the_failure_of_other_types) {
  EXPECT_EQ(Outcome<int>(1).join(err<std::string>("text")).error().message(), "text");
  EXPECT_EQ(Outcome<int>(1).join(Outcome<>::ok()).value(), 1);
  EXPECT_EQ((Outcome<int>(1).join(Outcome<void, FileError>::err({2})).error().code()), ErrorCode::Io);
  const auto kept = cancelled<int>("kept").join(Outcome<void, FileError>::err({2}));
  EXPECT_EQ(kept.cancel_reason().message(), "kept");
  EXPECT_EQ(kept.attached()[0].text, "Io: errno 2");
}

TEST(Outcome, O2_join_laws) {
  using O = Outcome<int>;
  const auto failures = [](const O& o) { return o.attached().size() + (o.is_ok() ? 0U : 1U); };
  EXPECT_TRUE(rc::check("worst wins, the first stands, nothing is lost", [&](const O& a, const O& b) {
    const O joined = a.join(b);
    RC_ASSERT(joined.severity() == std::max(a.severity(), b.severity()));
    RC_ASSERT(joined == (b.severity() > a.severity() ? b : a));
    RC_ASSERT(failures(joined) == failures(a) + failures(b));
  }));
  EXPECT_TRUE(rc::check("associative, also in what is attached", [](const O& a, const O& b, const O& c) {
    const O left = a.join(b).join(c);
    const O right = a.join(b.join(c));
    RC_ASSERT(left == right);
    std::multiset<std::string> left_texts, right_texts;
    for (const auto& f : left.attached()) left_texts.insert(f.text);
    for (const auto& f : right.attached()) right_texts.insert(f.text);
    RC_ASSERT(left_texts == right_texts);
  }));
  EXPECT_TRUE(rc::check("commutative in severity", [](const O& a, const O& b) {
    RC_ASSERT(a.join(b).severity() == b.join(a).severity());
  }));
  EXPECT_TRUE(rc::check("idempotent, with Ok as unit", [](const O& a) {
    RC_ASSERT(a.join(a) == a);
    RC_ASSERT(a.join(Outcome<>::ok()) == a);
    RC_ASSERT(a.is_ok() || O(0).join(a) == a);
  }));
}

TEST(Outcome, attach_records_without_changing_the_kind) {
  Outcome<int> outcome = 1;
  outcome.attach(Outcome<>::ok());
  EXPECT_TRUE(outcome.attached().empty());
  const auto exception = std::make_exception_ptr(std::runtime_error("thrown"));
  outcome.attach(Outcome<>::panicked(PanicPayload::from_exception(exception)));
  ASSERT_EQ(outcome.attached().size(), 1U);
  EXPECT_EQ(outcome.attached()[0].exception, exception);
  EXPECT_EQ(outcome.value(), 1);
  auto failure = err<int>("self");
  failure.attach(failure);
  failure.attach(failure);
  EXPECT_EQ(failure.attached().size(), 3U);  // 1, then itself and that one again
}

TEST(Outcome, equality_is_kind_and_payload) {
  EXPECT_EQ(Outcome<int>(1), Outcome<int>(1));
  EXPECT_NE(Outcome<int>(1), Outcome<int>(2));
  EXPECT_NE(Outcome<int>(1), err<int>());
  EXPECT_EQ(err<int>("a"), err<int>("a"));
  EXPECT_NE(err<int>("a"), err<int>("b"));
  EXPECT_NE(cancelled<int>("a"), cancelled<int>("b"));
  EXPECT_EQ(panicked<int>("a"), panicked<int>("a"));
  EXPECT_EQ(Outcome<>::ok(), Outcome<>::ok());
}

TEST(Outcome, prints_kind_payload_and_what_is_attached) {
  struct Opaque {};
  EXPECT_EQ(printed(Outcome<int>(42)), "Ok(42)");
  EXPECT_EQ(printed(Outcome<>::ok()), "Ok");
  EXPECT_EQ(printed(Outcome<Opaque>::ok()), "Ok(?)");
  EXPECT_EQ(printed(err<int>("text")), "Err(User: text)");
  EXPECT_EQ(printed(Outcome<int, FileError>::err({2})), "Err(Io: errno 2)");
  EXPECT_EQ(printed(panicked<int>("text")), "Panicked(text)");
  EXPECT_TRUE(printed(cancelled<int>("text")).starts_with("Cancelled(User: text (at outcome_test.cpp:"));
  EXPECT_EQ(printed(err<int>("a").join(err<int>("b"))), "Err(User: a) (+1 attached: Err(User: b))");
}

}  // namespace
