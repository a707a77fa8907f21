// Chrome trace JSON of a trace.
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <vector>

#include "render.hpp"

namespace quiesce_command {

namespace lab = quiesce::lab;
using Json = nlohmann::ordered_json;
using quiesce::LogicalId;
using Event = lab::TraceEvent;

namespace {

constexpr double step_length = 0.8;  // of a step's microsecond: neighbours stay apart
constexpr int lab_process = 1;       // of whoever is of no region
constexpr int lab_thread = 1;        // of what nobody did

class Perfetto {
 public:
  explicit Perfetto(const lab::TraceFile& file) : file_(file) {}

  std::string render() {
    add_actors();
    for (const Event& event : file_.trace.events) {
      if (event.kind == Event::Kind::step) steps_of_[event.who.value].push_back(event.step);
    }
    for (const Event& event : file_.trace.events) add(event);
    add_regions();
    add_failure();
    const Json whole = {{"traceEvents", std::move(events_)},
                        {"displayTimeUnit", "ns"},
                        {"otherData",
                         {{"token", file_.header.token},
                          {"failure", file_.header.failure_kind},
                          {"message", file_.header.failure_message},
                          {"unit", "one microsecond is one step"}}}};
    return whole.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  }

 private:
  struct Lane {
    int process = lab_process, thread = lab_thread;
  };

  void name(const char* what, Lane lane, const std::string& text) {
    events_.push_back({{"name", what},
                       {"ph", "M"},
                       {"ts", 0},
                       {"pid", lane.process},
                       {"tid", lane.thread},
                       {"args", {{"name", text}}}});
  }

  void add_actors() {
    name("process_name", {}, "the lab");
    name("thread_name", {}, "time");
    int process = lab_process, thread = lab_thread;
    for (const lab::TraceActor& actor : file_.trace.actors) {
      if (actor.kind != lab::TraceActor::Kind::region) continue;
      lanes_[actor.id.value] = {++process, ++thread};
      name("process_name", lanes_[actor.id.value], "region " + actor.name);
      name("thread_name", lanes_[actor.id.value], "region " + actor.name);
    }
    for (const lab::TraceActor& actor : file_.trace.actors) {
      if (actor.kind == lab::TraceActor::Kind::region || actor.kind == lab::TraceActor::Kind::object) continue;
      lanes_[actor.id.value] = {lane_of(actor.region).process, ++thread};
      name("thread_name", lanes_[actor.id.value], std::string(to_string(actor.kind)) + ' ' + actor.name);
    }
  }

  Lane lane_of(LogicalId id) const {
    const auto lane = lanes_.find(id.value);
    return lane == lanes_.end() ? Lane{} : lane->second;
  }

  static Json begun(const std::string& text, const char* phase, double at, Lane lane) {
    return {{"name", text.empty() ? "step" : text},
            {"ph", phase},
            {"ts", at},
            {"pid", lane.process},
            {"tid", lane.thread}};
  }

  static Json details(const Event& event) {
    Json list = {{"step", event.step}};
    if (event.time_ns != 0) list["virtual_ns"] = event.time_ns;
    if (event.worker != 0) list["worker"] = event.worker;
    if (!event.where.empty()) list["where"] = event.where;
    if (!event.task_state.empty()) list["task"] = event.task_state;
    if (!event.region_state.empty()) list["region"] = event.region_state;
    return list;
  }

  void add(const Event& event) {
    const auto at = static_cast<double>(event.step);
    using enum Event::Kind;
    if (event.kind == step) {
      Json made = begun(event.text, "X", at, lane_of(event.who));
      made["cat"] = "step";
      made["dur"] = step_length;
      made["args"] = details(event);
      events_.push_back(std::move(made));
      return;
    }
    if (event.kind == open || event.kind == close) regions_[event.other.value][event.kind == close] = at;
    if (event.kind == spawn || event.kind == wake || event.kind == claim || event.kind == cancel)
      add_flow(event, at);
    const std::string kind = to_string(event.kind);
    Json made = begun(event.text.empty() ? kind : kind + ": " + event.text, "i", at + step_length / 2,
                      lane_of(event.who != LogicalId{} ? event.who : event.other));
    made["cat"] = kind;
    made["s"] = "t";
    made["args"] = details(event);
    events_.push_back(std::move(made));
  }

  // From the step in which it was done to the next step of the one it was done to; none: it never moved again.
  void add_flow(const Event& event, double at) {
    const auto steps = steps_of_.find(event.other.value);
    if (steps == steps_of_.end() || event.who == LogicalId{}) return;
    const auto next = std::ranges::upper_bound(steps->second, event.step);
    if (next == steps->second.end()) return;
    const char* kind = to_string(event.kind);
    for (const bool is_end : {false, true}) {
      Json made = begun(kind, is_end ? "f" : "s", is_end ? static_cast<double>(*next) : at + step_length / 2,
                        lane_of(is_end ? event.other : event.who));
      made["cat"] = kind;
      made["id"] = flows_;
      if (is_end) made["bp"] = "e";
      events_.push_back(std::move(made));
    }
    ++flows_;
  }

  void add_regions() {
    const double end = file_.trace.events.empty() ? 0 : static_cast<double>(file_.trace.events.back().step) + 1;
    for (const lab::TraceActor& actor : file_.trace.actors) {
      const auto times = regions_.find(actor.id.value);
      if (actor.kind != lab::TraceActor::Kind::region || times == regions_.end()) continue;
      const double from = times->second.contains(false) ? times->second.at(false) : 0;
      const double to = times->second.contains(true) ? times->second.at(true) + step_length : end;
      Json made = begun("region " + actor.name, "X", from, lane_of(actor.id));
      made["cat"] = "region";
      made["dur"] = std::max(to - from, step_length);
      events_.push_back(std::move(made));
    }
  }

  void add_failure() {
    if (file_.header.failure_kind.empty()) return;
    Json made = begun(file_.header.failure_kind + ": " + file_.header.failure_message, "i",
                      static_cast<double>(file_.header.failure_step), {});
    made["cat"] = "failure";
    made["s"] = "g";
    events_.push_back(std::move(made));
  }

  const lab::TraceFile& file_;
  Json events_ = Json::array();
  std::unordered_map<std::uint64_t, Lane> lanes_;
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> steps_of_;
  std::unordered_map<std::uint64_t, std::map<bool, double>> regions_;  // opened at, closed at
  std::uint64_t flows_ = 1;
};

}  // namespace

std::string render_perfetto(const lab::TraceFile& file) { return Perfetto(file).render(); }

}  // namespace quiesce_command
