#pragma once
namespace quiesce::detail {

/// An intrusive job of the blocking pool. `run` is called once, on a pool thread, unless the job was withdrawn before.
struct BlockingJob {
  BlockingJob* queue_next = nullptr;
  void (*run)(BlockingJob*) noexcept = nullptr;
  void (*discard)(BlockingJob*) noexcept = nullptr;  // frees a job that will never run
};

}  // namespace quiesce::detail
