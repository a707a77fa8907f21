#include <unordered_map>

#include "lab_platform.hpp"
#include "quiesce/detail/assert.hpp"

namespace quiesce::lab::parts {

namespace {

std::string_view without_folders(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// "bool quiesce::detail::WorkDeque<T, Platform, Capacity>::push(T*) [with T = …]", or as clang writes it: "push".
std::string function_of(std::string_view pretty) {
  pretty = pretty.substr(0, pretty.find(" ["));
  std::size_t open = pretty.rfind(')');
  for (int depth = 0; open != std::string_view::npos; --open) {
    depth += pretty[open] == ')' ? 1 : pretty[open] == '(' ? -1 : 0;
    if (depth == 0) break;
  }
  if (open == std::string_view::npos) return std::string(pretty);
  std::string_view name = pretty.substr(0, open);
  return std::string(name.substr(name.find_last_of(": ") + 1));
}

bool is_same_place(const Site& site, Operation operation, std::source_location at) {
  return site.line == at.line() && site.operation == operation && site.file == without_folders(at.file_name());
}

}  // namespace

Exploration& exploration() noexcept {
  static thread_local Exploration current;
  return current;
}

std::memory_order order_at(std::memory_order order, Operation operation, std::source_location at) {
  const Exploration& now = exploration();
  if (now.passed != nullptr) {
    ++(*now.passed)[{std::string(without_folders(at.file_name())), function_of(at.function_name()), at.line(),
                     operation, order}];
  }
  return is_mutated(Mutation::Kind::Order, operation, at) ? now.mutation->order : order;
}

bool is_mutated(Mutation::Kind kind, Operation operation, std::source_location at) {
  const Mutation* mutation = exploration().mutation;
  return mutation != nullptr && mutation->kind == kind && is_same_place(mutation->site, operation, at);
}

Presences*& Presences::current() {
  static thread_local Presences* now = nullptr;
  return now;
}

LabPlatform::Look& LabPlatform::last_look() {
  struct Looks {
    std::uint64_t run = 0;
    std::unordered_map<std::uint64_t, Look> of_agent;
  };
  static thread_local Looks looks;
  detail::Engine* engine = detail::Engine::current();
  QUIESCE_ASSERT(engine != nullptr, "parts on the lab's platform are used in a run");
  if (looks.run != engine->run_number()) looks = {engine->run_number(), {}};
  return looks.of_agent[engine->self().value];
}

bool LabPlatform::wait(atomic<std::uint32_t>& word, std::uint32_t expected,
                       std::optional<std::int64_t> deadline_ns) {
  if (deadline_ns && detail::Engine::current()->draw(2) == 1) {
    detail::Engine::current()->visible({}, {"pass a deadline", {}, {}});
    return false;
  }
  word.in_lab().wait(expected, std::memory_order_relaxed);
  return true;
}

void LabPlatform::wake_one(atomic<std::uint32_t>& word, std::source_location at) {
  order_at(std::memory_order_relaxed, Operation::Wake, at);
  if (!is_mutated(Mutation::Kind::Lost, Operation::Wake, at)) word.in_lab().notify_one(at);
}

void LabPlatform::wake_all(atomic<std::uint32_t>& word, std::source_location at) {
  order_at(std::memory_order_relaxed, Operation::Wake, at);
  if (!is_mutated(Mutation::Kind::Lost, Operation::Wake, at)) word.in_lab().notify_all(at);
}

void LabPlatform::back_off(std::uint32_t) {
  const Look look = last_look();
  QUIESCE_ASSERT(look.spin != nullptr, "whoever backs off has looked at something");
  look.spin(look.atomic, look.value);
}

}  // namespace quiesce::lab::parts
