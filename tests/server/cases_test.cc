// Runs tests/server/cases/*.txt. A file is a list of cases with "====" lines between them:
//   # comment
//   @text Hello        script of the runner: @loading done total, @prefill done total, @text …, @json {message},
//   @done stop 5 3     @done reason prompt generated, @error code message, @load_failure code message
//   > POST /api/x      the request: its line, header lines, an empty ">" is not needed
//   > Name: value
//   {"body":1}         the lines up to "<" are the body
//   < 200 text/plain   status and the beginning of the content type ("-": none is checked)
//   expected body      exactly, but for times, durations, digests, sizes and random ids (see `normalized`)
//   ~ {"prompt":"x"}   after the body: keys the runner's request must have, with these values
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "server/fixture.h"

namespace da::test {
namespace {

struct Case {
  int line = 0;
  Script script;
  std::string method, target, headers, body;
  int status = 0;
  std::string content_type, expected;
  std::vector<nlohmann::json> runner_keys;
};

ErrorCode code_named(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::kInternal); ++i) {
    if (error_code_name(static_cast<ErrorCode>(i)) == name) return static_cast<ErrorCode>(i);
  }
  ADD_FAILURE() << "unknown error code " << name;
  return ErrorCode::kInternal;
}

void read_script_line(const std::string& line, Script& script) {
  std::istringstream words(line.substr(1));
  std::string verb, first;
  words >> verb;
  const std::string rest = line.size() > verb.size() + 2 ? line.substr(verb.size() + 2) : "";
  uint64_t a = 0, b = 0;
  if (verb == "text") {
    script.text(rest, static_cast<int>(script.messages.size()) + 1);
  } else if (verb == "json") {
    script.messages.push_back(nlohmann::json::parse(rest));
  } else if (verb == "loading") {
    words >> a >> b;
    script.loading.emplace_back(a, b);
  } else if (verb == "prefill") {
    words >> a >> b;
    script.messages.push_back({{"type", "prefill"}, {"done", a}, {"total", b}});
  } else if (verb == "done") {
    words >> first >> a >> b;
    script.done(first, static_cast<int>(a), static_cast<int>(b));
  } else if (verb == "error" || verb == "load_failure") {
    words >> first;
    const std::string message = rest.substr(std::min(rest.size(), first.size() + 1));
    if (verb == "error")
      script.messages.push_back({{"type", "error"}, {"code", first}, {"message", message}});
    else
      script.load_failure = Status(code_named(first), message);
  } else {
    ADD_FAILURE() << "unknown script line: " << line;
  }
}

std::vector<Case> read_cases(const std::filesystem::path& path) {
  std::vector<Case> cases;
  std::ifstream in(path);
  Case current;
  enum { kBefore, kRequest, kAnswer } part = kBefore;
  int number = 0;
  const auto add = [&] {
    if (part == kAnswer) cases.push_back(current);
    current = Case{};
    part = kBefore;
  };
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line == "====") {
      add();
    } else if (part == kBefore && line.starts_with("@")) {
      read_script_line(line, current.script);
    } else if (part == kBefore && line.starts_with("> ")) {
      std::istringstream words(line.substr(2));
      words >> current.method >> current.target;
      current.line = number;
      part = kRequest;
    } else if (part == kRequest && line.starts_with("> ")) {
      current.headers += line.substr(2) + "\r\n";
    } else if (part == kRequest && line.starts_with("< ")) {
      std::istringstream words(line.substr(2));
      words >> current.status >> current.content_type;
      part = kAnswer;
    } else if (part == kRequest) {
      current.body += (current.body.empty() ? "" : "\n") + line;
    } else if (part == kAnswer && line.starts_with("~ ")) {
      current.runner_keys.push_back(nlohmann::json::parse(line.substr(2)));
    } else if (part == kAnswer) {
      current.expected += line + "\n";
    }
  }
  add();
  return cases;
}

// What differs from run to run, under fixed names.
std::string normalized(std::string body, const std::string& folder) {
  static const std::vector<std::pair<std::regex, std::string>> kRules{
      {std::regex(
           R"re("(created_at|modified_at|expires_at)":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")re"),
       "\"$1\":\"TIME\""},
      {std::regex(R"re("(total_duration|load_duration)":\d+)re"), "\"$1\":1"},
      {std::regex(R"re("digest":"[0-9a-f]{64}")re"), "\"digest\":\"DIGEST\""},
      {std::regex(R"re(sha256[-:][0-9a-f]{64})re"), "sha256:DIGEST"},
      {std::regex(R"re("size":\d+)re"), "\"size\":1"},
      {std::regex(R"re("task_id":"[0-9a-f]{32}")re"), "\"task_id\":\"ID\""},
      {std::regex(R"re("id":"call_[a-z0-9]{8}")re"), "\"id\":\"CALL\""},
  };
  for (size_t at = body.find(folder); at != std::string::npos; at = body.find(folder))
    body.replace(at, folder.size(), "FOLDER");
  for (const auto& [pattern, name] : kRules) body = std::regex_replace(body, pattern, name);
  while (body.ends_with('\n')) body.pop_back();
  return body;
}

class CasesTest : public ServerTest {
 protected:
  void run_file(const std::string& name) {
    const std::filesystem::path path = std::filesystem::path(DEEPANALYZE_SOURCE_DIR) / "tests/server/cases" / name;
    const std::vector<Case> cases = read_cases(path);
    ASSERT_FALSE(cases.empty()) << path;
    for (const Case& one : cases) {
      SCOPED_TRACE(name + ":" + std::to_string(one.line) + " " + one.method + " " + one.target);
      scheduler_.set(one.script);
      HttpClient client(api());
      const std::string body = std::regex_replace(one.body, std::regex("FOLDER"), folder_);
      const HttpResponse response = client.request(one.method, one.target, body, one.headers);
      EXPECT_EQ(response.status, one.status) << response.body;
      if (one.content_type != "-" && !one.content_type.empty()) {
        const auto type = response.headers.find("content-type");
        EXPECT_TRUE(type != response.headers.end() && type->second.starts_with(one.content_type));
      }
      EXPECT_EQ(normalized(response.body, folder_), normalized(one.expected, folder_));
      const nlohmann::json sent = scheduler_.last_request();
      for (const nlohmann::json& wanted : one.runner_keys) {
        for (const auto& [key, value] : wanted.items()) {
          EXPECT_EQ(sent.contains(key) ? sent[key] : nlohmann::json(), value) << key;
        }
      }
    }
  }
};

TEST_F(CasesTest, Basics) { run_file("basics.txt"); }
TEST_F(CasesTest, Embed) { run_file("embed.txt"); }
TEST_F(CasesTest, OpenAiEmbeddings) { run_file("openai-embeddings.txt"); }
TEST_F(CasesTest, Generate) { run_file("generate.txt"); }
TEST_F(CasesTest, Chat) { run_file("chat.txt"); }
TEST_F(CasesTest, Models) { run_file("models.txt"); }
TEST_F(CasesTest, BadJson) { run_file("bad_json.txt"); }
TEST_F(CasesTest, Analyze) { run_file("analyze.txt"); }

TEST_F(CasesTest, EveryFileIsRun) {
  size_t n_files = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(DEEPANALYZE_SOURCE_DIR) / "tests/server/cases")) {
    n_files += entry.path().extension() == ".txt" ? 1 : 0;
  }
  EXPECT_EQ(n_files, 8U);
}

}  // namespace
}  // namespace da::test
