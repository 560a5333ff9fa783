// Every case of the golden templates: inputs and the text that the reference implementations make of them. A folder, a
// template or a case that is missing fails the test; nothing is skipped.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "chat/go_template.h"
#include "chat/jinja.h"
#include "support/golden.h"

namespace da::chat {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// What the folder held when this test was written; more is fine, less is a loss.
constexpr size_t kJinjaCases = 4482;
constexpr size_t kJinjaSnippets = 105;
constexpr size_t kGoCases = 483;
constexpr size_t kGoSnippets = 92;

fs::path golden_folder() { return test::golden_path("templates"); }

std::string read_file(const fs::path& path) {
  test::note_golden("file " + fs::relative(path, golden_folder().parent_path()).string());
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

Json read_json(const fs::path& path) {
  Json json = Json::parse(read_file(path), nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << path;
  return json;
}

RenderOptions options() {
  RenderOptions result;
  result.now = {2026, 1, 15, 12, 0, 0};
  return result;
}

void check_jinja(const std::string& where, const Json& expectation, std::string_view source, const Json& variables) {
  auto parsed = JinjaTemplate::parse(source);
  Result<std::string> rendered =
      parsed.is_ok() ? (*parsed)->render(variables, options()) : Result<std::string>(parsed.status());
  if (expectation.contains("expected")) {
    ASSERT_TRUE(rendered.is_ok()) << where << ": " << rendered.status().message();
    EXPECT_EQ(*rendered, expectation["expected"].get<std::string>()) << where;
    return;
  }
  ASSERT_TRUE(expectation.contains("error")) << where;
  ASSERT_FALSE(rendered.is_ok()) << where << " rendered: " << *rendered;
  const Json& error = expectation["error"];
  if (error["type"] == "raise_exception") {
    EXPECT_EQ(rendered.code(), ErrorCode::kInvalidArgument) << where;
    std::string message = rendered.status().message();
    std::string wanted = ": " + error["message"].get<std::string>();
    ASSERT_GE(message.size(), wanted.size()) << where;
    EXPECT_EQ(message.substr(message.size() - wanted.size()), wanted) << where;
  } else {
    EXPECT_NE(rendered.code(), ErrorCode::kInternal) << where;
  }
  if (error["type"] == "syntax") {
    EXPECT_FALSE(parsed.is_ok()) << where;
  }
}

TEST(Golden, JinjaTemplates) {
  fs::path folder = golden_folder() / "jinja";
  Json conversations = read_json(folder / "conversations.json");
  Json templates = read_json(folder / "templates.json");
  ASSERT_TRUE(templates.is_array() || templates.is_object());
  size_t count = 0;
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder / "cases")) {
    Json file = read_json(entry.path());
    ++files;
    std::string name = file["template"];
    std::string source = read_file(folder / "templates" / name);
    for (const Json& test_case : file["cases"]) {
      Json variables = {{"tools", nullptr}, {"documents", nullptr}};
      std::string conversation = test_case["conversation"];
      ASSERT_TRUE(conversations.contains(conversation)) << name;
      for (const Json& layer : {file["base"], conversations[conversation], test_case["vars"]}) {
        for (const auto& [key, value] : layer.items()) {
          variables[key] = value;
        }
      }
      check_jinja(name + ":" + test_case["id"].get<std::string>(), test_case, source, variables);
      ++count;
    }
  }
  EXPECT_EQ(files, templates.size());
  EXPECT_GE(count, kJinjaCases);
  test::count_golden("Jinja templates", count);
}

TEST(Golden, JinjaSnippets) {
  Json snippets = read_json(golden_folder() / "jinja" / "snippets.json");
  ASSERT_EQ(snippets["clock"], "2026-01-15 12:00:00");
  for (const Json& snippet : snippets["cases"]) {
    check_jinja(snippet["id"], snippet, snippet["template"].get<std::string>(), snippet["context"]);
  }
  EXPECT_GE(snippets["cases"].size(), kJinjaSnippets);
  test::count_golden("Jinja snippets", snippets["cases"].size());
}

void check_go(const std::string& where, const Json& expectation, std::string_view source, bool chat,
              const Json& values) {
  auto parsed = GoTemplate::parse(source);
  Result<std::string> rendered = !parsed.is_ok() ? Result<std::string>(parsed.status())
                                 : chat          ? (*parsed)->render_chat(values, options())
                                                 : (*parsed)->render(values, options());
  if (expectation.contains("expected")) {
    ASSERT_TRUE(rendered.is_ok()) << where << ": " << rendered.status().message();
    EXPECT_EQ(*rendered, expectation["expected"].get<std::string>()) << where;
    return;
  }
  ASSERT_TRUE(expectation.contains("error")) << where;
  ASSERT_FALSE(rendered.is_ok()) << where << " rendered: " << *rendered;
  EXPECT_EQ(parsed.is_ok(), expectation["error"]["stage"] == "execute") << where;
}

TEST(Golden, GoTemplates) {
  fs::path folder = golden_folder() / "go";
  Json chats = read_json(folder / "chats.json");
  size_t count = 0;
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder / "cases")) {
    Json file = read_json(entry.path());
    ++files;
    std::string name = file["template"];
    std::string source = read_file(folder / "templates" / name);
    for (const Json& test_case : file["cases"]) {
      bool own_values = test_case.contains("values");
      ASSERT_TRUE(own_values || chats.contains(test_case["chat"].get<std::string>())) << name;
      const Json& values = own_values ? test_case["values"] : chats[test_case["chat"].get<std::string>()];
      check_go(name + ":" + test_case["id"].get<std::string>(), test_case, source, true, values);
      ++count;
    }
  }
  EXPECT_EQ(files, read_json(folder / "templates.json").size());
  EXPECT_GE(count, kGoCases);
  test::count_golden("Go templates", count);
}

TEST(Golden, GoSnippets) {
  Json snippets = read_json(golden_folder() / "go" / "snippets.json");
  for (const Json& snippet : snippets["cases"]) {
    bool chat = snippet["mode"] == "chat";
    ASSERT_TRUE(chat || snippet["mode"] == "text");
    check_go(snippet["id"], snippet, snippet["template"].get<std::string>(), chat,
             chat ? snippet["values"] : snippet["data"]);
  }
  EXPECT_GE(snippets["cases"].size(), kGoSnippets);
  test::count_golden("Go snippets", snippets["cases"].size());
}

}  // namespace
}  // namespace da::chat
