#include "quiesce/outcome.hpp"

#include <fmt/format.h>

#include <iterator>
#include <ostream>

namespace quiesce {

namespace detail {

struct AttachedNode {
  RefCount references;
  std::vector<AttachedFailure> failures;
};

void intrusive_retain(const AttachedNode* node) noexcept { node->references.retain(); }
void intrusive_release(const AttachedNode* node) noexcept {
  if (node->references.release()) delete node;
}

namespace {

const std::vector<AttachedFailure>& nothing_attached() noexcept {
  static const std::vector<AttachedFailure> none;
  return none;
}

// A list that only this owner sees: shared ones are immutable.
std::vector<AttachedFailure>& own(AttachedList& list) {
  if (!list || !list->references.is_unique()) {
    AttachedList copy(new AttachedNode());
    if (list) copy->failures = list->failures;
    list = std::move(copy);
  }
  return list->failures;
}

}  // namespace

const std::vector<AttachedFailure>& attached_in(const AttachedList& list) noexcept {
  return list ? list->failures : nothing_attached();
}

void attach_to(AttachedList& list, AttachedFailure failure) { own(list).push_back(std::move(failure)); }

void attach_all(AttachedList& list, const AttachedList& more) {
  if (!more) return;
  if (!list) {
    list = more;
    return;
  }
  const AttachedList kept = more;  // `more` may be the very list that is written to
  auto& failures = own(list);
  failures.insert(failures.end(), kept->failures.begin(), kept->failures.end());
}

std::string attached_text(const std::vector<AttachedFailure>& attached) {
  if (attached.empty()) return {};
  std::string text = fmt::format(" (+{} attached: ", attached.size());
  const char* separator = "";
  for (const AttachedFailure& failure : attached) {
    fmt::format_to(std::back_inserter(text), "{}{}({})", separator, to_string(failure.kind), failure.text);
    separator = "; ";
  }
  return text + ")";
}

void throw_bad_access(std::string_view accessor, OutcomeKind actual, std::string_view description) {
  throw BadOutcomeAccess(accessor, actual, description);
}

}  // namespace detail

std::string_view to_string(OutcomeKind kind) noexcept {
  switch (kind) {
    case OutcomeKind::Ok: return "Ok";
    case OutcomeKind::Err: return "Err";
    case OutcomeKind::Cancelled: return "Cancelled";
    case OutcomeKind::Panicked: return "Panicked";
  }
  return "OutcomeKind(?)";
}

std::ostream& operator<<(std::ostream& os, OutcomeKind kind) { return os << to_string(kind); }

BadOutcomeAccess::BadOutcomeAccess(std::string_view accessor, OutcomeKind actual, std::string_view description)
    : text_(actual == OutcomeKind::Ok
                ? fmt::format("Outcome::{} on Ok", accessor)
                : fmt::format("Outcome::{} on {}({})", accessor, to_string(actual), description)),
      kind_(actual) {}

}  // namespace quiesce
