#include <gtest/gtest.h>
#include <quiesce/panic.hpp>

#include <sstream>
#include <stdexcept>
#include <string_view>
#include <type_traits>

namespace q = quiesce;

namespace {

static_assert(sizeof(q::PanicPayload) <= 16);
static_assert(std::is_nothrow_copy_constructible_v<q::PanicPayload>);

template <class Thrown>
std::string message_of(Thrown thrown) {
  return q::PanicPayload::from_exception(std::make_exception_ptr(thrown)).message();
}

TEST(PanicPayload, P5_takes_its_message_from_what_was_thrown) {
  EXPECT_EQ(message_of(std::runtime_error("broke")), "broke");
  EXPECT_EQ(message_of(std::string("text")), "text");
  EXPECT_EQ(message_of(std::string_view("view")), "view");
  EXPECT_EQ(message_of<const char*>("literal"), "literal");
  EXPECT_EQ(message_of<const char*>(nullptr), "unknown panic");
  EXPECT_EQ(message_of(42), "unknown panic");
  EXPECT_EQ(q::PanicPayload::from_exception(nullptr).message(), "unknown panic");
  EXPECT_EQ(q::PanicPayload().message(), "unknown panic");
}

TEST(PanicPayload, keeps_the_exception_itself) {
  q::PanicPayload payload;
  try {
    throw std::out_of_range("index 7");
  } catch (...) { payload = q::PanicPayload::from_current_exception(); }
  EXPECT_EQ(payload.message(), "index 7");
  EXPECT_THROW(std::rethrow_exception(payload.exception()), std::out_of_range);
  EXPECT_EQ(q::PanicPayload("no exception").exception(), nullptr);
}

TEST(PanicPayload, with_functions_change_one_part_of_a_new_payload) {
  const auto exception = std::make_exception_ptr(1);
  const q::PanicPayload original("m", exception, "trace", "P1");
  const auto changed = original.with_id("P2").with_stack_trace("other").with_message("n");
  EXPECT_EQ(original, q::PanicPayload("m", {}, {}, "P1"));
  EXPECT_EQ(original.stack_trace(), "trace");
  EXPECT_EQ(changed.message(), "n");
  EXPECT_EQ(changed.id(), "P2");
  EXPECT_EQ(changed.stack_trace(), "other");
  EXPECT_EQ(changed.exception(), exception);
  EXPECT_NE(original, original.with_id("P2"));
  EXPECT_NE(original, original.with_message("n"));
}

TEST(PanicPayload, prints_message_and_id) {
  std::ostringstream os;
  os << q::PanicPayload("broke").with_id("P0.3.1") << '|' << q::PanicPayload("broke");
  EXPECT_EQ(os.str(), "broke [P0.3.1]|broke");
}

}  // namespace
