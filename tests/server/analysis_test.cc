// POST /api/analyze, GET /api/stream, DELETE /api/analyze/ID over sockets.
#include <algorithm>
#include <set>
#include <thread>

#include "server/fixture.h"

namespace da::test {
namespace {

using std::chrono::milliseconds;
using Json = nlohmann::ordered_json;

const std::string kText = "Prices rose by 5% in March. We are worried.";
const char* const kAnswerA =
    R"({"core_viewpoints":[{"quote":"We are worried","kind":"stance","statement":"The author is worried."}],"key_information":[)";
const char* const kAnswerB =
    R"({"quote":"Prices rose by 5% in March","time":"March","subject":"Prices","action":"rose","result":"","figures":["5%"]}],)";
const char* const kAnswerC =
    R"("underlying_sentiment":{"quote":"We are worried","surface_tone":"calm","underlying_attitude":"worry","polarity":"negative","intensity":3,"confidence":"medium"}})";

class AnalysisTest : public ServerTest {
 protected:
  static Script whole_script() {
    Script script;
    script.loading = {{10, 100}, {100, 100}};
    script.messages = {{{"type", "prefill"}, {"done", 0}, {"total", 9}}, {{"type", "pause"}, {"ms", 30}}};
    script.messages.push_back({{"type", "prefill"}, {"done", 9}, {"total", 9}});
    script.messages.push_back({{"type", "pause"}, {"ms", 30}});
    script.text(kAnswerA, 10).messages.push_back({{"type", "pause"}, {"ms", 100}});
    script.text(kAnswerB, 20).text(kAnswerC, 30).done("stop", 9, 30);
    return script;
  }
  std::string start(const std::string& text = kText, const std::string& more = "") {
    const HttpResponse response = post("/api/analyze", Json{{"text", text}}.dump().insert(1, more));
    EXPECT_EQ(response.status, 200) << response.body;
    return Json::parse(response.body).value("task_id", "");
  }
  static std::vector<Json> events_of(const std::string& stream) {
    std::vector<Json> events;
    for (size_t at = stream.find("data: "); at != std::string::npos; at = stream.find("data: ", at + 1)) {
      events.push_back(Json::parse(stream.substr(at + 6, stream.find("\n\n", at) - at - 6)));
    }
    return events;
  }
  std::vector<Json> follow(const std::string& id) {
    const HttpResponse response = get("/api/stream?task_id=" + id);
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.headers.at("content-type"), "text/event-stream");
    return events_of(response.body);
  }
};

TEST_F(AnalysisTest, FromQueuedToComplete) {
  Script script = whole_script();
  scheduler_.set(script);
  const std::string id = start();
  EXPECT_EQ(id.size(), 32U);
  const std::vector<Json> events = follow(id);
  ASSERT_GE(events.size(), 2U);
  // Of a stage only the newest snapshot counts, but no stage is skipped once the stream is open.
  const std::vector<std::string> order{"queued", "loading", "reading", "writing", "complete"};
  size_t place = 0;
  for (const Json& event : events) {
    const auto found =
        std::find(order.begin() + static_cast<std::ptrdiff_t>(place), order.end(), event["status"].get<std::string>());
    ASSERT_NE(found, order.end()) << event.dump();
    place = static_cast<size_t>(found - order.begin());
  }
  std::set<std::string> seen;
  for (const Json& event : events) seen.insert(event["status"]);
  for (const char* stage : {"reading", "writing", "complete"}) EXPECT_TRUE(seen.contains(stage)) << stage;
  const auto first_writing =
      std::find_if(events.begin(), events.end(), [](const Json& event) { return event["status"] == "writing"; });
  ASSERT_NE(first_writing, events.end());
  for (const char* key : {"report", "result", "generated_tokens", "tokens_per_second", "time_to_first_token_ms"}) {
    EXPECT_TRUE(first_writing->contains(key)) << key;
  }
  EXPECT_EQ((*first_writing)["generated_tokens"], 10);
  const Json& last = events.back();
  EXPECT_EQ(last["status"], "complete");
  EXPECT_TRUE(last["report"].is_string());
  EXPECT_TRUE(last["result"].contains("core_viewpoints"));
  EXPECT_TRUE(last["warnings"].is_array());
  EXPECT_EQ(last["stats"]["model"], "tiny:latest");
  EXPECT_EQ(last["stats"]["prompt_tokens"], 9);
  EXPECT_EQ(last["stats"]["generated_tokens"], 30);
  EXPECT_GT(last["stats"]["tokens_per_second"], 0);
  EXPECT_GT(last["stats"]["total_ms"], 0);
  EXPECT_EQ(get("/api/stream?task_id=" + id).status, 404) << "streamed once";
  EXPECT_EQ(scheduler_.last_request()["op"], "generate");
  EXPECT_EQ(scheduler_.last_request()["source"], kText);
}

TEST_F(AnalysisTest, NoStageIsSkippedHoweverFast) {
  Script script;
  script.messages = {{{"type", "pause"}, {"ms", 150}}};
  script.messages.push_back({{"type", "prefill"}, {"done", 9}, {"total", 9}});
  script.text(kAnswerA, 10).text(kAnswerB, 20).text(kAnswerC, 30).done("stop", 9, 30);
  scheduler_.set(script);
  std::vector<std::string> stages;
  for (const Json& event : follow(start())) {
    if (stages.empty() || stages.back() != event["status"]) stages.push_back(event["status"]);
  }
  EXPECT_EQ(stages, (std::vector<std::string>{"queued", "reading", "writing", "complete"}));
}

TEST_F(AnalysisTest, ALateSubscriberGetsTheEnd) {
  scheduler_.set(whole_script());
  const std::string id = start();
  EXPECT_TRUE(scheduler_.wait_until([this] { return scheduler_.running() == 0 && scheduler_.open_leases() == 0; }));
  std::this_thread::sleep_for(milliseconds(300));
  const std::vector<Json> events = follow(id);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["status"], "complete");
}

TEST_F(AnalysisTest, WritingIsCoalesced) {
  Script script;
  script.text(kAnswerA, 1);
  for (int i = 0; i < 300; ++i) {
    script.text(" ", i + 2);
    script.messages.push_back({{"type", "pause"}, {"ms", 2}});
  }
  script.text(kAnswerB, 400).text(kAnswerC, 500).done("stop", 9, 500);
  scheduler_.set(script);
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<Json> events = follow(start());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const auto n_writing =
      std::count_if(events.begin(), events.end(), [](const Json& event) { return event["status"] == "writing"; });
  EXPECT_GE(n_writing, 2);
  EXPECT_LE(static_cast<double>(n_writing), 20 * seconds + 3);
}

TEST_F(AnalysisTest, DeleteCancelsAndTheStreamSaysSo) {
  Script script;
  script.text(kAnswerA, 1).messages.push_back({{"type", "hold"}});
  scheduler_.set(script);
  const std::string id = start();
  HttpClient stream(api());
  stream.send(HttpClient::request_text("GET", "/api/stream?task_id=" + id));
  EXPECT_EQ(stream.read_head().status, 200);
  EXPECT_TRUE(scheduler_.wait_until([this] { return scheduler_.running() == 1; }));
  HttpClient other(api());
  EXPECT_EQ(other.request("DELETE", "/api/analyze/" + id).status, 200);
  std::string rest;
  for (std::string chunk = stream.next_chunk(); !chunk.empty(); chunk = stream.next_chunk()) rest += chunk;
  const std::vector<Json> events = events_of(rest);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back(), (Json{{"status", "cancelled"}}));
  EXPECT_TRUE(
      scheduler_.wait_until([this] { return scheduler_.cancelled_runs() == 1 && scheduler_.open_leases() == 0; }));
  EXPECT_EQ(other.request("DELETE", "/api/analyze/" + id).status, 404);
}

TEST_F(AnalysisTest, DeleteOfAnUnwatchedTaskForgetsIt) {
  Script script;
  script.hold_load = true;
  scheduler_.set(script);
  const std::string id = start();
  HttpClient client(api());
  EXPECT_EQ(client.request("DELETE", "/api/analyze/" + id).status, 200);
  EXPECT_TRUE(scheduler_.wait_until([this] { return scheduler_.cancelled_loads() == 1; }));
  EXPECT_EQ(client.request("GET", "/api/stream?task_id=" + id).status, 404);
}

TEST_F(AnalysisTest, LeavingTheStreamCancels) {
  Script script;
  script.text(kAnswerA, 1).messages.push_back({{"type", "hold"}});
  scheduler_.set(script);
  const std::string id = start();
  HttpClient stream(api());
  stream.send(HttpClient::request_text("GET", "/api/stream?task_id=" + id));
  EXPECT_EQ(stream.read_head().status, 200);
  // Only a run that has begun can be cancelled.
  for (std::string chunk; chunk.find("\"writing\"") == std::string::npos;) {
    chunk = stream.next_chunk();
    ASSERT_FALSE(chunk.empty());
  }
  stream.close();
  EXPECT_TRUE(
      scheduler_.wait_until([this] { return scheduler_.cancelled_runs() == 1 && scheduler_.open_leases() == 0; }));
  EXPECT_TRUE(scheduler_.wait_until([&] { return get("/api/stream?task_id=" + id).status == 404; }));
}

TEST_F(AnalysisTest, OneSubscriberAtATime) {
  Script script;
  script.text(kAnswerA, 1).messages.push_back({{"type", "hold"}});
  scheduler_.set(script);
  const std::string id = start();
  HttpClient stream(api());
  stream.send(HttpClient::request_text("GET", "/api/stream?task_id=" + id));
  EXPECT_EQ(stream.read_head().status, 200);
  EXPECT_EQ(get("/api/stream?task_id=" + id).status, 409);
}

TEST_F(AnalysisTest, TasksNobodyWatchesAreForgotten) {
  server::ServerConfig config = default_config();
  config.analysis.unwatched_time = milliseconds(200);
  restart(std::move(config));
  Script script;
  script.messages = {{{"type", "hold"}}};
  scheduler_.set(script);
  const std::string id = start();
  EXPECT_TRUE(
      scheduler_.wait_until([this] { return scheduler_.cancelled_runs() == 1 && scheduler_.open_leases() == 0; }));
  EXPECT_TRUE(scheduler_.wait_until([&] { return get("/api/stream?task_id=" + id).status == 404; }));
}

TEST_F(AnalysisTest, TasksAreBounded) {
  server::ServerConfig config = default_config();
  config.analysis.max_tasks = 2;
  config.analysis.text_bytes = 1000;
  restart(std::move(config));
  Script script;
  script.hold_load = true;
  scheduler_.set(script);
  start();
  EXPECT_EQ(post("/api/analyze", Json{{"text", std::string(990, 'x')}}.dump()).status, 503);
  const std::string second = start();
  EXPECT_EQ(post("/api/analyze", Json{{"text", "x"}}.dump()).status, 503);
  HttpClient client(api());
  EXPECT_EQ(client.request("DELETE", "/api/analyze/" + second).status, 200);
  start();
}

TEST_F(AnalysisTest, PositionsInTheQueue) {
  Script script;
  script.hold_load = true;
  scheduler_.set(script);
  const std::string first = start(), second = start();
  HttpClient stream(api());
  stream.send(HttpClient::request_text("GET", "/api/stream?task_id=" + second));
  EXPECT_EQ(stream.read_head().status, 200);
  EXPECT_EQ(events_of(stream.next_chunk()).at(0), (Json{{"status", "queued"}, {"position", 1}}));
  HttpClient client(api());
  client.request("DELETE", "/api/analyze/" + first);
  EXPECT_EQ(events_of(stream.next_chunk()).at(0), (Json{{"status", "queued"}, {"position", 0}}));
}

TEST_F(AnalysisTest, HeartbeatsKeepAQuietStream) {
  server::ServerConfig config = default_config();
  config.analysis.heartbeat = milliseconds(50);
  restart(std::move(config));
  Script script;
  script.hold_load = true;
  scheduler_.set(script);
  HttpClient stream(api());
  stream.send(HttpClient::request_text("GET", "/api/stream?task_id=" + start()));
  EXPECT_EQ(stream.read_head().status, 200);
  EXPECT_EQ(events_of(stream.next_chunk()).size(), 1U);
  EXPECT_TRUE(stream.next_chunk().starts_with(":"));
  EXPECT_TRUE(stream.next_chunk().starts_with(":"));
}

TEST_F(AnalysisTest, ErrorsAreTheLastEvent) {
  Script script;
  const std::string too_long = "the prompt is longer than the context length: 300 tokens, at most 128";
  script.messages = {{{"type", "error"}, {"code", "resource_exhausted"}, {"message", too_long}}};
  scheduler_.set(script);
  EXPECT_EQ(follow(start()).back(), (Json{{"status", "error"}, {"error", too_long}}));

  Script failing;
  failing.load_failure = Status(ErrorCode::kCorruptData, "not a model");
  scheduler_.set(failing);
  EXPECT_EQ(follow(start()).back(), (Json{{"status", "error"}, {"error", "not a model"}}));

  Script cut;
  cut.text(kAnswerA, 3).done("length", 9, 3);
  scheduler_.set(cut);
  EXPECT_EQ(follow(start()).back(),
            (Json{{"status", "error"}, {"error", "the report was cut off after 3 tokens, the most allowed here"}}));
}

TEST_F(AnalysisTest, TheModelOfATaskThatNamesNone) {
  scheduler_.set(whole_script());
  // The newest that writes text; then the one used last; a configured one always.
  const auto first = Json::parse(post("/api/analyze", R"({"text":"x"})").body);
  EXPECT_EQ(first["model"], "tiny:latest");
  follow(first["task_id"]);
  Script quick;
  quick.done("stop", 1, 1);
  scheduler_.set(quick);
  EXPECT_EQ(post("/api/generate", R"({"model":"tooler","prompt":"x"})").status, 200);
  EXPECT_EQ(Json::parse(post("/api/analyze", R"({"text":"x"})").body)["model"], "tooler:latest");
  server::ServerConfig config = default_config();
  config.default_model = "tooler";
  restart(std::move(config));
  EXPECT_EQ(Json::parse(post("/api/analyze", R"({"text":"x"})").body)["model"], "tooler:latest");
}

TEST_F(AnalysisTest, StopEndsStreamsWithAMessage) {
  server::ServerConfig config = default_config();
  config.drain_grace = milliseconds(100);
  restart(std::move(config));
  Script script;
  script.text(kAnswerA, 1).messages.push_back({{"type", "hold"}});
  scheduler_.set(script);
  const std::string id = start(), unwatched = start();
  HttpClient stream(api());
  stream.send(HttpClient::request_text("GET", "/api/stream?task_id=" + id));
  EXPECT_EQ(stream.read_head().status, 200);
  std::thread stopper([this] { server_->stop(); });
  std::string rest;
  for (std::string chunk = stream.next_chunk(); !chunk.empty(); chunk = stream.next_chunk()) rest += chunk;
  stopper.join();
  EXPECT_EQ(events_of(rest).back(), (Json{{"status", "error"}, {"error", "the server is shutting down"}}));
}

TEST_F(AnalysisTest, NoTextInTheLog) {
  const std::string canary = "canary-51c2";
  scheduler_.set(whole_script());
  follow(start(kText + canary));
  Script failing;
  failing.text("no JSON " + canary, 1).done("stop", 1, 1);
  scheduler_.set(failing);
  const std::vector<Json> events = follow(start(canary));
  EXPECT_EQ(events.back()["status"], "error");
  server_->stop();
  EXPECT_EQ(log().find(canary), std::string::npos);
}

}  // namespace
}  // namespace da::test
