#pragma once
// What a primitive of the lab has besides its standard counterpart.
//
// Each of them holds the standard type it stands for and a pointer to a part that only a run needs. Made
// outside of a run the pointer is null and stays so: the object then costs those eight bytes and, for each
// operation, a look at a thread_local pointer. Made in a run, the part holds the object's identity, its clock
// and what it knows instead of the standard type.
//
// An object belongs to the run that it was made in. Used in another run, or in one when it was made outside of
// all, it would carry state from run to run: that is a misuse, which ends the run. So is destroying an object
// while another agent is about to use it or waits for it; that agent is then unwound before the object goes.
#include <cstdint>
#include <memory>
#include <source_location>
#include <string_view>
#include <utility>

#include "quiesce/detail/lab/engine.hpp"

namespace quiesce::lab {

/// Gives an object or a thread a name for reports; outside of a run it does nothing.
template <class Object>
void name(Object& object, std::string_view name) {
  object.set_name(name);
}

namespace detail {

struct ObjectPart {
  ObjectPart(Engine& engine, std::string_view kind) : id(engine.new_object(kind)), run(engine.run_number()) {}

  LogicalId id;
  std::uint64_t run;
  std::uint32_t users = 0;  // agents that stand at a visible point of it
  Clock clock;              // what those knew who have released it

  class InUse {
   public:
    explicit InUse(ObjectPart& part) : part_(part) { ++part_.users; }
    ~InUse() { --part_.users; }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    ObjectPart& part_;
  };
  void visible(Engine& engine, Touch touch, Doing doing) {
    const InUse in_use(*this);
    engine.visible(touch, doing);
  }
  void visible_noexcept(Engine& engine, Touch touch, Doing doing) noexcept {
    const InUse in_use(*this);
    engine.visible_noexcept(touch, doing);
  }
  template <class Ready>
  void blocked_until(Engine& engine, Ready ready, Touch touch, Doing doing) {
    const InUse in_use(*this);
    engine.blocked_until(std::move(ready), touch, doing);
  }

  void acquire(Engine& engine) const {
    if (AgentClock* mine = engine.clock()) mine->acquire(clock);
  }
  void release(Engine& engine) {
    if (AgentClock* mine = engine.clock()) mine->release_to(clock);
  }
};

/// Ends the run: the object is not of it.
void fail_foreign_object(Engine& engine, std::string_view kind);
void fail_foreign_object_noexcept(Engine& engine, std::string_view kind) noexcept;
/// Ends the run, and unwinds whoever uses the object.
void fail_destroyed_in_use(const ObjectPart& part) noexcept;

template <class Part>
class InLab {
 public:
  InLab() : InLab(std::string_view()) {}
  explicit InLab(std::string_view name) {
    Engine* engine = Engine::current();
    if (engine == nullptr) return;
    part_ = std::make_unique<Part>(*engine);
    if (!name.empty()) engine->set_name(part_->id, name);
  }
  ~InLab() {
    if (part_ && part_->users > 0) [[unlikely]]
      fail_destroyed_in_use(*part_);
  }
  InLab(const InLab&) = delete;
  InLab& operator=(const InLab&) = delete;

  void set_name(std::string_view name) {
    if (Engine* engine = Engine::current(); engine != nullptr && belongs_to(*engine))
      engine->set_name(part_->id, name);
  }
  /// nullptr: made outside of a run.
  Part* part() const noexcept { return part_.get(); }
  /// nullptr, and the run is over, where the object is not of this run.
  Part* find(Engine& engine) const {
    if (belongs_to(engine)) [[likely]]
      return part_.get();
    fail_foreign_object(engine, Part::kind);
    return nullptr;
  }
  Part* find_noexcept(Engine& engine) const noexcept {
    if (belongs_to(engine)) [[likely]]
      return part_.get();
    fail_foreign_object_noexcept(engine, Part::kind);
    return nullptr;
  }

 private:
  bool belongs_to(const Engine& engine) const noexcept { return part_ && part_->run == engine.run_number(); }

  std::unique_ptr<Part> part_;
};

}  // namespace detail
}  // namespace quiesce::lab
