#include <gtest/gtest.h>
#include <quiesce/detail/core/soundness.hpp>
#include <quiesce/error.hpp>
#include <quiesce/ids.hpp>
#include <quiesce/outcome.hpp>
#include <quiesce/sendable.hpp>
#include <quiesce/time.hpp>

#include <any>
#include <array>
#include <atomic>
#include <boost/pfr/core.hpp>
#include <coroutine>
#include <expected>
#include <functional>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <variant>
#include <vector>

namespace q = quiesce;
using q::detail::own_reason;
using q::detail::Unsound;

namespace sendable_test {

enum class Color { Red };
struct Incomplete;
struct Plain {
  int id;
  std::string name;
};
struct HoldsPointer {
  int id;
  Plain* plain;
};
struct HoldsReference {
  std::string name;
  const int& target;
};
struct Nested {
  std::vector<std::optional<HoldsPointer>> list;
};
struct WithArrays {
  char tag[4];
  Plain plains[2];
  int grid[2][3];
  double last;
};
struct Bits {
  unsigned a : 3;
  unsigned b : 5;
  unsigned : 2;
  int c;
};
struct MoveOnly {
  std::vector<std::unique_ptr<int>> owned;
  std::unique_ptr<Plain> plain;
};
struct NoDefault {
  explicit NoDefault(int) {}
  explicit NoDefault(const std::string&) {}
};
struct FromTwo {
  FromTwo(int, int) {}
};
struct MustInitialise {
  int first;
  FromTwo pair;
  std::string& name;
  int last[3];
};
struct Greedy {
  template <class T>
  Greedy(T&&) {}
};
struct DerivedFromGreedy : Greedy {
  int size;
};
struct Odd {
  std::optional<int> maybe;
  std::any any;
  Greedy greedy;
  std::variant<int, std::string> either;
  std::tuple<int> single;
  std::atomic<int> counter;
};
struct ExplicitDefault {
  explicit ExplicitDefault() = default;
  int x = 0;
};
struct WithExplicitDefault {
  int a;
  ExplicitDefault e;
  int b;
};
struct Base {
  int id;
};
struct Derived : Base {
  int size;
};
struct EmptyBase {};
struct DerivedFromEmpty : EmptyBase {
  int size;
};
union Either {
  int i;
  float f;
};
struct HoldsUnion {
  int id;
  Either either;
};
struct AnonymousUnion {
  int id;
  union {
    int i;
    float f;
  };
  int last;
};
struct LongArray {
  char buffer[4096];
};
struct Members32 {
  int a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16;
  int b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15, b16;
};
struct Members33 {
  Members32 first;
  int a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16;
  int b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15, b16;
};
struct Tree {
  std::vector<Tree> children;
  std::unique_ptr<Tree> next;
  std::map<std::string, Tree> named;
};
struct PointerTree {
  std::vector<PointerTree> children;
  PointerTree* parent;
};
struct Left;
struct Right {
  std::vector<Left> lefts;
  int* bad;
};
struct Left {
  std::vector<Right> rights;
  int* bad;
};
class Private {
 public:
  Private() = default;

 private:
  [[maybe_unused]] int* p_ = nullptr;
};
struct OptedOut {
  int x;
};
struct OptedIn {
  int* x;
};
struct Counters {
  int hits;
};
template <class T>
struct Box {
  T* storage;
};

q::Task<int, q::Error> takes_value(int, std::string);
q::Task<int, q::Error> takes_reference(int, const std::string&);
q::Task<int, q::Error> takes_pointer(int, int*);
q::Task<int*, q::Error> gives_pointer(int);
int no_task(int);

}  // namespace sendable_test

template <>
inline constexpr bool quiesce::enable_sendable<sendable_test::OptedOut> = false;
template <>
inline constexpr bool quiesce::enable_sendable<sendable_test::OptedIn> = true;
template <>
inline constexpr bool quiesce::enable_sendable<sendable_test::Incomplete> = true;
template <>
inline constexpr bool quiesce::enable_sync<sendable_test::Counters> = true;
template <class T>
inline constexpr bool quiesce::enable_sendable<sendable_test::Box<T>> = quiesce::Sendable<T>;

namespace sendable_test {
namespace {

using q::detail::member_count;
using q::detail::not_countable;

TEST(Sendable, values_are) {
  EXPECT_TRUE(
      (q::Sendable<int> && q::Sendable<const double> && q::Sendable<Color> && q::Sendable<std::nullptr_t>));
  EXPECT_TRUE((q::Sendable<std::string> && q::Sendable<std::vector<std::string>> && q::Sendable<void>));
  EXPECT_TRUE((q::Sendable<std::map<int, std::string>> && q::Sendable<std::unordered_map<int, std::string>>));
  EXPECT_TRUE((q::Sendable<std::optional<int>> && q::Sendable<std::variant<int, std::string>>));
  EXPECT_TRUE((q::Sendable<std::expected<void, std::string>> && q::Sendable<std::array<int, 300>>));
  EXPECT_TRUE(
      (q::Sendable<std::pair<int, Plain>> && q::Sendable<std::tuple<>> && q::Sendable<std::tuple<int>>));
  EXPECT_TRUE(
      (q::Sendable<std::thread::id> && q::Sendable<std::exception_ptr> && q::Sendable<std::future<int>>));
  EXPECT_TRUE((q::Sendable<int (*)(int*)> && q::Sendable<int Plain::*>));
  EXPECT_TRUE((q::Sendable<std::unique_ptr<Plain>> && q::Sendable<std::unique_ptr<int[]>>));
  EXPECT_TRUE((q::Sendable<std::unique_ptr<int, void (*)(int*)>> && q::Sendable<Private>));
}

TEST(Sendable, library_values_are) {
  EXPECT_TRUE(
      (q::Sendable<q::RegionId> && q::Sendable<q::TaskId> && q::Sendable<q::Error> && q::Sendable<q::Time>));
  EXPECT_TRUE((q::Sendable<q::Outcome<int>> && q::Sendable<q::Outcome<>>));
  EXPECT_FALSE((q::Sendable<q::Outcome<int*>>));
  EXPECT_FALSE((q::Sendable<q::Outcome<int, std::string_view>>));
  EXPECT_FALSE((q::Sendable<q::Task<int, q::Error>>));
}

TEST(Sendable, each_refusal_has_its_reason) {
  EXPECT_EQ(own_reason<int&>, Unsound::Reference);
  EXPECT_EQ(own_reason<int&&>, Unsound::Reference);
  EXPECT_EQ(own_reason<int*>, Unsound::Pointer);
  EXPECT_EQ(own_reason<const void* const>, Unsound::Pointer);
  EXPECT_EQ(own_reason<int (**)()>, Unsound::Pointer);
  EXPECT_EQ(own_reason<const char*>, Unsound::CString);
  EXPECT_EQ(own_reason<std::reference_wrapper<int>>, Unsound::ReferenceWrapper);
  EXPECT_EQ(own_reason<std::string_view>, Unsound::StringView);
  EXPECT_EQ(own_reason<std::wstring_view>, Unsound::StringView);
  EXPECT_EQ((own_reason<std::span<int>>), Unsound::Span);
  EXPECT_EQ((own_reason<std::span<const int, 3>>), Unsound::Span);
  EXPECT_EQ(own_reason<std::initializer_list<int>>, Unsound::View);
  EXPECT_EQ((own_reason<std::ranges::ref_view<std::vector<int>>>), Unsound::View);
  EXPECT_EQ(own_reason<std::vector<int>::iterator>, Unsound::Iterator);
  EXPECT_EQ((own_reason<std::map<int, int>::const_iterator>), Unsound::Iterator);
  EXPECT_EQ(own_reason<std::list<int>::reverse_iterator>, Unsound::Iterator);
  EXPECT_EQ(own_reason<std::vector<bool>::iterator>, Unsound::Iterator);
  EXPECT_EQ(own_reason<std::coroutine_handle<>>, Unsound::CoroutineHandle);
  EXPECT_EQ(own_reason<std::unique_lock<std::mutex>>, Unsound::LockGuard);
  EXPECT_EQ(own_reason<std::shared_lock<std::shared_mutex>>, Unsound::LockGuard);
  EXPECT_EQ(own_reason<std::function<void()>>, Unsound::TypeErased);
  EXPECT_EQ(own_reason<std::packaged_task<int(int)>>, Unsound::TypeErased);
  EXPECT_EQ(own_reason<std::any>, Unsound::TypeErased);
  EXPECT_EQ((own_reason<q::Task<int, q::Error>>), Unsound::TaskFrame);
  EXPECT_EQ(own_reason<const OptedOut>, Unsound::OptedOut);
  EXPECT_EQ(own_reason<Either>, Unsound::Opaque);
}

TEST(Sendable, shared_pointers_need_const_or_sync) {
  EXPECT_EQ(own_reason<std::shared_ptr<int>>, Unsound::SharedMutable);
  EXPECT_EQ(own_reason<std::weak_ptr<Plain>>, Unsound::SharedMutable);
  EXPECT_EQ(own_reason<std::shared_ptr<void>>, Unsound::SharedMutable);
  EXPECT_EQ(own_reason<std::shared_ptr<const void>>, Unsound::Opaque);
  EXPECT_TRUE((q::Sendable<std::shared_ptr<const int>> && q::Sendable<std::weak_ptr<const Plain>>));
  EXPECT_TRUE((q::Sendable<std::shared_ptr<const int[]>>));
  EXPECT_FALSE((q::Sendable<std::shared_ptr<const HoldsPointer>>));
  EXPECT_TRUE((q::Sendable<std::shared_ptr<std::atomic<int>>> && q::Sendable<std::shared_ptr<std::mutex>>));
  EXPECT_TRUE((q::Sendable<std::shared_ptr<std::shared_mutex>> && q::Sendable<std::shared_ptr<Counters>>));
}

TEST(Sendable, sync_means_locks_and_atomics_but_not_their_guards) {
  EXPECT_TRUE((q::enable_sync<std::mutex> && q::enable_sync<std::recursive_mutex> &&
               q::enable_sync<std::atomic<long>>));
  EXPECT_FALSE(
      (q::enable_sync<std::unique_lock<std::mutex>> || q::enable_sync<std::string> || q::enable_sync<int>));
}

TEST(Sendable, looks_inside) {
  EXPECT_FALSE((q::Sendable<HoldsPointer> || q::Sendable<HoldsReference> || q::Sendable<Nested>));
  EXPECT_FALSE((q::Sendable<std::vector<int*>> || q::Sendable<std::map<int, std::string_view>>));
  EXPECT_FALSE((q::Sendable<std::map<std::string_view, int>> || q::Sendable<std::array<int*, 2>>));
  EXPECT_FALSE((q::Sendable<std::tuple<int, int&>> || q::Sendable<std::pair<int, const char*>>));
  EXPECT_FALSE((q::Sendable<std::variant<int, int*>> || q::Sendable<std::optional<std::string_view>>));
  EXPECT_FALSE((q::Sendable<std::expected<int, int*>> || q::Sendable<std::expected<void, int*>>));
  EXPECT_FALSE((q::Sendable<std::unique_ptr<int*>> || q::Sendable<std::unique_ptr<HoldsPointer>>));
  EXPECT_TRUE((q::Sendable<Plain> && q::Sendable<WithArrays> && q::Sendable<Bits> && q::Sendable<MoveOnly>));
}

TEST(Sendable, names_the_nearest_culprit) {
  using q::detail::fault;
  using q::detail::found_in;
  EXPECT_TRUE((std::is_same_v<found_in<int>, q::detail::sound>));
  EXPECT_TRUE((std::is_same_v<found_in<int*>, fault<void, int*>>));
  EXPECT_TRUE((std::is_same_v<found_in<HoldsReference>, fault<HoldsReference, const int&>>));
  EXPECT_TRUE((std::is_same_v<found_in<Nested>, fault<HoldsPointer, Plain*>>));
}

TEST(Sendable, types_that_contain_themselves_end) {
  EXPECT_TRUE((q::Sendable<Tree> && q::Sendable<std::vector<Tree>>));
  EXPECT_FALSE((q::Sendable<PointerTree> || q::Sendable<std::vector<PointerTree>>));
  EXPECT_FALSE((q::Sendable<Left> || q::Sendable<Right> || q::Sendable<std::vector<Right>>));
}

TEST(Sendable, a_users_decision_stands) {
  EXPECT_FALSE((q::Sendable<OptedOut> || q::Sendable<const OptedOut> || q::Sendable<std::vector<OptedOut>>));
  EXPECT_TRUE((q::Sendable<OptedIn> && q::Sendable<const OptedIn> && q::Sendable<std::vector<OptedIn>>));
  EXPECT_TRUE((q::Sendable<Box<int>> && q::Sendable<std::unique_ptr<Incomplete, void (*)(Incomplete*)>>));
  EXPECT_FALSE(q::Sendable<Box<int*>>);
  EXPECT_TRUE(static_cast<bool>(q::enable_sendable<int>) && !q::enable_sendable<int*>);
}

TEST(Sendable, what_cannot_be_looked_into_is_refused) {
  EXPECT_FALSE((q::Sendable<Derived> || q::Sendable<DerivedFromEmpty> || q::Sendable<HoldsUnion>));
  EXPECT_FALSE((q::Sendable<AnonymousUnion> || q::Sendable<LongArray> || q::Sendable<Members33>));
  EXPECT_TRUE(q::Sendable<Members32>);
  EXPECT_TRUE((q::Sendable<std::array<char, 4096>>));
}

TEST(Sendable, closures_with_captures_are_refused) {
  int n = 1;
  std::string s = "x";
  auto by_value = [n] { return n; };
  auto by_reference = [&s] { return s; };
  auto generic = [n](auto x) { return n + x; };
  auto templated = [n]<class T>(std::vector<T> v, void (*)(int)) { return n + static_cast<int>(v.size()); };
  auto empty = [] { return 1; };
  auto outer = [n] {
    struct Local {
      int x;
      int y() const { return x; }
    };
    return Local{n};
  };
  EXPECT_EQ(by_value() + generic(1) + templated(std::vector<int>{1}, nullptr) + outer().y() + empty(), 7);
  EXPECT_EQ(by_reference(), "x");
  EXPECT_EQ(own_reason<decltype(by_value)>, Unsound::Closure);
  EXPECT_EQ(own_reason<decltype(by_reference)>, Unsound::Closure);
  EXPECT_EQ(own_reason<decltype(generic)>, Unsound::Closure);
  EXPECT_EQ(own_reason<decltype(templated)>, Unsound::Closure);
  EXPECT_EQ(own_reason<decltype(empty)>, Unsound::None);
  EXPECT_TRUE(q::Sendable<decltype(outer())>);
  EXPECT_FALSE(q::detail::is_closure<Private> || q::detail::is_closure<std::vector<decltype(by_value)>>);
}

// The names as each compiler prints them, also those of the other one.
TEST(Sendable, closure_names) {
  using q::detail::names_closure_clang;
  using q::detail::names_closure_gcc;
  EXPECT_TRUE(names_closure_gcc("<lambda(int)>") &&
              names_closure_gcc("main()::<lambda(std::vector<int>, int (*)())>"));
  EXPECT_TRUE(names_closure_gcc("f(T) [with T = int]::<lambda(auto:1)>"));
  EXPECT_FALSE(names_closure_gcc("main()::<lambda()>::Local") || names_closure_gcc("Box<main()::<lambda()> >"));
  EXPECT_FALSE(names_closure_gcc("lambda") || names_closure_gcc("") || names_closure_gcc("lambda>"));
  EXPECT_TRUE(names_closure_clang("(lambda at a.cpp:1:2)"));
  EXPECT_FALSE(names_closure_clang("Box<(lambda at a.cpp:1:2)>") || names_closure_clang("lambda"));
}

template <class... Ts>
constexpr bool counts_as_pfr = ((member_count<Ts> == boost::pfr::tuple_size_v<Ts>)&&...);

TEST(SendableMembers, counted_like_pfr_where_pfr_can) {
  struct One {
    std::string s;
  };
  struct Many {
    int a;
    std::optional<int> b;
    std::vector<std::string> c;
    std::variant<int, std::string> d;
    std::string_view e;
    Plain f;
    double* g;
    void (*h)();
  };
  EXPECT_TRUE((counts_as_pfr<One, Plain, HoldsPointer, Many, Members32>));
  EXPECT_EQ(member_count<Many>, 8u);
}

TEST(SendableMembers, counted_where_pfr_cannot) {
  EXPECT_EQ(member_count<WithArrays>, 4u);
  EXPECT_EQ(member_count<Bits>, 3u);
  EXPECT_EQ(member_count<MoveOnly>, 2u);
  EXPECT_EQ(member_count<HoldsReference>, 2u);
  EXPECT_EQ(member_count<MustInitialise>, 4u);
  EXPECT_EQ(member_count<Odd>, 6u);
  EXPECT_EQ(member_count<EmptyBase>, 0u);
}

TEST(SendableMembers, refused_when_they_cannot_be_named) {
  EXPECT_EQ(member_count<Derived>, not_countable);
  EXPECT_EQ(member_count<DerivedFromEmpty>, not_countable);
  EXPECT_EQ(member_count<AnonymousUnion>, not_countable);
  EXPECT_EQ(member_count<HoldsUnion>, not_countable);
  EXPECT_EQ(member_count<LongArray>, not_countable);
  EXPECT_EQ(member_count<Members33>, not_countable);
  EXPECT_EQ(member_count<DerivedFromGreedy>, not_countable);
}

TEST(SendableMembers, declared_types_keep_references) {
  using q::detail::members_of;
  using q::detail::types;
  EXPECT_TRUE((std::is_same_v<members_of<HoldsReference>, types<std::string, const int&>>));
  EXPECT_TRUE((std::is_same_v<members_of<MustInitialise>, types<int, FromTwo, std::string&, int[3]>>));
  EXPECT_TRUE((std::is_same_v<members_of<WithExplicitDefault>, types<int, ExplicitDefault, int>>));
}

TEST(UnsafeSend, is_sendable_and_gives_the_value_back) {
  int n = 1;
  auto pointer = q::unsafe_send(&n);
  EXPECT_TRUE(q::Sendable<decltype(pointer)>);
  EXPECT_EQ(pointer.get(), &n);
  EXPECT_EQ(q::detail::unwrap_unsafe(pointer), &n);
  auto owned = q::unsafe_send(std::make_unique<int>(7));
  std::unique_ptr<int> moved = q::detail::unwrap_unsafe(owned);
  EXPECT_EQ(*moved, 7);
  EXPECT_EQ(owned.get(), nullptr);
}

TEST(UnsafeSend, arguments_without_it_are_only_moved) {
  std::string s = "abc";
  std::string moved = q::detail::unwrap_unsafe(s);
  EXPECT_EQ(moved, "abc");
}

TEST(UnsafeSend, calls_what_it_wraps) {
  int calls = 0;
  auto count = [&calls](int by) mutable { return calls += by; };
  auto wrapped = q::unsafe_send(count);
  EXPECT_EQ(wrapped(2), 2);
  const auto shared = q::unsafe_send([&calls](int by) { return calls + by; });
  EXPECT_EQ(shared(1), 3);
  EXPECT_FALSE((std::is_invocable_v<const q::UnsafeSend<decltype(count)>&, int>));
  EXPECT_FALSE((std::is_invocable_v<decltype(wrapped)&, std::string>));
}

TEST(UnsafeSend, takes_move_only_callables) {
  auto body = [p = std::make_unique<int>(5)] { return *p; };
  q::UnsafeSend wrapped(std::move(body));
  EXPECT_EQ(wrapped(), 5);
  EXPECT_TRUE(q::SpawnableCallable<decltype(wrapped)>);
}

// The context's type is a parameter of the checks: int here.
TEST(Spawnable, answers_without_an_error) {
  using q::detail::spawnable;
  EXPECT_TRUE((spawnable<decltype(takes_value)&, int, std::string>));
  EXPECT_TRUE((spawnable<decltype(&takes_value), int, const std::string&>));
  EXPECT_FALSE((spawnable<decltype(&takes_value), int, const char(&)[3]>));
  EXPECT_FALSE((spawnable<decltype(&takes_value), int>));
  EXPECT_FALSE((spawnable<decltype(&takes_value), int, std::vector<int>>));
  EXPECT_FALSE((spawnable<decltype(&takes_reference), int, std::string>));
  EXPECT_TRUE((spawnable<decltype(&takes_reference), int, q::UnsafeSend<std::reference_wrapper<std::string>>>));
  EXPECT_FALSE((spawnable<decltype(&takes_pointer), int, int*>));
  EXPECT_TRUE((spawnable<decltype(&takes_pointer), int, q::UnsafeSend<int*>>));
  EXPECT_FALSE((spawnable<decltype(&gives_pointer), int>));
  EXPECT_FALSE((spawnable<decltype(&no_task), int>));
}

TEST(Spawnable, asks_a_generic_callable_for_its_parameters) {
  using q::detail::TakesByValue;
  auto by_value = [](int, auto, auto...) {};
  auto by_const_reference = [](int, const auto&) {};
  auto by_forwarding = [](auto&&...) {};
  auto second = [](int, auto, const auto&) {};
  auto converting = [](int, auto, double) {};
  EXPECT_TRUE((TakesByValue<decltype(by_value), int, std::string, int>));
  EXPECT_FALSE((TakesByValue<decltype(by_const_reference), int, std::string>));
  EXPECT_FALSE((TakesByValue<decltype(by_forwarding), int, std::string>));
  EXPECT_FALSE((TakesByValue<decltype(second), int, int, std::string>));
  EXPECT_TRUE((TakesByValue<decltype(converting), int, int, float>));
}

TEST(Spawnable, value_type_of_the_task) {
  using Check = q::detail::spawn_check<decltype(&takes_value), int, std::string>;
  EXPECT_TRUE((std::is_same_v<Check::value_type, int> && std::is_same_v<Check::error_type, q::Error>));
  EXPECT_TRUE((q::detail::check_spawn<decltype(&takes_value), int, std::string>()));
  EXPECT_TRUE((std::is_same_v<q::detail::blocking_check<decltype(&no_task), int>::value_type, int>));
}

TEST(SurvivesAwait, refuses_only_temporaries_with_captures_that_gcc_12_breaks) {
  using q::detail::compiler_breaks_closures;
  using q::detail::SurvivesAwait;
  std::string s = "x";
  auto by_value = [s] { return s; };
  auto by_reference = [&s] { return s; };
  EXPECT_EQ(by_value(), by_reference());
  EXPECT_EQ(SurvivesAwait<decltype(by_value)>, !compiler_breaks_closures);
  EXPECT_TRUE(SurvivesAwait<decltype(by_value)&>);
  EXPECT_TRUE(SurvivesAwait<decltype(by_reference)>);
  EXPECT_TRUE(SurvivesAwait<q::UnsafeSend<decltype(by_value)>>);
}

}  // namespace
}  // namespace sendable_test
