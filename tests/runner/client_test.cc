#include "runner/client.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "runner/inbox.h"
#include "store/temp_dir.h"

namespace da::runner {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

class ClientTest : public ::testing::Test {
 protected:
  void SetUp() override { setenv("DEEPANALYZE_BINARY", RUNNER_FIXTURE, 1); }

  std::shared_ptr<Client> start(const std::string& mode, Json options = Json::object()) {
    test::write_file(dir_ / "model.gguf", mode);
    load_ = std::make_shared<Inbox>();
    auto client = Client::start({"m", dir_ / "model.gguf", std::move(options)}, Logger(),
                                [inbox = load_](const Json& message) { inbox->handler()(message); });
    EXPECT_TRUE(client.is_ok()) << client.status().message();
    return client.is_ok() ? *client : nullptr;
  }
  static bool is_gone(pid_t pid, std::chrono::milliseconds timeout = 5s) {
    const auto end = std::chrono::steady_clock::now() + timeout;
    while (kill(pid, 0) == 0 && std::chrono::steady_clock::now() < end) usleep(2000);
    return kill(pid, 0) != 0;
  }
  test::TempDir dir_;
  std::shared_ptr<Inbox> load_ = std::make_shared<Inbox>();
};

TEST_F(ClientTest, LoadsAndAnswers) {
  const auto client = start("echo", {{"num_ctx", 512}});
  const Json ready = load_->wait_for({"ready", "error"});
  ASSERT_EQ(ready["type"], "ready") << ready;
  EXPECT_EQ(ready["context_tokens"], 512);
  EXPECT_EQ(ready["protocol"], "compact-1");
  EXPECT_EQ(load_->wait_for({"loading"})["bytes_total"], 100);
  EXPECT_EQ(ready["sandbox"]["network_namespace"], true);
  EXPECT_EQ(ready["sandbox"]["seccomp"], true);
  EXPECT_GT(ready["sandbox"]["landlock_abi"].get<int>(), 0);
  EXPECT_EQ(ready["sandbox"]["reason"], "");
  EXPECT_GT(client->pid(), 0);
  EXPECT_TRUE(client->alive());

  Inbox inbox;
  client->send({{"op", "generate"}, {"prompt", "hello"}, {"raw", true}, {"options", {{"num_predict", 4}}}}, inbox.handler());
  const Json done = inbox.wait_for({"done", "error"});
  ASSERT_EQ(done["type"], "done") << done;
  EXPECT_EQ(inbox.text(), "hel");   // the first of four tokens is the start of text
  EXPECT_EQ(done["reason"], "length");
  EXPECT_EQ(done["prompt_tokens"], 6);
  EXPECT_EQ(done["generated_tokens"], 4);
  EXPECT_EQ(done["context"].size(), 10U);

  Inbox tokens;
  client->send({{"op", "tokenize"}, {"text", "<s>a"}, {"special", true}}, tokens.handler());
  EXPECT_EQ(tokens.wait_for({"tokens"})["tokens"], Json({256, 97}));
  Inbox wrong;
  client->send({{"op", "generate"}, {"prompt", "x"}, {"options", {{"temperature", "hot"}}}}, wrong.handler());
  const Json error = wrong.wait_for({"error"});
  EXPECT_EQ(error["code"], "invalid_argument");
  EXPECT_EQ(error["message"], R"(option "temperature" must be of type float32)");
  Inbox unknown;
  client->send({{"op", "dance"}}, unknown.handler());
  EXPECT_EQ(unknown.wait_for({"error"})["code"], "invalid_argument");
}

TEST_F(ClientTest, RequestsOverlapAndCancel) {
  const auto client = start("slow");
  ASSERT_EQ(load_->wait_for({"ready", "error"})["type"], "ready");
  Inbox a, b;
  const auto id = client->send({{"op", "generate"}, {"prompt", std::string(1000, 'a')}, {"raw", true}}, a.handler());
  client->send({{"op", "generate"}, {"prompt", "bb"}, {"raw", true}}, b.handler());
  ASSERT_FALSE(a.wait_for({"text"}).is_null());
  EXPECT_EQ(b.wait_for({"done"})["reason"], "stop");
  client->cancel(id);
  client->cancel(id + 1000);
  const Json done = a.wait_for({"done", "error"});
  EXPECT_EQ(done["reason"], "cancelled");
  EXPECT_LT(done["generated_tokens"].get<int>(), 1000);
}

TEST_F(ClientTest, AKilledRunnerFailsEveryOpenRequestOnce) {
  const auto client = start("slow");
  ASSERT_EQ(load_->wait_for({"ready", "error"})["type"], "ready");
  Inbox inboxes[3];
  for (Inbox& inbox : inboxes) client->send({{"op", "generate"}, {"prompt", std::string(1000, 'a')}, {"raw", true}}, inbox.handler());
  ASSERT_FALSE(inboxes[0].wait_for({"text"}).is_null());
  kill(client->pid(), SIGKILL);
  for (Inbox& inbox : inboxes) {
    const Json error = inbox.wait_for({"error", "done"});
    EXPECT_EQ(error["code"], "unavailable");
    EXPECT_TRUE(error["message"].get<std::string>().starts_with("model runner has unexpectedly stopped"));
  }
  EXPECT_FALSE(client->alive());
  Inbox late;
  client->send({{"op", "tokenize"}, {"text", "x"}}, late.handler());
  EXPECT_EQ(late.wait_for({"error"}, 1s)["code"], "unavailable");
  const size_t n = inboxes[0].size();
  usleep(50000);
  EXPECT_EQ(inboxes[0].size(), n);
  // A new one works.
  const auto again = start("echo");
  EXPECT_EQ(load_->wait_for({"ready", "error"})["type"], "ready");
}

TEST_F(ClientTest, FailuresAtLoad) {
  {
    const auto client = start("crash");
    EXPECT_EQ(load_->wait_for({"ready", "error"})["code"], "unavailable");
  }
  {
    const auto client = start("refuse");
    const Json error = load_->wait_for({"ready", "error"});
    EXPECT_EQ(error["code"], "corrupt_data");
    EXPECT_EQ(error["message"], "the model file is bad");
  }
  {
    const auto client = start("garbage");
    EXPECT_EQ(load_->wait_for({"ready", "error"})["code"], "unavailable");
    EXPECT_TRUE(is_gone(client->pid()));
  }
  EXPECT_EQ(Client::start({"m", dir_ / "absent", Json::object()}, Logger(), load_->handler()).code(), ErrorCode::kNotFound);
  EXPECT_EQ(Client::start({"m", dir_.path(), Json::object()}, Logger(), load_->handler()).code(), ErrorCode::kInvalidArgument);
  setenv("DEEPANALYZE_BINARY", "/nonexistent", 1);
  EXPECT_EQ(Client::start({"m", dir_ / "model.gguf", Json::object()}, Logger(), load_->handler()).code(), ErrorCode::kIo);
}

TEST_F(ClientTest, DestructionEndsTheProcess) {
  {
    auto client = start("slow");
    ASSERT_EQ(load_->wait_for({"ready", "error"})["type"], "ready");
    Inbox inbox;
    client->send({{"op", "generate"}, {"prompt", std::string(100, 'a')}, {"raw", true}}, inbox.handler());
    inbox.wait_for({"text"});
    const pid_t pid = client->pid();
    client.reset();
    EXPECT_TRUE(is_gone(pid, 0ms));
    EXPECT_FALSE(inbox.wait_for({"error", "done"}, 0ms).is_null());
  }
  auto client = start("hang");   // does not listen: killed after the grace
  load_->wait_for({"loading"});
  const pid_t pid = client->pid();
  const auto begin = std::chrono::steady_clock::now();
  client.reset();
  EXPECT_TRUE(is_gone(pid, 0ms));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 4s);
}

TEST_F(ClientTest, TheLastReferenceMayBeDroppedByAHandler) {
  auto client = start("echo");
  ASSERT_EQ(load_->wait_for({"ready", "error"})["type"], "ready");
  const pid_t pid = client->pid();
  std::mutex mutex;
  std::condition_variable changed;
  bool dropped = false;
  Client* raw = client.get();
  raw->send({{"op", "tokenize"}, {"text", "x"}}, [&, held = std::move(client)](const Json&) mutable {
    held.reset();
    const std::lock_guard lock(mutex);
    dropped = true;
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, 10s, [&] { return dropped; }));
  EXPECT_TRUE(is_gone(pid));
}

// A server that is killed takes its runners with it, whatever they are doing.
TEST_F(ClientTest, ARunnerDiesWithItsServer) {
  test::write_file(dir_ / "model.gguf", "hang");
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const pid_t server = fork();
  if (server == 0) {
    const auto client = Client::start({"m", dir_ / "model.gguf", Json::object()}, Logger(), [](const Json&) {});
    const pid_t pid = client.is_ok() ? (*client)->pid() : -1;
    (void)!write(fds[1], &pid, sizeof pid);
    pause();
    _exit(0);
  }
  pid_t runner = -1;
  ASSERT_EQ(read(fds[0], &runner, sizeof runner), static_cast<ssize_t>(sizeof runner));
  ASSERT_GT(runner, 0);
  usleep(100000);
  EXPECT_EQ(kill(runner, 0), 0);
  kill(server, SIGKILL);
  waitpid(server, nullptr, 0);
  // It is no child of ours: it vanishes when init reaps it; until then it is a zombie.
  const auto state = [&] {
    std::ifstream stat("/proc/" + std::to_string(runner) + "/stat");
    std::string word;
    for (int i = 0; i < 3; ++i) stat >> word;
    return word;
  };
  const auto end = std::chrono::steady_clock::now() + 5s;
  while (kill(runner, 0) == 0 && state() != "Z" && std::chrono::steady_clock::now() < end) usleep(2000);
  EXPECT_TRUE(kill(runner, 0) != 0 || state() == "Z");
  close(fds[0]);
  close(fds[1]);
}

TEST_F(ClientTest, TheProcessIsInANetworkOfItsOwn) {
  const auto client = start("echo");
  ASSERT_EQ(load_->wait_for({"ready", "error"})["type"], "ready");
  char mine[64] = {}, its[64] = {};
  ASSERT_GT(readlink("/proc/self/ns/net", mine, sizeof mine - 1), 0);
  const ssize_t n = readlink(("/proc/" + std::to_string(client->pid()) + "/ns/net").c_str(), its, sizeof its - 1);
  if (n < 0) GTEST_SKIP() << "not allowed to look: the process is not dumpable";
  EXPECT_STRNE(mine, its);
  std::ifstream status("/proc/" + std::to_string(client->pid()) + "/status");
  const std::string text((std::istreambuf_iterator<char>(status)), {});
  EXPECT_NE(text.find("NoNewPrivs:\t1"), std::string::npos);
  EXPECT_NE(text.find("Seccomp:\t2"), std::string::npos);
  EXPECT_NE(text.find("CapEff:\t0000000000000000"), std::string::npos);
}

// What users write must not reach a log, at any level, by any path: prompts, options, broken requests, a crash.
TEST_F(ClientTest, CanaryNeverReachesStderr) {
  const std::string canary = "canary-5b1d9e";
  setenv("DEEPANALYZE_LOG_LEVEL", "debug", 1);
  testing::internal::CaptureStderr();
  {
    const auto client = start("slow");
    load_->wait_for({"ready", "error"});
    const std::vector<Json> requests = {
        {{"op", "generate"}, {"prompt", canary}},
        {{"op", "generate"}, {"prompt", canary}, {"raw", true}, {"options", {{canary, 1}, {"num_predict", 2}}}},
        {{"op", "generate"}, {"messages", {{{"role", canary}, {"content", canary}}}}, {"format", canary}},
        {{"op", "generate"}, {"messages", canary}},
        {{"op", "generate"}, {"prompt", canary}, {"options", {{"stop", canary}}}},
        {{"op", "tokenize"}, {"text", canary}},
        {{"op", canary}},
        {{"op", "load"}, {"options", {{"num_ctx", canary}}}},
        {{"op", "generate"}, {"prompt", std::string(5000, 'x') + canary}}};
    for (const Json& request : requests) {
      Inbox inbox;
      client->send(request, inbox.handler());
      const Json last = inbox.wait_for({"done", "error", "tokens"});
      EXPECT_FALSE(last.is_null());
      if (last["type"] == "error") {
        EXPECT_EQ(last.dump().find(canary), std::string::npos) << last;
      }
    }
    Inbox running;
    client->send({{"op", "generate"}, {"prompt", canary + std::string(1000, 'x')}, {"raw", true}}, running.handler());
    running.wait_for({"text"});
    kill(client->pid(), SIGSEGV);
    running.wait_for({"error"});
  }
  const std::string log = testing::internal::GetCapturedStderr();
  unsetenv("DEEPANALYZE_LOG_LEVEL");
  EXPECT_NE(log.find("model loaded"), std::string::npos);
  EXPECT_NE(log.find("level=DEBUG"), std::string::npos);
  EXPECT_EQ(log.find(canary), std::string::npos);
  EXPECT_EQ(log.find("canary"), std::string::npos);
}

}  // namespace
}  // namespace da::runner
