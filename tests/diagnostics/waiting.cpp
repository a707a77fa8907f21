// A program whose tasks wait in known places: for a dump, and for a debugger that looks at it or at its core file.
// Usage: waiting dump | waiting abort     it calls `everybody_waits` when they do, and then dumps to stdout, or aborts
#include <quiesce/quiesce.hpp>
#include <quiesce/select.hpp>
#include <quiesce/sync/event.hpp>
#include <quiesce/sync/semaphore.hpp>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace q = quiesce;
using namespace std::chrono_literals;

using Connections = std::shared_ptr<q::Semaphore>;

namespace app {

q::Task<int> connect(q::Cx cx, Connections connections) {
  q::SemaphorePermit permit = co_await q::Semaphore::acquire_owned(cx, connections);  // here: connect
  co_return 1;
}

q::Task<int> fetch(q::Cx cx, Connections connections) {
  const int connected = co_await connect(cx, connections);  // here: fetch
  co_return connected + 1;
}

q::Task<> nap(q::Cx cx) {
  co_await cx.sleep(1h);  // here: nap
}

q::Task<> watch(q::Cx cx, Connections connections, q::TaskHandle<> napping) {
  auto first = q::select(cx, connections->acquire(), napping.join(cx));
  (void)co_await std::move(first);  // here: watch
}

q::Task<> serve(q::Cx cx, Connections connections) {
  auto inside = [&](q::Cx inner, q::Scope<>& scope) -> q::Task<> {
    for (int i = 0; i < 5; ++i) (void)(co_await scope.spawn(inner, fetch, connections));
    auto napping = co_await scope.spawn(inner, nap);
    co_await napping.join(inner);  // here: join
  };
  co_await q::region(cx, q::FailFast{}, inside);  // here: region
}

}  // namespace app

/// Where a debugger stops.
[[gnu::noinline]] void everybody_waits(bool aborts) {
  if (aborts) std::abort();
}

namespace {

bool all_wait(const q::Snapshot& snapshot) {
  std::size_t waiting = 0;
  for (const q::RegionSnapshot& region : snapshot.regions) {
    for (const q::TaskSnapshot& task : region.tasks) waiting += task.stack.empty() ? 0 : 1;
  }
  return waiting == 10;  // all but the body of the root, which asks
}

}  // namespace

int main(int argc, char** argv) {
  const bool aborts = argc > 1 && std::strcmp(argv[1], "abort") == 0;
  q::Runtime rt = q::Runtime::builder().workers(2).name("waiting").build();
  auto connections = std::make_shared<q::Semaphore>(0u, q::Name("connections"));
  auto body = [&](q::Cx cx, q::Scope<>& scope) -> q::Task<> {
    (void)(co_await scope.spawn(cx, app::serve, connections));
    auto napping = co_await scope.spawn(cx, app::nap);
    (void)(co_await scope.spawn(cx, app::watch, connections, std::move(napping)));
    while (!all_wait(rt.snapshot())) co_await cx.yield();
    everybody_waits(aborts);
    if (!rt.dump(1)) std::abort();
    scope.cancel(q::CancelReason::user("seen"));
  };
  return rt.block_on(body).is_cancelled() ? 0 : 1;
}
