// Thinking and tool calls leave the host apart from the answer's text.
#include "runner/host.h"

#include <gtest/gtest.h>

#include <future>

#include "fake_model.h"

namespace da::runner {
namespace {

using Json = nlohmann::ordered_json;

struct Answer {
  std::string text, thinking, reason;
  Json tool_calls = Json::array(), pieces = Json::array();
};

// What a model says whose template names the usual markers, and which repeats the user's words.
Answer ask(const std::string& words, Json request) {
  std::promise<void> finished;
  Answer answer;
  LoadedModel model;
  model.tokenizer = std::make_shared<test::ByteTokenizer>(false, std::vector<std::string>{});
  model.engine = std::make_unique<test::EchoEngine>(4096, std::chrono::milliseconds(0));
  model.render = [words](const Conversation&) -> Result<std::string> { return words; };
  model.template_source = "<think></think><tool_call>{{ tools }}</tool_call>";
  Host host(std::move(model), [&](const Json& message) {
    if (message["type"] == "text") {
      answer.text += message.value("text", "");
      answer.thinking += message.value("thinking", "");
      for (const Json& call : message.value("tool_calls", Json::array())) answer.tool_calls.push_back(call);
      for (const Json& piece : message.value("tool_call_pieces", Json::array())) answer.pieces.push_back(piece);
    }
    if (message["type"] == "done" || message["type"] == "error") {
      answer.reason = message.value("reason", message.value("message", ""));
      finished.set_value();
    }
  }, Logger());
  if (!request.contains("prompt")) request["messages"] = Json::array({{{"role", "user"}, {"content", "x"}}});
  host.generate(1, request);
  finished.get_future().wait();
  return answer;
}

TEST(Host, ThinkingIsApart) {
  const Answer answer = ask("<think>let me see</think>It is 4.", {});
  EXPECT_EQ(answer.thinking, "let me see");
  EXPECT_EQ(answer.text, "It is 4.");
  EXPECT_EQ(answer.reason, "stop");
}

TEST(Host, ToolCallsAreApartWhenToolsAreOffered) {
  const std::string words = R"(Wait.<tool_call>{"name": "weather", "arguments": {"city": "Wuhan", "days": 2}}</tool_call>)";
  const Json tools = Json::parse(R"([{"type":"function","function":{"name":"weather","parameters":{}}}])");
  const Answer called = ask(words, {{"tools", tools}});
  ASSERT_EQ(called.tool_calls.size(), 1U);
  EXPECT_EQ(called.tool_calls[0]["function"]["name"], "weather");
  EXPECT_EQ(called.tool_calls[0]["function"]["arguments"], R"({"city":"Wuhan","days":2})");
  EXPECT_EQ(called.text, "Wait.");
  EXPECT_TRUE(called.pieces.empty());      // not asked for
  EXPECT_EQ(ask(words, {}).text, words);   // no tools offered: it is text
}

TEST(Host, ArgumentsComeInPiecesWhateverTheModelsNotation) {
  const std::string tools = R"([{"type":"function","function":{"name":"weather","parameters":{}}}])";
  const auto joined = [&](const std::string& words) {
    const Answer answer = ask(words, {{"tools", tools}, {"tool_call_pieces", true}});
    EXPECT_EQ(answer.tool_calls.size(), 1U) << words;
    EXPECT_GT(answer.pieces.size(), 3U) << words;
    std::string arguments;
    for (const Json& piece : answer.pieces) {
      EXPECT_EQ(piece["index"], 0);
      EXPECT_EQ(piece.contains("name"), arguments.empty());
      arguments += piece["arguments"].get<std::string>();
    }
    EXPECT_EQ(answer.pieces[0]["name"], "weather");
    EXPECT_EQ(Json::parse(arguments).dump(), answer.tool_calls[0]["function"]["arguments"].get<std::string>());
    EXPECT_EQ(answer.text, "");
    return arguments;
  };
  EXPECT_EQ(joined(R"(<tool_call>{"name": "weather", "arguments": {"city": "Wuhan", "days": 2}}</tool_call>)"), R"({"city": "Wuhan", "days": 2})");
  EXPECT_EQ(joined("<tool_call><function=weather><parameter=city>\nWuhan \"x\"\n</parameter><parameter=days>2</parameter></function></tool_call>"),
            R"({"city":"Wuhan \"x\"","days":2})");
  EXPECT_EQ(joined("<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Wuhan</arg_value>\n</tool_call>"), R"({"city":"Wuhan"})");
}

TEST(Host, WhatIsHeldBackComesAtTheEnd) { EXPECT_EQ(ask("see <tool_", {{"tools", Json::parse(R"([{"function":{"name":"f"}}])")}}).text, "see <tool_"); }

// The last message of an embed request.
Json embed(Json request, int32_t context_tokens = 4096) {
  std::promise<Json> finished;
  LoadedModel model;
  model.tokenizer = std::make_shared<test::ByteTokenizer>();
  model.engine = std::make_unique<test::EchoEngine>(context_tokens, std::chrono::milliseconds(0));
  Host host(std::move(model), [&](const Json& message) {
    if (message["type"] == "done" || message["type"] == "error") finished.set_value(message);
  }, Logger());
  host.embed(7, request);
  return finished.get_future().get();
}

TEST(Host, EmbedsTextsInTheirOrder) {
  const Json done = embed({{"input", {"ab", "cde"}}});
  EXPECT_EQ(done["id"], 7);
  EXPECT_EQ(done["type"], "done") << done.dump();
  EXPECT_EQ(done["prompt_tokens"], 3 + 4);   // each with its bos
  EXPECT_EQ(done["embeddings"].dump(), "[[3.0,98.0],[4.0,101.0]]");
}

TEST(Host, EmbedCutsOrRefusesWhatIsTooLong) {
  const Json cut = embed({{"input", {"ab", "abcdefgh"}}, {"truncate", true}}, 5);
  EXPECT_EQ(cut["embeddings"].dump(), "[[3.0,98.0],[5.0,100.0]]");
  EXPECT_EQ(cut["dropped"].dump(), R"([{"input":1,"tokens":4,"where":"end"}])");
  EXPECT_EQ(embed({{"input", {"abcdefgh"}}, {"truncate", true}, {"options", {{"num_ctx", 4}}}})["embeddings"].dump(), "[[4.0,99.0]]");
  for (const Json& asked : {Json(nullptr), Json(false)}) {
    const Json refused = embed({{"input", {"ab", "abcdefgh"}}, {"truncate", asked}}, 5);
    EXPECT_EQ(refused["code"], "invalid_argument");
    EXPECT_EQ(refused["message"], "the input length exceeds the context length: 9 tokens, at most 5");
  }
}

TEST(Host, OneTextThatFailsFailsTheRequest) {
  EXPECT_EQ(embed({{"input", {"a", "Z", "b"}}})["message"], "no Z");
  EXPECT_EQ(embed({{"input", {"Z"}}, {"namespace", "ann"}, {"priority", 1}})["message"], "no Z of ann, 1") << "whose turn it is";
  EXPECT_EQ(embed({{"input", {"a", 1}}})["message"], "invalid input type");
  EXPECT_EQ(embed({{"input", Json::array()}})["type"], "error");
}

// The last message of a generate request of raw text; the engine repeats its prompt.
Json done_of(Json request, int32_t context_tokens) {
  std::promise<Json> finished;
  LoadedModel model;
  model.tokenizer = std::make_shared<test::ByteTokenizer>(false);
  model.engine = std::make_unique<test::EchoEngine>(context_tokens, std::chrono::milliseconds(0));
  Host host(std::move(model), [&](const Json& message) {
    if (message["type"] == "done" || message["type"] == "error") finished.set_value(message);
  }, Logger());
  request["raw"] = true;
  host.generate(7, request);
  return finished.get_future().get();
}

TEST(Host, WhatIsCutIsTold) {
  const Json refused = done_of({{"prompt", std::string(50, 'x')}}, 40);
  EXPECT_EQ(refused["code"], "resource_exhausted");
  EXPECT_NE(refused["message"].get<std::string>().find("50 tokens, at most 39"), std::string::npos) << refused;
  const Json cut = done_of({{"prompt", std::string(50, 'x')}, {"truncate", true}}, 40);
  EXPECT_EQ(cut["prompt_tokens"], 29) << "a quarter is left for the answer";
  EXPECT_EQ(cut["dropped"].dump(), R"({"tokens":21,"messages":0,"from_token":4,"where":"middle"})");
  const Json asked = done_of({{"prompt", std::string(50, 'x')}, {"shift", true}, {"options", {{"num_predict", 2}, {"num_keep", 7}}}}, 40);
  EXPECT_EQ(asked["prompt_tokens"], 37);
  EXPECT_EQ(asked["dropped"]["from_token"], 7);
  EXPECT_FALSE(done_of({{"prompt", "x"}, {"truncate", true}}, 40).contains("dropped"));
}

// J10: this engine does not mask; what it says under a grammar is checked before it is called done.
TEST(Host, ADocumentIsCheckedBeforeItIsDone) {
  EXPECT_EQ(ask(R"({"a": [1, 2]})", {{"format", "json"}}).reason, "stop");
  for (const char* words : {R"({"a": [1, 2)", R"({"a": 1} and)", "Sure!"}) {
    EXPECT_NE(ask(words, {{"format", "json"}}).reason.find("structured output"), std::string::npos) << words;
  }
}

TEST(Host, RawTextIsLeftAlone) {
  EXPECT_EQ(ask("", {{"raw", true}, {"prompt", "<think>a</think>b"}}).text, "<think>a</think>b");
}

}  // namespace
}  // namespace da::runner
