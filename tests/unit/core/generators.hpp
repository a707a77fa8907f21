// rapidcheck generators for the core values. The ranges are small on purpose: laws break where values collide.
#pragma once

#include <quiesce/budget.hpp>
#include <quiesce/outcome.hpp>
// rapidcheck after the library: so the library's headers are seen to need nothing from it.
#include <rapidcheck.h>

#include <ostream>
#include <string>

namespace rc {

template <>
struct Arbitrary<quiesce::Time> {
  static Gen<quiesce::Time> arbitrary() {
    return gen::map(gen::inRange<std::int64_t>(0, 4), quiesce::Time::from_nanos);
  }
};

template <>
struct Arbitrary<quiesce::Budget> {
  static Gen<quiesce::Budget> arbitrary() {
    return gen::exec([] {
      quiesce::Budget budget;
      if (*gen::arbitrary<bool>()) budget = budget.with_deadline(*gen::arbitrary<quiesce::Time>());
      if (*gen::arbitrary<bool>()) budget = budget.with_poll_quota(*gen::inRange(0, 4));
      if (*gen::arbitrary<bool>()) budget = budget.with_cost_quota(*gen::inRange(0, 4));
      return budget.with_priority(*gen::inRange(0, 4));
    });
  }
};

template <>
struct Arbitrary<quiesce::CleanupBudget> {
  static Gen<quiesce::CleanupBudget> arbitrary() {
    return gen::exec([] {
      return quiesce::CleanupBudget{*gen::inRange<std::uint32_t>(0, 3), quiesce::Duration(*gen::inRange(0, 3))};
    });
  }
};

template <>
struct Arbitrary<quiesce::CancelKind> {
  static Gen<quiesce::CancelKind> arbitrary() {
    return gen::map(gen::inRange(0, 11), [](int kind) { return static_cast<quiesce::CancelKind>(kind); });
  }
};

template <>
struct Arbitrary<quiesce::CancelReason> {
  static quiesce::CancelReason link() {
    const auto logical = [] { return quiesce::LogicalId{*gen::inRange<std::uint64_t>(0, 2)}; };
    auto reason =
        quiesce::CancelReason::make(*gen::arbitrary<quiesce::CancelKind>(), *gen::element<std::string>("", "a"))
            .with_time(quiesce::Time::from_nanos(*gen::inRange(0, 2)))
            .with_task(quiesce::TaskOrigin({1, 1}, logical()))
            .with_region(quiesce::RegionOrigin({1, 1}, logical()));
    return *gen::arbitrary<bool>() ? reason.with_cleanup(*gen::arbitrary<quiesce::CleanupBudget>()) : reason;
  }
  static Gen<quiesce::CancelReason> arbitrary() {
    return gen::exec([] {
      auto reason = link();
      for (int causes = *gen::inRange(0, 4); causes > 0; --causes) {
        reason = link().with_cause(reason, {.max_depth = 2, .max_bytes = 4096});
      }
      return reason;
    });
  }
};

template <>
struct Arbitrary<quiesce::Outcome<int>> {
  using Value = quiesce::Outcome<int>;
  static Gen<Value> arbitrary() {
    return gen::exec([]() -> Value {
      const int payload = *gen::inRange(0, 100);
      switch (*gen::inRange(0, 4)) {
        case 0: return Value::ok(payload);
        case 1: return Value::err(quiesce::Error("error " + std::to_string(payload)));
        case 2: return Value::cancelled(quiesce::CancelReason::user("reason " + std::to_string(payload)));
        default: return Value::panicked(quiesce::PanicPayload("panic " + std::to_string(payload)));
      }
    });
  }
};

}  // namespace rc

namespace quiesce::testing_support {

// Runs a property and gives rapidcheck's own report as the message of a failed expectation.
template <class Property>
bool holds(const std::string& law, Property property) {
  return rc::check(law, property);
}

}  // namespace quiesce::testing_support
