#pragma once
// A corpus of classic concurrency bugs. Each is a small program that has one, beside the same program without it; the two differ
// by a template parameter `Fixed`. The tests ask of the lab that it finds every bug, with the words that name it, and that it
// finds nothing in what was mended; the program corpus_table counts the runs that each strategy needs.
//
// Most are the patterns of Lu, Park, Seo, Zhou: Learning from mistakes, ASPLOS 2008 (deadlocks, violations of atomicity and of
// order), and of the sets with which schedule explorers have been measured: Musuvathi, Qadeer et al.: Finding and reproducing
// Heisenbugs in concurrent programs, OSDI 2008; Thomson, Donaldson, Betts: Concurrency testing using controlled schedulers, TOPC
// 2016. Where a program is after a published algorithm, it says so.
//
// Nobody spins: whoever finds something taken waits for it, or gives up. A loop that only looks again has schedules without end.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "quiesce/lab.hpp"
#include "quiesce/quiesce.hpp"

namespace quiesce::lab::corpus {

namespace q = quiesce;
using namespace std::chrono_literals;

/// What is explored.
using Threads = void (*)();
using Tasks = q::Task<> (*)(q::Cx, q::Scope<>&);
/// Tasks in one schedule, with a cancel request at each of their cancel points.
struct Cancelled {
  Tasks body;
};
using Program = std::variant<Threads, Tasks, Cancelled>;

/// Within how many runs a strategy must find the bug; 0: it is not asked.
struct Within {
  std::uint64_t random = 300;
  std::uint64_t pct = 300;
  std::uint64_t exhaustive = 50'000;
  std::uint64_t dpor = 500;
};

struct Bug {
  std::string_view name;
  std::string_view wrong;  // one sentence
  FailureKind kind = FailureKind::assertion;
  std::vector<std::string_view> message;  // the parts of the failure's message that name the things
  Program buggy = Threads{};
  Program fixed = Threads{};
  Within within{};
  std::uint32_t depth = 2;                   // as pct counts it: of how many ordered events the bug is made
  std::size_t switches_max = 12;             // in the minimised schedule: how often another goes on
  std::uint64_t fixed_classes_max = 20'000;  // dpor exhausts the fixed one within so many
};

Report explore(const Program& program, const Options& options);
Report replay(const Program& program, std::string_view token);

/// All of them, in the order of the table.
std::span<const Bug> all_bugs();
/// "lock_order": what a test of it is called.
std::string identifier(const Bug& bug);

template <class F>
lab::thread start_thread(std::string_view name, F&& body) {
  lab::thread made(std::forward<F>(body));
  made.set_name(name);
  return made;
}

/// For bodies that borrow from a frame around the scope's region: a run that is given up cancels whoever waits in a join, but a
/// region is always waited for.
template <class F>
q::TaskHandle<> start_task(q::Cx cx, q::Scope<>& scope, F& body) {
  return scope.spawn(cx, q::unsafe_send(body)).value();
}

/// Two tasks that borrow from the caller's frame, until both have ended.
template <class F, class G>
q::Task<> run_both(q::Cx cx, q::Scope<>& scope, F& first, G& second) {
  co_await scope.region(cx, q::FailFast{}, [&](q::Cx inner, q::Scope<>& both) -> q::Task<> {
    auto a = start_task(inner, both, first);
    auto b = start_task(inner, both, second);
    co_return;
  });
}

}  // namespace quiesce::lab::corpus
