#include "scheduler/scheduler.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "store/temp_dir.h"

namespace da::scheduler {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// A client without a process, told by the test what to do.
class FakeClient final : public runner::Client {
 public:
  FakeClient(std::atomic<int>& n_alive, Handler on_load) : n_alive_(n_alive), on_load_(std::move(on_load)) { ++n_alive_; }
  ~FakeClient() override { --n_alive_; }
  RequestId send(json, Handler) override { return 0; }
  void cancel(RequestId) override {}
  bool alive() const override { return alive_; }
  pid_t pid() const override { return 4711; }
  void say(const json& message) { on_load_(message); }
  void die() { alive_ = false; }
  json stats() const override { return {{"not_finite", n_not_finite.load()}}; }
  std::vector<runner::GpuSight> lost_gpus() const override { return lost; }
  std::vector<runner::GpuSight> lost;   // set before it dies
  std::atomic<int> n_not_finite{0};

 private:
  std::atomic<int>& n_alive_;
  Handler on_load_;
  std::atomic<bool> alive_{true};
};

// Starts fake clients and keeps hold of them weakly.
class FakeRunners {
 public:
  Scheduler::Start start() {
    return [this](const runner::Spec& spec, const Logger&, runner::Client::Handler on_load) -> Result<std::shared_ptr<runner::Client>> {
      auto client = std::make_shared<FakeClient>(n_alive, std::move(on_load));
      const std::lock_guard lock(mutex_);
      specs_.push_back(spec);
      clients_.push_back(client);
      changed_.notify_all();
      return std::shared_ptr<runner::Client>(client);
    };
  }
  // The n-th client that was started.
  std::shared_ptr<FakeClient> client(size_t n) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, 10s, [&] { return clients_.size() > n; }));
    return clients_[n].lock();
  }
  void finish(size_t n) {
    if (const auto started = client(n)) started->say({{"id", 1}, {"type", "ready"}, {"context_tokens", 77}, {"memory_bytes", 5}});
  }
  size_t n_started() {
    const std::lock_guard lock(mutex_);
    return clients_.size();
  }
  runner::Spec spec(size_t n) {
    const std::lock_guard lock(mutex_);
    return specs_[n];
  }
  std::atomic<int> n_alive{0};

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::weak_ptr<FakeClient>> clients_;
  std::vector<runner::Spec> specs_;
};

// What came of one acquire.
class Outcome {
 public:
  Scheduler::Ready ready() {
    return [this](Result<std::unique_ptr<Lease>> result) {
      const std::lock_guard lock(mutex_);
      ++n_calls_;
      if (result.is_ok()) {
        lease_ = std::move(*result);
      } else {
        status_ = result.status();
      }
      changed_.notify_all();
    };
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, 10s, [&] { return n_calls_ > 0; });
  }
  ErrorCode code() { return wait() ? status_.code() : ErrorCode::kInternal; }
  Lease* lease() { return wait() ? lease_.get() : nullptr; }
  void release() { lease_.reset(); }
  int n_calls() {
    const std::lock_guard lock(mutex_);
    return n_calls_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int n_calls_ = 0;
  std::unique_ptr<Lease> lease_;
  Status status_;
};

store::ModelInfo model(const std::string& name, const std::string& path = "") {
  store::ModelInfo info;
  info.name = name;
  info.gguf_path = path.empty() ? "/models/" + name : path;
  return info;
}

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(2ms);
  }
  return false;
}

class SchedulerTest : public ::testing::Test {
 protected:
  void make(Options options) { scheduler_ = Scheduler::create(options, Logger(), runners_.start()); }
  FakeRunners runners_;
  std::unique_ptr<Scheduler> scheduler_;
};

TEST_F(SchedulerTest, LoadsOnceAndReports) {
  make({.keep_alive = 1h, .n_parallel = 3, .context_tokens = 1000});
  Outcome a, b;
  std::atomic<uint64_t> progress{0};
  store::ModelInfo info = model("m");
  info.parameters["num_ctx"] = 2000;
  info.parameters["kv_cache_type"] = "q8_0/f16";
  scheduler_->acquire(info, {}, [&](uint64_t done, uint64_t) { progress = done; }, a.ready());
  store::ModelInfo tag = info;   // another name for the same weights, and keys and values alike
  tag.name = "other-tag";
  scheduler_->acquire(tag, {}, {}, b.ready());
  const auto client = runners_.client(0);
  EXPECT_EQ(runners_.spec(0).model_path, "/models/m");
  EXPECT_EQ(runners_.spec(0).options, json({{"kv_cache_type", "q8_0/f16"}, {"latency_target_ms", 0}, {"num_ctx", 2000}, {"num_gpu", -1}, {"num_parallel", 16}}));
  client->say({{"id", 1}, {"type", "loading"}, {"bytes_done", 42}, {"bytes_total", 100}});
  EXPECT_EQ(progress, 42U);
  EXPECT_TRUE(scheduler_->loaded().empty());
  runners_.finish(0);
  ASSERT_NE(a.lease(), nullptr);
  ASSERT_NE(b.lease(), nullptr);
  EXPECT_EQ(b.lease()->model().name, "other-tag");
  EXPECT_EQ(a.lease()->ready()["context_tokens"], 77);
  EXPECT_EQ(a.lease()->client().pid(), 4711);
  const auto loaded = scheduler_->loaded();
  ASSERT_EQ(loaded.size(), 1U);
  EXPECT_EQ(loaded[0].model.name, "m");
  EXPECT_EQ(loaded[0].context_tokens, 77);
  EXPECT_EQ(loaded[0].size_bytes, 5U);
  ASSERT_TRUE(loaded[0].expires_at.has_value());
  EXPECT_GT(*loaded[0].expires_at, std::chrono::system_clock::now() + 59min);
  EXPECT_EQ(runners_.n_started(), 1U);
}

TEST_F(SchedulerTest, UnloadsAfterKeepAliveAndOnRequest) {
  make({.keep_alive = 30ms});
  Outcome a;
  scheduler_->acquire(model("m"), {}, {}, a.ready());
  runners_.finish(0);
  ASSERT_NE(a.lease(), nullptr);
  std::this_thread::sleep_for(60ms);
  EXPECT_EQ(runners_.n_alive, 1);   // in use
  a.release();
  EXPECT_TRUE(eventually([&] { return runners_.n_alive == 0; }));
  EXPECT_FALSE(scheduler_->unload("m"));
  Outcome b;
  scheduler_->acquire(model("m"), {.keep_alive = -1ms}, {}, b.ready());
  runners_.finish(1);
  ASSERT_NE(b.lease(), nullptr);
  EXPECT_TRUE(scheduler_->unload("m"));
  EXPECT_EQ(runners_.n_alive, 1);
  b.release();
  EXPECT_TRUE(eventually([&] { return runners_.n_alive == 0; }));
  EXPECT_TRUE(scheduler_->loaded().empty());
}

TEST_F(SchedulerTest, CancelAbandonsTheLoad) {
  make({});
  Outcome a;
  const auto ticket = scheduler_->acquire(model("m"), {}, {}, a.ready());
  runners_.client(0);
  scheduler_->cancel(ticket);
  scheduler_->cancel(ticket);
  EXPECT_EQ(a.code(), ErrorCode::kCancelled);
  EXPECT_TRUE(eventually([&] { return runners_.n_alive == 0; }));
  EXPECT_EQ(a.n_calls(), 1);
}

TEST_F(SchedulerTest, DeadRunnersAreReplaced) {
  make({});
  Outcome a, b;
  scheduler_->acquire(model("m"), {}, {}, a.ready());
  runners_.finish(0);
  ASSERT_NE(a.lease(), nullptr);
  runners_.client(0)->die();
  scheduler_->acquire(model("m"), {}, {}, b.ready());
  runners_.finish(1);
  ASSERT_NE(b.lease(), nullptr);
  EXPECT_NE(&a.lease()->client(), &b.lease()->client());
  EXPECT_EQ(scheduler_->loaded().size(), 1U);
}

TEST_F(SchedulerTest, FailuresReachEveryWaiter) {
  make({});
  Outcome a, b;
  scheduler_->acquire(model("m"), {}, {}, a.ready());
  scheduler_->acquire(model("m"), {}, {}, b.ready());
  runners_.client(0)->say({{"id", 1}, {"type", "error"}, {"code", "unsupported"}, {"message", "no such architecture"}});
  EXPECT_EQ(a.code(), ErrorCode::kUnsupported);
  EXPECT_EQ(b.code(), ErrorCode::kUnsupported);
  EXPECT_TRUE(eventually([&] { return runners_.n_alive == 0; }));
  scheduler_ = Scheduler::create({}, Logger(), [](const auto&, const auto&, const auto&) -> Result<std::shared_ptr<runner::Client>> {
    return {ErrorCode::kNotFound, "no file"};
  });
  Outcome c;
  scheduler_->acquire(model("m"), {}, {}, c.ready());
  EXPECT_EQ(c.code(), ErrorCode::kNotFound);
}

TEST_F(SchedulerTest, DestructionEndsEverything) {
  make({});
  Outcome a, b;
  scheduler_->acquire(model("m"), {}, {}, a.ready());
  runners_.finish(0);
  ASSERT_NE(a.lease(), nullptr);
  scheduler_->acquire(model("n"), {}, {}, b.ready());
  runners_.client(1);
  scheduler_.reset();
  EXPECT_EQ(b.code(), ErrorCode::kCancelled);
  EXPECT_EQ(runners_.n_alive, 1);   // the one whose lease is out
  a.release();
  EXPECT_EQ(runners_.n_alive, 0);
}

TEST_F(SchedulerTest, ManyThreads) {
  make({.keep_alive = 1ms, .max_loaded_models = 2});
  std::atomic<bool> stop{false};
  std::thread loader([&] {
    for (size_t n = 0; !stop;) {
      if (runners_.n_started() > n) {
        runners_.finish(n++);
      } else {
        std::this_thread::sleep_for(100us);
      }
    }
  });
  std::vector<std::thread> users;
  std::atomic<int> n_ended{0};
  for (int user = 0; user < 4; ++user) {
    users.emplace_back([&, user] {
      for (int round = 0; round < 50; ++round) {
        Outcome outcome;
        const auto ticket = scheduler_->acquire(model(std::string("m").append(std::to_string((user + round) % 3))), {}, {}, outcome.ready());
        if (round % 5 == 0) scheduler_->cancel(ticket);
        EXPECT_TRUE(outcome.wait());
        if (outcome.lease() != nullptr) outcome.lease()->client().alive();
        outcome.release();
        ++n_ended;
      }
    });
  }
  for (auto& user : users) user.join();
  EXPECT_EQ(n_ended, 200);
  scheduler_.reset();
  stop = true;
  loader.join();
  EXPECT_EQ(runners_.n_alive, 0);
}

// With real processes: a runner killed in the middle of an answer costs that answer, and the next use loads anew.
TEST(SchedulerProcess, ARunnerKilledMidwayIsReplaced) {
  setenv("DEEPANALYZE_BINARY", RUNNER_FIXTURE, 1);
  const test::TempDir dir;
  test::write_file(dir / "m.gguf", "slow");
  const auto scheduler = Scheduler::create({}, Logger());
  Outcome a;
  scheduler->acquire(model("m", dir / "m.gguf"), {}, {}, a.ready());
  ASSERT_NE(a.lease(), nullptr);
  std::atomic<bool> texted{false};
  std::atomic<bool> failed{false};
  a.lease()->client().send({{"op", "generate"}, {"prompt", std::string(1000, 'x')}, {"raw", true}}, [&](const json& message) {
    if (message["type"] == "text") texted = true;
    if (message["type"] == "error" && message["code"] == "unavailable") failed = true;
  });
  ASSERT_TRUE(eventually([&] { return texted.load(); }));
  const pid_t first = scheduler->loaded().at(0).runner_pid;
  kill(first, SIGKILL);
  ASSERT_TRUE(eventually([&] { return failed.load(); }));
  Outcome b;
  scheduler->acquire(model("m", dir / "m.gguf"), {}, {}, b.ready());
  ASSERT_NE(b.lease(), nullptr);
  EXPECT_NE(scheduler->loaded().at(0).runner_pid, first);
  std::atomic<bool> done{false};
  b.lease()->client().send({{"op", "generate"}, {"prompt", "x"}, {"raw", true}}, [&](const json& message) { done = done || message["type"] == "done"; });
  EXPECT_TRUE(eventually([&] { return done.load(); }));
}

// U08: requests are served until three have ended without numbers; then the model drains and is loaded anew.
TEST_F(SchedulerTest, AModelThatComputesNoNumbersIsReplaced) {
  make({});
  Outcome first, second;
  scheduler_->acquire(model("m"), {}, {}, first.ready());
  runners_.finish(0);
  ASSERT_NE(first.lease(), nullptr);
  scheduler_->acquire(model("m"), {}, {}, second.ready());
  ASSERT_NE(second.lease(), nullptr);
  runners_.client(0)->n_not_finite = 2;
  first.release();
  EXPECT_EQ(scheduler_->stats().not_finite, 2);
  Outcome third, fourth;
  scheduler_->acquire(model("m"), {}, {}, third.ready());
  ASSERT_NE(third.lease(), nullptr) << "two may be chance";
  runners_.client(0)->n_not_finite = 3;
  third.release();
  scheduler_->acquire(model("m"), {}, {}, fourth.ready());
  EXPECT_EQ(fourth.n_calls(), 0) << "the second is not through yet";
  EXPECT_EQ(runners_.n_started(), 1U);
  second.release();
  runners_.finish(1);
  ASSERT_NE(fourth.lease(), nullptr);
  EXPECT_EQ(scheduler_->stats().not_finite, 3);
  EXPECT_EQ(scheduler_->stats().crashes, 0);
}

// U04: a GPU that fails under a runner is told of, looked for, and models that had to do with less are loaded anew when
// it is there again.
class GpuLossTest : public SchedulerTest {
 protected:
  void make(GpuLoss policy) {
    scheduler_ = Scheduler::create({.keep_alive = 1h, .gpu_loss = policy}, Logger(), runners_.start(), {},
                                   [this](const std::string& uuid, const std::function<bool()>&) -> Result<runner::GpuReport> {
                                     ++n_probes_;
                                     if (!there_) return Status(ErrorCode::kUnavailable, "the driver does not answer");
                                     return runner::GpuReport{.gpus = {{uuid, "One", ""}}, .none = "", .driver_fault = ""};
                                   });
  }
  static json gpus(const std::vector<std::string>& uuids) {
    json list = json::array();
    for (const std::string& uuid : uuids) list.push_back({{"uuid", uuid}, {"name", "One"}, {"fault", ""}});
    return {{"id", 1}, {"type", "gpus"}, {"gpus", list}};
  }
  void ready(size_t n, uint64_t device_bytes) {
    runners_.client(n)->say({{"id", 1}, {"type", "ready"}, {"context_tokens", 77}, {"memory_bytes", 100}, {"device_bytes", device_bytes}});
  }
  GpuHealth health() { return scheduler_->stats().gpu_health; }
  void TearDown() override { scheduler_.reset(); }   // its prober calls into this

  std::atomic<bool> there_{false};
  std::atomic<int> n_probes_{0};
};

TEST_F(GpuLossTest, IsToldAndMendsItself) {
  make(GpuLoss::kOthers);
  EXPECT_TRUE(health().gpus.empty());
  Outcome first, second;
  scheduler_->acquire(model("m"), {}, {}, first.ready());
  runners_.client(0)->say(gpus({"GPU-a", "GPU-b"}));
  ready(0, 100);
  ASSERT_NE(first.lease(), nullptr);
  EXPECT_FALSE(health().degraded);
  ASSERT_EQ(health().gpus.size(), 2U);

  runners_.client(0)->lost = {{"GPU-a", "One", "cudaErrorDevicesUnavailable"}};
  runners_.client(0)->die();
  GpuHealth now = health();
  EXPECT_TRUE(now.degraded);
  EXPECT_FALSE(now.refuses);
  EXPECT_EQ(now.gpus[0].trouble, "cudaErrorDevicesUnavailable");
  EXPECT_EQ(now.gpus[0].n_faults, 1);
  EXPECT_EQ(now.gpus[1].trouble, "");
  first.release();

  // The next one has to do without it, and half of the model is on the CPU.
  scheduler_->acquire(model("m"), {}, {}, second.ready());
  runners_.client(1)->say(gpus({"GPU-b"}));
  ready(1, 50);
  ASSERT_NE(second.lease(), nullptr);
  EXPECT_TRUE(health().degraded);
  EXPECT_TRUE(eventually([&] { return n_probes_ >= 1; })) << "it is looked for";
  EXPECT_TRUE(health().degraded);
  there_ = true;
  EXPECT_TRUE(eventually([&] { return !health().degraded; }));
  EXPECT_EQ(health().gpus[0].n_faults, 1);
  Outcome third;
  scheduler_->acquire(model("m"), {}, {}, third.ready());
  EXPECT_EQ(third.n_calls(), 0) << "it waits for the model as it should be";
  second.release();
  runners_.client(2)->say(gpus({"GPU-a", "GPU-b"}));
  ready(2, 100);
  EXPECT_NE(third.lease(), nullptr);
}

TEST_F(GpuLossTest, WithNoneLeftModelsAreRefused) {
  make(GpuLoss::kOthers);
  Outcome first, second, on_cpu;
  scheduler_->acquire(model("m"), {}, {}, first.ready());
  runners_.client(0)->say(gpus({"GPU-a"}));
  ready(0, 100);
  ASSERT_NE(first.lease(), nullptr);
  scheduler_->acquire(model("n"), {}, {}, second.ready());
  runners_.client(1)->say(gpus({}));
  EXPECT_EQ(second.code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(health().refuses);
  EXPECT_EQ(scheduler_->stats().crashes, 0) << "no runner crashed: nothing rests";
  store::ModelInfo asked = model("o");
  asked.parameters["num_gpu"] = 0;
  scheduler_->acquire(asked, {}, {}, on_cpu.ready());   // a runner that opens no GPU says nothing of them
  runners_.finish(2);
  EXPECT_NE(on_cpu.lease(), nullptr);
}

TEST_F(GpuLossTest, ThePolicyDecides) {
  for (const GpuLoss policy : {GpuLoss::kCpu, GpuLoss::kRefuse}) {
    FakeRunners runners;
    scheduler_ = Scheduler::create({.gpu_loss = policy}, Logger(), runners.start());
    Outcome first, second;
    scheduler_->acquire(model("m"), {}, {}, first.ready());
    runners.client(0)->say(gpus({"GPU-a", "GPU-b"}));
    runners.client(0)->say({{"id", 1}, {"type", "error"}, {"code", "unavailable"}, {"message", "GPU: x"}, {"lost_gpus", {{{"uuid", "GPU-a"}, {"name", "One"}, {"fault", "x"}}}}});
    EXPECT_EQ(first.code(), ErrorCode::kUnavailable);
    EXPECT_TRUE(health().degraded) << "lost while loading";
    EXPECT_EQ(health().refuses, policy == GpuLoss::kRefuse);
    scheduler_->acquire(model("n"), {}, {}, second.ready());
    EXPECT_EQ(runners.client(1) == nullptr, false);
    EXPECT_EQ(runners.spec(1).options.contains("cpu_if_gpus_fail"), policy == GpuLoss::kCpu);
    runners.client(1)->say(gpus({"GPU-b"}));
    if (policy == GpuLoss::kCpu) runners.finish(1);
    EXPECT_EQ(second.code(), policy == GpuLoss::kCpu ? ErrorCode::kOk : ErrorCode::kUnavailable);
    second.release();
    scheduler_.reset();
  }
}

// A model bound to a GPU keeps it by its UUID: with one of them lost the driver's indices are others.
TEST_F(GpuLossTest, AModelIsBoundToAGpuNotToAnIndex) {
  make(GpuLoss::kOthers);
  Outcome first, second;
  store::ModelInfo bound = model("m");
  bound.parameters["main_gpu"] = 1;
  scheduler_->acquire(model("m"), {}, {}, first.ready());
  runners_.client(0)->say(gpus({"GPU-a", "GPU-b"}));
  runners_.finish(0);
  ASSERT_NE(first.lease(), nullptr);
  scheduler_->acquire(bound, {}, {}, second.ready());
  const auto started = runners_.client(1);   // weights alike, but a runner of its own
  EXPECT_EQ(runners_.spec(1).options["main_gpu"], 1);
  EXPECT_EQ(runners_.spec(1).options["main_gpu_uuid"], "GPU-b");
  runners_.finish(1);
  EXPECT_NE(second.lease(), nullptr);
}

TEST(SchedulerProcess, CrashingLoadsAreReportedAndBackedOff) {
  setenv("DEEPANALYZE_BINARY", RUNNER_FIXTURE, 1);
  const test::TempDir dir;
  test::write_file(dir / "m.gguf", "crash");
  const auto scheduler = Scheduler::create({}, Logger());
  for (int attempt = 0; attempt < 3; ++attempt) {
    Outcome outcome;
    scheduler->acquire(model("m", dir / "m.gguf"), {}, {}, outcome.ready());
    EXPECT_EQ(outcome.code(), ErrorCode::kUnavailable);
  }
  test::write_file(dir / "good.gguf", "echo");
  Outcome good;
  scheduler->acquire(model("good", dir / "good.gguf"), {}, {}, good.ready());
  EXPECT_NE(good.lease(), nullptr);
}

}  // namespace
}  // namespace da::scheduler
