// P1 to P4 of bench/README.md by the algorithms of libstdc++ with std::execution::par, which run on oneTBB's workers.
// Usage: workloads WORKLOAD [--workers N] [--small]
#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <execution>
#include <functional>
#include <numeric>

#include "../algorithms.hpp"

namespace {

using numbers::Numbers;
using std::execution::par;

void mix_all(Numbers& made) {
  std::for_each(par, made.begin(), made.end(), [](std::uint64_t& x) { x = numbers::mix(x); });
}
std::uint64_t mixed_sum(const Numbers& made) {
  return std::transform_reduce(par, made.begin(), made.end(), std::uint64_t{0}, std::plus<>(),
                               [](std::uint64_t x) { return numbers::mix(x); });
}
void scan(const Numbers& made, Numbers& scanned) {
  std::inclusive_scan(par, made.begin(), made.end(), scanned.begin());
}
void sort(Numbers& made) { std::sort(par, made.begin(), made.end()); }

}  // namespace

int main(int argc, char** argv) {
  const auto on_workers = [](const peer::Options& options, auto&& body) {
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism, options.workers);
    body();
  };
  return peer::run(argc, argv, peer::workloads_of({mix_all, mixed_sum, scan, sort}, on_workers));
}
