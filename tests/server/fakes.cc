#include "server/fakes.h"

#include <utility>

namespace da::test {

Script& Script::text(std::string_view text, int generated) {
  messages.push_back({{"type", "text"}, {"text", text}, {"generated", generated}});
  return *this;
}

Script& Script::done(std::string_view reason, int prompt_tokens, int generated_tokens) {
  messages.push_back({{"type", "done"},
                      {"reason", reason},
                      {"prompt_tokens", prompt_tokens},
                      {"generated_tokens", generated_tokens},
                      {"prefill_ns", 2000},
                      {"decode_ns", 3000},
                      {"context", {1, 2, 3}}});
  return *this;
}

// One runner for all models: each request plays the script of the moment on a thread of its own.
class FakeClient final : public runner::Client {
 public:
  explicit FakeClient(FakeScheduler& owner) : owner_(owner) {}

  RequestId send(nlohmann::json request, Handler handler) override {
    owner_.record_request(std::move(request));
    auto run = std::make_shared<Run>();
    RequestId id = 0;
    {
      const std::lock_guard lock(mutex_);
      id = next_id_++;
      runs_[id] = run;
    }
    ++owner_.running_;
    const std::lock_guard lock(owner_.mutex_);
    owner_.threads_.emplace_back([this, run, handler = std::move(handler), messages = owner_.script_.messages] {
      play(*run, handler, messages);
      --owner_.running_;
    });
    return id;
  }
  void cancel(RequestId id) override {
    const std::lock_guard lock(mutex_);
    const auto found = runs_.find(id);
    if (found == runs_.end()) return;
    const std::lock_guard run_lock(found->second->mutex);
    found->second->cancelled = true;
    found->second->changed.notify_all();
  }
  void tell(nlohmann::json message) override {
    const std::lock_guard lock(owner_.mutex_);
    owner_.told_.push_back(std::move(message));
  }
  bool alive() const override { return true; }
  pid_t pid() const override { return 4711; }
  void cancel_all() {
    const std::lock_guard lock(mutex_);
    for (auto& [id, run] : runs_) {
      const std::lock_guard run_lock(run->mutex);
      run->cancelled = true;
      run->changed.notify_all();
    }
  }

 private:
  struct Run {
    std::mutex mutex;
    std::condition_variable changed;
    bool cancelled = false;
  };

  void play(Run& run, const Handler& handler, const std::vector<nlohmann::json>& messages) {
    for (const nlohmann::json& message : messages) {
      {
        std::unique_lock lock(run.mutex);
        const std::string type = message.value("type", "");
        const auto cancelled = [&run] { return run.cancelled; };
        if (type == "hold") run.changed.wait(lock, cancelled);
        if (type == "pause") run.changed.wait_for(lock, std::chrono::milliseconds(message.value("ms", 0)), cancelled);
        if (run.cancelled) {
          lock.unlock();
          ++owner_.cancelled_runs_;
          handler({{"type", "done"}, {"reason", "cancelled"}});
          return;
        }
        if (type == "pause") continue;
      }
      handler(message);
    }
  }

  FakeScheduler& owner_;
  std::mutex mutex_;
  std::map<RequestId, std::shared_ptr<Run>> runs_;
  RequestId next_id_ = 1;
};

class FakeLease final : public scheduler::Lease {
 public:
  FakeLease(FakeScheduler& owner, store::ModelInfo model, nlohmann::json ready)
      : owner_(owner), model_(std::move(model)), ready_(std::move(ready)) {
    ++owner_.open_leases_;
  }
  ~FakeLease() override { --owner_.open_leases_; }
  runner::Client& client() override { return *owner_.client_; }
  const store::ModelInfo& model() const override { return model_; }
  void charge(int64_t /*tokens*/) override {}
  const nlohmann::json& ready() const override { return ready_; }

 private:
  FakeScheduler& owner_;
  store::ModelInfo model_;
  nlohmann::json ready_;
};

FakeScheduler::FakeScheduler() : client_(std::make_unique<FakeClient>(*this)) {}

FakeScheduler::~FakeScheduler() {
  client_->cancel_all();
  for (std::thread& thread : threads_) thread.join();
}

void FakeScheduler::set(Script script) {
  const std::lock_guard lock(mutex_);
  script_ = std::move(script);
}
Script FakeScheduler::script() const {
  const std::lock_guard lock(mutex_);
  return script_;
}
nlohmann::json FakeScheduler::last_request() const {
  const std::lock_guard lock(mutex_);
  return last_request_;
}
void FakeScheduler::record_request(nlohmann::json request) {
  const std::lock_guard lock(mutex_);
  last_request_ = std::move(request);
}
std::optional<std::optional<std::chrono::milliseconds>> FakeScheduler::last_keep_alive() const {
  const std::lock_guard lock(mutex_);
  return last_keep_alive_;
}
scheduler::Use FakeScheduler::last_use() const {
  const std::lock_guard lock(mutex_);
  return last_use_;
}
std::vector<nlohmann::json> FakeScheduler::told() const {
  const std::lock_guard lock(mutex_);
  return told_;
}
std::vector<std::string> FakeScheduler::unloaded() const {
  const std::lock_guard lock(mutex_);
  return unloaded_;
}
int FakeScheduler::cancelled_runs() const { return cancelled_runs_; }
int FakeScheduler::cancelled_loads() const { return cancelled_loads_; }
int FakeScheduler::open_leases() const { return open_leases_; }
int FakeScheduler::running() const { return running_; }

scheduler::Scheduler::Ticket FakeScheduler::acquire(const store::ModelInfo& model, const scheduler::Use& use,
                                                    LoadProgress progress, Ready ready) {
  const std::lock_guard lock(mutex_);
  last_keep_alive_ = use.keep_alive;
  last_use_ = use;
  const Ticket ticket = next_ticket_++;
  if (script_.hold_load) {
    held_[ticket] = std::move(ready);
    return ticket;
  }
  threads_.emplace_back([this, model, script = script_, progress = std::move(progress), ready = std::move(ready)] {
    for (const auto& [done, total] : script.loading) progress(done, total);
    if (!script.load_failure.is_ok()) {
      ready(script.load_failure);
    } else {
      ready(std::unique_ptr<scheduler::Lease>(new FakeLease(*this, model, script.ready)));
    }
  });
  return ticket;
}

void FakeScheduler::cancel(Ticket ticket) {
  Ready ready;
  {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(ticket);
    if (found == held_.end()) return;
    ready = std::move(found->second);
    held_.erase(found);
  }
  ++cancelled_loads_;
  ready(Status(ErrorCode::kCancelled, "cancelled"));
}

bool FakeScheduler::unload(const std::string& model_name) {
  const std::lock_guard lock(mutex_);
  unloaded_.push_back(model_name);
  return true;
}

std::vector<scheduler::LoadedModel> FakeScheduler::loaded() const { return loaded_models; }

}  // namespace da::test
