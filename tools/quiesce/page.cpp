// The HTML page of a trace. Its source is in view/; here the trace becomes the data that view/model.js reads: columns, with every text and
// every actor named by its number, so that 100,000 events stay small and quick to read.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "page_files.hpp"
#include "quiesce/logical.hpp"
#include "render.hpp"

namespace quiesce_command {

namespace lab = quiesce::lab;
using Json = nlohmann::ordered_json;
using quiesce::LogicalId;

namespace {

/// Numbers for texts. 0 is the empty one.
class Texts {
 public:
  Texts() { number_of(""); }
  std::size_t number_of(const std::string& text) {
    const auto [entry, is_new] = numbers_.try_emplace(text, all_.size());
    if (is_new) all_.push_back(text);
    return entry->second;
  }
  const std::vector<std::string>& all() const { return all_; }

 private:
  std::unordered_map<std::string, std::size_t> numbers_;
  std::vector<std::string> all_;
};

/// Numbers for actors; -1 is nobody. Whoever has no actor in the trace gets one when it is asked for.
class Actors {
 public:
  explicit Actors(const std::vector<lab::TraceActor>& actors) {
    for (const lab::TraceActor& actor : actors) add(actor);
  }
  std::int64_t number_of(LogicalId id) {
    if (id == LogicalId{}) return -1;
    const auto found = numbers_.find(id.value);
    if (found != numbers_.end()) return found->second;
    return add({.id = id, .kind = lab::TraceActor::Kind::object, .name = quiesce::to_string(id), .region = {}});
  }
  Json json() {
    Json list = Json::array();
    // By index: naming a region may add an actor.
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const std::int64_t region = number_of(all_[i].region);
      list.push_back({lab::to_string(all_[i].kind), all_[i].name, region});
    }
    return list;
  }

 private:
  std::int64_t add(const lab::TraceActor& actor) {
    const auto number = static_cast<std::int64_t>(all_.size());
    if (!numbers_.try_emplace(actor.id.value, number).second) return numbers_.at(actor.id.value);
    all_.push_back(actor);
    return number;
  }

  std::unordered_map<std::uint64_t, std::int64_t> numbers_;
  std::vector<lab::TraceActor> all_;
};

Json events_json(const std::vector<lab::TraceEvent>& events, Actors& actors, Texts& texts) {
  std::vector<std::string> kinds;
  for (unsigned kind = 0; kind <= static_cast<unsigned>(lab::TraceEvent::Kind::note); ++kind)
    kinds.emplace_back(lab::to_string(static_cast<lab::TraceEvent::Kind>(kind)));
  const auto column = [&](auto&& value) {
    Json list = Json::array();
    list.get_ref<Json::array_t&>().reserve(events.size());
    for (const lab::TraceEvent& event : events) list.push_back(value(event));
    return list;
  };
  using Event = lab::TraceEvent;
  return {{"kinds", kinds},
          {"kind", column([](const Event& event) { return static_cast<unsigned>(event.kind); })},
          {"step", column([](const Event& event) { return event.step; })},
          {"ns", column([](const Event& event) { return event.time_ns; })},
          {"worker", column([](const Event& event) { return event.worker; })},
          {"who", column([&](const Event& event) { return actors.number_of(event.who); })},
          {"other", column([&](const Event& event) { return actors.number_of(event.other); })},
          {"text", column([&](const Event& event) { return texts.number_of(event.text); })},
          {"where", column([&](const Event& event) { return texts.number_of(event.where); })},
          {"task", column([&](const Event& event) { return texts.number_of(event.task_state); })},
          {"region", column([&](const Event& event) { return texts.number_of(event.region_state); })}};
}

std::string data_of(const lab::TraceFile& file) {
  Actors actors(file.trace.actors);
  Texts texts;
  const lab::TraceHeader& header = file.header;
  Json events = events_json(file.trace.events, actors, texts);
  const Json data = {{"header",
                      {{"token", header.token},
                       {"kind", header.failure_kind},
                       {"message", header.failure_message},
                       {"step", header.failure_step},
                       {"options", header.options},
                       {"program", header.program},
                       {"build_id", header.build_id},
                       {"compiler", header.compiler}}},
                     {"actors", actors.json()},
                     {"events", std::move(events)},
                     {"texts", texts.all()}};
  return data.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// In a script element nothing may look like its end, nor open a comment: "<" is written as JSON's escape.
std::string as_script(const std::string& json) {
  std::string text;
  text.reserve(json.size());
  for (const char letter : json) {
    if (letter == '<') {
      text += "\\u003c";
    } else {
      text += letter;
    }
  }
  return text;
}

std::string as_html(std::string_view text) {
  std::string html;
  for (const char letter : text) {
    switch (letter) {
      case '<': html += "&lt;"; break;
      case '>': html += "&gt;"; break;
      case '&': html += "&amp;"; break;
      case '"': html += "&quot;"; break;
      default: html += letter;
    }
  }
  return html;
}

/// In the order in which they name each other.
std::string script() {
  std::string text;
  for (const std::string_view part : {model_js, chart_js, overview_js, panels_js, page_js}) text += part;
  return text;
}

}  // namespace

std::string render_page(const lab::TraceFile& file, const std::string& title) {
  const std::unordered_map<std::string_view, std::string> parts = {{"TITLE", as_html(title)},
                                                                   {"STYLE", std::string(page_css)},
                                                                   {"SCRIPT", script()},
                                                                   {"DATA", as_script(data_of(file))}};
  constexpr std::string_view open = "{{", close = "}}";
  std::string page;
  for (std::string_view rest = page_html; !rest.empty();) {
    const auto begin = rest.find(open);
    page += rest.substr(0, begin);
    if (begin == rest.npos) break;
    const auto end = rest.find(close, begin);
    page += parts.at(rest.substr(begin + open.size(), end - begin - open.size()));
    rest.remove_prefix(end + close.size());
  }
  return page;
}

}  // namespace quiesce_command
