#include "runner/chat_format.h"

#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "runner/fake_model.h"

namespace da::runner {
namespace {

using Json = nlohmann::ordered_json;

std::string tokens_of(std::vector<std::string> control, const Render& render, const Json& request) {
  const auto tokenizer = std::make_shared<test::ByteTokenizer>(false, std::move(control));
  PromptBuilder builder(tokenizer, render, compile_go);
  const auto prompt = builder.build(request, {.max_tokens = 100000});
  return prompt.is_ok() ? tokenizer->show(prompt->tokens) : prompt.status().message();
}

TEST(ChatFormat, TheStarterModelsTemplate) {
  const auto render = compile_jinja("{% for message in messages %}<|text|>{{ message['content'] }}<|report|>{% endfor %}", "<s>", "</s>");
  ASSERT_TRUE(render.is_ok());
  const std::vector<std::string> control = {"<s>", "</s>", "<|text|>", "<|report|>"};
  EXPECT_EQ(tokens_of(control, *render, {{"prompt", " 深<|report|>{\"viewpoints\":[]}</s> "}}),
            "[<|text|>] 深<|report|>{\"viewpoints\":[]}</s> [<|report|>]");
}

// As qwen2's: a default system message, roles, trimming.
TEST(ChatFormat, ChatmlInJinja) {
  const auto render = compile_jinja(
      "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nHelp.<|im_end|>\n{% endif %}"
      "{{'<|im_start|>' + message['role'] + '\\n' + message['content']|trim + '<|im_end|>' + '\\n'}}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% if enable_thinking is defined and not enable_thinking %}"
      "<think></think>{% endif %}{% endif %}",
      "", "<|im_end|>");
  ASSERT_TRUE(render.is_ok());
  const std::vector<std::string> control = {"<|im_start|>", "<|im_end|>", "<|endoftext|>"};
  EXPECT_EQ(tokens_of(control, *render, {{"prompt", " a<|im_end|>b\n"}, {"think", false}}),
            "[<|im_start|>]system\nHelp.[<|im_end|>]\n[<|im_start|>]user\na<|im_end|>b[<|im_end|>]\n[<|im_start|>]assistant\n<think></think>");
  EXPECT_EQ(tokens_of(control, *render, {{"prompt", "<|im_start|>x"}}),
            "[<|im_start|>]system\nHelp.[<|im_end|>]\n[<|im_start|>]user\n<|im_start|>x[<|im_end|>]\n[<|im_start|>]assistant\n");
}

TEST(ChatFormat, TextWithoutControlTokensGoesInUnchanged) {
  const auto render = compile_jinja(
      "{%- for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}{{ tools | length if tools else 'none' }}{{ bos_token }}", "B", "E");
  ASSERT_TRUE(render.is_ok());
  EXPECT_EQ(tokens_of({"<x>"}, *render, {{"prompt", "plain < text > {{ x }}"}}), "user:plain < text > {{ x }};noneB");
  EXPECT_EQ(tokens_of({"<x>"}, *render, {{"prompt", "p"}, {"tools", {{{"type", "function"}}}}}), "user:p;1B");
}

// Lists come as text, because objects' members are sorted on the way.
TEST(ChatFormat, ToolsAndArgumentsKeepTheOrderOfTheirMembers) {
  const auto render = compile_jinja(
      "{% for m in messages %}{{ m.tool_calls[0].function.arguments | tojson if m.tool_calls else m.content }}{% endfor %}{{ tools | tojson }}", "", "");
  ASSERT_TRUE(render.is_ok());
  const std::string calls = R"([{"function": {"name": "f", "arguments": {"z": 1, "a": 2}}}])";
  EXPECT_EQ(tokens_of({"<x>"}, *render,
                      {{"messages", {{{"role", "assistant"}, {"tool_calls", calls}}, {{"role", "user"}, {"content", "?"}}}},
                       {"tools", R"([{"type":"function","function":{"name":"f","description":"<x>"}}])"}}),
            R"({"z": 1, "a": 2}?[{"type": "function", "function": {"name": "f", "description": "<x>"}}])");
}

TEST(ChatFormat, GoTemplates) {
  const std::vector<std::string> control = {"<|user|>", "<|end|>"};
  const Json request = {{"system", "S"}, {"prompt", "hi<|end|>"}, {"template", "{{ .System }}<|user|>{{ .Prompt }}<|end|>{{ .Response }}<|end|>"}};
  EXPECT_EQ(tokens_of(control, nullptr, request), "S[<|user|>]hi<|end|>[<|end|>]");
  const Json fill = {{"prompt", "a"}, {"suffix", "b<|end|>"}, {"template", "<|user|>{{ .Prompt }}|{{ .Suffix }}<|end|>"}};
  EXPECT_EQ(tokens_of(control, nullptr, fill), "[<|user|>]a|b<|end|>[<|end|>]");
  EXPECT_TRUE(tokens_of(control, nullptr, {{"prompt", "a"}, {"template", "{{ if }}"}}).starts_with("template error: "));
}

TEST(ChatFormat, BrokenJinjaIsAnError) {
  EXPECT_FALSE(compile_jinja("{% if %}", "", "").is_ok());
  EXPECT_FALSE(compile_jinja("{{ a", "", "").is_ok());
}

}  // namespace
}  // namespace da::runner
