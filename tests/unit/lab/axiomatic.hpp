#pragma once
// The C++20 memory model as axioms, for tiny programs: every execution graph is made and asked whether it is allowed.
//
// After [intro.races], [atomics.order] and [atomics.fences] of C++20, with sequenced-before and reads-from together acyclic, as in Lahav et
// al., PLDI 2017. Without seq_cst fences. It shares nothing with the lab's own memory, and is slow and plain.
#include <algorithm>
#include <atomic>
#include <bitset>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace quiesce::lab::tests::axiomatic {

enum class Kind : std::uint8_t { Load, Store, Exchange, CompareExchange, Fence };  // compare-exchange expects 0

struct Op {
  Kind kind;
  std::size_t atomic;
  std::memory_order order;    // of a compare-exchange that succeeds
  std::memory_order failure;  // of one that does not
  int value;
};
using Program = std::vector<std::vector<Op>>;

constexpr std::size_t events_max = 12;
/// A relation among events.
class Relation {
 public:
  bool operator()(std::size_t a, std::size_t b) const { return rows_[a][b]; }
  void add(std::size_t a, std::size_t b) { rows_[a].set(b); }
  Relation& operator|=(const Relation& other) {
    for (std::size_t i = 0; i < events_max; ++i) rows_[i] |= other.rows_[i];
    return *this;
  }
  friend Relation operator|(Relation a, const Relation& b) { return a |= b; }
  /// First a, then b.
  friend Relation operator*(const Relation& a, const Relation& b) {
    Relation product;
    for (std::size_t i = 0; i < events_max; ++i) {
      for (std::size_t j = 0; j < events_max; ++j) {
        if (a(i, j)) product.rows_[i] |= b.rows_[j];
      }
    }
    return product;
  }
  Relation closure() const {
    Relation closed = *this;
    for (std::size_t k = 0; k < events_max; ++k) {
      for (std::size_t i = 0; i < events_max; ++i) {
        if (closed(i, k)) closed.rows_[i] |= closed.rows_[k];
      }
    }
    return closed;
  }
  bool is_irreflexive() const {
    for (std::size_t i = 0; i < events_max; ++i) {
      if (rows_[i][i]) return false;
    }
    return true;
  }
  bool is_acyclic() const { return closure().is_irreflexive(); }

 private:
  std::bitset<events_max> rows_[events_max];
};

/// All outcomes of a program on two atomics: their last values, and for each thread what it has seen.
class Model {
 public:
  explicit Model(const Program& program) : program_(program) {
    for (std::size_t atomic = 0; atomic < 2; ++atomic)
      events_.push_back({.op = {Kind::Store, atomic, std::memory_order_relaxed, {}, 0}, .thread = outside});
    for (std::size_t t = 0; t < program.size(); ++t) {
      for (const Op& op : program[t]) events_.push_back({.op = op, .thread = t});
    }
    choose_reads(2);
  }
  const std::set<std::string>& outcomes() const { return outcomes_; }

 private:
  static constexpr std::size_t outside = ~std::size_t{0};
  struct Event {
    Op op;
    std::size_t thread;
    std::size_t from = 0;  // what it reads from
    int seen = 0;
    bool writes = false;
    std::memory_order order = std::memory_order_relaxed;

    bool reads() const { return op.kind != Kind::Store && op.kind != Kind::Fence; }
    bool is_modify() const { return reads() && writes; }
    bool is_fence() const { return op.kind == Kind::Fence; }
    bool acquires() const { return order != std::memory_order_relaxed && order != std::memory_order_release; }
    bool releases() const { return order != std::memory_order_relaxed && order != std::memory_order_acquire; }
    bool is_sc() const { return order == std::memory_order_seq_cst; }
  };

  void choose_reads(std::size_t at) {
    if (at == events_.size()) return evaluate();
    if (!events_[at].reads()) return choose_reads(at + 1);
    for (std::size_t from = 0; from < events_.size(); ++from) {
      const Op& op = events_[from].op;
      if (from == at || op.atomic != events_[at].op.atomic || op.kind == Kind::Load || op.kind == Kind::Fence)
        continue;
      events_[at].from = from;
      choose_reads(at + 1);
    }
  }

  // Values follow sequenced-before and reads-from, which have no cycle together.
  void evaluate() {
    sb_ = rf_ = Relation();
    for (std::size_t a = 0; a < events_.size(); ++a) {
      for (std::size_t b = 2; b < events_.size(); ++b) {
        if (a < 2 || (a < b && events_[a].thread == events_[b].thread)) sb_.add(a, b);
      }
      if (events_[a].reads()) rf_.add(events_[a].from, a);
    }
    if (!(sb_ | rf_).is_acyclic()) return;
    for (Event& event : events_) {
      event.writes = event.op.kind == Kind::Store || event.op.kind == Kind::Exchange;
      event.order = event.op.order;
    }
    // As many rounds as a chain of readings may have links.
    for (std::size_t round = 0; round < events_.size(); ++round) {
      for (Event& event : events_) {
        if (!event.reads()) continue;
        event.seen = events_[event.from].op.value;
        if (event.op.kind != Kind::CompareExchange) continue;
        event.writes = event.seen == 0;
        event.order = event.writes ? event.op.order : event.op.failure;
      }
    }
    for (const Event& event : events_) {
      if (event.reads() && !events_[event.from].writes) return;
    }
    order_writes(0);
  }

  void order_writes(std::size_t atomic) {
    if (atomic == 2) return judge();
    std::vector<std::size_t>& order = mo_[atomic];
    order.clear();
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if (events_[i].writes && events_[i].op.atomic == atomic) order.push_back(i);
    }
    const std::vector<std::size_t> first = order;  // the initial value is its least, and stays first
    do { order_writes(atomic + 1); } while (std::next_permutation(order.begin() + 1, order.end()));
    order = first;
  }

  void judge() {
    Relation mo, rb;
    for (const auto& order : mo_) {
      for (std::size_t i = 0; i < order.size(); ++i) {
        for (std::size_t j = i + 1; j < order.size(); ++j) mo.add(order[i], order[j]);
      }
    }
    for (std::size_t r = 0; r < events_.size(); ++r) {
      for (std::size_t w = 0; w < events_.size(); ++w) {
        if (r != w && events_[r].reads() && mo(events_[r].from, w)) rb.add(r, w);
      }
    }
    if (!is_atomic()) return;
    const Relation sw = synchronizes();
    const Relation hb = (sb_ | sw).closure();
    const Relation eco = (rf_ | mo | rb).closure();
    if (!hb.is_irreflexive() || !eco.is_irreflexive() || !(hb * eco).is_irreflexive()) return;
    if (has_total_order(sw, hb, eco)) outcomes_.insert(outcome());
  }

  bool is_atomic() const {
    for (const auto& order : mo_) {
      for (std::size_t i = 1; i < order.size(); ++i) {
        if (events_[order[i]].is_modify() && events_[order[i]].from != order[i - 1]) return false;
      }
    }
    return std::ranges::none_of(events_, [&](const Event& event) {
      return event.is_modify() &&
             std::ranges::find(mo_[event.op.atomic], event.from) == mo_[event.op.atomic].end();
    });
  }

  Relation synchronizes() const {
    Relation sw;
    for (std::size_t read = 0; read < events_.size(); ++read) {
      if (!events_[read].reads()) continue;
      // The heads of all release sequences that the value read is of.
      for (std::size_t head = events_[read].from;; head = events_[head].from) {
        for (const std::size_t a : ends(head, true)) {
          for (const std::size_t b : ends(read, false)) sw.add(a, b);
        }
        if (!events_[head].is_modify()) break;
      }
    }
    return sw;
  }
  /// The access, if it releases (acquires), and the fences before (behind) it that do.
  std::vector<std::size_t> ends(std::size_t access, bool releasing) const {
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      const bool is_there =
          i == access || (events_[i].is_fence() && (releasing ? sb_(i, access) : sb_(access, i)));
      if (is_there && (releasing ? events_[i].releases() : events_[i].acquires())) found.push_back(i);
    }
    return found;
  }

  bool has_total_order(const Relation& sw, const Relation& hb, const Relation& eco) const {
    const auto both_sc = [&](std::size_t a, std::size_t b) { return events_[a].is_sc() && events_[b].is_sc(); };
    Relation strong = sb_ | (sb_ * hb * sb_);
    Relation before;
    for (std::size_t a = 0; a < events_.size(); ++a) {
      for (std::size_t b = 0; b < events_.size(); ++b) {
        if (sw(a, b) && both_sc(a, b)) strong.add(a, b);
      }
    }
    strong = strong.closure();
    for (std::size_t a = 0; a < events_.size(); ++a) {
      for (std::size_t b = 0; b < events_.size(); ++b) {
        if (both_sc(a, b) && (strong(a, b) || eco(a, b))) before.add(a, b);
      }
    }
    return before.is_acyclic();
  }

  std::string outcome() const {
    std::string text;
    for (const auto& order : mo_) text += std::to_string(events_[order.back()].op.value);
    for (std::size_t t = 0; t < program_.size(); ++t) {
      text += ' ';
      for (const Event& event : events_) {
        if (event.thread != t || !event.reads()) continue;
        if (event.op.kind == Kind::CompareExchange) text += event.writes ? '+' : '-';
        text += std::to_string(event.seen);
      }
    }
    return text;
  }

  const Program& program_;
  std::vector<Event> events_;
  std::vector<std::size_t> mo_[2];
  Relation sb_, rf_;
  std::set<std::string> outcomes_;
};

}  // namespace quiesce::lab::tests::axiomatic
