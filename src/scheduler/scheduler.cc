#include "scheduler/scheduler.h"

#include <thread>
#include <utility>

#include "base/memory_limits.h"
#include "scheduler/shared.h"
#include "scheduler/worker.h"

namespace da::scheduler {
namespace {

class SchedulerImpl final : public Scheduler {
 public:
  SchedulerImpl(Options options, Logger log, Start start, FreeMemory free_memory)
      : shared_(std::make_shared<Shared>(options, std::move(log), std::move(start), std::move(free_memory))) {
    shared_->attach(&starter_, &stopper_);
    timer_ = std::thread([shared = shared_] { shared->watch(); });
  }
  ~SchedulerImpl() override {
    shared_->shut_down();
    timer_.join();
    // Detached first: what is posted from now on would have nobody to do it. The workers finish what they have.
    shared_->attach(nullptr, nullptr);
  }

  Ticket acquire(const store::ModelInfo& model, const Use& use, LoadProgress progress, Ready ready) override {
    return shared_->acquire(model, use, std::move(progress), std::move(ready));
  }
  void cancel(Ticket ticket) override { shared_->cancel(ticket); }
  bool unload(const std::string& model_name) override { return shared_->unload(model_name); }
  std::vector<LoadedModel> loaded() const override { return shared_->loaded(); }
  Stats stats() const override { return shared_->stats(); }
  void set_options(Options options) override { shared_->set_options(options); }

 private:
  const std::shared_ptr<Shared> shared_;
  std::thread timer_;
  Worker stopper_;  // before starter_: a start that was abandoned posts nothing, but may still run
  Worker starter_;
};

}  // namespace

std::unique_ptr<Scheduler> Scheduler::create(Options options, Logger log, Start start, FreeMemory free_memory) {
  if (!start) start = runner::Client::start;
  if (!free_memory) free_memory = available_memory_bytes;
  return std::make_unique<SchedulerImpl>(options, std::move(log), std::move(start), std::move(free_memory));
}

}  // namespace da::scheduler