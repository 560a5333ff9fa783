#include "chat/output_parser.h"

#include <gtest/gtest.h>

namespace da::chat {
namespace {

// Feeds `text` in pieces of `size` bytes and writes down what came out.
std::string parse(OutputFormat format, std::string_view text, size_t size, std::vector<std::string> tools = {}) {
  OutputParser parser(std::move(format), std::move(tools));
  OutputDelta all;
  auto add = [&](OutputDelta delta) {
    all.content += delta.content;
    all.thinking += delta.thinking;
    for (ToolCall& call : delta.tool_calls) {
      all.tool_calls.push_back(std::move(call));
    }
  };
  for (size_t i = 0; i < text.size(); i += size) {
    add(parser.push(text.substr(i, size)));
  }
  add(parser.finish());
  std::string out = "T(" + all.thinking + ")C(" + all.content + ")";
  for (const ToolCall& call : all.tool_calls) {
    out += "#" + std::to_string(call.index) + call.name + call.arguments.dump();
  }
  return out;
}

// The result must not depend on how the stream is cut.
void expect_parse(const OutputFormat& format, std::string_view text, const std::string& expected,
                  const std::vector<std::string>& tools = {}) {
  for (size_t size : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{1000}}) {
    EXPECT_EQ(parse(format, text, size, tools), expected) << "pieces of " << size;
  }
}

OutputFormat thinking(ToolFormat tools = ToolFormat::kNone, bool starts = false) {
  return {"<think>", "</think>", starts, tools};
}

TEST(OutputParser, Thinking) {
  expect_parse(thinking(), "\n<think>\nSo, 1 < 2.\n</think>\n\nYes.", "T(So, 1 < 2.)C(Yes.)");
  expect_parse(thinking(), "No <think>x</think>", "T()C(No <think>x</think>)");
  expect_parse(thinking(ToolFormat::kNone, true), "So.</think>Yes", "T(So.)C(Yes)");
  expect_parse(thinking(), "<think>never closed </thi", "T(never closed </thi)C()");
  expect_parse(thinking(), "<thin", "T()C(<thin)");
  expect_parse({}, "<think>a</think>", "T()C(<think>a</think>)");
}

TEST(OutputParser, Hermes) {
  OutputFormat format = thinking(ToolFormat::kHermes);
  expect_parse(format,
               "<think>t</think>Let me.<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": "
               "\"</x>\"}}\n</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>",
               R"(T(t)C(Let me.)#0f{"a":"</x>"}#1g{})");
  expect_parse(format, "<tool_call>{\"name\": \"f\", \"arguments\": {}}", "T()C()#0f{}");
  expect_parse(format, "<tool_call>oops</tool_call>", "T()C(<tool_call>oops</tool_call>)");
  expect_parse(format, "<tool_call>{\"name\": \"other\"}</tool_call>",
               "T()C(<tool_call>{\"name\": \"other\"}</tool_call>)", {"f"});
  expect_parse(format, "a <tool", "T()C(a <tool)");
}

TEST(OutputParser, Llama) {
  OutputFormat format{"", "", false, ToolFormat::kLlama};
  expect_parse(format, " {\"name\": \"f\", \"parameters\": {\"a\": 1}}", R"(T()C()#0f{"a":1})");
  expect_parse(format, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}",
               "T()C()#0f{}#1g{}");
  expect_parse(format, "{\"a\": 1} is JSON", "T()C({\"a\": 1} is JSON)");
  expect_parse(format, "Say {\"name\": \"f\"}", "T()C(Say {\"name\": \"f\"})");
}

TEST(OutputParser, Mistral) {
  OutputFormat format{"", "", false, ToolFormat::kMistral};
  expect_parse(format,
               "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": \"]\"}}, {\"name\": \"g\", \"arguments\": {}}]",
               R"(T()C()#0f{"a":"]"}#1g{})");
  expect_parse(format, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g{\"b\": 2}", R"(T()C()#0f{"a":1}#1g{"b":2})");
  expect_parse(format, "[TOOL_CALLS] nothing", "T()C([TOOL_CALLS] nothing)");
}

TEST(OutputParser, DetectsTheFormat) {
  OutputFormat format = detect_output_format("<think></think><tool_call>", "<|im_start|>assistant\n<think>\n");
  EXPECT_TRUE(format.starts_thinking);
  EXPECT_EQ(format.tools, ToolFormat::kHermes);
  EXPECT_EQ(detect_output_format("[TOOL_CALLS]", "").tools, ToolFormat::kMistral);
  EXPECT_EQ(detect_output_format("plain", "<think>").think_open, "");
}

}  // namespace
}  // namespace da::chat
