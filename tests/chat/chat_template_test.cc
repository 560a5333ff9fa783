#include "chat/chat_template.h"

#include <gtest/gtest.h>

namespace da::chat {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kJinja =
    "{{ bos_token }}{% if tools %}[{{ tools|length }} tools]{% endif %}{% for m in messages %}<{{ m.role }}>{{ "
    "m.content }}"
    "{% for c in m.tool_calls or [] %}{{ c.function.name }}{{ c.function.arguments|tojson }}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}{% if enable_thinking is defined and not enable_thinking "
    "%}<nothink>{% endif %}";

TEST(ChatTemplate, Jinja) {
  auto chat = ChatTemplate::from_jinja(kJinja, "<s>", "</s>");
  ASSERT_TRUE(chat.is_ok()) << chat.status().message();
  EXPECT_TRUE(chat->supports_tools());
  EXPECT_TRUE(chat->supports_thinking());
  EXPECT_FALSE(chat->supports_suffix());
  Message call{.role = "assistant"};
  call.tool_calls.push_back({"1", "f", 0, {{"b", 1}, {"a", 2}}});
  ChatOptions options;
  options.system = "Be brief.";
  options.think = false;
  auto text = chat->render({{.role = "user", .content = "Hi"}, call}, Json::array({Json::object()}), options);
  ASSERT_TRUE(text.is_ok()) << text.status().message();
  EXPECT_EQ(*text, "<s>[1 tools]<system>Be brief.<user>Hi<assistant>f{\"b\": 1, \"a\": 2}<assistant><nothink>");
  options.add_generation_prompt = false;
  options.variables["enable_thinking"] = true;
  text = chat->render({{.role = "system", .content = "x"}}, nullptr, options);
  ASSERT_TRUE(text.is_ok());
  EXPECT_EQ(*text, "<s><system>x");
}

TEST(ChatTemplate, JinjaRefusal) {
  auto chat = ChatTemplate::from_jinja("{{ raise_exception('no tools') }}", "", "");
  ASSERT_TRUE(chat.is_ok());
  auto text = chat->render({}, nullptr);
  EXPECT_EQ(text.code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(text.status().message(), "template line 1: no tools");
  EXPECT_EQ(ChatTemplate::from_jinja("{{", "", "").code(), ErrorCode::kCorruptData);
}

TEST(ChatTemplate, Go) {
  auto chat = ChatTemplate::from_go(
      "{{ .System }}{{ range .Messages }}<{{ .Role }}>{{ .Content }}{{ end }}{{ if .Think }}+{{ .ThinkLevel }}{{ end "
      "}}{{ .Suffix }}");
  ASSERT_TRUE(chat.is_ok()) << chat.status().message();
  EXPECT_TRUE(chat->supports_suffix());
  ChatOptions options;
  options.system = "S";
  options.think_level = "high";
  auto text = chat->render({{.role = "user", .content = "Hi"}}, nullptr, options);
  ASSERT_TRUE(text.is_ok()) << text.status().message();
  EXPECT_EQ(*text, "S<system>S<user>Hi+high<no value>");
  options.prompt = "a";
  options.suffix = "b";
  text = chat->render({}, nullptr, options);
  ASSERT_TRUE(text.is_ok());
  EXPECT_EQ(*text, "<no value>+highb");
}

}  // namespace
}  // namespace da::chat
