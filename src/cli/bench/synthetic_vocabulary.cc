#include "cli/bench/synthetic_vocabulary.h"

#include <string>
#include <vector>

#include "base/utf8.h"

namespace da::cli::bench {
namespace {

constexpr uint32_t kLetters = 26, kControlTokens = 2;

// The printable stand-in of a byte in vocabularies of this kind: itself where it shows, else from U+0100 on.
std::string written_byte(int byte, char32_t& next) {
  const bool shows = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
  std::string text;
  utf8::append(text, shows ? static_cast<char32_t>(byte) : next++);
  return text;
}

}  // namespace

void add_vocabulary(uint32_t n_tokens, gguf::Writer& writer) {
  std::vector<std::string> tokens, merges;
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(written_byte(byte, next));
  // Words in order of length: "aa", "ab", … "zz", "aaa", …
  std::vector<std::string> words;
  for (uint32_t i = 0; i < kLetters; ++i) words.emplace_back(1, static_cast<char>('a' + i));
  for (size_t i = 0; tokens.size() < n_tokens - kControlTokens; ++i) {
    const std::string letter(1, static_cast<char>('a' + i % kLetters));
    const std::string& stem = words[i / kLetters];
    merges.push_back(stem + " " + letter);
    tokens.push_back(stem + letter);
    words.push_back(tokens.back());
  }
  tokens.emplace_back("<|begin_of_text|>");
  tokens.emplace_back("<|end_of_text|>");
  std::vector<int32_t> kinds(n_tokens, 1);
  kinds[n_tokens - 2] = kinds[n_tokens - 1] = 3;
  writer.add_string("tokenizer.ggml.model", "gpt2");
  writer.add_string("tokenizer.ggml.pre", "llama-bpe");
  writer.add_strings("tokenizer.ggml.tokens", tokens);
  writer.add_int32s("tokenizer.ggml.token_type", kinds);
  writer.add_strings("tokenizer.ggml.merges", merges);
  writer.add_uint32("tokenizer.ggml.bos_token_id", n_tokens - 2);
  writer.add_uint32("tokenizer.ggml.eos_token_id", n_tokens - 1);
  writer.add_bool("tokenizer.ggml.add_bos_token", false);
}

}  // namespace da::cli::bench
