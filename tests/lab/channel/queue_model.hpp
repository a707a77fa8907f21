#pragma once
// The channel as an object of one thread: a queue of so many places that is closed by either side.
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lab/history.hpp"

namespace quiesce::lab_tests {

struct QueueModel {
  struct State {
    std::size_t capacity;
    int senders, receivers;
    std::vector<int> queue = {};
    bool closed = false;
    explicit State(std::size_t places = 1, int sending = 1, int receiving = 1)
        : capacity(places), senders(sending), receivers(receiving) {}
    bool is_shut() const { return closed || receivers == 0; }
    auto operator<=>(const State&) const = default;
  };
  enum class Kind : std::uint8_t { Send, TrySend, Recv, TryRecv, Close, DropSender, DropReceiver };
  struct Op {
    Kind kind;
    int value = 0;
  };
  enum class Code : std::uint8_t { Ok, Full, Empty, Disconnected };
  struct Result {
    Code code = Code::Ok;
    int value = 0;
    bool operator==(const Result&) const = default;
  };

  // Full and empty may be said also while another's operation has been granted its part and has yet to wake; no effect is lost by that.
  static bool apply(State& state, const Op& op, const Result* seen) {
    if (seen != nullptr && op.kind == Kind::TrySend && seen->code == Code::Full) return !state.is_shut();
    if (seen != nullptr && op.kind == Kind::TryRecv && seen->code == Code::Empty) return true;
    const std::optional<Result> given = result_of(state, op);
    return given && (seen == nullptr || *given == *seen);
  }
  static std::string text(const Op& op, const Result* seen) {
    static constexpr const char* kinds[] = {"send",  "try_send",      "recv",           "try_recv",
                                            "close", "drop a sender", "drop a receiver"};
    static constexpr const char* codes[] = {"ok", "full", "empty", "disconnected"};
    std::string all = kinds[static_cast<int>(op.kind)];
    if (op.kind == Kind::Send || op.kind == Kind::TrySend) all += " " + std::to_string(op.value);
    if (seen == nullptr) return all;
    all += std::string(" gave ") + codes[static_cast<int>(seen->code)];
    if (op.kind == Kind::Recv || op.kind == Kind::TryRecv) all += " " + std::to_string(seen->value);
    return all;
  }

 private:
  static std::optional<Result> result_of(State& state, const Op& op) {
    switch (op.kind) {
      case Kind::Send:
      case Kind::TrySend:
        if (state.is_shut()) return Result{Code::Disconnected};
        if (state.queue.size() == state.capacity) return std::nullopt;
        state.queue.push_back(op.value);
        return Result{};
      case Kind::Recv:
      case Kind::TryRecv: {
        if (state.queue.empty()) {
          if (!state.closed && state.senders > 0) return std::nullopt;
          return Result{Code::Disconnected};
        }
        const int first = state.queue.front();
        state.queue.erase(state.queue.begin());
        return Result{Code::Ok, first};
      }
      case Kind::Close: state.closed = true; return Result{};
      case Kind::DropSender: --state.senders; return Result{};
      case Kind::DropReceiver:
        if (--state.receivers == 0) state.queue.clear();
        return Result{};
    }
    return std::nullopt;
  }
};

}  // namespace quiesce::lab_tests
