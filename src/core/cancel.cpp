#include "quiesce/cancel.hpp"

#include <fmt/format.h>

#include <iterator>
#include <ostream>
#include <vector>

#include "quiesce/detail/assert.hpp"

namespace quiesce {

namespace detail {

struct CancelNode {
  RefCount references;
  CancelKind kind;
  CancelKind root_kind;
  bool truncated = false;       // here or anywhere in the chain
  std::uint32_t causes = 0;     // length of the chain below
  std::size_t cause_bytes = 0;  // text in that chain
  Time time;
  std::source_location location;
  std::optional<CleanupBudget> cleanup;
  RegionOrigin region;
  TaskOrigin task;
  std::string message;
  CancelReason cause;  // of a null node: none

  CancelNode(CancelKind reason_kind, std::string text, std::source_location at)
      : kind(reason_kind), root_kind(reason_kind), location(at), message(std::move(text)) {}
  CancelNode(const CancelNode& other)
      : kind(other.kind),
        root_kind(other.root_kind),
        truncated(other.truncated),
        causes(other.causes),
        cause_bytes(other.cause_bytes),
        time(other.time),
        location(other.location),
        cleanup(other.cleanup),
        region(other.region),
        task(other.task),
        message(other.message),
        cause(other.cause) {}

  std::size_t text_bytes() const noexcept { return message.size() + region.path.size() + task.path.size(); }
  const CancelNode* next() const noexcept { return cause.node_.get(); }

  void set_cause(CancelReason reason) noexcept {
    const CancelNode& below = reason.node();
    root_kind = below.root_kind;
    truncated = below.truncated;
    causes = below.causes + 1;
    cause_bytes = below.cause_bytes + below.text_bytes();
    cause = std::move(reason);
  }
  void drop_causes() noexcept {
    cause = CancelReason();
    causes = 0;
    cause_bytes = 0;
  }
  void shorten_texts(std::size_t bytes);

  static CancelReason bounded(const CancelReason& reason, CauseLimits limits);
  static CancelNode* detach_cause(const CancelNode* node) noexcept {
    return const_cast<CancelNode*>(node)->cause.node_.detach();
  }
};

void intrusive_retain(const CancelNode* node) noexcept { node->references.retain(); }

// A loop: the limits of a chain are the caller's, so its length has no bound that the stack could rely on.
void intrusive_release(const CancelNode* node) noexcept {
  while (node != nullptr && node->references.release()) {
    const CancelNode* next = CancelNode::detach_cause(node);
    delete node;
    node = next;
  }
}

namespace {

constexpr std::string_view ellipsis = "...";

// Cuts `text` to at most `left` bytes, never within a UTF-8 sequence, and takes what it uses from `left`.
void shorten(std::string& text, std::size_t& left) {
  if (text.size() > left) {
    const bool marked = left >= ellipsis.size();
    std::size_t keep = marked ? left - ellipsis.size() : 0;
    while (keep > 0 && (static_cast<unsigned char>(text[keep]) & 0xC0U) == 0x80U) --keep;
    text.resize(keep);
    if (marked) text += ellipsis;
  }
  left -= text.size();
}

}  // namespace

void CancelNode::shorten_texts(std::size_t bytes) {
  shorten(message, bytes);
  shorten(task.path, bytes);
  shorten(region.path, bytes);
}

// `reason` as a cause within `limits`: itself when it fits, else its nearest links copied, the rest cut off.
CancelReason CancelNode::bounded(const CancelReason& reason, CauseLimits limits) {
  const CancelNode& nearest = reason.node();
  if (nearest.causes < limits.max_depth && nearest.cause_bytes + nearest.text_bytes() <= limits.max_bytes)
    return reason;
  std::vector<const CancelNode*> kept{&nearest};
  std::size_t bytes = nearest.text_bytes();
  for (const CancelNode* node = nearest.next(); node != nullptr && kept.size() < limits.max_depth;
       node = node->next()) {
    bytes += node->text_bytes();
    if (bytes > limits.max_bytes) break;
    kept.push_back(node);
  }
  CancelReason chain;
  for (auto link = kept.rbegin(); link != kept.rend(); ++link) {
    auto copy = IntrusivePtr(new CancelNode(**link));
    copy->drop_causes();  // its root_kind stays: every link of a chain knows the true root
    if (chain.node_) copy->set_cause(std::move(chain));
    copy->truncated = true;
    copy->shorten_texts(
        limits.max_bytes);  // only ever the nearest: the others were taken because all of them fit
    chain.node_ = std::move(copy);
  }
  return chain;
}

}  // namespace detail

std::string_view to_string(CancelKind kind) noexcept {
  switch (kind) {
    case CancelKind::User: return "User";
    case CancelKind::Timeout: return "Timeout";
    case CancelKind::Deadline: return "Deadline";
    case CancelKind::PollQuota: return "PollQuota";
    case CancelKind::CostBudget: return "CostBudget";
    case CancelKind::FailFast: return "FailFast";
    case CancelKind::RaceLost: return "RaceLost";
    case CancelKind::LinkedExit: return "LinkedExit";
    case CancelKind::ParentCancelled: return "ParentCancelled";
    case CancelKind::ResourceUnavailable: return "ResourceUnavailable";
    case CancelKind::Shutdown: return "Shutdown";
  }
  return "CancelKind(?)";
}

std::ostream& operator<<(std::ostream& os, CancelKind kind) { return os << to_string(kind); }

CancelReason CancelReason::make(CancelKind kind, std::string message, Location at) {
  return CancelReason(new detail::CancelNode(kind, std::move(message), at));
}

const detail::CancelNode& CancelReason::node() const noexcept {
  QUIESCE_ASSERT(node_, "a CancelReason was used after it had been moved from");
  return *node_;
}

// A node that only this reason sees: shared nodes are immutable.
detail::CancelNode& CancelReason::own() {
  if (!node().references.is_unique()) node_ = detail::IntrusivePtr(new detail::CancelNode(*node_));
  return *node_;
}

CancelKind CancelReason::kind() const noexcept { return node().kind; }
const std::string& CancelReason::message() const noexcept { return node().message; }
const RegionOrigin& CancelReason::region_origin() const noexcept { return node().region; }
const TaskOrigin& CancelReason::task_origin() const noexcept { return node().task; }
const CancelReason::Location& CancelReason::location() const noexcept { return node().location; }
Time CancelReason::time() const noexcept { return node().time; }
CancelKind CancelReason::root_kind() const noexcept { return node().root_kind; }
bool CancelReason::truncated() const noexcept { return node().truncated; }
const std::optional<CleanupBudget>& CancelReason::cleanup() const noexcept { return node().cleanup; }

const CancelReason* CancelReason::cause() const noexcept {
  const CancelReason& below = node().cause;
  return below.node_ ? &below : nullptr;
}

const CancelReason& CancelReason::root_cause() const noexcept {
  const CancelReason* reason = this;
  while (const CancelReason* below = reason->cause()) reason = below;
  return *reason;
}

CancelReason CancelReason::with_message(std::string message) && {
  own().message = std::move(message);
  return std::move(*this);
}
CancelReason CancelReason::with_region(RegionOrigin origin) && {
  own().region = std::move(origin);
  return std::move(*this);
}
CancelReason CancelReason::with_task(TaskOrigin origin) && {
  own().task = std::move(origin);
  return std::move(*this);
}
CancelReason CancelReason::with_time(Time time) && {
  own().time = time;
  return std::move(*this);
}
CancelReason CancelReason::with_cleanup(CleanupBudget budget) && {
  own().cleanup = budget;
  return std::move(*this);
}
CancelReason CancelReason::with_cause(const CancelReason& cause, CauseLimits limits) && {
  if (limits.max_depth > 0) {
    // First, so that the node is shared, and copied by own(), when `cause` is this very reason: no cycle.
    CancelReason below = detail::CancelNode::bounded(cause, limits);
    own().set_cause(std::move(below));
  } else {
    const CancelKind root = cause.root_kind();
    own().drop_causes();
    node_->root_kind = root;
    node_->truncated = true;
  }
  return std::move(*this);
}

CancelReason CancelReason::with_message(std::string message) const& {
  return CancelReason(*this).with_message(std::move(message));
}
CancelReason CancelReason::with_region(RegionOrigin origin) const& {
  return CancelReason(*this).with_region(std::move(origin));
}
CancelReason CancelReason::with_task(TaskOrigin origin) const& {
  return CancelReason(*this).with_task(std::move(origin));
}
CancelReason CancelReason::with_time(Time time) const& { return CancelReason(*this).with_time(time); }
CancelReason CancelReason::with_cleanup(CleanupBudget budget) const& {
  return CancelReason(*this).with_cleanup(budget);
}
CancelReason CancelReason::with_cause(const CancelReason& cause, CauseLimits limits) const& {
  return CancelReason(*this).with_cause(cause, limits);
}

namespace {

std::strong_ordering compare_text(std::string_view a, std::string_view b) noexcept {
  return a.compare(b) <=> 0;
}

std::strong_ordering compare_location(const std::source_location& a, const std::source_location& b) noexcept {
  if (const auto file = compare_text(a.file_name(), b.file_name()); file != 0) return file;
  if (const auto line = a.line() <=> b.line(); line != 0) return line;
  if (const auto column = a.column() <=> b.column(); column != 0) return column;
  return compare_text(a.function_name(), b.function_name());
}

// Tighter is greater, and any budget is tighter than none: so `strengthen`'s meet never makes a reason smaller.
std::strong_ordering compare_cleanup(const std::optional<CleanupBudget>& a,
                                     const std::optional<CleanupBudget>& b) noexcept {
  if (!a || !b) return a.has_value() <=> b.has_value();
  if (const auto steps = b->steps <=> a->steps; steps != 0) return steps;
  return b->time.count() <=> a->time.count();
}

// C2 without the chain and the clean-up budget.
std::strong_ordering compare_link(const CancelReason& a, const CancelReason& b) noexcept {
  if (const auto order = a.rank() <=> b.rank(); order != 0) return order;
  if (const auto order = rank(a.root_kind()) <=> rank(b.root_kind()); order != 0) return order;
  if (const auto order = b.time() <=> a.time(); order != 0) return order;
  if (const auto order = a.task_origin().logical <=> b.task_origin().logical; order != 0) return order;
  if (const auto order = a.region_origin().logical <=> b.region_origin().logical; order != 0) return order;
  if (const auto order = a.kind() <=> b.kind(); order != 0) return order;
  if (const auto order = compare_text(a.message(), b.message()); order != 0) return order;
  if (const auto order = compare_location(a.location(), b.location()); order != 0) return order;
  if (const auto order = a.root_kind() <=> b.root_kind(); order != 0) return order;
  return a.truncated() <=> b.truncated();
}

std::strong_ordering compare_whole(const CancelReason& a, const CancelReason& b) noexcept {
  if (const auto order = compare_link(a, b); order != 0) return order;
  const CancelReason* x = a.cause();
  const CancelReason* y = b.cause();
  for (; x != nullptr && y != nullptr; x = x->cause(), y = y->cause()) {
    if (const auto order = compare_link(*x, *y); order != 0) return order;
    if (const auto order = compare_cleanup(x->cleanup(), y->cleanup()); order != 0) return order;
  }
  if (const auto order = (x != nullptr) <=> (y != nullptr); order != 0) return order;
  return compare_cleanup(a.cleanup(), b.cleanup());
}

}  // namespace

std::strong_ordering operator<=>(const CancelReason& a, const CancelReason& b) noexcept {
  return a.node_ == b.node_ ? std::strong_ordering::equal : compare_whole(a, b);
}
std::strong_ordering compare(const CancelReason& a, const CancelReason& b) noexcept { return a <=> b; }

CancelReason strengthen(const CancelReason& a, const CancelReason& b) {
  const CancelReason& greater = compare(a, b) < 0 ? b : a;
  const auto& x = a.cleanup();
  const auto& y = b.cleanup();
  if (!x && !y) return greater;
  const CleanupBudget both = x && y ? meet(*x, *y) : (x ? *x : *y);
  return greater.cleanup() == both ? greater : greater.with_cleanup(both);
}

namespace {

template <class IdType>
void write_origin(std::string& text, std::string_view name, const Origin<IdType>& origin) {
  if (!origin.path.empty()) {
    fmt::format_to(std::back_inserter(text), "{} {}, ", name, origin.path);
  } else if (origin.id.is_valid()) {
    fmt::format_to(std::back_inserter(text), "{} {}, ", name, to_string(origin.id));
  }
}

std::string_view base_name(std::string_view file) noexcept { return file.substr(file.find_last_of('/') + 1); }

void write_link(std::string& text, const CancelReason& reason) {
  text += to_string(reason.kind());
  if (!reason.message().empty()) text.append(": ").append(reason.message());
  text += " (";
  write_origin(text, "task", reason.task_origin());
  write_origin(text, "region", reason.region_origin());
  const auto& at = reason.location();
  fmt::format_to(std::back_inserter(text), "at {}:{})", base_name(at.file_name()), at.line());
}

}  // namespace

std::string to_string(const CancelReason& reason) {
  std::string text;
  write_link(text, reason);
  for (const CancelReason* cause = reason.cause(); cause != nullptr; cause = cause->cause()) {
    text += " caused by ";
    write_link(text, *cause);
  }
  if (reason.truncated())
    text.append(" caused by more (root: ").append(to_string(reason.root_kind())).append(")");
  return text;
}

std::ostream& operator<<(std::ostream& os, const CancelReason& reason) { return os << to_string(reason); }

}  // namespace quiesce
