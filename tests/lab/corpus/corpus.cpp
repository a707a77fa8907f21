#include "corpus.hpp"

#include <array>
#include <cctype>
#include <string>

#include "bugs.hpp"

namespace quiesce::lab::corpus {

Report explore(const Program& program, const Options& options) {
  if (const Threads* threads = std::get_if<Threads>(&program)) return lab::explore_threads(options, *threads);
  if (const Tasks* tasks = std::get_if<Tasks>(&program)) return lab::explore(options, *tasks);
  return lab::cancel_everywhere(std::get<Cancelled>(program).body, options);
}

Report replay(const Program& program, std::string_view token) {
  if (const Threads* threads = std::get_if<Threads>(&program)) return lab::replay_threads(token, *threads);
  if (const Tasks* tasks = std::get_if<Tasks>(&program)) return lab::replay(token, *tasks);
  return lab::replay(token, std::get<Cancelled>(program).body);
}

std::span<const Bug> all_bugs() {
  static const std::array bugs{lock_order(),
                               philosophers(),
                               self_deadlock(),
                               missed_unlock(),
                               double_unlock(),
                               wrong_mutex(),
                               wait_without_loop(),
                               notify_one_of_many(),
                               lost_wakeup(),
                               nested_monitor(),
                               idle_worker(),
                               lock_upgrade(),
                               barrier_reuse(),
                               semaphore(),
                               once_flag(),
                               termination(),
                               counter(),
                               check_then_act(),
                               double_checked(),
                               audited_transfer(),
                               stale_size(),
                               tickets(),
                               reference_leak(),
                               reference_twice(),
                               double_close(),
                               use_before_init(),
                               use_after_close(),
                               publication(),
                               shutdown_order(),
                               peterson(),
                               bakery(),
                               flag_lock(),
                               aba(),
                               lost_push(),
                               sequence_lock(),
                               ring(),
                               chase_lev(),
                               the_queue(),
                               lost_update_across_await(),
                               stampede(),
                               slept_through(),
                               paid_twice(),
                               both_won(),
                               yield_loop(),
                               join_cycle(),
                               join_of_ancestor(),
                               spawn_after_close(),
                               cleanup_order(),
                               sibling_failure(),
                               forgotten_permit(),
                               cancelled_transfer(),
                               leaked_lock(),
                               lost_job()};
  return bugs;
}

std::string identifier(const Bug& bug) {
  std::string text;
  for (const char c : bug.name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      text += c;
    } else if (!text.empty() && text.back() != '_') {
      text += '_';
    }
  }
  return text;
}

}  // namespace quiesce::lab::corpus
