// What the text files cannot say of Ollama's dialect: time, leaving clients, several at once.
#include <thread>

#include "server/fixture.h"

namespace da::test {
namespace {

using std::chrono::milliseconds;

const char* const kAsk = R"({"model":"tiny","prompt":"Hi"})";

class OllamaTest : public ServerTest {};

TEST_F(OllamaTest, TheFirstTokenIsNotHeldBack) {
  Script script;
  script.text("one", 1).messages.push_back({{"type", "hold"}});
  scheduler_.set(script);
  HttpClient client(api());
  client.send(HttpClient::request_text("POST", "/api/generate", kAsk));
  EXPECT_EQ(client.read_head().status, 200);
  EXPECT_NE(client.next_chunk().find("one"), std::string::npos);
  EXPECT_EQ(scheduler_.running(), 1);
}

TEST_F(OllamaTest, ALeavingClientCancelsWhileTheModelLoads) {
  Script script;
  script.hold_load = true;
  scheduler_.set(script);
  HttpClient client(api());
  client.send(
      HttpClient::request_text("POST", "/api/chat", R"({"model":"tiny","messages":[{"role":"user","content":"x"}]})"));
  std::this_thread::sleep_for(milliseconds(100));
  client.close();
  EXPECT_TRUE(scheduler_.wait_until([this] { return scheduler_.cancelled_loads() == 1; }));
}

TEST_F(OllamaTest, ALeavingClientCancelsBeforeTheFirstToken) {
  Script script;
  script.messages = {{{"type", "hold"}}};
  scheduler_.set(script);
  HttpClient client(api());
  client.send(HttpClient::request_text("POST", "/api/generate", R"({"model":"tiny","prompt":"Hi","stream":false})"));
  EXPECT_TRUE(scheduler_.wait_until([this] { return scheduler_.running() == 1; }));
  client.close();
  EXPECT_TRUE(
      scheduler_.wait_until([this] { return scheduler_.cancelled_runs() == 1 && scheduler_.open_leases() == 0; }));
  EXPECT_EQ(get("/").status, 200);
}

TEST_F(OllamaTest, ALeavingClientCancelsInTheStream) {
  Script script;
  script.text("one", 1).messages.push_back({{"type", "hold"}});
  scheduler_.set(script);
  for (const bool half : {false, true}) {
    HttpClient client(api());
    client.send(HttpClient::request_text("POST", "/api/generate", kAsk));
    EXPECT_EQ(client.read_head().status, 200);
    client.next_chunk();
    const auto start = std::chrono::steady_clock::now();
    if (half)
      client.half_close();
    else
      client.close();
    const int wanted = half ? 2 : 1;
    EXPECT_TRUE(
        scheduler_.wait_until([&] { return scheduler_.cancelled_runs() == wanted && scheduler_.open_leases() == 0; }));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  }
}

TEST_F(OllamaTest, AReaderThatStopsReadingIsGivenUp) {
  server::ServerConfig config = default_config();
  config.limits.write_timeout = milliseconds(300);
  restart(std::move(config));
  Script script;
  for (int i = 0; i < 400; ++i) script.text(std::string(64 * 1024, 'x'), i + 1);
  script.messages.push_back({{"type", "hold"}});
  scheduler_.set(script);
  HttpClient client(api(), 4096);
  client.send(HttpClient::request_text("POST", "/api/generate", kAsk));
  EXPECT_TRUE(
      scheduler_.wait_until([this] { return scheduler_.cancelled_runs() == 1 && scheduler_.open_leases() == 0; }));
  EXPECT_EQ(get("/").status, 200);
}

// H12: the engine is told to hold a request whose client reads too slowly, and to go on when it has caught up.
TEST_F(OllamaTest, ASlowReaderIsHeld) {
  Script script;
  for (int i = 0; i < 400; ++i) script.text(std::string(64 * 1024, 'x'), i + 1);
  script.done("stop", 1, 400);
  scheduler_.set(script);
  HttpClient client(api(), 4096);
  client.send(HttpClient::request_text("POST", "/api/generate", kAsk));
  const auto last_said = [this](bool held) {
    const auto told = scheduler_.told();
    return !told.empty() && told.back()["op"] == "hold" && told.back()["held"] == held;
  };
  EXPECT_TRUE(scheduler_.wait_until([&] { return last_said(true); }));
  const HttpResponse response = client.read_response();
  EXPECT_NE(response.body.find("\"done\":true"), std::string::npos);
  EXPECT_TRUE(last_said(false));
  EXPECT_EQ(scheduler_.told().size(), 2U) << "once each";
}

// C01, C09: an API key is a client of its own, whatever its address; without one this machine's programs are one.
TEST_F(OllamaTest, KeysAreKeptApart) {
  Script script;
  script.text("a", 1).done("stop", 1, 1);
  scheduler_.set(script);
  const auto ask = [this](const std::string& header) {
    EXPECT_EQ(post("/api/generate", kAsk, header).status, 200);
    return std::pair(scheduler_.last_use().client, scheduler_.last_request().value("namespace", ""));
  };
  const auto [nobody, none] = ask("");
  EXPECT_EQ(nobody, "127.0.0.1");
  EXPECT_EQ(none, "");
  const auto [alice, alices] = ask("Authorization: Bearer alices-secret\r\n");
  const auto [bob, bobs] = ask("authorization: bearer  bobs-secret\r\n");
  EXPECT_TRUE(alice.starts_with("key:")) << alice;
  EXPECT_EQ(alice.find("secret"), std::string::npos);
  EXPECT_NE(alice, bob);
  EXPECT_EQ(alices, alice);
  EXPECT_EQ(bobs, bob);
  EXPECT_EQ(ask("Authorization: Bearer alices-secret\r\n").first, alice);
  EXPECT_EQ(ask("Authorization: Basic YTpi\r\n").first, "127.0.0.1");
  EXPECT_EQ(ask("Authorization: Bearer \r\n").first, "127.0.0.1");
  EXPECT_EQ(log().find("secret"), std::string::npos);
}

// In every state: what a request held is free within a tenth of a second of its deadline.
TEST_F(OllamaTest, AtItsDeadlineARequestGivesEverythingBack) {
  Script script;
  script.hold_load = true;
  scheduler_.set(script);
  HttpResponse response = post("/api/generate", R"({"model":"tiny","prompt":"Hi","deadline":"50ms"})");
  EXPECT_EQ(response.status, 504);
  EXPECT_NE(response.body.find("while it waited for the model"), std::string::npos) << response.body;
  EXPECT_EQ(scheduler_.cancelled_loads(), 1);
  script.hold_load = false;
  script.messages.push_back({{"type", "hold"}});
  scheduler_.set(script);
  EXPECT_EQ(post("/api/generate", R"({"model":"tiny","prompt":"Hi","deadline":"50ms"})").status, 504);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(scheduler_.wait_until([&] { return scheduler_.cancelled_runs() == 1 && scheduler_.open_leases() == 0; }));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(100));
  // The server's own limit holds for those that ask for none, or for more.
  ASSERT_TRUE(settings_->change({{"request_timeout", "50ms"}}).is_ok());
  for (const char* body : {R"({"model":"tiny","prompt":"Hi"})", R"({"model":"tiny","prompt":"Hi","deadline":"1h"})"}) {
    EXPECT_EQ(post("/api/generate", body).status, 504);
  }
  EXPECT_NE(get("/metrics").body.find(R"(deepanalyze_requests_total{kind="generate",outcome="expired"} 4)"), std::string::npos);
}

TEST_F(OllamaTest, StreamsRunSideBySide) {
  Script script;
  script.text("a", 1).messages.push_back({{"type", "pause"}, {"ms", 150}});
  script.text("b", 2).done("stop", 1, 2);
  scheduler_.set(script);
  std::vector<std::unique_ptr<HttpClient>> clients;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<HttpClient>(api()));
    clients.back()->send(
        HttpClient::request_text("POST", "/api/generate", R"({"model":"tiny","prompt":"Hi","raw":true})"));
  }
  for (const auto& client : clients) {
    const HttpResponse response = client->read_response();
    EXPECT_NE(response.body.find("\"response\":\"a\""), std::string::npos);
    EXPECT_NE(response.body.find("\"done\":true"), std::string::npos);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_TRUE(scheduler_.wait_until([this] { return scheduler_.open_leases() == 0; }));
}

TEST_F(OllamaTest, AConnectionIsKeptAfterAStream) {
  Script script;
  script.text("a", 1).done("stop", 1, 1);
  scheduler_.set(script);
  HttpClient client(api());
  for (int i = 0; i < 3; ++i) {
    const HttpResponse response = client.request("POST", "/api/generate", kAsk);
    EXPECT_EQ(response.status, 200);
    EXPECT_NE(response.body.find("\"done\":true"), std::string::npos);
  }
}

TEST_F(OllamaTest, KeepAliveIsHandedOn) {
  Script script;
  script.done("stop", 1, 1);
  scheduler_.set(script);
  const std::vector<std::pair<std::string, std::optional<milliseconds>>> cases{{"null", std::nullopt},
                                                                               {"60", milliseconds(60'000)},
                                                                               {"\"5m\"", milliseconds(300'000)},
                                                                               {"-1", milliseconds(-1)},
                                                                               {"0", milliseconds(0)}};
  for (const auto& [text, wanted] : cases) {
    EXPECT_EQ(post("/api/generate", R"({"model":"tiny","prompt":"Hi","keep_alive":)" + text + "}").status, 200) << text;
    ASSERT_TRUE(scheduler_.last_keep_alive().has_value()) << text;
    EXPECT_EQ(*scheduler_.last_keep_alive(), wanted) << text;
  }
  EXPECT_EQ(post("/api/generate", R"({"model":"tiny","keep_alive":0})").status, 200);
  EXPECT_EQ(scheduler_.unloaded(), std::vector<std::string>{store_->resolve("tiny")->gguf_path});
}

TEST_F(OllamaTest, LoadedModelsLastToExpireFirst) {
  const auto resolved = store_->resolve("tiny");
  ASSERT_TRUE(resolved.is_ok());
  scheduler::LoadedModel soon, never;
  soon.model = never.model = *resolved;
  never.model.name = "never:latest";
  soon.expires_at = std::chrono::system_clock::now() + std::chrono::minutes(5);
  soon.context_tokens = 128;
  soon.size_bytes = 1000;
  scheduler_.loaded_models = {soon, never};
  const auto body = nlohmann::json::parse(get("/api/ps").body);
  ASSERT_EQ(body["models"].size(), 2U);
  EXPECT_EQ(body["models"][0]["name"], "never:latest");
  EXPECT_EQ(body["models"][1]["name"], "tiny:latest");
  EXPECT_EQ(body["models"][1]["context_length"], 128);
  EXPECT_EQ(body["models"][1]["size_vram"], 0);
  EXPECT_EQ(body["models"][1]["details"]["family"], "llama");
}

TEST_F(OllamaTest, AStoppedServerAnswersNothing) {
  const uint16_t port = api();
  server_->stop();
  EXPECT_THROW(HttpClient{port}, std::runtime_error);
}

TEST_F(OllamaTest, BlobsStreamToTheStore) {
  // sha256 of a million times "a", from the standard's examples.
  const std::string digest = "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
  EXPECT_EQ(post("/api/blobs/" + digest, std::string(1'000'000, 'a')).status, 201);
  EXPECT_TRUE(*store_->has_blob(digest));
  EXPECT_EQ(post("/api/blobs/" + digest, std::string(1'000'000, 'a')).status, 200);
}

TEST_F(OllamaTest, CreateStreamsItsProgress) {
  const HttpResponse response = post("/api/create", R"({"model":"made","from":")" + folder_ + R"(/tiny.gguf"})");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.at("content-type"), "application/x-ndjson");
  EXPECT_TRUE(response.body.ends_with("{\"status\":\"success\"}\n")) << response.body;
  EXPECT_TRUE(store_->resolve("made").is_ok());
  EXPECT_EQ(post("/api/create", R"({"model":"made","from":"/nowhere/x.gguf"})").status, 404);
}

}  // namespace
}  // namespace da::test
