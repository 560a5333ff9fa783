// How long a schema takes to compile, and a mask to make, with a real vocabulary: processor time of one thread, so that
// a busy machine does not count. Masks are checked: every token written was allowed, and the document is complete.
//   bench_grammar            the table of bench/RESULTS.md
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "analysis/protocol.h"
#include "base/utf8.h"
#include "engine/grammar/grammar.h"
#include "tokenizer/golden_vocabulary.h"

namespace {

using da::grammar::Grammar;
using da::grammar::Matcher;
using da::grammar::TokenTrie;

double thread_us() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

double percentile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(p * static_cast<double>(values.size())))];
}

// Chinese and English sentences of common characters and words, 100 kB.
std::string source_text() {
  static const char* const kWords[] = {"the ",           "revenue ", "rose ",   "12% ",     "to ",
                                       "$418 million, ", "yet ",     "shares ", "slipped. "};
  std::mt19937 random(5);
  std::string text;
  while (text.size() < 100000) {
    if (random() % 3 == 0) {
      for (int i = 0; i < 8; ++i) text += kWords[random() % 9];
    } else {
      for (unsigned i = 0; i < 5 + random() % 20; ++i)
        da::utf8::append(text, 0x4E00 + std::min(random() % 2500, random() % 2500));
      text += "。";
    }
  }
  return text;
}

// Walks as a sampler would that likes every allowed token alike, but for closing ones now and then, and times each
// mask.
void measure(const char* name, const std::string& schema, const std::string& source,
             const std::vector<std::string_view>& tokens, const TokenTrie& trie) {
  std::vector<double> compiles;
  da::Result<std::shared_ptr<const Grammar>> grammar = da::Status(da::ErrorCode::kInternal, "");
  for (int i = 0; i < 5; ++i) {
    const double begin = thread_us();
    grammar = schema.empty() ? Grammar::any_json_object() : Grammar::from_json_schema(schema, source);
    compiles.push_back(thread_us() - begin);
    if (!grammar.is_ok()) {
      std::fprintf(stderr, "%s: %s\n", name, grammar.status().message().c_str());
      std::exit(1);
    }
  }
  std::mt19937 random(7);
  std::vector<uint64_t> mask((tokens.size() + 63) / 64);
  std::vector<double> masks;
  while (masks.size() < 3000) {
    Matcher matcher(*grammar);
    std::string text;
    uint32_t room = 600;
    for (; room > 0 && !matcher.must_end(); --room) {
      const double begin = thread_us();
      matcher.allowed_tokens(trie, mask, room - 1);
      masks.push_back(thread_us() - begin);
      std::vector<size_t> allowed, closing;
      for (size_t word = 0; word < mask.size(); ++word) {
        for (uint64_t bits = mask[word]; bits != 0; bits &= bits - 1) {
          const size_t id = word * 64 + static_cast<size_t>(__builtin_ctzll(bits));
          allowed.push_back(id);
          if (tokens[id][0] == '"' || tokens[id][0] == '}' || tokens[id][0] == ']') closing.push_back(id);
        }
      }
      if (allowed.empty()) break;
      const auto& from = !closing.empty() && random() % 12 == 0 ? closing : allowed;
      const std::string_view token = tokens[from[random() % from.size()]];
      if (!matcher.accept(token)) {
        std::fprintf(stderr, "%s: a token of the mask is refused\n", name);
        std::exit(1);
      }
      text += token;
    }
    if (!matcher.can_end()) {
      std::fprintf(stderr, "%s: the document does not end\n", name);
      std::exit(1);
    }
  }
  std::printf("| %s | %.2f | %.1f | %.1f | %.1f | %zu |\n", name, percentile(compiles, 0.5) / 1000,
              percentile(masks, 0.5), percentile(masks, 0.99), percentile(masks, 1), masks.size());
}

}  // namespace

int main() {
  const da::test::GoldenVocabulary vocabulary("tokenizers/llama-bpe.gguf.gz");
  std::vector<std::string_view> tokens;
  for (int32_t id = 0; id < vocabulary.tokenizer->n_tokens(); ++id) tokens.push_back(vocabulary.tokenizer->bytes(id));
  const TokenTrie trie(tokens);
  std::printf(
      "%zu tokens\n\n| schema | compile, ms | mask median, us | p99 | worst | masks |\n| --- | --- | --- | --- | --- | "
      "--- |\n",
      tokens.size());
  measure("any JSON object", "", "", tokens, trie);
  measure(
      "person (6 members)",
      R"({"type":"object","properties":{"name":{"type":"string","maxLength":40},"age":{"type":"integer","minimum":0,"maximum":150},
              "email":{"type":"string","format":"email"},"born":{"type":"string","format":"date"},"tags":{"type":"array","items":{"enum":["a","b","c"]},"maxItems":3},
              "note":{"type":"string"}},"required":["name","age","email","born"]})",
      "", tokens, trie);
  measure(
      "tree (recursive)",
      R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"number"},"kids":{"type":"array","items":{"$ref":"#/$defs/n"}}},"required":["v","kids"]}}})",
      "", tokens, trie);
  const std::string source = source_text();
  measure("analysis protocol, source of 100 kB", da::analysis::protocol_schema(false).dump(), source, tokens, trie);
  measure("analysis protocol, compact", da::analysis::protocol_schema(true).dump(), source, tokens, trie);
  return 0;
}
