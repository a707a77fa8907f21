#pragma once
// lab::shared<T>: a plain value that threads share, with the lab watching who may.
//
//   lab::shared<int> y{0};           or  lab::shared<int> y{0, "y"};   named for reports
//   y.read();  y.write(1);  y.update([](int& v) { ++v; });
//
// In a run each access is one step. Two accesses by different threads, one of them a write, of which none
// happens before the other are a data race, which ends the run and names both: whatever the order in which this
// run made them. What orders accesses: mutexes, atomics, the making and joining of threads, notifications of a
// condition. `update` is one plain access that reads and writes; it is not atomic, and `f` should not touch
// what the lab schedules. In a run that is given up an access throws detail::RunAborted. Outside of a run it is
// a plain T.
#include <optional>
#include <source_location>
#include <string_view>
#include <utility>
#include <vector>

#include "quiesce/detail/lab/object.hpp"

namespace quiesce::lab {

namespace detail {

struct SharedPart : ObjectPart {
  static constexpr std::string_view kind = "shared";
  explicit SharedPart(Engine& engine) : ObjectPart(engine, kind) {}

  struct Made {
    LogicalId agent;
    Stamp stamp;
    std::source_location at;
  };
  // A write orders itself after all before it, or the run is over: only what came since the last one can race.
  std::optional<Made> last_write;
  std::vector<Made> reads;  // since then, the last of each agent

  void read(Engine& engine, std::source_location at);
  void write(Engine& engine, std::string_view verb, std::source_location at);

 private:
  void check(Engine& engine, const Made& earlier, std::string_view did, std::string_view does,
             std::source_location at) const;
};

}  // namespace detail

template <class T>
class shared {
 public:
  shared() : value_() {}
  shared(T value, std::string_view name = {}) : value_(std::move(value)), lab_(name) {}  // NOLINT: as a T
  shared(const shared&) = delete;
  shared& operator=(const shared&) = delete;

  void set_name(std::string_view name) { lab_.set_name(name); }

  T read(std::source_location at = std::source_location::current()) const {
    if (detail::Engine* engine = detail::Engine::current()) {
      if (detail::SharedPart* part = lab_.find(*engine)) part->read(*engine, at);
    }
    return value_;
  }
  void write(T value, std::source_location at = std::source_location::current()) {
    begin_write("write", at);
    value_ = std::move(value);
  }
  template <class F>
  decltype(auto) update(F&& f, std::source_location at = std::source_location::current()) {
    begin_write("update", at);
    return std::forward<F>(f)(value_);
  }

 private:
  void begin_write(std::string_view verb, std::source_location at) {
    if (detail::Engine* engine = detail::Engine::current()) {
      if (detail::SharedPart* part = lab_.find(*engine)) part->write(*engine, verb, at);
    }
  }

  T value_;
  detail::InLab<detail::SharedPart> lab_;
};

}  // namespace quiesce::lab
