// Pure parts of the edge: who may talk to us, what a request head is, what JSON we take.
#include "server/edge.h"

#include <gtest/gtest.h>

#include <random>

#include "server/http_parser.h"
#include "server/json_body.h"
#include "server/ollama_common.h"

namespace da::server {
namespace {

TEST(Edge, HostsOfThisMachineOnly) {
  EdgeRules rules;
  rules.host_name = "Desk";
  rules.own_addresses = {"203.0.113.7"};
  for (const char* good : {"", "localhost", "LocalHost:11434", "127.0.0.1", "127.1.2.3:80", "[::1]:11434", "::1",
                           "0.0.0.0", "10.1.2.3", "192.168.0.9:3000", "172.31.0.1", "[fd00::1]", "desk", "desk:11434",
                           "203.0.113.7", "a.localhost", "nas.local", "x.internal", "[::ffff:127.0.0.1]"}) {
    EXPECT_TRUE(host_is_allowed(rules, good)) << good;
  }
  for (const char* bad :
       {"evil.example", "localhost.evil.example", "203.0.113.8", "8.8.8.8:11434", "172.32.0.1", "[2001:db8::1]",
        "notlocal", "localhost:port", "[::1", "[::1]x", "local", "127.0.0.1.evil.example"}) {
    EXPECT_FALSE(host_is_allowed(rules, bad)) << bad;
  }
}

TEST(Edge, Origins) {
  EdgeRules api;
  api.origins = {"https://app.example", "chrome-extension://*", "http://*.corp.example"};
  for (const char* good : {"http://localhost", "https://localhost:3000", "http://127.0.0.1:1", "http://0.0.0.0",
                           "app://x", "tauri://localhost", "vscode-webview://abc", "https://app.example",
                           "chrome-extension://id", "http://a.corp.example", "http://my.host:11434"}) {
    EXPECT_TRUE(origin_is_allowed(api, good, "my.host:11434")) << good;
  }
  for (const char* bad :
       {"null", "https://evil.example", "http://localhost.evil.example", "http://localhost:", "http://localhost:1x",
        "https://app.example.evil", "ftp://localhost", "http://corp.example", ""}) {
    EXPECT_FALSE(origin_is_allowed(api, bad, "my.host:11434")) << bad;
  }
  EdgeRules page = api;
  page.same_origin_only = true;
  EXPECT_TRUE(origin_is_allowed(page, "http://localhost:3000", "localhost:3000"));
  EXPECT_FALSE(origin_is_allowed(page, "http://localhost:3001", "localhost:3000"));
  EXPECT_FALSE(origin_is_allowed(page, "https://app.example", "localhost:3000"));
}

// Bytes in one piece and byte by byte must come to the same.
struct Parsed {
  int error_status = 0;  // 0: sound
  bool complete = false;
  Request request;
  std::string body;
};
Parsed parse(const std::string& bytes, size_t piece_bytes) {
  HttpParser parser{ParserLimits{}};
  Parsed parsed;
  std::string pending;
  for (size_t at = 0; at < bytes.size() && !parser.error(); at += piece_bytes) {
    pending += bytes.substr(at, piece_bytes);
    for (size_t used = 1; used > 0 && !parser.error() && !parser.body_done();) {
      used = parser.put(pending);
      pending.erase(0, used);
      parsed.body += parser.take_body();
    }
  }
  parsed.error_status = parser.error() ? parser.error()->status : 0;
  parsed.complete = !parser.error() && parser.body_done();
  if (parser.head_done() && !parser.error()) parsed.request = parser.take_request();
  return parsed;
}

TEST(HttpParser, SoundRequests) {
  const std::string bytes =
      "POST /api/%63hat?task_id=a%20b&x HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n";
  for (const size_t piece : {size_t{1}, size_t{7}, bytes.size()}) {
    const Parsed parsed = parse(bytes, piece);
    ASSERT_EQ(parsed.error_status, 0) << piece;
    EXPECT_TRUE(parsed.complete);
    EXPECT_EQ(parsed.body, "hello world");
    EXPECT_EQ(parsed.request.method, "POST");
    EXPECT_EQ(parsed.request.path, "/api/chat");
    EXPECT_EQ(parsed.request.raw_path, "/api/%63hat");
    ASSERT_NE(parsed.request.parameter("task_id"), nullptr);
    EXPECT_EQ(*parsed.request.parameter("task_id"), "a b");
    EXPECT_EQ(*parsed.request.header("CONTENT-type"), "application/json");
    EXPECT_TRUE(parsed.request.has_body);
  }
}

TEST(HttpParser, RefusesWhatTwoServersCouldReadDifferently) {
  const std::string head = "POST / HTTP/1.1\r\nHost: localhost\r\n";
  const std::vector<std::pair<std::string, int>> cases{
      {"GET / HTTP/1.1\r\n\r\n", 400},                                                   // no Host
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},                             // two
      {head + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},  // both
      {head + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", 400},
      {head + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},  // twice the same
      {head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400},
      {head + "Content-Length: 1, 1\r\n\r\nx", 400},
      {head + "Content-Length: -1\r\n\r\n", 400},
      {head + "Content-Length: +1\r\n\r\nx", 400},
      {head + "Content-Length: 0x1\r\n\r\nx", 400},
      {head + "Content-Length: 99999999999999999999\r\n\r\n", 400},
      {head + "Content-Length: \r\n\r\n", 400},
      {head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400},
      {head + "Transfer-Encoding: identity\r\n\r\n", 400},
      {head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {head + "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", 400},
      {head + "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", 400},
      {head + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 400},
      {head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello\r\n0\r\n\r\n", 400},
      {head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"GET / HTTP/1.1\nHost: a\n\n", 400},  // bare line feeds
      {"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: a\x01"
       "b\r\n\r\n",
       400},
      {"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET http://localhost/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400},  // TLS
      {"GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(40000, 'a') + "\r\n\r\n", 431},
  };
  for (const auto& [bytes, status] : cases) {
    for (const size_t piece : {size_t{1}, bytes.size()}) {
      const Parsed parsed = parse(bytes, piece);
      EXPECT_EQ(parsed.error_status, status) << "piece " << piece << ": " << bytes.substr(0, 120);
      EXPECT_FALSE(parsed.complete) << bytes.substr(0, 120);
    }
  }
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 120; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  EXPECT_EQ(parse(many + "\r\n", many.size()).error_status, 431);
}

// Sound requests with a few bytes changed, cut or doubled, in random pieces: any outcome but a crash or an endless
// loop.
TEST(HttpParser, DamagedRequestsNeverBreakIt) {
  const std::vector<std::string> seeds{
      "POST /api/chat?x=%20 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: "
      "x\r\n\r\n",
      "POST /api/generate HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n{\"a\":1}",
      "GET / HTTP/1.0\r\n\r\n"};
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = seeds[random() % seeds.size()];
    for (uint32_t edits = random() % 4; edits > 0; --edits) {
      const size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 8 + 1);
          break;
        default:
          bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 16));
          break;
      }
      if (bytes.empty()) bytes = "\r";
    }
    const Parsed parsed = parse(bytes, random() % bytes.size() + 1);
    EXPECT_LE(parsed.body.size(), bytes.size());
  }
}

TEST(JsonBody, DamagedBodiesNeverBreakIt) {
  const std::string seed =
      R"({"model":"m","messages":[{"role":"user","content":"\u00e9\ud83d\ude00 x"}],"options":{"seed":-1,"top_p":0.5e-3},"stream":null})";
  std::mt19937 random(11);
  for (int round = 0; round < 20000; ++round) {
    std::string body = seed;
    for (uint32_t edits = random() % 4 + 1; edits > 0 && !body.empty(); --edits) {
      const size_t at = random() % body.size();
      if (random() % 2 == 0)
        body[at] = static_cast<char>(random());
      else
        body.erase(at, random() % 8 + 1);
    }
    const auto parsed = parse_object(body, "T");
    if (!parsed.is_ok()) {
      EXPECT_FALSE(parsed.status().message().empty());
      EXPECT_LT(parsed.status().message().size(), 200U);
    }
  }
}

TEST(JsonBody, Bounds) {
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100000; ++i) deep += "[";
  EXPECT_NE(parse_object(deep, "T").status().message().find("deeper than 64"), std::string::npos);
  const std::string at_limit = "{\"a\":" + std::string(63, '[') + std::string(63, ']') + "}";
  EXPECT_TRUE(parse_object(at_limit, "T").is_ok());

  std::string keys = "{";
  for (int i = 0; i < 5000; ++i) keys += "\"k" + std::to_string(i) + "\":0,";
  EXPECT_NE(parse_object(keys + "\"z\":0}", "T").status().message().find("more than 1024 keys"), std::string::npos);

  std::string values = "{\"a\":[";
  for (int i = 0; i < 1'000'100; ++i) values += "0,";
  EXPECT_NE(parse_object(values + "0]}", "T").status().message().find("JSON values"), std::string::npos);

  EXPECT_EQ(parse_object("{\"text\":\"ab\xff\"}", "T").status().message(),
            "the request body is not valid UTF-8 at byte offset 11");
  EXPECT_TRUE(parse_object("{\"text\":\"a\\u0000b\"}", "T").is_ok());
  EXPECT_FALSE(parse_object("{\"a\":1e400}", "T").is_ok());
  EXPECT_FALSE(parse_object("{\"a\":-1e400}", "T").is_ok());
  EXPECT_FALSE(parse_object("{\"a\":NaN}", "T").is_ok());
  EXPECT_TRUE(parse_object("{\"a\":18446744073709551616}", "T").is_ok());
}

TEST(JsonBody, IntegersAreBounded) {
  const auto object = parse_object(R"({"big":18446744073709551615,"small":-9223372036854775808,"real":2.0})", "T");
  ASSERT_TRUE(object.is_ok());
  Fields fields(*object, "T");
  EXPECT_EQ(fields.integer("small", 0), INT64_MIN);
  EXPECT_TRUE(fields.status().is_ok());
  EXPECT_EQ(fields.integer("big", 7), 7);
  EXPECT_FALSE(fields.status().is_ok());
}

TEST(OllamaGrammar, Durations) {
  using std::chrono::nanoseconds;
  const std::vector<std::pair<const char*, int64_t>> good{{"0", 0},
                                                          {"1h30m", 5'400'000'000'000},
                                                          {"1.5h", 5'400'000'000'000},
                                                          {"-1m", -60'000'000'000},
                                                          {"10ms", 10'000'000},
                                                          {"5us", 5000},
                                                          {"7ns", 7},
                                                          {"+2s", 2'000'000'000},
                                                          {".5s", 500'000'000},
                                                          {"1.s", 1'000'000'000}};
  for (const auto& [text, ns] : good) {
    const auto parsed = ollama::parse_go_duration(text);
    ASSERT_TRUE(parsed.is_ok()) << text;
    EXPECT_EQ(parsed->count(), ns) << text;
  }
  for (const char* bad : {"", "-", "5", "s", "1x", ".s", "1h-1m", "999999999999h", "1 h"}) {
    EXPECT_FALSE(ollama::parse_go_duration(bad).is_ok()) << bad;
  }
  const Json minus = -3.5, half = 0.5, huge = 1e300, text = "-1s";
  EXPECT_EQ((*ollama::parse_keep_alive(&minus))->count(), -1);
  EXPECT_EQ((*ollama::parse_keep_alive(&half))->count(), 500);
  EXPECT_EQ((*ollama::parse_keep_alive(&huge))->count(), -1);
  EXPECT_EQ((*ollama::parse_keep_alive(&text))->count(), -1);
  EXPECT_FALSE(ollama::parse_keep_alive(nullptr)->has_value());
}

}  // namespace
}  // namespace da::server
