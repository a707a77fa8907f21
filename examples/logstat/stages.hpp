#pragma once
// The pipeline: read -> parse -> sum up.
//
//   a task a file    --batches of lines-->    parsers    --batches of records-->    one task that sums up
//
// Each arrow is a channel of a few places, so whoever is faster waits for whoever is slower: however big the files are, no more than
// some batches are in memory. The end goes down the same way: when the last reader has ended its sender is gone, the parsers
// receive the end, and their senders go. A file that cannot be read ends the region: every task is asked to stop, none is left waiting.
#include <quiesce/runtime.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "record.hpp"

namespace logstat {

struct Options {
  std::vector<std::string> files;
  std::uint32_t parsers = 2;
  std::size_t paths = 10;
};

quiesce::Outcome<Totals> sum_up(quiesce::Runtime& runtime, const Options& options);

}  // namespace logstat
