#include "scheduler/scheduler.h"

#include <thread>
#include <utility>

#include "base/memory_limits.h"
#include "scheduler/shared.h"
#include "scheduler/worker.h"

namespace da::scheduler {
namespace {

// A driver that takes longer to open a GPU does not do so any more.
constexpr std::chrono::seconds kProbeLimit(60);

class SchedulerImpl final : public Scheduler {
 public:
  SchedulerImpl(Options options, Logger log, Start start, FreeMemory free_memory, Probe probe)
      : shared_(std::make_shared<Shared>(options, std::move(log), std::move(start), std::move(free_memory),
                                         std::move(probe))) {
    shared_->attach(&starter_, &stopper_, &prober_);
    timer_ = std::thread([shared = shared_] { shared->watch(); });
  }
  ~SchedulerImpl() override {
    shared_->shut_down();
    timer_.join();
    // Detached first: what is posted from now on would have nobody to do it. The workers finish what they have.
    shared_->attach(nullptr, nullptr, nullptr);
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
  Worker starter_, prober_;
};

}  // namespace

std::unique_ptr<Scheduler> Scheduler::create(Options options, Logger log, Start start, FreeMemory free_memory,
                                             Probe probe) {
  if (!start) start = runner::Client::start;
  if (!free_memory) free_memory = available_memory_bytes;
  if (!probe) {
    probe = [](const std::string& uuid, const std::function<bool()>& give_up) {
      return runner::probe_gpus(uuid, kProbeLimit, give_up);
    };
  }
  return std::make_unique<SchedulerImpl>(options, std::move(log), std::move(start), std::move(free_memory),
                                         std::move(probe));
}

}  // namespace da::scheduler