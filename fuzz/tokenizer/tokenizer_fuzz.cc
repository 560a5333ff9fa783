// Two ways in: the bytes as a vocabulary (a GGUF file), and the bytes as a text for small vocabularies of every kind.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "gguf/gguf.h"
#include "gguf/writer.h"
#include "tokenizer/tokenizer.h"

namespace {

using da::tokenizer::EncodeOptions;
using da::tokenizer::TokenId;
using da::tokenizer::Tokenizer;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options, bool lossless) {
  const std::vector<TokenId> ids = tokenizer.encode(text, options);
  for (const TokenId id : ids) require(id >= 0 && id < tokenizer.n_tokens());
  const auto back = tokenizer.decode(ids);
  require(back.is_ok() && tokenizer.detokenize(ids).is_ok());
  // U+2581 is a space to SentencePiece.
  if (lossless && !options.parse_special && da::utf8::is_valid(text) &&
      text.find("\xE2\x96\x81") == std::string_view::npos) {
    require(*back == text);
  }
}

std::unique_ptr<Tokenizer> build(const char* model, const char* pre) {
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  const auto add = [&](std::string text, int32_t type) {
    tokens.push_back(std::move(text));
    types.push_back(type);
  };
  da::gguf::Writer writer;
  std::vector<std::string> merges;
  if (std::string_view(model) == "llama") {
    add("<unk>", 2);
    add("<s>", 3);
    add("</s>", 3);
    constexpr char kHex[] = "0123456789ABCDEF";
    for (int byte = 0; byte < 256; ++byte) add({'<', '0', 'x', kHex[byte / 16], kHex[byte % 16], '>'}, 6);
    for (const char* text : {"▁", "a", "b", "ab", "▁a", "aa", "aaaa", "中", "文", "中文", "ba"}) add(text, 1);
    for (const char* text : {"{\"", "{", "aba"}) add(text, 4);
    writer.add_bool("tokenizer.ggml.add_space_prefix", false);  // else a space follows each special token
  } else if (std::string_view(model) == "gpt2") {
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool prints = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
      std::string text;
      da::utf8::append(text, prints ? static_cast<char32_t>(byte) : next++);
      add(text, 1);
    }
    for (const char* text : {"aa", "ab", "aab", "Ġa", "ba"}) add(text, 1);
    merges = {"a a", "a b", "aa b", "Ġ a", "b a"};
    add("<|end|>", 3);
  } else if (std::string_view(model) == "t5") {
    add("<pad>", 3);
    add("</s>", 3);
    add("<unk>", 2);
    for (const char* text : {"▁", "a", "b", "ab", "▁a", "aa", "aaaa", "中", "文", "中文"}) add(text, 1);
    add("{\"", 4);
    std::vector<float> scores;
    for (size_t i = 0; i < tokens.size(); ++i) scores.push_back(-static_cast<float>(i % 7));
    writer.add_float32s("tokenizer.ggml.scores", scores);
  } else {
    for (const char* text : {"[UNK]", "[CLS]", "[SEP]"}) add(text, 3);
    for (const char* text : {"▁a", "a", "ab", "▁b", "b", "▁中", "▁!"}) add(text, 1);
    writer.add_uint32("tokenizer.ggml.unknown_token_id", 0);
    writer.add_uint32("tokenizer.ggml.cls_token_id", 1);
    writer.add_uint32("tokenizer.ggml.seperator_token_id", 2);
  }
  writer.add_string("tokenizer.ggml.model", model);
  writer.add_string("tokenizer.ggml.pre", pre);
  writer.add_strings("tokenizer.ggml.tokens", tokens);
  writer.add_int32s("tokenizer.ggml.token_type", types);
  if (!merges.empty()) writer.add_strings("tokenizer.ggml.merges", merges);
  const auto bytes = writer.serialize();
  require(bytes.is_ok());
  const auto file = da::gguf::File::parse(std::as_bytes(std::span(*bytes)), "built-in");
  require(file.is_ok());
  auto tokenizer = Tokenizer::from_gguf(**file);
  require(tokenizer.is_ok());
  return std::move(*tokenizer);
}

const std::vector<std::unique_ptr<Tokenizer>>& built_in() {
  static const std::vector<std::unique_ptr<Tokenizer>> instances = [] {
    std::vector<std::unique_ptr<Tokenizer>> made;
    for (const char* pre : {"default", "llama-bpe", "qwen2", "qwen35", "gpt-2", "starcoder", "falcon", "gpt-4o",
                            "tekken", "deepseek-llm", "deepseek-coder", "deepseek-v3"}) {
      made.push_back(build("gpt2", pre));
    }
    made.push_back(build("llama", "default"));
    made.push_back(build("bert", ""));
    made.push_back(build("t5", ""));
    return made;
  }();
  return instances;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const EncodeOptions options{.add_special = (data[1] & 1) != 0, .parse_special = (data[1] & 2) != 0};
  const Tokenizer& tokenizer = *built_in()[data[0] % built_in().size()];
  check(tokenizer, text, options, tokenizer.model() != "bert" && tokenizer.model() != "t5");

  const auto file = da::gguf::File::parse(std::as_bytes(std::span(data, size)), "fuzz");
  if (!file.is_ok()) return 0;
  const auto own = Tokenizer::from_gguf(**file);
  if (own.is_ok()) check(**own, text, options, false);
  return 0;
}
