// quiesce: hunts for the schedule that breaks a program, makes a run again, shows its trace.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "commands.hpp"

namespace {

using namespace quiesce_command;

constexpr const char* exit_help =
    "Exit status: 0 no failure; 1 a failure was found or reproduced; 2 the command line, or a file, is wrong;\n"
    "3 the program does not run, crashes or has no exploration, or the token is of none of its bodies; 130 "
    "interrupted.";

/// "90", "90s", "1.5m", "2h" becomes seconds, as CLI11's validators do it: else a sentence.
std::string read_duration(std::string& text) {
  const std::map<std::string_view, double> units = {{"", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}};
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto unit = units.find(std::string_view(end, text.data() + text.size()));
  if (error != std::errc() || unit == units.end() || !std::isfinite(number))
    return fmt::format("{} is no time, as in 90, 90s, 1.5m or 2h", text);
  if (number <= 0) return "the time must be more than nothing";
  text = fmt::format("{}", number * unit->second);
  return {};
}

/// What stands behind the first "--" is the user's program and its arguments, whatever they look like.
std::vector<std::string> take_program(std::vector<std::string>& words) {
  const auto mark = std::ranges::find(words, "--");
  if (mark == words.end()) return {};
  std::vector<std::string> program(mark + 1, words.end());
  words.erase(mark, words.end());
  return program;
}

/// The line that shows how a command is called, with the program behind its mark.
class Formatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string) const override {
    const std::string name = app->get_name();
    if (name == "replay") return "\nUsage: quiesce replay TOKEN -- PROGRAM [ARGUMENTS]\n";
    if (name == "hunt") return "\nUsage: quiesce hunt [OPTIONS] -- PROGRAM [ARGUMENTS]\n";
    if (name == "view") return "\nUsage: quiesce view [OPTIONS] FILE\n";
    return "\nUsage: quiesce COMMAND …; quiesce COMMAND --help says more\n";
  }
};

bool has_command(const CLI::App& app, const std::string& name) {
  return std::ranges::any_of(app.get_subcommands({}),
                             [&](const CLI::App* command) { return command->get_name() == name; });
}

int no_command(const std::string& name) {
  fmt::print(stderr, "quiesce: there is no command '{}'; it has replay, hunt and view\n", name);
  return static_cast<int>(ExitStatus::usage);
}

void need_program(CLI::App& command, const std::vector<std::string>& program) {
  command.final_callback([&program] {
    if (program.empty())
      throw CLI::ValidationError("", "which program? Give it after --, as in: -- ./my_tests");
  });
}

void add_replay(CLI::App& app, ReplayOptions& options) {
  CLI::App& command = *app.add_subcommand("replay", "Make the run of a token again");
  command.add_option("token", options.token, "As a report or a crash pack's token.txt has it")->required();
  need_program(command, options.program);
  command.footer(std::string("  quiesce replay b1a2b3c4.AQIDBA -- ./my_tests\n\n") + exit_help);
}

void add_hunt(CLI::App& app, HuntOptions& options) {
  CLI::App& command =
      *app.add_subcommand("hunt", "Look for a schedule that breaks the program, in several processes");
  command.add_option("--time", options.seconds, "How long, as 90, 90s, 1.5m or 2h")
      ->capture_default_str()
      ->transform(CLI::Validator(read_duration, "TIME"))
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  command.add_option("--patience", options.patience, "How long one run may take before it is called endless")
      ->capture_default_str()
      ->transform(CLI::Validator(read_duration, "TIME"))
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  options.jobs = std::max(std::thread::hardware_concurrency(), 1u);
  command.add_option("--jobs", options.jobs, "Processes at the same time; by default one a core")
      ->check(CLI::Range(1, 1024))
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  command
      .add_option("--seed", options.seed,
                  "Where the seeds of the rounds come from; by default another each time")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  options.packs = "crash_packs";
  command.add_option("--packs", options.packs, "The directory for crash packs")->capture_default_str();
  command
      .add_option("--strategy", options.strategies,
                  "Only these, in turn: random, pct<d>, exhaustive, exhaustive<n>, dpor, each with +cancels to "
                  "inject requests")
      ->delimiter(',');
  command.add_flag("!--no-cancels", options.cancels,
                   "Inject no cancel requests, but where a test does so itself");
  command.add_flag("--keep-going", options.keep_going, "Do not stop at the first failure");
  need_program(command, options.program);
  command.footer(std::string("  quiesce hunt --time 2m -- ./my_tests --gtest_filter='Bank.*'\n\n") + exit_help);
}

void add_view(CLI::App& app, ViewOptions& options) {
  CLI::App& command = *app.add_subcommand("view", "Write a trace as one HTML page that needs no network");
  command.add_option("file", options.file, "A .qtrace file, or a crash pack")->required();
  command.add_option("-o,--output", options.output, "Where to; - is stdout. By default beside the trace");
  command.add_flag("--perfetto", options.perfetto,
                   "Chrome trace JSON instead, for ui.perfetto.dev or chrome://tracing");
  command.footer(std::string("  quiesce view crash_packs/deadlock-1a2b3c4d -o deadlock.html\n\n") + exit_help);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Hunts for the schedule that breaks a concurrent program, makes that run again, and shows it.",
               "quiesce");
  app.set_version_flag("--version", "quiesce " QUIESCE_VERSION);
  app.formatter(std::make_shared<Formatter>());
  app.require_subcommand(1);
  app.footer(exit_help);
  ReplayOptions replay_options;
  HuntOptions hunt_options;
  ViewOptions view_options;
  hunt_options.seed = std::random_device()();
  add_replay(app, replay_options);
  add_hunt(app, hunt_options);
  add_view(app, view_options);
  try {
    std::vector<std::string> words(argv + 1, argv + argc);
    replay_options.program = hunt_options.program = take_program(words);
    if (!words.empty() && !words[0].starts_with('-') && !has_command(app, words[0]))
      return no_command(words[0]);
    std::ranges::reverse(words);  // as CLI11 takes them
    app.parse(words);
    ExitStatus status = ExitStatus::usage;
    if (app.got_subcommand("replay")) status = replay(replay_options);
    if (app.got_subcommand("hunt")) status = hunt(hunt_options);
    if (app.got_subcommand("view")) status = view(view_options);
    return static_cast<int>(status);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitStatus::usage);
  } catch (const std::exception& error) {
    fmt::print(stderr, "quiesce: {}\n", error.what());
    return static_cast<int>(ExitStatus::usage);
  }
}
