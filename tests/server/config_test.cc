#include "server/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "server/fixture.h"
#include "server/http_client.h"

namespace da::test {
namespace {

using server::Config;
using Source = Config::Source;

Config::Environment environment(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) -> std::optional<std::string> {
    const auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
}

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() : path_(testing::TempDir() + "config-" + std::to_string(getpid()) + ".json") {}
  ~ConfigTest() override { std::filesystem::remove(path_); }
  std::string write(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  std::string path_;
};

TEST_F(ConfigTest, TheHighestPlaceWins) {
  Config config;
  EXPECT_EQ(config.value("keep_alive"), "5m");
  EXPECT_EQ(config.source("keep_alive"), Source::kDefault);
  ASSERT_TRUE(config.read_file(write("{\n // minutes\n \"keep_alive\": \"7m\", \"parallel\": 5, \"max_queue\": 9}")).is_ok());
  EXPECT_EQ(config.value("keep_alive"), "7m");
  ASSERT_TRUE(config.read_environment(environment({{"OLLAMA_KEEP_ALIVE", "90"}, {"OLLAMA_NUM_PARALLEL", "6"}})).is_ok());
  EXPECT_EQ(config.value("keep_alive"), "90s");
  EXPECT_EQ(config.source("keep_alive"), Source::kEnvironment);
  ASSERT_TRUE(config.set(Source::kFlag, "log_level", "warn").is_ok());
  const auto changed = config.change({{"parallel", "8"}, {"max_queue", "9"}});
  ASSERT_TRUE(changed.is_ok()) << changed.status().message();
  ASSERT_EQ(changed->size(), 1U) << "max_queue is 9 already";
  EXPECT_EQ(changed->front().from, "6");
  EXPECT_EQ(changed->front().to, "8");
  EXPECT_EQ(config.number("parallel"), 8);
  EXPECT_EQ(config.source("max_queue"), Source::kApi);
  // Taken back, the next lower place holds again.
  ASSERT_TRUE(config.change({{"parallel", std::nullopt}}).is_ok());
  EXPECT_EQ(config.number("parallel"), 6);
  // A file read anew takes the place of the one before.
  ASSERT_TRUE(config.read_file(write("{\"max_queue\": 11}")).is_ok());
  ASSERT_TRUE(config.change({{"max_queue", std::nullopt}}).is_ok());
  EXPECT_EQ(config.number("max_queue"), 11);
}

// O09: what is not understood is refused, with the place and what may have been meant.
TEST_F(ConfigTest, O09MistakesAreNamed) {
  Config config;
  const std::pair<const char*, std::vector<const char*>> cases[] = {
      {"{\n\"paralel\": 4}", {":2: ", "\"paralel\"", "did you mean \"parallel\""}},
      {"{\"parallel\": 4,\n\n\"keep_alive\": \"soon\"}", {":3: ", "keep_alive", "soon", "a duration like 5m"}},
      {"{\"parallel\": [4]}", {":1: ", "parallel", "found array"}},
      {"{\"parallel\": 4,\n}", {":2: ", "not JSON"}},
      {"[1]", {":1: ", "found array"}},
      {"{\"qqqqqqqq\": 1}", {"known: host"}},
      {"{\"max_queue\": 1e999}", {"a number is out of range"}},
  };
  for (const auto& [text, parts] : cases) {
    const Status status = config.read_file(write(text));
    ASSERT_FALSE(status.is_ok()) << text;
    for (const char* part : parts) EXPECT_NE(status.message().find(part), std::string::npos) << status.message() << " lacks " << part;
  }
  EXPECT_EQ(config.source("parallel"), Source::kDefault) << "nothing of a refused file holds";
  EXPECT_FALSE(config.read_file("/nonexistent/config.json").is_ok());
  EXPECT_FALSE(config.change({{"parallel", "many"}}).is_ok());
  const auto late = config.change({{"host", "127.0.0.1:1"}, {"parallel", "2"}});
  ASSERT_FALSE(late.is_ok());
  EXPECT_NE(late.status().message().find("OLLAMA_HOST"), std::string::npos);
  EXPECT_EQ(config.source("parallel"), Source::kDefault) << "all or nothing";
}

TEST_F(ConfigTest, AFileReadAnewSaysWhatChangedAndWhatWaits) {
  Config config;
  ASSERT_TRUE(config.read_file(write(R"({"parallel": 5, "max_queue": 9, "keep_alive": "7m"})")).is_ok());
  ASSERT_TRUE(config.read_environment(environment({{"OLLAMA_MAX_QUEUE", "20"}})).is_ok());
  const auto read = config.reread_file(write(R"({"parallel": 6, "max_queue": 10, "log_format": "json"})"));
  ASSERT_TRUE(read.is_ok()) << read.status().message();
  ASSERT_EQ(read->changed.size(), 2U) << "what the environment says stays";
  EXPECT_EQ(read->changed[0].name + read->changed[0].from + read->changed[0].to, "parallel56");
  EXPECT_EQ(read->changed[1].name + read->changed[1].from + read->changed[1].to, "keep_alive7m5m");
  ASSERT_EQ(read->next_time.size(), 1U);
  EXPECT_EQ(read->next_time[0], "log_format");
  EXPECT_EQ(config.value("log_format"), "text") << "as it is until the next start";
  for (const char* broken : {"{", "[]", R"({"max_queue": 1e999})", R"({"parallel": "x"})", ""}) EXPECT_FALSE(config.reread_file(write(broken)).is_ok()) << broken;
  EXPECT_EQ(config.number("parallel"), 6);
}

TEST_F(ConfigTest, FindsItsFile) {
  EXPECT_EQ(server::config_file_path(environment({{"DEEPANALYZE_CONFIG", "/x/y"}, {"HOME", "/h"}})), "/x/y");
  EXPECT_EQ(server::config_file_path(environment({{"HOME", "/nonexistent"}})), "");
}

class AdminTest : public ServerTest {
 protected:
  HttpResponse put(const std::string& body) { return HttpClient(api()).request("PUT", "/api/admin/config", body, {}); }
};

TEST_F(AdminTest, ShowsAndChangesSettings) {
  const auto before = nlohmann::json::parse(get("/api/admin/config").body);
  EXPECT_EQ(before["parallel"]["value"], "0");
  EXPECT_EQ(before["parallel"]["source"], "default");
  EXPECT_EQ(before["parallel"]["environment"], "OLLAMA_NUM_PARALLEL");
  const HttpResponse changed = put(R"({"parallel": 8, "keep_alive": "10m"})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(nlohmann::json::parse(changed.body)["keep_alive"]["source"], "api");
  EXPECT_EQ(settings_->number("parallel"), 8);
  EXPECT_EQ(settings_applied_, 1);
  EXPECT_NE(log().find("setting changed setting=parallel from=0 to=8 by=127.0.0.1"), std::string::npos) << "for the audit";
  EXPECT_EQ(put(R"({"parallel": null})").status, 200);
  EXPECT_EQ(settings_->number("parallel"), 0);
  for (const char* bad : {"", "[]", "{\"parallel\": {}}", "{\"parallel\": \"x\"}", "{\"nonsense\": 1}", "{\"ui_port\": 1}"}) {
    const HttpResponse refused = put(bad);
    EXPECT_EQ(refused.status, 400) << bad;
    EXPECT_FALSE(nlohmann::json::parse(refused.body)["error"].get<std::string>().empty());
  }
  EXPECT_EQ(settings_applied_, 2);
}

}  // namespace
}  // namespace da::test
