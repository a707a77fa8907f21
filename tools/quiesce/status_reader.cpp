#include "status_reader.hpp"

#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

namespace quiesce_command {

using Json = nlohmann::json;

namespace {

void add_all(std::set<std::string>& to, const std::string& body, const Json& object, const char* key) {
  for (const Json& name : object.value(key, Json::array())) to.insert(body + ' ' + name.get<std::string>());
}

}  // namespace

void StatusReader::read(Tally& tally) {
  if (!in_.is_open()) in_.open(file_, std::ios::binary);
  if (!in_.is_open()) return;
  in_.clear();
  rest_.append(std::istreambuf_iterator<char>(in_), {});
  std::size_t begin = 0;
  for (std::size_t end; (end = rest_.find('\n', begin)) != rest_.npos; begin = end + 1)
    take(rest_.substr(begin, end - begin), tally);
  if (begin > 0) heard_ = std::chrono::steady_clock::now();
  rest_.erase(0, begin);
}

std::uint64_t StatusReader::runs() const {
  return std::accumulate(runs_.begin(), runs_.end(), std::uint64_t{0});
}

// The writer is our own library in the user's process: a line that does not parse was damaged by somebody, and is left out.
void StatusReader::take(const std::string& line, Tally& tally) try {
  const Json object = Json::parse(line);
  const std::string event = object.at("event");
  if (event == "begin" || event == "skipped") bodies_.insert(object.at("body"));
  if (!object.contains("exploration")) return;
  const auto exploration = object.at("exploration").get<std::size_t>();
  if (exploration > runs_.size()) return;
  if (exploration == runs_.size()) {
    runs_.push_back(0);
    body_of_.push_back(object.value("body", ""));
    under_way_ = body_of_.back();
  }
  const std::string& body = body_of_[exploration];
  if (event == "failure") {
    tally.failures.push_back({object.at("kind"), object.at("message"), object.at("token"),
                              object.at("crash_pack"), object.at("text")});
  } else if (event == "progress" || event == "end") {
    runs_[exploration] = object.at("runs");
    add_all(tally.suspensions, body, object, "suspensions");
    add_all(tally.cancel_points, body, object, "cancel_points");
    add_all(tally.landed, body, object, "landed");
    if (event == "end") under_way_.clear();
  }
} catch (const Json::exception&) { return; }

}  // namespace quiesce_command
