#pragma once
// What tasks wait for at a channel (sync/wait.hpp). `Core` is QueueCore or RendezvousCore.
#include <optional>
#include <source_location>
#include <utility>

#include "quiesce/detail/channel/queue.hpp"
#include "quiesce/detail/channel/rendezvous.hpp"
#include "quiesce/obligation.hpp"

namespace quiesce {

template <class T, class Core>
class BasicSendPermit;

namespace detail {

/// An obligation of the running task for a place in the channel; else why it may not have it.
std::expected<Obligation, Error> reserve_send(std::source_location where);

template <class T, class Core>
class SendOperation : public MessageHolder<T> {
 public:
  using value_type = void;
  using error_type = Error;
  static constexpr const char* what = "room in a channel";
  static constexpr bool is_granted = true;

  SendOperation(Core& core, T message) noexcept : MessageHolder<T>(std::move(message)), core_(&core) {}
  bool try_now() noexcept {
    const Tried tried = core_->try_push(this->memory());
    this->full = tried != Tried::Done;
    this->refused = tried == Tried::Refused;
    return tried != Tried::MustWait;
  }
  void enlist(WaitNode& node) noexcept {
    this->place = this->memory();
    core_->enlist_sender(node);
  }
  bool delist(WaitNode& node) noexcept { return core_->delist_sender(node); }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept { return core_->keep_place(node, waiter); }
  Outcome<> take() noexcept {
    if (!this->refused && this->full) {
      const bool sent = core_->commit(this->memory());
      this->full = this->refused = !sent;
    }
    return this->refused ? Outcome<>::err(core_->no_receivers()) : Outcome<>::ok();
  }
  void give_back() noexcept { core_->give_back_sent(*this); }
  WaitSubject subject() const noexcept { return core_->subject(); }

 private:
  Core* core_;
};

template <class T, class Core>
class ReserveOperation : public ChannelWait {
 public:
  using value_type = BasicSendPermit<T, Core>;
  using error_type = Error;
  static constexpr const char* what = "room in a channel";
  static constexpr bool is_granted = true;

  ReserveOperation(Core& core, std::source_location where) noexcept : core_(&core), where_(where) {}
  bool try_now() noexcept {
    const Tried tried = core_->try_reserve();
    refused = tried == Tried::Refused;
    return tried != Tried::MustWait;
  }
  void enlist(WaitNode& node) noexcept { core_->enlist_sender(node); }
  bool delist(WaitNode& node) noexcept { return core_->delist_sender(node); }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept { return core_->keep_place(node, waiter); }
  Outcome<value_type> take() noexcept {
    if (refused) return Outcome<value_type>::err(core_->no_receivers());
    auto owed = reserve_send(where_);
    if (owed) return Outcome<value_type>::ok(value_type(*core_, std::move(*owed)));
    core_->release();
    return Outcome<value_type>::err(std::move(owed).error());
  }
  void give_back() noexcept { core_->give_back_sent(*this); }
  WaitSubject subject() const noexcept { return core_->subject(); }

 private:
  Core* core_;
  std::source_location where_;
};

template <class T, class Core>
class RecvBase : public MessageHolder<T> {
 public:
  using error_type = Error;
  static constexpr const char* what = "a message of a channel";
  static constexpr bool is_granted = true;

  explicit RecvBase(Core& core) noexcept : core_(&core) {}
  bool try_now() noexcept { return try_take() != Tried::MustWait; }
  void enlist(WaitNode& node) noexcept {
    this->place = this->memory();
    core_->enlist_receiver(node);
  }
  bool delist(WaitNode& node) noexcept { return core_->delist_receiver(node); }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept { return core_->keep_place(node, waiter); }
  void give_back() noexcept { core_->give_back_received(*this); }
  WaitSubject subject() const noexcept { return core_->subject(); }

 protected:
  Tried try_take() noexcept {
    const Tried tried = core_->try_pop(this->memory());
    this->full = tried == Tried::Done;
    this->refused = tried == Tried::Refused;
    return tried;
  }
  /// False: there is none any more.
  bool fetch() noexcept {
    if (this->refused || this->full) return this->full;
    core_->pop_promised(this->memory());
    return this->full = true;
  }
  Core* core_;
};

template <class T, class Core>
class RecvOperation : public RecvBase<T, Core> {
 public:
  using value_type = std::optional<T>;

  explicit RecvOperation(Core& core) noexcept : RecvBase<T, Core>(core) {}
  Outcome<value_type> take() noexcept {
    if (!this->fetch()) return Outcome<value_type>::ok(std::nullopt);
    return Outcome<value_type>::ok(value_type(std::move(this->message())));
  }
  // A copy of an optional as a whole loads its value and its flag at once, which have just been stored one by one: the processor can
  // forward neither to such a load, which waits until all stores before it are done, some 4 ns and more where the other side reads them.
  void give(value_type* into) noexcept {
    if (this->fetch()) {
      std::construct_at(into, std::in_place, std::move(this->message()));
    } else {
      std::construct_at(into);
    }
  }
  static value_type given(value_type& from) noexcept {
    if (from.has_value()) [[likely]]
      return value_type(std::in_place, std::move(*from));
    return value_type();
  }
  std::expected<T, TryRecvError> try_recv() noexcept {
    const Tried tried = this->try_take();
    if (tried == Tried::Done) return std::move(this->message());
    return std::unexpected(tried == Tried::Refused ? TryRecvError::disconnected : TryRecvError::empty);
  }
};

/// Its only message is the value.
template <class T>
class OneshotRecvOperation : public RecvBase<T, QueueCore> {
 public:
  using value_type = T;

  explicit OneshotRecvOperation(QueueCore& core) noexcept : RecvBase<T, QueueCore>(core) {}
  Outcome<T> take() noexcept {
    if (this->fetch()) return Outcome<T>::ok(std::move(this->message()));
    if (this->core_->has_sent()) {
      return Outcome<T>::err(this->core_->error(
          ErrorCode::PolledAfterCompletion, "its value was received before: receive once, and keep the value"));
    }
    return Outcome<T>::err(this->core_->error(
        ErrorCode::Disconnected, "its sender is gone, or was refused, without having sent: no value comes"));
  }
};

class ClosedOperation : public ChannelWait {
 public:
  using value_type = void;
  using error_type = Error;
  static constexpr const char* what = "the receivers of a channel to go";

  explicit ClosedOperation(ChannelCore& core) noexcept : core_(&core) {}
  bool try_now() noexcept { return core_->is_closed(); }
  void enlist(WaitNode& node) noexcept { core_->enlist_watcher(node); }
  bool delist(WaitNode& node) noexcept { return core_->delist_watcher(node); }
  bool keep_place(WaitNode& node, Waiter waiter) noexcept { return core_->keep_place(node, waiter); }
  Outcome<> take() noexcept { return Outcome<>::ok(); }
  void give_back() noexcept {}
  WaitSubject subject() const noexcept { return core_->subject(); }

 private:
  ChannelCore* core_;
};

[[noreturn]] void moved_end_used(const char* what);

}  // namespace detail
}  // namespace quiesce
