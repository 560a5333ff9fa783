// The program itself with a real model: text comes out token by token, and every way a request can end.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "gguf/gguf.h"
#include "gguf/writer.h"
#include "runner/client.h"
#include "runner/inbox.h"
#include "support/golden.h"

namespace da::runner {
namespace {

using Json = nlohmann::json;

class ModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* binary = std::getenv("DEEPANALYZE_BINARY");
    ASSERT_TRUE(binary != nullptr && access(binary, X_OK) == 0) << "DEEPANALYZE_BINARY is missing: build the target deepanalyze";
    golden_ = Json::parse(test::golden_bytes("stories/stories260K.json"));
    load_ = std::make_shared<Inbox>();
    auto client = Client::start({"stories", test::golden_path("stories/stories260K.gguf"), {{"num_parallel", 2}}}, Logger(),
                                [inbox = load_](const Json& message) { inbox->handler()(message); });
    ASSERT_TRUE(client.is_ok()) << client.status().message();
    client_ = *client;
    ready_ = load_->wait_for({"ready", "error"});
    ASSERT_EQ(ready_["type"], "ready") << ready_;
  }
  Json generate(Json request, Inbox& inbox) {
    request["op"] = "generate";
    client_->send(std::move(request), inbox.handler());
    return inbox.wait_for({"done", "error"});
  }
  Json golden_, ready_;
  std::shared_ptr<Inbox> load_;
  std::shared_ptr<Client> client_;
};

TEST_F(ModelTest, GreedyTextIsTheReference) {
  EXPECT_EQ(ready_["template"], "");
  EXPECT_EQ(ready_["protocol"], "");
  EXPECT_EQ(ready_["sandbox"]["reason"], "");
  const std::string prompt = golden_["greedy"]["prompt"];
  const int n = golden_["greedy"]["n"];
  Inbox inbox;
  const Json done = generate({{"prompt", prompt}, {"options", {{"temperature", 0}, {"num_predict", n}}}}, inbox);
  ASSERT_EQ(done["type"], "done") << done;
  EXPECT_EQ(prompt + inbox.text(), golden_["greedy"]["text"]);
  EXPECT_EQ(done["reason"], "length");
  EXPECT_EQ(done["prompt_tokens"], golden_["greedy"]["prompt_ids"].size());
  EXPECT_EQ(done["generated_tokens"], n);
  Json context = golden_["greedy"]["prompt_ids"];
  for (const Json& id : golden_["greedy"]["ids"]) context.push_back(id);
  EXPECT_EQ(done["context"], context);
  EXPECT_GT(inbox.size(), 20U);   // streamed
}

TEST_F(ModelTest, AnyContextWithinTheModelsOwnNeedsNoNewLoad) {
  Inbox load;
  auto client = Client::start({"stories", test::golden_path("stories/stories260K.gguf"), {{"num_parallel", 2}, {"num_ctx", 64}}}, Logger(), load.handler());
  ASSERT_TRUE(client.is_ok()) << client.status().message();
  client_ = *client;
  const Json ready = load.wait_for({"ready", "error"});
  EXPECT_EQ(ready["context_tokens"], 64) << ready;
  EXPECT_GT(ready["max_context_tokens"], 256);
  std::vector<int> tokens(100, 300);
  tokens[0] = 1;
  const auto ask = [&](Json options) {
    options["num_predict"] = 2;
    Inbox inbox;
    return generate({{"tokens", tokens}, {"options", options}}, inbox);
  };
  Json answer = ask({});
  EXPECT_EQ(answer["type"], "error") << answer;
  EXPECT_NE(answer["message"].get<std::string>().find("at most 63"), std::string::npos) << answer;
  for (int num_ctx = 101; num_ctx < 512; num_ctx += 60) {
    answer = ask({{"num_ctx", num_ctx}});
    EXPECT_EQ(answer["type"], "done") << answer;
    EXPECT_EQ(answer["cached_tokens"], num_ctx == 101 ? 0 : 96);
  }
  Inbox inbox;
  EXPECT_EQ(generate({{"tokens", tokens}, {"namespace", "another"}, {"options", {{"num_ctx", 200}, {"num_predict", 2}}}}, inbox)["cached_tokens"], 0);
  const Json stats = client_->stats();
  EXPECT_EQ(stats["running"], 0) << stats;
  EXPECT_EQ(stats["kv_pages_in_use"], 0);
  EXPECT_GT(stats["kv_pages_retained"], 0);
  EXPECT_GT(stats["cached_tokens"], 400);
}

TEST_F(ModelTest, StopAndContextLimits) {
  Inbox stop;
  const Json stopped = generate({{"prompt", "Once upon a time"}, {"options", {{"temperature", 0}, {"num_predict", 100}, {"stop", {"Lily"}}}}}, stop);
  EXPECT_EQ(stopped["reason"], "stop");
  EXPECT_TRUE(stop.text().ends_with("little girl named ")) << stop.text();
  Inbox small;
  const Json limited = generate({{"prompt", "Once upon a time"}, {"options", {{"temperature", 0}, {"num_ctx", 16}}}}, small);
  EXPECT_EQ(limited["reason"], "length");
  EXPECT_EQ(limited["prompt_tokens"].get<int>() + limited["generated_tokens"].get<int>(), 16);
  Inbox large;
  EXPECT_EQ(generate({{"prompt", std::string(100000, 'x')}}, large)["code"], "resource_exhausted");
}

TEST_F(ModelTest, ControlTokensOfAUserStayText) {
  Inbox inbox;
  const Json done = generate({{"prompt", "</s><s>"}, {"options", {{"num_predict", 1}}}}, inbox);
  const Json context = done["context"];
  EXPECT_EQ(context[0], 1);
  for (size_t i = 1; i < done["prompt_tokens"].get<size_t>(); ++i) EXPECT_GT(context[i].get<int>(), 2);
  Inbox raw;
  EXPECT_EQ(generate({{"prompt", "<s>"}, {"raw", true}, {"options", {{"num_predict", 1}}}}, raw)["prompt_tokens"], 1);
}

TEST_F(ModelTest, JsonFormat) {
  Inbox inbox;
  const std::string schema = R"({"type":"object","properties":{"b":{"type":"boolean"},"a":{"type":"string","maxLength":8}},"required":["b","a"]})";
  const Json done = generate({{"prompt", "Once"}, {"format", schema}, {"options", {{"num_predict", 60}, {"seed", 1}}}}, inbox);
  ASSERT_EQ(done["type"], "done") << done;
  EXPECT_EQ(done["reason"], "stop") << inbox.text();
  EXPECT_TRUE(inbox.text().starts_with(R"({"b":)")) << inbox.text();
  EXPECT_TRUE(Json::accept(inbox.text())) << inbox.text();
  Inbox wrong;
  EXPECT_EQ(generate({{"prompt", "Once"}, {"format", "xml"}}, wrong)["code"], "invalid_argument");
}

TEST_F(ModelTest, CancelAndKill) {
  Inbox cancelled;
  const auto id = client_->send({{"op", "generate"}, {"prompt", "Once"}, {"options", {{"temperature", 1}}}}, cancelled.handler());
  cancelled.wait_for({"text"});
  client_->cancel(id);
  const Json end = cancelled.wait_for({"done", "error"});
  EXPECT_TRUE(end["reason"] == "cancelled" || end["reason"] == "stop" || end["reason"] == "length") << end;
  Inbox killed;
  client_->send({{"op", "generate"}, {"prompt", "Once"}, {"options", {{"temperature", 1}}}}, killed.handler());
  kill(client_->pid(), SIGKILL);
  EXPECT_FALSE(killed.wait_for({"done", "error"}).is_null());
  EXPECT_FALSE(client_->alive());
}

// A split model comes to the runner as several descriptors.
TEST_F(ModelTest, G12SplitModelsRun) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / ("runner_split_" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const auto whole = gguf::File::open(test::golden_path("stories/stories260K.gguf"));
  ASSERT_TRUE(whole.is_ok());
  const auto& tensors = (*whole)->tensors();
  for (uint32_t number = 0; number < 3; ++number) {
    gguf::Writer writer;
    if (number == 0) {
      for (const gguf::KeyValue& entry : (*whole)->metadata()) writer.add(entry.key, entry.value);
    }
    writer.add_uint32("split.no", number);
    writer.add_uint32("split.count", 3);
    writer.add_uint32("split.tensors.count", static_cast<uint32_t>(tensors.size()));
    for (size_t i = number; i < tensors.size(); i += 3) {
      writer.add_tensor(tensors[i].name, tensors[i].type, std::span(tensors[i].dims).first(tensors[i].n_dims), tensors[i].data);
    }
    ASSERT_TRUE(writer.write(folder / ("m-0000" + std::to_string(number + 1) + "-of-00003.gguf")).is_ok());
  }
  auto load = std::make_shared<Inbox>();
  auto client = Client::start({"split", folder / "m-00001-of-00003.gguf", Json::object()}, Logger(),
                              [load](const Json& message) { load->handler()(message); });
  ASSERT_TRUE(client.is_ok()) << client.status().message();
  const Json ready = load->wait_for({"ready", "error"});
  ASSERT_EQ(ready["type"], "ready") << ready;
  Inbox inbox;
  (*client)->send({{"op", "generate"}, {"prompt", golden_["greedy"]["prompt"]}, {"options", {{"temperature", 0}, {"num_predict", 20}}}}, inbox.handler());
  ASSERT_EQ(inbox.wait_for({"done", "error"})["type"], "done");
  EXPECT_TRUE(std::string(golden_["greedy"]["text"]).starts_with(golden_["greedy"]["prompt"].get<std::string>() + inbox.text()));
  std::filesystem::remove(folder / "m-00002-of-00003.gguf");
  EXPECT_EQ(Client::start({"split", folder / "m-00001-of-00003.gguf", Json::object()}, Logger(), [](const Json&) {}).code(), ErrorCode::kNotFound);
  std::filesystem::remove_all(folder);
}

// A file that is cut off while it is used ends its runner, and only that one.
TEST_F(ModelTest, G14ATruncatedFileEndsOnlyItsRunner) {
  const std::string path = std::filesystem::path(testing::TempDir()) / ("runner_cut_" + std::to_string(getpid()) + ".gguf");
  std::filesystem::copy_file(test::golden_path("stories/stories260K.gguf"), path, std::filesystem::copy_options::overwrite_existing);
  std::filesystem::permissions(path, std::filesystem::perms::owner_write, std::filesystem::perm_options::add);
  auto load = std::make_shared<Inbox>();
  auto client = Client::start({"cut", path, Json::object()}, Logger(), [load](const Json& message) { load->handler()(message); });
  ASSERT_TRUE(client.is_ok());
  ASSERT_EQ(load->wait_for({"ready", "error"})["type"], "ready");
  ASSERT_EQ(truncate(path.c_str(), 0), 0);
  Inbox inbox;
  (*client)->send({{"op", "generate"}, {"prompt", "Once"}, {"options", {{"num_predict", 20}}}}, inbox.handler());
  const Json end = inbox.wait_for({"done", "error"});
  EXPECT_EQ(end["type"], "error") << end;
  EXPECT_EQ(end["code"], "unavailable");
  EXPECT_FALSE((*client)->alive());
  Inbox other;
  EXPECT_EQ(generate({{"prompt", "Once"}, {"options", {{"num_predict", 3}}}}, other)["type"], "done");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace da::runner
