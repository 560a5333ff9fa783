#include "chat/message.h"

#include <gtest/gtest.h>

namespace da::chat {
namespace {

using Json = nlohmann::ordered_json;

TEST(Message, ReadsAndWritesOllamasForm) {
  Json json = Json::parse(R"({"role":"assistant","content":"c","thinking":"t",
      "tool_calls":[{"id":"x","function":{"index":1,"name":"f","arguments":{"b":1,"a":2}}}]})");
  auto message = message_from_json(json);
  ASSERT_TRUE(message.is_ok()) << message.status().message();
  EXPECT_EQ(message->tool_calls[0].arguments.dump(), R"({"b":1,"a":2})");
  EXPECT_EQ(message_to_json(*message).dump(), json.dump());
}

TEST(Message, IsLenientWhereClientsDiffer) {
  auto message = message_from_json(Json::parse(
      R"({"role":"User","content":null,"tool_calls":[{"function":{"name":"f","arguments":"{\"a\":1}"}}]})"));
  ASSERT_TRUE(message.is_ok());
  EXPECT_EQ(message->role, "user");
  EXPECT_EQ(message->tool_calls[0].arguments["a"], 1);
}

TEST(Message, NamesTheWrongField) {
  for (const auto& [text, field] : std::vector<std::pair<std::string, std::string>>{
           {R"({"content":[]})", "content"},
           {R"({"role":1})", "role"},
           {R"({"tool_calls":{}})", "tool_calls"},
           {R"({"tool_calls":[1]})", "tool_calls"},
           {R"({"tool_calls":[{"function":{"arguments":"["}}]})", "arguments"},
       }) {
    auto message = message_from_json(Json::parse(text));
    EXPECT_EQ(message.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(message.status().message().find("'" + field + "'"), std::string::npos) << message.status().message();
  }
  EXPECT_FALSE(messages_from_json(Json::parse("{}")).is_ok());
  EXPECT_FALSE(messages_from_json(Json::parse("[1]")).is_ok());
}

}  // namespace
}  // namespace da::chat
