#include "quiesce/lab/invariants.hpp"

#include <utility>

#include "quiesce/detail/lab/engine.hpp"

namespace quiesce::lab {

using detail::Engine;

Always::Always(std::string_view name, std::function<bool()> holds, std::source_location where) {
  Engine* engine = Engine::current();
  if (engine == nullptr) return;
  run_ = engine->run_number();
  id_ = engine->add_invariant(std::string(name), std::move(holds), where);
}

Always::~Always() {
  Engine* engine = Engine::current();
  if (id_ != 0 && engine != nullptr && engine->run_number() == run_) engine->remove_invariant(id_);
}

void sometimes(bool condition, std::string_view name) {
  if (Engine* engine = Engine::current()) engine->note_goal(name, condition);
}

}  // namespace quiesce::lab
