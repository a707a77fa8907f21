#include "quiesce/capabilities.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <ostream>
#include <unordered_map>

namespace quiesce {

// ---- InMemoryRegistry ----

// `holders` counts names by a hash of the task that has them, so that the end of a task without names takes no
// lock. Relaxed is enough: a task's own registrations, and those that happened before its end, are seen by
// whoever ends it.
struct InMemoryRegistry::State {
  static constexpr std::size_t holder_slots = 256;

  mutable std::mutex mutex;
  std::map<std::string, TaskId, std::less<>> task_of_name;
  std::unordered_map<TaskId, std::vector<std::string>> names_of_task;
  std::array<std::atomic<std::uint32_t>, holder_slots> holders{};

  std::atomic<std::uint32_t>& holder(TaskId task) { return holders[std::hash<TaskId>{}(task) % holder_slots]; }

  bool forget_name_of_task(std::string_view name, TaskId task) {
    const auto found = names_of_task.find(task);
    if (found == names_of_task.end()) return false;
    std::erase(found->second, name);
    if (found->second.empty()) names_of_task.erase(found);
    return true;
  }
};

InMemoryRegistry::InMemoryRegistry() : state_(std::make_unique<State>()) {}
InMemoryRegistry::~InMemoryRegistry() = default;

std::expected<void, Error> InMemoryRegistry::register_name(std::string_view name, TaskId task) {
  if (name.empty())
    return std::unexpected(Error(ErrorCode::InvalidArgument, "a task's name must not be empty"));
  if (!task.is_valid())
    return std::unexpected(Error(ErrorCode::InvalidArgument, "a name needs a valid task id"));
  const std::lock_guard lock(state_->mutex);
  const auto [place, added] = state_->task_of_name.try_emplace(std::string(name), task);
  if (!added) {
    return std::unexpected(Error(ErrorCode::NameTaken, "the name is already registered")
                               .with_context("name", std::string(name))
                               .with_context("holder", to_string(place->second)));
  }
  try {
    state_->names_of_task[task].emplace_back(name);
  } catch (...) {
    state_->task_of_name.erase(place);
    throw;
  }
  state_->holder(task).fetch_add(1, std::memory_order_relaxed);
  return {};
}

std::optional<TaskId> InMemoryRegistry::lookup(std::string_view name) const {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->task_of_name.find(name);
  if (found == state_->task_of_name.end()) return std::nullopt;
  return found->second;
}

bool InMemoryRegistry::unregister(std::string_view name) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->task_of_name.find(name);
  if (found == state_->task_of_name.end()) return false;
  const TaskId task = found->second;
  state_->task_of_name.erase(found);
  state_->forget_name_of_task(name, task);
  state_->holder(task).fetch_sub(1, std::memory_order_relaxed);
  return true;
}

void InMemoryRegistry::release_task(TaskId task) noexcept {
  std::atomic<std::uint32_t>& holder = state_->holder(task);
  if (holder.load(std::memory_order_relaxed) == 0) return;
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->names_of_task.find(task);
  if (found == state_->names_of_task.end()) return;
  for (const std::string& name : found->second) state_->task_of_name.erase(name);
  holder.fetch_sub(static_cast<std::uint32_t>(found->second.size()), std::memory_order_relaxed);
  state_->names_of_task.erase(found);
}

std::size_t InMemoryRegistry::size() const {
  const std::lock_guard lock(state_->mutex);
  return state_->task_of_name.size();
}

// ---- Remote ----

std::string to_string(const NodeId& node) {
  return node.has_name() ? node.name() : "node-" + std::to_string(node.number());
}

std::ostream& operator<<(std::ostream& out, const NodeId& node) { return out << to_string(node); }

LocalRemote::LocalRemote(NodeId node) : node_(std::move(node)) {}

NodeId LocalRemote::local_node() const { return node_; }

// ---- Evidence ----

struct MemoryEvidence::State {
  explicit State(std::size_t capacity_) : capacity(capacity_) {}

  const std::size_t capacity;
  mutable std::mutex mutex;
  std::vector<EvidenceEntry> entries;
  std::uint64_t dropped = 0;
};

MemoryEvidence::MemoryEvidence(std::size_t capacity) : state_(std::make_unique<State>(capacity)) {}
MemoryEvidence::~MemoryEvidence() = default;

bool MemoryEvidence::append(Time time, std::string_view text) {
  const std::lock_guard lock(state_->mutex);
  if (state_->entries.size() >= state_->capacity) {
    ++state_->dropped;
    return false;
  }
  state_->entries.push_back(EvidenceEntry{time, std::string(text)});
  return true;
}

std::vector<EvidenceEntry> MemoryEvidence::entries() const {
  const std::lock_guard lock(state_->mutex);
  return state_->entries;
}

std::uint64_t MemoryEvidence::dropped() const {
  const std::lock_guard lock(state_->mutex);
  return state_->dropped;
}

std::size_t MemoryEvidence::capacity() const noexcept { return state_->capacity; }

// ---- Macaroon ----

AllowList::AllowList(std::string_view identifier, std::vector<std::string> actions)
    : identifier_(identifier), actions_(std::move(actions)) {
  std::sort(actions_.begin(), actions_.end());
}

std::string_view AllowList::identifier() const { return identifier_; }

bool AllowList::permits(std::string_view action) const {
  return std::binary_search(actions_.begin(), actions_.end(), action);
}

std::shared_ptr<AllowList> AllowList::attenuate(const std::vector<std::string>& actions) const {
  std::vector<std::string> kept;
  std::copy_if(actions.begin(), actions.end(), std::back_inserter(kept),
               [this](const std::string& action) { return permits(action); });
  return std::make_shared<AllowList>(identifier_, std::move(kept));
}

// ---- LogicalClock ----

// Relaxed throughout: the value orders events by itself and publishes nothing else.
std::uint64_t LogicalClock::tick() noexcept { return value_.fetch_add(1, std::memory_order_relaxed) + 1; }

std::uint64_t LogicalClock::observe(std::uint64_t seen) noexcept {
  std::uint64_t current = value_.load(std::memory_order_relaxed);
  if (seen >= observable_limit) return current;
  std::uint64_t next = 0;
  do {
    next = std::max(current, seen) + 1;
  } while (!value_.compare_exchange_weak(current, next, std::memory_order_relaxed));
  return next;
}

std::uint64_t LogicalClock::now() const noexcept { return value_.load(std::memory_order_relaxed); }

}  // namespace quiesce
