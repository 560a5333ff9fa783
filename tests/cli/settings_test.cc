#include "cli/settings.h"

#include <gtest/gtest.h>

#include <map>

#include "cli/terminal.h"
#include "cli/ui_files.h"

namespace da::cli {
namespace {

Environment of(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const char* name) -> std::optional<std::string> {
    const auto it = values.find(name);
    return it == values.end() ? std::nullopt : std::optional(it->second);
  };
}

TEST(Address, TakesTheFormsOfOllamaHost) {
  const std::tuple<const char*, const char*, int> good[] = {
      {"0.0.0.0", "0.0.0.0", 11434}, {"localhost:8080", "localhost", 8080}, {"http://10.0.0.1", "10.0.0.1", 80},
      {"http://10.0.0.1:5/", "10.0.0.1", 5}, {":7000", "127.0.0.1", 7000}, {"[::1]:9", "::1", 9}, {"[::1]", "::1", 11434}, {"::1", "::1", 11434}};
  for (const auto& [text, host, port] : good) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address.is_ok()) << text;
    EXPECT_EQ(address->host, host) << text;
    EXPECT_EQ(address->port, port) << text;
  }
  EXPECT_EQ(parse_address("[::1]:9")->url(), "http://[::1]:9");
  for (const char* text : {"host:", "host:x", "host:70000", "https://host", "[::1", "[::1]9", "a b", "user@host", "host:-1"}) {
    EXPECT_FALSE(parse_address(text).is_ok()) << text;
  }
}

TEST(Settings, DefaultsAndValues) {
  const auto defaults = read_settings(of({}));
  ASSERT_TRUE(defaults.is_ok());
  EXPECT_EQ(defaults->api.port, 11434);
  EXPECT_EQ(defaults->ui_port, 3000);
  EXPECT_EQ(defaults->scheduler.keep_alive, std::chrono::minutes(5));
  const auto set = read_settings(of({{"OLLAMA_HOST", "127.0.0.1:1"}, {"OLLAMA_KEEP_ALIVE", "90"}, {"OLLAMA_NUM_PARALLEL", "7"}, {"OLLAMA_ORIGINS", "http://a,,http://b"},
                                     {"OLLAMA_MAX_LOADED_MODELS", "0"}, {"OLLAMA_DEBUG", "1"}, {"OLLAMA_CONTEXT_LENGTH", "8192"}}));
  ASSERT_TRUE(set.is_ok());
  EXPECT_EQ(set->scheduler.keep_alive, std::chrono::seconds(90));
  EXPECT_EQ(set->scheduler.n_parallel, 7);
  EXPECT_EQ(set->scheduler.max_loaded_models, scheduler::Options{}.max_loaded_models);
  EXPECT_EQ(set->scheduler.context_tokens, 8192);
  EXPECT_EQ(set->origins, (std::vector<std::string>{"http://a", "http://b"}));
  EXPECT_EQ(set->log_level, LogLevel::kDebug);
  EXPECT_LT(read_settings(of({{"OLLAMA_KEEP_ALIVE", "-1"}}))->scheduler.keep_alive.count(), 0);
}

TEST(Settings, AValueNotUnderstoodNamesVariableAndValue) {
  const std::pair<const char*, const char*> wrong[] = {{"OLLAMA_HOST", "a:b"}, {"DEEPANALYZE_UI_PORT", "99999"}, {"DEEPANALYZE_LOG_LEVEL", "loud"}, {"OLLAMA_KEEP_ALIVE", "soon"},
                                                       {"OLLAMA_NUM_PARALLEL", "many"}, {"OLLAMA_NUM_PARALLEL", "-2"}, {"OLLAMA_MAX_QUEUE", "0"}, {"OLLAMA_CONTEXT_LENGTH", "4k"}};
  for (const auto& [name, value] : wrong) {
    const auto settings = read_settings(of({{name, value}}));
    ASSERT_FALSE(settings.is_ok()) << name << "=" << value;
    EXPECT_NE(settings.status().message().find(name), std::string::npos) << settings.status().message();
    EXPECT_NE(settings.status().message().find(value), std::string::npos) << settings.status().message();
  }
}

TEST(Terminal, SizesAndAges) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(4'700'000'000), "4.7 GB");
  EXPECT_EQ(human_bytes(47'000'000), "47 MB");
  EXPECT_EQ(human_age("nonsense"), "");
  EXPECT_EQ(human_age("2318-01-01T00:00:00Z"), "Forever");
}

TEST(UiFiles, ThePageIsInTheBinary) {
  const auto files = ui_files();
  const auto has = [&](std::string_view suffix) {
    return std::any_of(files.begin(), files.end(), [&](const UiFile& file) { return file.path.ends_with(suffix) && !file.bytes.empty(); });
  };
  EXPECT_TRUE(has("/index.html") && has(".js") && has(".css"));
  for (const UiFile& file : files) EXPECT_EQ(file.bytes.find("sourceMappingURL"), std::string_view::npos);
}

}  // namespace
}  // namespace da::cli
