#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "server/fixture.h"
#include "server/http_client.h"

namespace da::test {
namespace {

class MetricsTest : public ServerTest {
 protected:
  std::string metrics() {
    const HttpResponse response = get("/metrics");
    EXPECT_EQ(response.status, 200);
    EXPECT_TRUE(response.headers.at("content-type").starts_with("text/plain; version=0.0.4"));
    return response.body;
  }
  static double value(const std::string& text, const std::string& series) {
    const size_t at = ("\n" + text).find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + series.size() + 1));
  }
  int ask(const std::string& body) { return HttpClient(api()).request("POST", "/api/generate", body, {}).status; }
};

TEST_F(MetricsTest, CountRequestsTokensAndTimes) {
  Script script;
  scheduler_.set(script.text("SECRET one", 1).text(" two", 3).done("stop", 11, 3));
  EXPECT_EQ(ask(R"({"model":"tiny","prompt":"SECRET question"})"), 200);
  EXPECT_EQ(ask(R"({"model":"tiny","prompt":"SECRET question","stream":false})"), 200);
  Script failing;
  failing.load_failure = {ErrorCode::kResourceExhausted, "the queue is full"};
  scheduler_.set(failing);
  const HttpResponse refused = HttpClient(api()).request("POST", "/api/generate", R"({"model":"tiny","prompt":"x"})", {});
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "5");
  EXPECT_EQ(refused.headers.at("x-queue-length"), "3");

  const std::string text = metrics();
  EXPECT_EQ(value(text, R"(deepanalyze_requests_total{kind="generate",outcome="ok"})"), 2) << text;
  EXPECT_EQ(value(text, R"(deepanalyze_requests_total{kind="generate",outcome="refused"})"), 1) << text;
  EXPECT_EQ(value(text, R"(deepanalyze_tokens_total{kind="prompt"})"), 22);
  EXPECT_EQ(value(text, R"(deepanalyze_tokens_total{kind="generated"})"), 6);
  EXPECT_EQ(value(text, "deepanalyze_first_token_seconds_count"), 2);
  EXPECT_EQ(value(text, "deepanalyze_inter_token_seconds_count"), 2);
  EXPECT_EQ(value(text, "deepanalyze_queue_seconds_count"), 2);
  EXPECT_EQ(value(text, "deepanalyze_queue_length"), 3);
  EXPECT_EQ(value(text, R"(deepanalyze_model_loads_total{outcome="ok"})"), 2);
  EXPECT_EQ(text.find("SECRET"), std::string::npos);
}

TEST_F(MetricsTest, LoadedModelsShowWhatTheirRunnersSay) {
  scheduler::LoadedModel model;
  model.model = *store_->resolve("tiny");
  model.runner_stats = {{"running", 2},          {"kv_pages_in_use", 7}, {"kv_pages_max", 64}, {"host_kv_bytes", 12345678},
                        {"gpu1_kv_bytes", 4096}, {"steps", 5},          {"step_ns", 2500000000}};
  model.gpus = {"GPU-a", "GPU-b"};
  scheduler_.loaded_models = {model};
  const std::string text = metrics();
  EXPECT_EQ(value(text, R"(deepanalyze_kv_pages{model="tiny:latest",use="in_use"})"), 7) << text;
  EXPECT_EQ(value(text, R"(deepanalyze_kv_pages{model="tiny:latest",use="max"})"), 64);
  EXPECT_EQ(value(text, R"(deepanalyze_model_memory_bytes{device="cpu",kind="kv",model="tiny:latest"})"), 12345678);
  EXPECT_EQ(value(text, R"(deepanalyze_model_memory_bytes{device="GPU-b",kind="kv",model="tiny:latest"})"), 4096);
  EXPECT_EQ(value(text, R"(deepanalyze_model_step_seconds_total{model="tiny:latest",part="all"})"), 2.5);
  // The format: each family is announced once, each line is a name, labels and a number.
  std::map<std::string, int> announced;
  const std::regex line_form(R"(^[a-z_]+(\{[^{}]*\})? [-+0-9.eInfNa]+$)");
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      EXPECT_EQ(++announced[line], 1) << line;
    } else if (!line.starts_with("#")) {
      EXPECT_TRUE(std::regex_match(line, line_form)) << line;
    }
  }
  EXPECT_GT(announced.size(), 8U);
}

// What the dashboard shows is what there is.
TEST_F(MetricsTest, TheDashboardNamesOnlyMetricsThatExist) {
  Script script;
  scheduler_.set(script.text("one", 1).text(" two", 3).done("stop", 11, 3));
  EXPECT_EQ(ask(R"({"model":"tiny","prompt":"x"})"), 200);
  scheduler::LoadedModel model;
  model.model = *store_->resolve("tiny");
  for (const char* key : {"running", "waiting", "held", "kv_pages_in_use", "kv_pages_retained", "kv_pages_committed", "kv_pages_max", "host_weight_bytes", "host_kv_bytes",
                          "host_buffer_bytes", "device_bytes", "preemptions", "evicted_pages", "steps", "step_ns", "forward_ns"}) {
    model.runner_stats[key] = 1;
  }
  scheduler_.loaded_models = {model};
  const std::string text = metrics();
  std::ifstream file(std::string(DEEPANALYZE_SOURCE_DIR) + "/deploy/grafana-dashboard.json");
  std::stringstream dashboard;
  ASSERT_TRUE(dashboard << file.rdbuf());
  const std::string json = dashboard.str();
  ASSERT_TRUE(nlohmann::json::accept(json));
  const std::regex name("deepanalyze_[a-z_]+");
  std::set<std::string> names;
  for (std::sregex_iterator it(json.begin(), json.end(), name), end; it != end; ++it) names.insert(it->str());
  EXPECT_GT(names.size(), 15U);
  for (const std::string& one : names) EXPECT_NE(text.find(one), std::string::npos) << one;
}

TEST_F(MetricsTest, HealthAndReadiness) {
  EXPECT_EQ(get("/health").body, R"({"status":"ok"})");
  EXPECT_EQ(get("/ready").body, R"({"status":"ready"})");
  EXPECT_EQ(value(metrics(), "deepanalyze_degraded"), 0);
  scheduler_.gpu_health.none = "no GPU: the driver shows none";
  EXPECT_EQ(get("/health").body, R"({"status":"ok","no_gpu":"no GPU: the driver shows none"})");
}

// U04: which GPU is lost, why and since when; whether models still run is /ready's.
TEST_F(MetricsTest, AGpuThatIsLostIsToldOf) {
  scheduler_.gpu_health = {.gpus = {{.uuid = "GPU-a", .name = "NVIDIA One", .trouble = "", .since = {}},
                                    {.uuid = "GPU-b", .name = "NVIDIA Two", .trouble = "fell off the bus", .since = std::chrono::system_clock::now(), .n_faults = 2}},
                           .degraded = true};
  const HttpResponse response = get("/health");
  EXPECT_EQ(response.status, 200);
  const auto health = nlohmann::json::parse(response.body);
  EXPECT_EQ(health["status"], "degraded");
  EXPECT_EQ(health["reason"], "NVIDIA Two (GPU-b): fell off the bus");
  EXPECT_EQ(health["gpus"][0], (nlohmann::json{{"uuid", "GPU-a"}, {"name", "NVIDIA One"}, {"state", "ok"}}));
  EXPECT_EQ(health["gpus"][1]["state"], "lost");
  EXPECT_EQ(health["gpus"][1]["reason"], "fell off the bus");
  EXPECT_EQ(health["gpus"][1]["faults"], 2);
  EXPECT_TRUE(health["gpus"][1].contains("since"));
  EXPECT_EQ(get("/ready").status, 200) << "models run on what is left";
  const std::string text = metrics();
  EXPECT_EQ(value(text, "deepanalyze_degraded"), 1);
  EXPECT_EQ(value(text, R"(deepanalyze_device_up{device="GPU-a"})"), 1);
  EXPECT_EQ(value(text, R"(deepanalyze_device_up{device="GPU-b"})"), 0);
  EXPECT_EQ(value(text, R"(deepanalyze_device_faults_total{device="GPU-b"})"), 2);

  scheduler_.gpu_health.refuses = true;
  EXPECT_EQ(get("/ready").status, 503);
  EXPECT_EQ(nlohmann::json::parse(get("/ready").body)["status"], "degraded");
  Script script;
  script.load_failure = {ErrorCode::kUnavailable, "degraded: NVIDIA Two (GPU-b): fell off the bus"};
  scheduler_.set(script);
  const HttpResponse refused = HttpClient(api()).request("POST", "/api/generate", R"({"model":"tiny","prompt":"x"})", {});
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.body.find("fell off the bus"), std::string::npos);
  EXPECT_TRUE(refused.headers.contains("retry-after"));
}

}  // namespace
}  // namespace da::test
