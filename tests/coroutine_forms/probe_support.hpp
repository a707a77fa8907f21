// Objects that know where they live. A compiler that copies one bit by bit, destroys it twice or never, or lets it be used
// after its end, is found out: the ledger has every address, and every object its own.
#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace forms {

class Ledger {
 public:
  static Ledger& the();

  void born(const void* self);
  void died(const void* self, const void* remembered);
  void used(const void* self, const void* remembered);
  /// Starts afresh.
  void reset();
  /// What went wrong since then, with one line for each object that is still there. Empty: nothing.
  std::vector<std::string> complaints();
  std::size_t births();

 private:
  void complain(const char* what, const void* self);

  std::mutex mutex_;
  std::unordered_map<const void*, std::size_t>
      alive_;  // under mutex_, as all below: address -> number of birth
  std::size_t births_ = 0;
  std::vector<std::string> complaints_;
};

/// The identity of one object: a member of everything that is looked after.
class Identity {
 public:
  Identity() : self_(this) { Ledger::the().born(this); }
  Identity(const Identity& other) : Identity() { other.check(); }
  Identity& operator=(const Identity& other) {
    check();
    other.check();
    return *this;
  }
  ~Identity() { Ledger::the().died(this, self_); }
  void check() const { Ledger::the().used(this, self_); }

 private:
  const Identity* self_;
};

/// A copyable value with a constructor of its own.
class Probe {
 public:
  explicit Probe(int value) : value_(value) {}
  Probe(int a, int b) : value_(a + b) {}
  Probe(const Probe&) = default;
  Probe& operator=(const Probe&) = default;
  ~Probe() { value_ = -1; }

  int value() const {
    identity_.check();
    return value_;
  }
  Probe plus(int n) const { return Probe(value() + n); }
  friend Probe operator+(const Probe& a, const Probe& b) { return Probe(a.value() + b.value()); }
  friend bool operator==(const Probe& a, const Probe& b) { return a.value() == b.value(); }
  friend bool operator<(const Probe& a, const Probe& b) { return a.value() < b.value(); }

 private:
  Identity identity_;
  int value_;
};

/// The same, and it can only be moved.
class Lone {
 public:
  explicit Lone(int value) : value_(value) {}
  Lone(Lone&& other) noexcept : identity_(other.identity_), value_(std::exchange(other.value_, 0)) {}
  Lone& operator=(Lone&& other) noexcept {
    identity_ = other.identity_;
    value_ = std::exchange(other.value_, 0);
    return *this;
  }
  ~Lone() { value_ = -1; }

  int value() const {
    identity_.check();
    return value_;
  }

 private:
  Identity identity_;
  int value_;
};

}  // namespace forms
