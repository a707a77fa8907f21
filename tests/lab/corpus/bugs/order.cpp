// Violations of order: what should come first may come second.
#include "../bugs.hpp"

namespace quiesce::lab::corpus {
namespace {

/// The new thread uses what its maker stores after the making (as in a bug of Mozilla's that Lu et al. show).
template <bool Fixed>
void use_own_handle() {
  lab::atomic<int> handle{0, "handle"};
  if constexpr (Fixed) handle.store(7);
  lab::thread child =
      start_thread("child", [&] { lab::check(handle.load() == 7, "the handle is not yet set"); });
  if constexpr (!Fixed) handle.store(7);
  child.join();
}

/// A connection as a state machine: a send looks at the state, and then sends on what may be closed by now.
template <bool Fixed>
void send_and_close() {
  enum State { Open, Sending, Closed };
  lab::atomic<int> state{Open, "connection"};
  lab::thread sender = start_thread("sender", [&] {
    if constexpr (Fixed) {
      int seen = Open;
      if (!state.compare_exchange_strong(seen, Sending)) return;
      lab::check(state.load() != Closed, "a closed connection is used");
      state.store(Open);
      state.notify_all();
    } else if (state.load() == Open) {
      lab::check(state.load() != Closed, "a closed connection is used");
    }
  });
  lab::thread closer = start_thread("closer", [&] {
    if constexpr (Fixed) {
      for (int seen = Open; !state.compare_exchange_strong(seen, Closed); seen = Open) state.wait(Sending);
    } else {
      state.store(Closed);
    }
  });
  sender.join();
  closer.join();
}

/// The flag that publishes a value is set before the value.
template <bool Fixed>
void publish() {
  lab::shared<int> config{0, "config"};
  lab::atomic<bool> is_ready{false, "ready"};
  lab::thread maker = start_thread("maker", [&] {
    if constexpr (Fixed) config.write(1);
    is_ready.store(true);
    if constexpr (!Fixed) config.write(1);
  });
  lab::thread user = start_thread("user", [&] {
    if (is_ready.load()) static_cast<void>(config.read());
  });
  maker.join();
  user.join();
}

/// The logger is taken down while a worker has still something to say.
template <bool Fixed>
void shut_down() {
  lab::atomic<bool> has_logger{true, "logger"};
  lab::thread worker = start_thread("worker", [&] { lab::check(has_logger.load(), "the logger is gone"); });
  if constexpr (Fixed) worker.join();
  has_logger.store(false);
  if constexpr (!Fixed) worker.join();
}

}  // namespace

Bug use_before_init() {
  return {.name = "use before initialisation",
          .wrong = "a thread uses its own handle, which its maker stores after having started it",
          .message = {"the handle is not yet set"},
          .buggy = use_own_handle<false>,
          .fixed = use_own_handle<true>};
}

Bug use_after_close() {
  return {.name = "use after close",
          .wrong = "a connection is found open, closed by another, and used",
          .message = {"a closed connection is used"},
          .buggy = send_and_close<false>,
          .fixed = send_and_close<true>};
}

Bug publication() {
  return {.name = "publication before construction",
          .wrong = "the flag that says a value is there is set before the value",
          .kind = FailureKind::data_race,
          .message = {"config", "maker", "user"},
          .buggy = publish<false>,
          .fixed = publish<true>};
}

Bug shutdown_order() {
  return {.name = "shutdown order",
          .wrong = "what a worker uses is taken down before the worker is joined",
          .message = {"the logger is gone"},
          .buggy = shut_down<false>,
          .fixed = shut_down<true>};
}

}  // namespace quiesce::lab::corpus
