#include "coroutine_forms/probe_support.hpp"

namespace forms {

Ledger& Ledger::the() {
  static Ledger ledger;
  return ledger;
}

void Ledger::complain(const char* what, const void* self) {
  auto at = alive_.find(self);
  complaints_.push_back(std::string(what) +
                        (at == alive_.end() ? "" : ", object number " + std::to_string(at->second)));
}

void Ledger::born(const void* self) {
  std::scoped_lock hold(mutex_);
  if (!alive_.emplace(self, ++births_).second) complain("made where an object still lives", self);
}

void Ledger::died(const void* self, const void* remembered) {
  std::scoped_lock hold(mutex_);
  if (self != remembered) complain("destroyed elsewhere than it was made: it was copied bit by bit", self);
  if (alive_.erase(self) == 0) complain("destroyed, and not alive: destroyed twice or never made", self);
}

void Ledger::used(const void* self, const void* remembered) {
  std::scoped_lock hold(mutex_);
  if (self != remembered) complain("used elsewhere than it was made: it was copied bit by bit", self);
  if (!alive_.contains(self)) complain("used, and not alive", self);
}

void Ledger::reset() {
  std::scoped_lock hold(mutex_);
  alive_.clear();
  complaints_.clear();
  births_ = 0;
}

std::vector<std::string> Ledger::complaints() {
  std::scoped_lock hold(mutex_);
  std::vector<std::string> all = complaints_;
  for (const auto& [self, number] : alive_) {
    all.push_back("never destroyed: object number " + std::to_string(number) + " of " +
                  std::to_string(births_));
  }
  return all;
}

std::size_t Ledger::births() {
  std::scoped_lock hold(mutex_);
  return births_;
}

}  // namespace forms
