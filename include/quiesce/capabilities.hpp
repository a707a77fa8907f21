// Capabilities: what a context may reach besides its own region.
//
// Each is a small abstract interface, handed to a runtime as a shared pointer and found again through `Cx`. A
// child gets the same instances as its parent and never one that the parent lacks (rule S3). A null pointer
// means the capability is absent. All of them may be used from any thread at once; none of them suspends or
// blocks, so none is a cancellation point.
//
//   quiesce::Capabilities caps;
//   caps.registry = std::make_shared<quiesce::InMemoryRegistry>();
//   caps.remote   = std::make_shared<quiesce::LocalRemote>(quiesce::NodeId{7});
//   caps.evidence = std::make_shared<quiesce::MemoryEvidence>(1024);
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quiesce/error.hpp"
#include "quiesce/ids.hpp"
#include "quiesce/time.hpp"

namespace quiesce {

// ---- Registry: names of tasks ----

// A name belongs to at most one task at a time and is given back when that task ends: the runtime calls
// release_task then. A task should register only itself or a task it knows to be running; a name given to a
// task that has already ended stays until it is unregistered.
class Registry {
 public:
  virtual ~Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // NameTaken (its context names the holder) when the name is in use, by this same task too; InvalidArgument
  // for an empty name or an invalid id.
  virtual std::expected<void, Error> register_name(std::string_view name, TaskId task) = 0;
  [[nodiscard]] virtual std::optional<TaskId> lookup(std::string_view name) const = 0;
  // Whether the name was there.
  virtual bool unregister(std::string_view name) = 0;
  // Gives back every name of the task. Called at the end of every task, so it must be quick for one that has
  // none.
  virtual void release_task(TaskId task) noexcept = 0;

 protected:
  Registry() = default;
};

// Lookup and registration take a lock; release_task of a task without names is one relaxed load.
class InMemoryRegistry final : public Registry {
 public:
  InMemoryRegistry();
  ~InMemoryRegistry() override;

  std::expected<void, Error> register_name(std::string_view name, TaskId task) override;
  [[nodiscard]] std::optional<TaskId> lookup(std::string_view name) const override;
  bool unregister(std::string_view name) override;
  void release_task(TaskId task) noexcept override;

  [[nodiscard]] std::size_t size() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// ---- Remote: which node this is ----

// A node of a cluster, by number or by name; a number and a name never compare equal.
class NodeId {
 public:
  template <std::integral Number>
  explicit NodeId(Number number) : number_(static_cast<std::uint64_t>(number)) {}
  explicit NodeId(std::string_view name) : name_(name) {}

  [[nodiscard]] bool has_name() const noexcept { return !name_.empty(); }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  friend auto operator<=>(const NodeId&, const NodeId&) = default;

 private:
  std::uint64_t number_ = 0;
  std::string name_;
};

// The name, or `node-7`.
std::string to_string(const NodeId& node);
std::ostream& operator<<(std::ostream& out, const NodeId& node);

class Remote {
 public:
  virtual ~Remote() = default;
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;

  [[nodiscard]] virtual NodeId local_node() const = 0;

 protected:
  Remote() = default;
};

// A cluster of one.
class LocalRemote final : public Remote {
 public:
  explicit LocalRemote(NodeId node);
  [[nodiscard]] NodeId local_node() const override;

 private:
  NodeId node_;
};

// ---- Evidence: a log that is only appended to ----

struct EvidenceEntry {
  Time time;
  std::string text;

  friend bool operator==(const EvidenceEntry&, const EvidenceEntry&) = default;
};

class EvidenceSink {
 public:
  virtual ~EvidenceSink() = default;
  EvidenceSink(const EvidenceSink&) = delete;
  EvidenceSink& operator=(const EvidenceSink&) = delete;

  // False when the entry was not kept.
  virtual bool append(Time time, std::string_view text) = 0;
  [[nodiscard]] virtual std::vector<EvidenceEntry> entries() const = 0;
  // How many appends were not kept.
  [[nodiscard]] virtual std::uint64_t dropped() const = 0;

 protected:
  EvidenceSink() = default;
};

// Holds at most `capacity` entries. What is in it stays: when it is full, new entries are refused and counted
// in dropped(), so that the beginning of a story is never overwritten by its end.
class MemoryEvidence final : public EvidenceSink {
 public:
  explicit MemoryEvidence(std::size_t capacity);
  ~MemoryEvidence() override;

  bool append(Time time, std::string_view text) override;
  [[nodiscard]] std::vector<EvidenceEntry> entries() const override;
  [[nodiscard]] std::uint64_t dropped() const override;
  [[nodiscard]] std::size_t capacity() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// ---- Macaroon: what the bearer may do ----

class Macaroon {
 public:
  virtual ~Macaroon() = default;
  Macaroon(const Macaroon&) = delete;
  Macaroon& operator=(const Macaroon&) = delete;

  [[nodiscard]] virtual std::string_view identifier() const = 0;
  [[nodiscard]] virtual bool permits(std::string_view action) const = 0;

 protected:
  Macaroon() = default;
};

// Permits exactly the actions it was made with. Immutable; `attenuate` makes a weaker one and cannot make a
// stronger one.
class AllowList final : public Macaroon {
 public:
  AllowList(std::string_view identifier, std::vector<std::string> actions);

  [[nodiscard]] std::string_view identifier() const override;
  [[nodiscard]] bool permits(std::string_view action) const override;

  // Those of `actions` that this one permits too, under the same identifier.
  [[nodiscard]] std::shared_ptr<AllowList> attenuate(const std::vector<std::string>& actions) const;

 private:
  std::string identifier_;
  std::vector<std::string> actions_;  // sorted
};

// ---- Pressure: how loaded the machine is ----

enum class PressureSource : std::uint8_t { None, Fixed, StallInformation, LoadAverage };

std::string_view to_string(PressureSource source) noexcept;
std::ostream& operator<<(std::ostream& out, PressureSource source);

// In percent, 0 to 100: the share of the last ten seconds in which at least one task was stalled for want of
// it.
struct PressureReading {
  double cpu_some = 0;
  double memory_some = 0;
  double io_some = 0;
  PressureSource source = PressureSource::None;

  // The largest of the three.
  [[nodiscard]] double worst() const noexcept;

  friend bool operator==(const PressureReading&, const PressureReading&) = default;
};

class Pressure {
 public:
  virtual ~Pressure() = default;
  Pressure(const Pressure&) = delete;
  Pressure& operator=(const Pressure&) = delete;

  [[nodiscard]] virtual PressureReading read() const = 0;

 protected:
  Pressure() = default;
};

// Linux pressure stall information, `<proc>/pressure/{cpu,memory,io}`. A kernel without it (or a container that
// hides it) falls back to the load average: the share of runnable tasks that find no processor, as cpu_some.
// Without that either the reading is 0 with source None. It reads files of the proc file system at each call:
// tens of microseconds, never blocking.
class LinuxPressure final : public Pressure {
 public:
  explicit LinuxPressure(std::string proc_root = "/proc");
  [[nodiscard]] PressureReading read() const override;

 private:
  std::string proc_root_;
};

// The same reading at every call.
class FixedPressure final : public Pressure {
 public:
  explicit FixedPressure(double percent);  // of all three
  explicit FixedPressure(PressureReading reading);
  [[nodiscard]] PressureReading read() const override;

 private:
  PressureReading reading_;
};

// ---- The rest ----

// A Lamport clock. Every tick gives a value larger than any that this clock has given or observed before.
class LogicalClock {
 public:
  // A value from here up is taken for damage: observing it would leave the clock no room to go on, so it is
  // ignored.
  static constexpr std::uint64_t observable_limit = std::uint64_t{1} << 63;

  std::uint64_t tick() noexcept;
  // Takes in a value from elsewhere: the clock goes past it and gives where it then stands.
  std::uint64_t observe(std::uint64_t seen) noexcept;
  [[nodiscard]] std::uint64_t now() const noexcept;

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Names the I/O backend that a context may use.
class Io {
 public:
  virtual ~Io() = default;
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;

  [[nodiscard]] virtual std::string_view name() const = 0;

 protected:
  Io() = default;
};

// The pool that blocking work of a context runs on.
class BlockingPoolHandle {
 public:
  virtual ~BlockingPoolHandle() = default;
  BlockingPoolHandle(const BlockingPoolHandle&) = delete;
  BlockingPoolHandle& operator=(const BlockingPoolHandle&) = delete;

  [[nodiscard]] virtual std::string_view name() const = 0;
  [[nodiscard]] virtual std::size_t threads() const = 0;  // now
  [[nodiscard]] virtual std::size_t max_threads() const = 0;

 protected:
  BlockingPoolHandle() = default;
};

struct Capabilities {
  std::shared_ptr<Registry> registry = {};
  std::shared_ptr<Remote> remote = {};
  std::shared_ptr<Io> io = {};
  std::shared_ptr<Pressure> pressure = {};
  std::shared_ptr<Macaroon> macaroon = {};
  std::shared_ptr<EvidenceSink> evidence = {};
  std::shared_ptr<BlockingPoolHandle> blocking_pool = {};
  std::shared_ptr<LogicalClock> logical_clock = {};
  bool timer = true;
};

}  // namespace quiesce
