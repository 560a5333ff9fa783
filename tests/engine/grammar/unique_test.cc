#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/utf8.h"
#include "engine/grammar/support.h"

namespace da::grammar::testing {
namespace {

const Json kQuote = {{"type", "string"}, {"x-source", true}};

Json list_of(const Json& items, size_t min, size_t max) {
  return {{"type", "array"}, {"items", items}, {"minItems", min}, {"maxItems", max}, {"uniqueItems", true}};
}

Json items_with_quotes(size_t min, size_t max) {
  const Json item = {{"type", "object"},
                     {"properties", {{"quote", kQuote}, {"n", {{"type", "integer"}}}}},
                     {"required", {"quote", "n"}}};
  return {{"type", "array"}, {"items", item}, {"minItems", min}, {"maxItems", max}, {"x-unique", "quote"}};
}

TEST(Unique, AQuoteIsNotRepeatedInItsList) {
  const auto grammar = compile(items_with_quotes(0, 9), "中文中国");
  EXPECT_TRUE(accepts(
      grammar, R"([{"quote":"中","n":1},{"quote":"中文","n":1},{"quote":"文","n":1},{"quote":"中文中","n":1}])"));
  Matcher matcher(grammar);
  ASSERT_TRUE(matcher.accept(R"([{"quote":"中文","n":1},{"quote":"中文)"));
  EXPECT_EQ(matcher.forced(3), "中") << "what begins like a used quote leads elsewhere";
  Matcher tail(grammar);
  ASSERT_TRUE(tail.accept(R"([{"quote":"中国","n":1},{"quote":"国","n":1},{"quote":"中)"));
  EXPECT_TRUE(Matcher(tail).accept("文"));
  EXPECT_FALSE(Matcher(tail).accept("国")) << "nothing follows that is not used";
  // Equal quotes at different places are equal; another list may use them again.
  EXPECT_FALSE(accepts(compile(items_with_quotes(0, 9), "ab ab"), R"([{"quote":"ab","n":1},{"quote":"ab","n":2}])"));
  const Json lists = {{"type", "object"},
                      {"properties", {{"a", list_of(kQuote, 0, 3)}, {"b", list_of(kQuote, 0, 3)}}},
                      {"required", {"a", "b"}}};
  EXPECT_TRUE(accepts(compile(lists, "a b"), R"({"a":["a b","a"],"b":["a","a b"]})"));
  EXPECT_FALSE(accepts(compile(lists, "a b"), R"({"a":["a b","a b"],"b":[]})"));
}

TEST(Unique, AListEndsWhereNothingIsLeft) {
  const auto grammar = compile(list_of(kQuote, 0, 9), "a b");
  Matcher matcher(grammar);
  ASSERT_TRUE(matcher.accept(R"(["a","a b","b")"));
  EXPECT_EQ(matcher.forced(), "]");
  EXPECT_EQ(refusal(list_of(kQuote, 4, 9), "a b").code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(compile(list_of(kQuote, 3, 9), "a b"));
  Matcher colours(compile(list_of({{"enum", {"red", "re", "blue"}}}, 2, 9)));
  ASSERT_TRUE(colours.accept(R"(["red","re)"));
  EXPECT_EQ(colours.forced(), "\"");
  ASSERT_TRUE(colours.accept(R"(",)"));
  EXPECT_EQ(colours.forced(), "\"blue\"]");
  EXPECT_EQ(refusal(list_of({{"enum", {1, 2}}}, 3, 3)).code(), ErrorCode::kInvalidArgument);
}

TEST(Unique, RefusedWhereItIsNotEnforced) {
  const std::vector<std::pair<Json, const char*>> cases = {
      {list_of({{"type", "string"}}, 0, 3), "/uniqueItems"},
      {list_of({{"anyOf", {{{"const", 1}}, {{"const", 2}}}}}, 0, 3), "/uniqueItems"},
      {list_of({{"type", "string"}, {"x-source", true}, {"x-allow-empty", true}}, 0, 3), "/uniqueItems"},
      {{{"type", "array"}, {"items", kQuote}, {"x-unique", "quote"}}, "/x-unique"},
      {{{"type", "array"}, {"items", {{"type", "object"}, {"properties", {{"q", kQuote}}}}}, {"x-unique", "q"}},
       "/x-unique"},
      {{{"type", "array"},
        {"items", {{"type", "object"}, {"properties", {{"q", {{"type", "string"}}}}}, {"required", {"q"}}}},
        {"x-unique", "q"}},
       "/x-unique"},
  };
  for (const auto& [schema, pointer] : cases) {
    const Status status = refusal(schema, "a b");
    EXPECT_EQ(status.code(), ErrorCode::kUnsupported) << schema;
    EXPECT_NE(status.message().find(pointer), std::string::npos) << status.message();
  }
}

// Few different quotes, so that lists run out of them; bounds on their lengths; other things between.
TEST(Unique, RandomWalksNeverRepeatNorStickFast) {
  Random random(31);
  int full = 0;
  for (int round = 0; round < 150; ++round) {
    std::u32string source;
    for (size_t n = 1 + pick(random, 6); n > 0; --n) source += U"a .中文\n"[pick(random, 6)];
    std::string text;
    for (const char32_t c : source) utf8::append(text, c);
    Json quote = kQuote;
    quote["maxLength"] = 1 + pick(random, 4);
    Json member = items_with_quotes(0, 2 + pick(random, 6));
    member["items"]["properties"]["quote"] = quote;
    const Json schema = {{"type", "object"},
                         {"properties",
                          {{"m", member},
                           {"l", list_of(quote, pick(random, 3), 6)},
                           {"e", list_of({{"enum", {"a", "ab", "b", 1, 12}}}, pick(random, 6), 7)}}},
                         {"required", {"m", "l", "e"}}};
    auto grammar = Grammar::from_json_schema(schema.dump(), text);
    if (!grammar.is_ok()) {
      ASSERT_EQ(grammar.code(), ErrorCode::kInvalidArgument) << grammar.status().message();
      continue;
    }
    for (int i = 0; i < 10; ++i) {
      const std::string written = random_text(*grammar, random, 60 + pick(random, 300));
      const Json value = Json::parse(written);
      ASSERT_TRUE(valid(schema, value, schema, text)) << written << " of " << text;
      full += value["e"].size() == 5 ? 1 : 0;
    }
  }
  EXPECT_GT(full, 20);
}

}  // namespace
}  // namespace da::grammar::testing
