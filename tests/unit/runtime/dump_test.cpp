// Dumps: to a file, and by a signal.
#include <gtest/gtest.h>
#include <quiesce/quiesce.hpp>
#include <quiesce/sync/semaphore.hpp>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>

namespace q = quiesce;

namespace {

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() { EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0); }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  int in() const { return ends[1]; }
  /// What has been written, up to the end of a dump.
  std::string read_dump() const {
    std::string text;
    char bytes[4096];
    while (!text.ends_with("end of dump\n")) {
      const ssize_t got = ::read(ends[0], bytes, sizeof bytes);
      if (got <= 0) return text + "(no more)";
      text.append(bytes, static_cast<std::size_t>(got));
    }
    return text;
  }
};

q::Task<> wait_for_gate(q::Cx cx, std::shared_ptr<q::Semaphore> gate) {
  q::SemaphorePermit permit = co_await q::Semaphore::acquire_owned(cx, gate);
}

/// Three tasks that wait at one place, while `look` runs.
q::Outcome<> with_waiting_tasks(q::Runtime& rt, const std::function<void()>& look) {
  auto gate = std::make_shared<q::Semaphore>(0u, q::Name("gate"));
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    for (int i = 0; i < 3; ++i) (void)(co_await scope.spawn(cx, wait_for_gate, gate));
    while (rt.snapshot().dump().find("3 of task (0.0.2, 0.0.1, 0.0.0) Running, each waits") ==
           std::string::npos)
      co_await cx.yield();
    look();
    gate->add_permits(3);
  };
  return rt.block_on(body);
}

void expect_is_dump(const std::string& text) {
  EXPECT_TRUE(text.starts_with("runtime \"tested\": 1 regions, 4 tasks\nregion 0 (")) << text;
  EXPECT_NE(text.find("  3 of task (0."), std::string::npos) << text;
  EXPECT_NE(text.find(") Running, each waits for a permit of a semaphore \"gate\" since "), std::string::npos)
      << text;
  EXPECT_NE(text.find("wait_for_gate at "), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("end of dump\n")) << text;
}

q::RuntimeBuilder tested() { return q::Runtime::builder().workers(2).name("tested"); }

struct sigaction action_of(int signal) {
  struct sigaction now {};
  EXPECT_EQ(::sigaction(signal, nullptr, &now), 0);
  return now;
}

std::string refusal_of(auto build) {
  try {
    build();
  } catch (const std::invalid_argument& error) { return error.what(); }
  return "accepted";
}

TEST(Dump, tells_regions_tasks_waits_and_stacks_with_equal_ones_told_once) {
  q::Runtime rt = tested().build();
  const Pipe pipe;
  const auto outcome = with_waiting_tasks(rt, [&] { EXPECT_TRUE(rt.dump(pipe.in())); });
  EXPECT_TRUE(outcome.is_ok()) << outcome;
  expect_is_dump(pipe.read_dump());
}

TEST(Dump, of_a_runtime_without_regions_says_so) {
  q::Runtime rt = tested().build();
  const Pipe pipe;
  EXPECT_TRUE(rt.dump(pipe.in()));
  EXPECT_EQ(pipe.read_dump(), "runtime \"tested\": 0 regions, 0 tasks\nend of dump\n");
}

TEST(Dump, to_what_cannot_be_written_says_so) {
  q::Runtime rt = tested().build();
  errno = 0;
  EXPECT_FALSE(rt.dump(-1));
  EXPECT_EQ(errno, EBADF);
}

TEST(DumpOnSignal, dumps_each_time_and_gives_the_signal_back) {
  ASSERT_EQ(action_of(SIGUSR1).sa_handler, SIG_DFL);
  const Pipe pipe;
  {
    q::Runtime rt = tested().dump_on_signal(SIGUSR1, pipe.in()).build();
    const auto outcome = with_waiting_tasks(rt, [&] {
      for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(::kill(::getpid(), SIGUSR1), 0);
        expect_is_dump(pipe.read_dump());
      }
    });
    EXPECT_TRUE(outcome.is_ok()) << outcome;
  }
  EXPECT_EQ(action_of(SIGUSR1).sa_handler, SIG_DFL);
  q::Runtime next = tested().dump_on_signal(SIGUSR1, pipe.in()).build();
  ::raise(SIGUSR1);
  EXPECT_EQ(pipe.read_dump(), "runtime \"tested\": 0 regions, 0 tasks\nend of dump\n");
}

TEST(DumpOnSignal, takes_no_signal_that_has_a_handler) {
  struct sigaction mine {};
  mine.sa_handler = [](int) {};
  ::sigaction(SIGUSR2, &mine, nullptr);
  EXPECT_EQ(refusal_of([] { (void)tested().dump_on_signal(SIGUSR2).build(); }),
            "Runtime::builder().dump_on_signal(SIGUSR2): SIGUSR2 has a handler already, which is not "
            "quiesce's: choose "
            "another signal, or call Runtime::dump from your own code");
  EXPECT_EQ(action_of(SIGUSR2).sa_handler, mine.sa_handler);
  ::signal(SIGUSR2, SIG_IGN);
  {
    q::Runtime first = tested().dump_on_signal(SIGUSR2).build();
    EXPECT_NE(refusal_of([] { (void)tested().dump_on_signal(SIGUSR2).build(); }).find("another Runtime's"),
              std::string::npos);
  }
  EXPECT_EQ(action_of(SIGUSR2).sa_handler, SIG_IGN) << "what was there is put back";
  ::signal(SIGUSR2, SIG_DFL);
}

TEST(DumpOnSignal, leaves_a_handler_alone_that_came_later) {
  struct sigaction mine {};
  mine.sa_handler = [](int) {};
  {
    q::Runtime rt = tested().dump_on_signal(SIGUSR2).build();
    ::sigaction(SIGUSR2, &mine, nullptr);
  }
  EXPECT_EQ(action_of(SIGUSR2).sa_handler, mine.sa_handler);
  ::signal(SIGUSR2, SIG_DFL);
}

TEST(DumpOnSignal, refuses_what_no_program_can_or_should_catch) {
  const std::string refusal =
      "Runtime::builder().dump_on_signal(signal, fd): signal must be one that a program may catch and that "
      "tells of no "
      "fault, such as SIGUSR1";
  for (int signal : {0, -1, 4711, SIGKILL, SIGSTOP, SIGSEGV, 32})
    EXPECT_EQ(refusal_of([&] { (void)tested().dump_on_signal(signal); }), refusal) << signal;
}

}  // namespace
