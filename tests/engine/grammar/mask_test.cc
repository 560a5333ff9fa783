#include <gtest/gtest.h>

#include <algorithm>

#include "base/utf8.h"
#include "engine/grammar/support.h"

namespace da::grammar::testing {
namespace {

// Pieces of JSON and of text, single bytes, broken characters, duplicates and an empty (control) token.
std::vector<std::string> random_vocabulary(Random& random, size_t n, bool all_bytes) {
  static const std::vector<std::string> kPieces = {
      "{\"", "\":", "\":\"", "\",\"", "\"}", "\"]}", "\"},{\"", "],\"", "a", "ab", "b", " ", "  ", "\\n", "\\\"", "\\", "\\u00", "\\u", "00", "61", "中", "文", "，",
      "\xE4\xB8", "\xAD", "\xF0\x9F", "\x98\x80", "é", "\n", "true", "null", "fal", "se", "1", "12", "-", "0.", "e", "[", "]", "[[", "}", ",", ":", "\"", "\"\"", "\\\\", "d83d", "中文a\"", "a\"b"};
  std::vector<std::string> tokens = {""};
  if (all_bytes) {
    for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  }
  while (tokens.size() < n) {
    std::string token;
    for (size_t i = 1 + pick(random, 3); i > 0; --i) token += kPieces[pick(random, kPieces.size())];
    tokens.push_back(token);
  }
  tokens.emplace_back(200, 'a');
  tokens.push_back(std::string(70, 'a') + "\"");
  tokens.push_back(tokens.back());
  std::shuffle(tokens.begin(), tokens.end(), random);
  return tokens;
}

TokenTrie make_trie(const std::vector<std::string>& tokens) { return TokenTrie(std::vector<std::string_view>(tokens.begin(), tokens.end())); }

// At every place of a walk by random allowed tokens the mask is what accepting each token says, and the walk ends.
void check_masks(const std::shared_ptr<const Grammar>& grammar, const std::vector<std::string>& tokens, Random& random, size_t patience) {
  const TokenTrie trie = make_trie(tokens);
  ASSERT_EQ(trie.n_tokens(), tokens.size());
  std::vector<uint64_t> mask((tokens.size() + 63) / 64);
  Matcher matcher(grammar);
  std::string text;
  for (size_t step = 0; step < patience + 3000; ++step) {
    if (matcher.must_end()) return;
    if (matcher.can_end() && step > patience) return;
    std::fill(mask.begin(), mask.end(), ~uint64_t{0});
    matcher.allowed_tokens(trie, mask);
    std::vector<size_t> allowed, closing;
    for (size_t id = 0; id < tokens.size(); ++id) {
      const bool bit = (mask[id / 64] >> (id % 64)) & 1;
      if (bit) allowed.push_back(id);
      if (bit && (tokens[id][0] == '"' || tokens[id][0] == '}' || tokens[id][0] == ']')) closing.push_back(id);
      if (step > 40 && step % 16 != 0) continue;  // the brute force is slow
      Matcher copy(matcher);
      ASSERT_EQ(bit, !tokens[id].empty() && copy.accept(tokens[id])) << "token " << Json(tokens[id]).dump(-1, ' ', true, Json::error_handler_t::replace) << " after " << text;
    }
    ASSERT_FALSE(allowed.empty()) << "dead end after " << text;
    const bool close = !closing.empty() && (step > patience || pick(random, 4) == 0);
    const std::string& token = close ? tokens[closing[pick(random, closing.size())]] : tokens[allowed[pick(random, allowed.size())]];
    ASSERT_TRUE(matcher.accept(token));
    text += token;
  }
  FAIL() << "no end";
}

TEST(Mask, EqualsAcceptingEveryToken) {
  Random random(21);
  for (int round = 0; round < 60; ++round) {
    const std::vector<std::string> tokens = random_vocabulary(random, 700, true);
    check_masks(compile(random_schema(random, 3)), tokens, random, 20);
  }
}

TEST(Mask, EqualsAcceptingEveryTokenInQuotes) {
  Random random(22);
  for (int round = 0; round < 40; ++round) {
    std::string source = "a";
    for (const char32_t c : random_source(random, 10 + pick(random, 60))) utf8::append(source, c);
    Json quote = {{"type", "string"}, {"x-source", true}, {"maxLength", 1 + pick(random, 12)}};
    if (pick(random, 2)) quote["minLength"] = 1;
    const Json schema = {{"type", "object"},
                         {"properties", {{"q", quote}, {"s", {{"type", "string"}, {"minLength", 2}, {"maxLength", 80}}}, {"l", {{"type", "array"}, {"items", quote}, {"maxItems", 2}}}}},
                         {"required", {"q", "s"}}};
    check_masks(compile(schema, source), random_vocabulary(random, 600, true), random, 20);
  }
}

TEST(Mask, EqualsAcceptingEveryTokenInPatterns) {
  Random random(24);
  const Json schema = Json::parse(R"x({"type":"object","properties":{"p":{"type":"string","pattern":"^(a|b|中)+[^中x\"\\n]?(é文?){0,2}$"},"d":{"type":"string","format":"date"},
      "l":{"type":"array","items":{"type":"string","pattern":"^[ab \\\\\"\\n]*$","maxLength":6},"maxItems":3}},"required":["p","l"]})x");
  for (int round = 0; round < 20; ++round) check_masks(compile(schema), random_vocabulary(random, 600, true), random, 20);
}

TEST(Mask, EqualsAcceptingEveryTokenInAnyObject) {
  Random random(23);
  for (int round = 0; round < 20; ++round) check_masks(*Grammar::any_json_object(), random_vocabulary(random, 500, true), random, 30);
  // Alternatives that begin alike, so that many places are open at once.
  const Json alike = Json::parse(R"({"$ref":"#/$defs/t","$defs":{"t":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":1},{"type":"string","maxLength":3},
      {"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":2},{"type":"array","items":{"type":"string"},"maxItems":3}]}}})");
  for (int round = 0; round < 10; ++round) check_masks(compile(alike), random_vocabulary(random, 500, true), random, 12);
}

TEST(Mask, OddVocabularies) {
  const auto grammar = compile({{"type", "string"}});
  const TokenTrie none((std::vector<std::string_view>()));
  std::vector<uint64_t> mask(1, ~uint64_t{0});
  Matcher(grammar).allowed_tokens(none, mask);
  EXPECT_EQ(mask[0], 0u);
  const TokenTrie controls({"", "", "\"", "\"\"", "\"\"\""});
  Matcher(grammar).allowed_tokens(controls, mask);
  EXPECT_EQ(mask[0], 0b1100u);
}

}  // namespace
}  // namespace da::grammar::testing
