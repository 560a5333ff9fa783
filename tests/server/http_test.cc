// The transport on real sockets: keep-alive, limits, timeouts, the two ports, the log, the end.
#include <thread>

#include "server/fixture.h"

namespace da::test {
namespace {

using std::chrono::milliseconds;

class HttpTest : public ServerTest {};

TEST_F(HttpTest, KeepsAndClosesConnections) {
  HttpClient client(api());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.request("GET", "/api/version").status, 200);
  const HttpResponse missing = client.request("GET", "/nowhere");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(client.request("HEAD", "/").headers["content-length"], "17");
  const HttpResponse last = client.request("GET", "/", "", "Connection: close\r\n");
  EXPECT_EQ(last.headers.at("connection"), "close");
  EXPECT_EQ(last.headers.at("server"), "deepanalyze");
  EXPECT_EQ(last.headers.at("cache-control"), "no-store");
  EXPECT_TRUE(client.closed_by_server());

  HttpClient old(api());
  old.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.read_response().body, "Ollama is running");
  EXPECT_TRUE(old.closed_by_server());
}

TEST_F(HttpTest, PipelinedRequestsAreAnsweredInOrder) {
  HttpClient client(api());
  std::string bytes;
  for (int i = 0; i < 10; ++i) bytes += HttpClient::request_text("GET", i % 2 == 0 ? "/" : "/api/version");
  client.send(bytes);
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(client.read_response().body, i % 2 == 0 ? "Ollama is running" : "{\"version\":\"1.2.3\"}");
}

TEST_F(HttpTest, MalformedInputGetsAnAnswerAndAClosedConnection) {
  const std::vector<std::pair<std::string, int>> cases{
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(40000, 'a') + "\r\n\r\n", 431},
      {"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
  };
  for (const auto& [bytes, status] : cases) {
    HttpClient client(api());
    client.send(bytes);
    const HttpResponse response = client.read_response();
    EXPECT_EQ(response.status, status) << bytes.substr(0, 80);
    EXPECT_TRUE(nlohmann::json::parse(response.body, nullptr, false).contains("error")) << response.body;
    EXPECT_TRUE(client.closed_by_server());
  }
  EXPECT_EQ(get("/").status, 200);
}

TEST_F(HttpTest, BodiesAreBounded) {
  HttpClient client(api());
  client.send("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 67108865\r\n\r\n{");
  EXPECT_EQ(client.read_response().status, 413);

  server::ServerConfig config = default_config();
  config.limits.body_bytes_in_flight = 1000;
  restart(std::move(config));
  EXPECT_EQ(post("/api/generate", std::string(2000, ' ')).status, 503);
  EXPECT_EQ(post("/api/generate", std::string(900, ' ')).status, 400);
  HttpClient chunked(api());
  chunked.send("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" +
               std::string(2000, ' ') + "\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.read_response().status, 503);
  EXPECT_EQ(post("/api/generate", std::string(900, ' ')).status, 400) << "what was reserved is given back";
}

TEST_F(HttpTest, ExpectContinue) {
  HttpClient client(api());
  client.send("POST /api/show HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 16\r\n\r\n");
  EXPECT_EQ(client.read_head().status, 100);
  client.send("{\"model\":\"tiny\"}");
  EXPECT_EQ(client.read_response().status, 200);
  HttpClient refused(api());
  refused.send("POST /nowhere HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 16\r\n\r\n");
  EXPECT_EQ(refused.read_response().status, 404);
}

TEST_F(HttpTest, SlowHeadsAndBodiesTimeOut) {
  server::ServerConfig config = default_config();
  config.limits.head_timeout = milliseconds(150);
  config.limits.body_grace = milliseconds(150);
  config.limits.idle_timeout = milliseconds(300);
  restart(std::move(config));
  HttpClient head(api()), body(api()), idle(api());
  head.send("GET / HT");
  body.send("POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{");
  EXPECT_EQ(head.read_response().status, 408);
  EXPECT_EQ(body.read_response().status, 408);
  EXPECT_TRUE(idle.closed_by_server());
  EXPECT_EQ(get("/").status, 200);
}

TEST_F(HttpTest, OldestIdleConnectionMakesRoom) {
  server::ServerConfig config = default_config();
  config.limits.max_connections = 4;
  restart(std::move(config));
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<HttpClient>(api()));
    EXPECT_EQ(clients.back()->request("GET", "/").status, 200);
    std::this_thread::sleep_for(milliseconds(5));
  }
  HttpClient fifth(api());
  EXPECT_EQ(fifth.request("GET", "/").status, 200);
  EXPECT_TRUE(clients.front()->closed_by_server());
  EXPECT_EQ(clients.back()->request("GET", "/").status, 200);
}

TEST_F(HttpTest, ManySlowClientsDoNotKeepOthersOut) {
  server::ServerConfig config = default_config();
  config.limits.head_timeout = milliseconds(60'000);
  restart(std::move(config));
  std::vector<std::unique_ptr<HttpClient>> slow;
  for (int i = 0; i < 300; ++i) {
    slow.push_back(std::make_unique<HttpClient>(api()));
    slow.back()->send("GET / HTTP/1.1\r\nHo");
  }
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(get("/api/version").status, 200);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

TEST_F(HttpTest, ThePagePortServesThePageAndTheApi) {
  HttpClient client(ui());
  const HttpResponse page = client.request("GET", "/");
  EXPECT_EQ(page.body, "<!doctype html><title>page</title>");
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.headers.at("content-security-policy"),
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; "
            "connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; require-trusted-types-for "
            "'script'");
  EXPECT_EQ(page.headers.at("referrer-policy"), "no-referrer");
  EXPECT_EQ(page.headers.at("cross-origin-opener-policy"), "same-origin");
  EXPECT_EQ(page.headers.at("cross-origin-resource-policy"), "same-origin");
  EXPECT_EQ(page.headers.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(page.headers.at("x-dns-prefetch-control"), "off");
  EXPECT_TRUE(page.headers.contains("permissions-policy"));
  EXPECT_EQ(client.request("GET", "/app.js").headers.at("content-type"), "text/javascript; charset=utf-8");
  const HttpResponse known = client.request(
      "GET", "/app.js", "", "If-None-Match: " + client.request("GET", "/app.js").headers.at("etag") + "\r\n");
  EXPECT_EQ(known.status, 304);
  EXPECT_EQ(client.request("GET", "/../app.js").status, 404);
  EXPECT_EQ(client.request("GET", "/api/version").headers.at("cache-control"), "no-store");

  const std::string own = "Host: localhost:3000\r\nContent-Type: application/json\r\nOrigin: http://localhost:3000\r\n";
  const std::string other =
      "Host: localhost:3000\r\nContent-Type: application/json\r\nOrigin: http://localhost:11434\r\n";
  EXPECT_EQ(client.request("POST", "/api/show", "{}", own).status, 400);
  const HttpResponse refused = client.request("POST", "/api/show", "{}", other);
  EXPECT_EQ(refused.status, 403);
  EXPECT_FALSE(refused.headers.contains("access-control-allow-origin"));
  EXPECT_EQ(get("/app.js").status, 404) << "the API's port has no page";
}

TEST_F(HttpTest, CorsNamesTheOneOrigin) {
  HttpClient client(api());
  const HttpResponse allowed = client.request("GET", "/api/version", "", "Origin: https://allowed.example\r\n");
  EXPECT_EQ(allowed.headers.at("access-control-allow-origin"), "https://allowed.example");
  EXPECT_EQ(allowed.headers.at("vary"), "Origin");
  EXPECT_FALSE(client.request("GET", "/api/version").headers.contains("access-control-allow-origin"));
  const HttpResponse refused = client.request("GET", "/api/version", "", "Origin: https://evil.example\r\n");
  EXPECT_EQ(refused.status, 403);
  EXPECT_FALSE(refused.headers.contains("access-control-allow-origin"));
}

TEST_F(HttpTest, AccessLogHasNoQueryAndNoBody) {
  const std::string canary = "canary-7f3a";
  get("/api/stream?task_id=" + canary);
  post("/api/generate?" + canary, "{\"model\":\"" + canary + "\"}");
  post("/api/generate", "{\"model\":\"tiny\",\"prompt\":\"" + canary + "\",\"options\":{\"stop\":\"" + canary + "\"}}");
  post("/api/generate", "{\"" + canary);
  post("/api/chat", "{\"model\":\"tiny\",\"messages\":[{\"role\":\"" + canary + "\",\"content\":\"" + canary + "\"}]}");
  post("/api/analyze", "{\"text\":\"" + canary + "\",\"language\":\"" + canary + "\"}");
  server_->stop();
  EXPECT_EQ(log().find(canary), std::string::npos) << log();
  EXPECT_NE(log().find("request method=POST path=/api/generate status=404 ms="), std::string::npos) << log();
  EXPECT_NE(log().find("method=GET path=/api/stream status=404"), std::string::npos) << log();
}

TEST_F(HttpTest, APortInUseIsNamed) {
  server::ServerConfig config = default_config();
  config.api_port = api();
  config.ui_port = 0;
  const auto second = server::Server::start(config, *store_, scheduler_);
  ASSERT_FALSE(second.is_ok());
  EXPECT_EQ(second.status().message(),
            "cannot listen on 127.0.0.1:" + std::to_string(api()) + ": Address already in use");
  config.api_address = "not an address";
  EXPECT_EQ(server::Server::start(config, *store_, scheduler_).code(), ErrorCode::kInvalidArgument);
}

TEST_F(HttpTest, StopDrainsThenCancelsWithAFinalMessage) {
  server::ServerConfig config = default_config();
  config.drain_grace = milliseconds(300);
  restart(std::move(config));
  Script script;
  script.text("Hel", 1).messages.push_back({{"type", "hold"}});
  scheduler_.set(script);
  HttpClient client(api()), idle(api());
  EXPECT_EQ(idle.request("GET", "/").status, 200);
  client.send(HttpClient::request_text("POST", "/api/generate", R"({"model":"tiny","prompt":"Hi"})"));
  EXPECT_EQ(client.read_head().status, 200);
  EXPECT_NE(client.next_chunk().find("Hel"), std::string::npos);
  std::thread stopper([this] { server_->stop(); });
  EXPECT_TRUE(idle.closed_by_server());
  EXPECT_EQ(client.next_chunk(), "{\"error\":\"the server is shutting down\"}\n");
  EXPECT_EQ(client.next_chunk(), "");
  stopper.join();
  EXPECT_TRUE(
      scheduler_.wait_until([this] { return scheduler_.cancelled_runs() == 1 && scheduler_.open_leases() == 0; }));
}

TEST_F(HttpTest, StopWaitsForWhatEndsInTime) {
  Script script;
  script.text("Hel", 1).messages.push_back({{"type", "pause"}, {"ms", 200}});
  script.text("lo", 2).done("stop", 1, 2);
  scheduler_.set(script);
  HttpClient client(api());
  client.send(HttpClient::request_text("POST", "/api/generate", R"({"model":"tiny","prompt":"Hi"})"));
  EXPECT_EQ(client.read_head().status, 200);
  EXPECT_NE(client.next_chunk().find("Hel"), std::string::npos);
  std::thread stopper([this] { server_->stop(); });
  EXPECT_NE(client.next_chunk().find("lo"), std::string::npos);
  EXPECT_NE(client.next_chunk().find("\"done\":true"), std::string::npos);
  stopper.join();
}

}  // namespace
}  // namespace da::test
