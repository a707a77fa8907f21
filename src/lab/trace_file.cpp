#include "quiesce/lab/trace_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

namespace quiesce::lab {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::uint64_t format_version = 1;
constexpr const char* format_key = "qtrace";

// ---- writing ----

std::string id_text(LogicalId id) { return fmt::format("{:x}", id.value); }

/// One line; what is empty or 0 is left out.
class Line {
 public:
  Line& add(const char* key, const std::string& text) {
    if (!text.empty()) object_[key] = text;
    return *this;
  }
  Line& add(const char* key, LogicalId id) { return add(key, id == LogicalId{} ? std::string() : id_text(id)); }
  template <std::integral Number>
  Line& add(const char* key, Number number) {
    if (number != 0) object_[key] = number;
    return *this;
  }
  void write(std::ostream& out) const {
    out << object_.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  }

 private:
  Json object_ = Json::object();
};

Line line_of(const TraceHeader& header) {
  return Line()
      .add(format_key, format_version)
      .add("token", header.token)
      .add("kind", header.failure_kind)
      .add("message", header.failure_message)
      .add("step", header.failure_step)
      .add("options", header.options)
      .add("program", header.program)
      .add("build_id", header.build_id)
      .add("compiler", header.compiler);
}

Line line_of(const TraceActor& actor) {
  return Line()
      .add("actor", std::string(to_string(actor.kind)))
      .add("id", actor.id)
      .add("name", actor.name)
      .add("in", actor.region);
}

Line line_of(const TraceEvent& event) {
  return Line()
      .add("event", std::string(to_string(event.kind)))
      .add("step", event.step)
      .add("ns", event.time_ns)
      .add("worker", event.worker)
      .add("who", event.who)
      .add("other", event.other)
      .add("text", event.text)
      .add("where", event.where)
      .add("task", event.task_state)
      .add("region", event.region_state);
}

// ---- reading ----

template <class Kind>
std::optional<Kind> kind_of(std::string_view name, Kind last) {
  for (unsigned value = 0; value <= static_cast<unsigned>(last); ++value) {
    if (to_string(static_cast<Kind>(value)) == name) return static_cast<Kind>(value);
  }
  return std::nullopt;
}

/// What is wrong with a line, thrown within this file.
struct Wrong {
  std::string what;
};

/// The members of a line. What is there and of another type is Wrong.
class Members {
 public:
  explicit Members(const Json& object) : object_(object) {}

  bool has(const char* key) const { return object_.contains(key); }
  void read(const char* key, std::string& text) const {
    if (!has(key)) return;
    if (!object_[key].is_string()) throw Wrong{fmt::format("'{}' is no text", key)};
    text = object_[key].get<std::string>();
  }
  template <std::integral Number>
  void read(const char* key, Number& number) const {
    if (!has(key)) return;
    const Json& value = object_[key];
    const bool fits = value.is_number_unsigned()
                          ? std::in_range<Number>(value.get<std::uint64_t>())
                          : value.is_number_integer() && std::in_range<Number>(value.get<std::int64_t>());
    if (!fits) throw Wrong{fmt::format("'{}' is no number that could stand there", key)};
    number = value.get<Number>();
  }
  void read(const char* key, LogicalId& id) const {
    std::string text;
    read(key, text);
    if (text.empty()) return;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id.value, 16);
    if (error != std::errc() || end != text.data() + text.size())
      throw Wrong{fmt::format("'{}' is no id: {}", key, text)};
  }
  template <class Kind>
  void read_kind(const char* key, Kind& kind, Kind last) const {
    std::string name;
    read(key, name);
    const auto known = kind_of(name, last);
    if (!known) throw Wrong{fmt::format("there is no {} '{}'", key, name)};
    kind = *known;
  }

 private:
  const Json& object_;
};

TraceHeader header_of(const Members& members) {
  TraceHeader header;
  members.read("token", header.token);
  members.read("kind", header.failure_kind);
  members.read("message", header.failure_message);
  members.read("step", header.failure_step);
  members.read("options", header.options);
  members.read("program", header.program);
  members.read("build_id", header.build_id);
  members.read("compiler", header.compiler);
  return header;
}

TraceActor actor_of(const Members& members) {
  TraceActor actor;
  members.read_kind("actor", actor.kind, TraceActor::Kind::object);
  members.read("id", actor.id);
  members.read("name", actor.name);
  members.read("in", actor.region);
  return actor;
}

TraceEvent event_of(const Members& members) {
  TraceEvent event;
  members.read_kind("event", event.kind, TraceEvent::Kind::note);
  members.read("step", event.step);
  members.read("ns", event.time_ns);
  members.read("worker", event.worker);
  members.read("who", event.who);
  members.read("other", event.other);
  members.read("text", event.text);
  members.read("where", event.where);
  members.read("task", event.task_state);
  members.read("region", event.region_state);
  return event;
}

class Reader {
 public:
  Reader(std::istream& in, const std::string& name) : in_(in), name_(name) {}

  std::expected<TraceFile, TraceFileError> read() {
    using enum TraceFileError::Kind;
    std::string text;
    while (!has_ended_ && std::getline(in_, text)) {
      ++line_;
      if (auto error = take(text)) return std::unexpected(std::move(*error));
    }
    if (in_.bad()) return std::unexpected(error(unreadable, "reading failed"));
    if (line_ == 0) return std::unexpected(error(not_a_trace, "is empty"));
    if (!has_ended_)
      return std::unexpected(error(
          truncated,
          fmt::format("is cut off: it has {} actors and {} events, and not the last line that counts them",
                      file_.trace.actors.size(), file_.trace.events.size())));
    return std::move(file_);
  }

 private:
  TraceFileError error(TraceFileError::Kind kind, std::string_view what) const {
    if (line_ == 0) return {kind, line_, fmt::format("{} {}", name_, what)};
    return {kind, line_, fmt::format("{}, line {}: {}", name_, line_, what)};
  }

  std::optional<TraceFileError> take(const std::string& text) {
    using enum TraceFileError::Kind;
    const Json object = Json::parse(text, nullptr, false);
    const bool is_header = line_ == 1;
    // A line that ends with the file and not with itself was being written when the file was cut off.
    if (!object.is_object()) {
      if (is_header) return error(not_a_trace, "this is no trace: the first line is no header");
      if (in_.eof()) return error(truncated, "the file is cut off in this line");
      return error(corrupted, "this is no JSON object");
    }
    try {
      return is_header ? take_header(object) : take_line(object);
    } catch (const Wrong& wrong) { return error(corrupted, wrong.what); }
  }

  std::optional<TraceFileError> take_header(const Json& object) {
    using enum TraceFileError::Kind;
    if (!object.contains(format_key))
      return error(not_a_trace, "this is no trace: the first line is no header");
    if (object[format_key] != format_version) {
      return error(wrong_version,
                   fmt::format("the trace is of version {} of the format, and this program reads version {}",
                               object[format_key].dump(), format_version));
    }
    file_.header = header_of(Members(object));
    return std::nullopt;
  }

  std::optional<TraceFileError> take_line(const Json& object) {
    const Members members(object);
    if (members.has("event")) {
      file_.trace.events.push_back(event_of(members));
    } else if (members.has("actor")) {
      file_.trace.actors.push_back(actor_of(members));
    } else if (members.has("end")) {
      return take_end(members);
    } else {
      throw Wrong{"it is neither an actor nor an event, nor the end"};
    }
    return std::nullopt;
  }

  std::optional<TraceFileError> take_end(const Members& members) {
    std::uint64_t actors = 0, events = 0;
    members.read("actors", actors);
    members.read("events", events);
    has_ended_ = true;
    if (actors == file_.trace.actors.size() && events == file_.trace.events.size()) return std::nullopt;
    return error(TraceFileError::Kind::truncated,
                 fmt::format("lines are missing: it should have {} actors and {} events, and has {} and {}",
                             actors, events, file_.trace.actors.size(), file_.trace.events.size()));
  }

  std::istream& in_;
  const std::string& name_;
  std::uint64_t line_ = 0;
  bool has_ended_ = false;
  TraceFile file_;
};

std::string system_reason() { return errno != 0 ? std::strerror(errno) : "the disk gives no reason"; }

}  // namespace

const char* to_string(TraceFileError::Kind kind) noexcept {
  using enum TraceFileError::Kind;
  switch (kind) {
    case unwritable: return "unwritable";
    case unreadable: return "unreadable";
    case not_a_trace: return "not a trace";
    case wrong_version: return "wrong version";
    case corrupted: return "corrupted";
    case truncated: return "truncated";
  }
  return "unknown";
}

void write_trace(std::ostream& out, const RunTrace& trace, const TraceHeader& header) {
  line_of(header).write(out);
  for (const TraceActor& actor : trace.actors) line_of(actor).write(out);
  for (const TraceEvent& event : trace.events) line_of(event).write(out);
  const Json end = {{"end", true}, {"actors", trace.actors.size()}, {"events", trace.events.size()}};
  out << end.dump() << '\n';
}

std::expected<void, TraceFileError> write_trace(const std::filesystem::path& file, const RunTrace& trace,
                                                const TraceHeader& header) {
  errno = 0;
  std::ofstream out(file, std::ios::binary);
  if (out) write_trace(out, trace, header);
  out.close();
  if (out) return {};
  return std::unexpected(
      TraceFileError{TraceFileError::Kind::unwritable, 0,
                     fmt::format("{} cannot be written: {}", file.string(), system_reason())});
}

std::expected<TraceFile, TraceFileError> read_trace(std::istream& in, const std::string& name) {
  return Reader(in, name).read();
}

std::expected<TraceFile, TraceFileError> read_trace(const std::filesystem::path& file) {
  const auto unreadable = [&](std::string_view why) {
    return std::unexpected(TraceFileError{TraceFileError::Kind::unreadable, 0,
                                          fmt::format("{} cannot be read: {}", file.string(), why)});
  };
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) return unreadable("it is a directory");
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) return unreadable(system_reason());
  return read_trace(in, file.string());
}

}  // namespace quiesce::lab
