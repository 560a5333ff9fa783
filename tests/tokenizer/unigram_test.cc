#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tokenizer/char_map.h"
#include "tokenizer/tiny_vocabulary.h"

namespace da::tokenizer {
namespace {

using Ids = std::vector<TokenId>;

struct Unigram : test::TinyVocabulary {
  Unigram() {
    model = "t5";
    add("<pad>", 3);
    add("</s>", 3);
    add("<unk>", 2);
    more = [this](gguf::Writer& writer) {
      writer.add_uint32("tokenizer.ggml.eos_token_id", 1);
      writer.add_uint32("tokenizer.ggml.unknown_token_id", 2);
      writer.add_bool("tokenizer.ggml.add_space_prefix", space_prefix);
      writer.add_bool("tokenizer.ggml.remove_extra_whitespaces", merge_spaces);
    };
  }
  bool space_prefix = true, merge_spaces = true;
};

TEST(Unigram, TakesTheLargestSum) {
  Unigram v;
  const TokenId a = v.add("▁a", 1, -2), b = v.add("b", 1, -3), ab = v.add("▁ab", 1, -4.5F), abc = v.add("▁abc", 1, -20),
                c = v.add("c", 1, -1);
  const auto tokenizer = v.make();
  ASSERT_TRUE(tokenizer.is_ok()) << tokenizer.status().message();
  EXPECT_EQ((*tokenizer)->encode("ab", {}), Ids({ab}));
  EXPECT_EQ((*tokenizer)->encode("abc", {}), Ids({ab, c}));
  EXPECT_EQ((*tokenizer)->encode("  abc  a ", {}), Ids({ab, c, a}));
  EXPECT_EQ((*tokenizer)->encode("a", {.add_special = true}), Ids({a, 1}));
  EXPECT_EQ((*tokenizer)->encode("", {}), Ids());
  EXPECT_EQ((*tokenizer)->encode("axyc", {}), Ids({a, 2, c})) << "unknown characters in a row are one";
  EXPECT_EQ((*tokenizer)->encode("a</s>", {.parse_special = true}), Ids({a, 1}));
  for (const TokenId id : (*tokenizer)->encode("a</s>", {})) EXPECT_NE(id, 1) << "T03";
  EXPECT_EQ(*(*tokenizer)->decode(Ids({ab, c, a})), "abc a");
  static_cast<void>(b);
  static_cast<void>(abc);
}

// A map of one entry, "A" to "a", written by hand: the root's offset, the unit of 'A' with a leaf, the leaf.
std::string one_entry_map() {
  std::vector<uint32_t> units(512, 0);
  units[0] = 1U << 10;                                                 // offset 1
  units[1 ^ 'A'] = static_cast<uint32_t>('A') | 1U << 8 | 256U << 10;  // leaf at (1 ^ 'A') ^ 256
  units[(1 ^ 'A') ^ 256] = 1U << 31 | 0;
  const auto n_bytes = static_cast<uint32_t>(units.size() * 4);
  std::string blob(reinterpret_cast<const char*>(&n_bytes), 4);
  blob.append(reinterpret_cast<const char*>(units.data()), n_bytes).append("a", 2);
  return blob;
}

// The writer has no arrays of bytes: one of flags is made into one.
Result<std::unique_ptr<Tokenizer>> make_with_map(const Unigram& v, const std::string& map) {
  gguf::Writer writer;
  const std::string key = "tokenizer.ggml.precompiled_charsmap";
  writer.add_string("tokenizer.ggml.model", v.model);
  writer.add_strings("tokenizer.ggml.tokens", v.tokens);
  writer.add_int32s("tokenizer.ggml.token_type", v.types);
  writer.add_float32s("tokenizer.ggml.scores", v.scores);
  writer.add_bools(key, std::vector<bool>(map.size(), false));
  v.more(writer);
  auto bytes = writer.serialize();
  if (!bytes.is_ok()) return bytes.status();
  const size_t at = bytes->find(key) + key.size();
  (*bytes)[at + 4] = 0;  // element type: uint8
  std::copy(map.begin(), map.end(), bytes->begin() + static_cast<ptrdiff_t>(at + 16));
  const auto file = gguf::File::parse(std::as_bytes(std::span(*bytes)), "map.gguf");
  if (!file.is_ok()) return file.status();
  return Tokenizer::from_gguf(**file);
}

TEST(Unigram, NormalizesByTheFilesMap) {
  Unigram v;
  const TokenId a = v.add("▁a", 1, -1), b = v.add("B", 1, -1);
  const auto tokenizer = make_with_map(v, one_entry_map());
  ASSERT_TRUE(tokenizer.is_ok()) << tokenizer.status().message();
  EXPECT_EQ((*tokenizer)->encode("AB", {}), Ids({a, b}));
  for (const size_t n : {3U, 6U})
    EXPECT_EQ(make_with_map(v, one_entry_map().substr(0, n)).code(), ErrorCode::kCorruptData);
  // A hostile array leads nowhere, and nowhere outside.
  std::mt19937 random(72);
  for (int round = 0; round < 200; ++round) {
    std::string blob = one_entry_map();
    for (size_t i = 4; i < blob.size(); ++i) blob[i] = static_cast<char>(random());
    const auto wild = CharMap::parse(blob);
    ASSERT_TRUE(wild.is_ok());
    for (int byte = 1; byte < 256; ++byte) static_cast<void>(wild->longest(std::string(9, static_cast<char>(byte))));
  }
}

// By the definition: every way to cut, the best sum.
Ids slow(const Unigram& v, const std::string& text) {
  const size_t n = text.size();
  double least = 0;
  std::map<std::string, TokenId> ids;
  for (size_t i = 3; i < v.tokens.size(); ++i) {
    least = std::min<double>(least, v.scores[i]);
    ids[v.tokens[i]] = static_cast<TokenId>(i);
  }
  std::vector<double> best(n + 1, -1e300);
  std::vector<std::pair<size_t, TokenId>> from(n + 1);
  best[0] = 0;
  for (size_t begin = 0; begin < n; ++begin) {
    for (size_t end = begin + 1; end <= n; ++end) {
      const auto found = ids.find(text.substr(begin, end - begin));
      const bool single = end == begin + 1;
      if (found == ids.end() && !single) continue;
      const double score =
          best[begin] +
          (found == ids.end() ? least - 10 : static_cast<double>(v.scores[static_cast<size_t>(found->second)]));
      if (score > best[end]) {
        best[end] = score;
        from[end] = {begin, found == ids.end() ? 2 : found->second};
      }
    }
  }
  Ids out;
  for (size_t at = n; at > 0; at = from[at].first) {
    if (out.empty() || from[at].second != 2 || out.back() != 2) out.push_back(from[at].second);
  }
  std::reverse(out.begin(), out.end());
  return out;
}

TEST(Unigram, EqualsTheDefinition) {
  std::mt19937 random(71);
  for (int round = 0; round < 200; ++round) {
    Unigram v;
    v.space_prefix = v.merge_spaces = false;
    std::map<std::string, int> seen;
    for (int i = 0; i < 30; ++i) {
      std::string text;
      for (size_t n = 1 + random() % 5; n > 0; --n) text += "abcd"[random() % 3];
      if (seen[text]++ == 0) v.add(text, 1, -static_cast<float>(random() % 4096) / 256);
    }
    const auto tokenizer = v.make();
    ASSERT_TRUE(tokenizer.is_ok());
    for (const size_t length : {7U, 40U, 300U}) {
      std::string text;
      for (size_t i = 0; i < length; ++i) text += "abcd"[random() % 4];
      ASSERT_EQ((*tokenizer)->encode(text, {}), slow(v, text)) << text;
    }
  }
}

// T01: a text of one character, far longer than the part that is kept open.
TEST(UnigramT01, LongTextsInBoundedMemory) {
  Unigram v;
  v.add("▁", 1, -1);
  const TokenId one = v.add("a", 1, -3), three = v.add("aaa", 1, -4);
  const auto tokenizer = v.make();
  ASSERT_TRUE(tokenizer.is_ok());
  const Ids ids = (*tokenizer)->encode(std::string(3000001, 'a'), {});
  ASSERT_EQ(ids.size(), 1U + 1000000U + 1U);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), three), 1000000);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), one), 1);
  EXPECT_EQ((*tokenizer)->encode(std::string(200000, 'x'), {}).size(), 2U);
}

TEST(Unigram, RefusesWhatLacks) {
  Unigram v;
  v.add("a", 1, -1);
  v.scores.clear();
  EXPECT_EQ(v.make().code(), ErrorCode::kCorruptData);
}

}  // namespace
}  // namespace da::tokenizer
