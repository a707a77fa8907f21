#include "semantics_lab/guide.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "lab/oracles.hpp"
#include "lab/planted.hpp"
#include "quiesce/detail/kernel/records.hpp"
#include "quiesce/lab/report.hpp"
#include "semantics_lab/run.hpp"

namespace quiesce::semantics::in_lab {

namespace {

using detail::KernelEvent;
using detail::KernelEventKind;
using detail::Lane;
using detail::StepChoice;
using detail::TaskRecord;
using detail::TaskRole;
using lab::FailureKind;

class LabGuide final : public detail::StepperGuide {
 public:
  explicit LabGuide(CurrentRun& run)
      : engine_(run.engine),
        mode_(run.mode),
        number_(run.steppers++),
        oracles_(lab::Options{}.futurelock_steps) {}

  detail::Defect defect() const override { return lab::detail::planted_defect; }

  std::size_t choose(std::span<const StepChoice> choices) override {
    if (mode_.order == Order::any) return choose_among(choices);
    if (mode_.order != Order::lanes || choices.front().lane == Lane::Timed) return 0;
    const auto same = [&](const StepChoice& choice) { return choice.lane == choices.front().lane; };
    const auto end = std::ranges::find_if_not(choices, same);
    return choose_among(choices.first(static_cast<std::size_t>(end - choices.begin())));
  }

  void stepping(const TaskRecord& task) override {
    check(oracles_.see_holders(engine_.step_number()));
    if (engine_.keeps_trace()) engine_.set_name(id_of(task), name_of(task));
    engine_.step_guest(id_of(task), {"steps", {}, {}});
  }

  void scheduled(const TaskRecord& task) noexcept override { check(oracles_.see_scheduled(task)); }

  void happened(const KernelEvent& event) noexcept override {
    // A driver is the test itself: it is in no region's book.
    if (event.kind == KernelEventKind::TaskEnded && event.task->role == TaskRole::Driver) return;
    check(oracles_.see(event, engine_.step_number()));
  }

  bool cancels(const TaskRecord& task) noexcept override {
    if (!mode_.cancels || task.role == TaskRole::Driver || engine_.is_aborting()) return false;
    const bool here = engine_.draw(2) == 1;
    if (here) engine_.step_guest(id_of(task), {"is cancelled", {}, {}});
    return here;
  }

  void idle(Time now) override {
    engine_.time_ns = now.nanos();
    check(oracles_.see_idle(now));
  }

  /// Of a request, perhaps; then the test must not go on, for what it destroys its tasks may still refer to.
  void stuck(const std::string& why) override {
    if (mode_.cancels) engine_.fail_for_good(FailureKind::deadlock, why);
  }

  void cannot_end(const std::string& why) override { engine_.fail_for_good(FailureKind::deadlock, why); }

 private:
  LogicalId id_of(const TaskRecord& task) const { return child(task.logical(), number_); }
  std::string name_of(const TaskRecord& task) const {
    const char* role = task.role == TaskRole::Driver   ? "driver"
                       : task.role == TaskRole::Runner ? "runner"
                                                       : "task";
    return (number_ > 0 ? "stepper " + std::to_string(number_) + " " : std::string()) + role + " " +
           task.path.to_string();
  }

  std::size_t choose_among(std::span<const StepChoice> choices) {
    by_id_.clear();
    for (std::size_t i = 0; i < choices.size(); ++i) by_id_.emplace_back(id_of(*choices[i].task), i);
    std::ranges::sort(by_id_);
    ids_.clear();
    for (const auto& [id, index] : by_id_)
      ids_.push_back(!ids_.empty() && id <= ids_.back() ? LogicalId{ids_.back().value + 1} : id);
    return by_id_[engine_.choose_guest(ids_)].second;
  }

  void check(std::string broken) noexcept {
    if (!broken.empty() && !engine_.is_aborting())
      engine_.fail_for_good(FailureKind::oracle, std::move(broken));
  }

  lab::detail::Engine& engine_;
  const RunMode& mode_;
  const std::uint32_t number_;
  lab::detail::Oracles oracles_;
  std::vector<std::pair<LogicalId, std::size_t>> by_id_;
  std::vector<LogicalId> ids_;
};

}  // namespace

std::unique_ptr<detail::StepperGuide> make_lab_guide() { return std::make_unique<LabGuide>(current_run()); }

}  // namespace quiesce::semantics::in_lab
