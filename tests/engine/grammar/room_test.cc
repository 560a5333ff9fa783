#include <gtest/gtest.h>

#include "base/utf8.h"
#include "engine/grammar/support.h"

// J10: a text is closed before its room runs out, whatever the model would rather write.
namespace da::grammar::testing {
namespace {

std::vector<std::string> vocabulary(Random& random) {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  static const std::vector<std::string> kPieces = {"{\"",  "\":", "\",\"",   "\"}",      "\"]}",
                                                   "[[[",  "],[", "\":[{\"", "aaaa",     "中文",
                                                   "true", "12",  "\\u00",   "[{\"a\":", "{\"a\":{\"a\":"};
  for (size_t i = 0; i < 150; ++i) {
    std::string token;
    for (size_t n = 1 + pick(random, 3); n > 0; --n) token += kPieces[pick(random, kPieces.size())];
    tokens.push_back(token);
  }
  return tokens;
}

struct Sampled {
  std::string text;
  bool complete;
};

// As an engine does it: any token that the mask allows for the room there is, never the end by choice.
Sampled sample(const std::shared_ptr<const Grammar>& grammar, const std::vector<std::string>& tokens, uint32_t room,
               Random& random) {
  const TokenTrie trie(std::vector<std::string_view>(tokens.begin(), tokens.end()));
  std::vector<uint64_t> mask((tokens.size() + 63) / 64);
  Matcher matcher(grammar);
  std::string text;
  for (; room > 0 && !matcher.must_end(); --room) {
    matcher.allowed_tokens(trie, mask, room - 1);
    std::vector<size_t> allowed;
    for (size_t id = 0; id < tokens.size(); ++id) {
      if ((mask[id / 64] >> (id % 64)) & 1) allowed.push_back(id);
    }
    if (allowed.empty()) {
      EXPECT_TRUE(matcher.can_end()) << "dead end after " << text;
      break;
    }
    const std::string& token = tokens[allowed[pick(random, allowed.size())]];
    EXPECT_TRUE(matcher.accept(token)) << token << " after " << text;
    text += token;
  }
  return {text, matcher.can_end()};
}

TEST(Room, RandomSchemasEndInTheRoomTheyHave) {
  Random random(41);
  for (int round = 0; round < 300; ++round) {
    const std::vector<std::string> tokens = vocabulary(random);
    const Json schema = random_schema(random, 3);
    const auto grammar = compile(schema);
    // The shortest document of these schemas has fewer bytes than that.
    const auto room = static_cast<uint32_t>(400 + pick(random, 100));
    const Sampled sampled = sample(grammar, tokens, room, random);
    ASSERT_TRUE(sampled.complete) << sampled.text << "\n" << schema;
    const Json value = Json::parse(sampled.text, nullptr, false);
    ASSERT_FALSE(value.is_discarded()) << sampled.text;
    ASSERT_TRUE(valid(schema, value, schema)) << sampled.text << "\n" << schema;
  }
}

TEST(Room, AnyObjectEndsInTheRoomItHas) {
  Random random(42);
  const auto grammar = *Grammar::any_json_object();
  const std::vector<std::string> tokens = vocabulary(random);
  for (uint32_t room = 2; room < 300; ++room) {
    const Sampled sampled = sample(grammar, tokens, room, random);
    ASSERT_TRUE(sampled.complete) << room << ": " << sampled.text;
    ASSERT_TRUE(Json::accept(sampled.text)) << sampled.text;
  }
}

TEST(Room, QuotesEndInTheRoomTheyHave) {
  Random random(43);
  for (int round = 0; round < 200; ++round) {
    std::string source = "a";
    for (const char32_t c : random_source(random, 10 + pick(random, 200))) utf8::append(source, c);
    const Json quote = {{"type", "string"}, {"x-source", true}, {"minLength", 1 + pick(random, 3)}};
    const Json item = {{"type", "object"},
                       {"properties", {{"q", quote}, {"s", {{"type", "string"}, {"minLength", 2}}}}},
                       {"required", {"q", "s"}}};
    const Json schema = {
        {"type", "object"},
        {"properties",
         {{"l", {{"type", "array"}, {"items", item}, {"maxItems", 50}, {"x-unique", "q"}}}, {"last", quote}}},
        {"required", {"l", "last"}}};
    auto grammar = Grammar::from_json_schema(schema.dump(), source);
    if (!grammar.is_ok()) continue;
    const Sampled sampled = sample(*grammar, vocabulary(random), static_cast<uint32_t>(60 + pick(random, 200)), random);
    ASSERT_TRUE(sampled.complete) << sampled.text << " of " << source;
    ASSERT_TRUE(valid(schema, Json::parse(sampled.text), schema, source)) << sampled.text << " of " << source;
  }
}

TEST(Room, TooLittleStillTakesTheShortestWay) {
  const auto grammar = compile(Json::parse(
      R"({"type":"object","properties":{"list":{"type":"array","items":{"type":"string"}},"n":{"type":"integer"}},"required":["list","n"]})"));
  const std::vector<std::string> tokens = {"{\"list\":[", "\"", "a", ",", "]", ",\"n\":", "1", "}", "]"};
  const TokenTrie trie(std::vector<std::string_view>(tokens.begin(), tokens.end()));
  uint64_t mask = 0;
  Matcher matcher(grammar);
  matcher.allowed_tokens(trie, {&mask, 1}, 4);
  EXPECT_EQ(mask, 1u);
  ASSERT_TRUE(matcher.accept(tokens[0]));
  matcher.allowed_tokens(trie, {&mask, 1}, 3);
  EXPECT_EQ(mask, 1u << 4 | 1u << 8) << "no item any more";
  ASSERT_TRUE(matcher.accept("]"));
  ASSERT_TRUE(matcher.accept(tokens[5]));
  ASSERT_TRUE(matcher.accept("1"));
  matcher.allowed_tokens(trie, {&mask, 1}, 0);
  EXPECT_EQ(mask, 1u << 7) << "no further digit";
  matcher.allowed_tokens(trie, {&mask, 1});
  EXPECT_EQ(mask, 1u << 6 | 1u << 7);
}

}  // namespace
}  // namespace da::grammar::testing
