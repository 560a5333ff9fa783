#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gguf/gguf.h"
#include "gguf/writer.h"
#include "tokenizer/tokenizer.h"

namespace da::test {

// A vocabulary written for one test.
struct TinyVocabulary {
  std::string model = "llama", pre;
  std::vector<std::string> tokens;
  std::vector<int32_t> types;
  std::vector<float> scores;
  std::vector<std::string> merges;
  std::function<void(gguf::Writer&)> more = [](gguf::Writer&) {};

  int32_t add(const std::string& text, int32_t type = 1, float score = 0) {
    tokens.push_back(text);
    types.push_back(type);
    scores.push_back(score);
    return static_cast<int32_t>(tokens.size()) - 1;
  }
  // <unk>, <s>, </s> and the 256 byte tokens of a SentencePiece vocabulary.
  void add_sentencepiece_base() {
    add("<unk>", 2);
    add("<s>", 3);
    add("</s>", 3);
    constexpr char kHex[] = "0123456789ABCDEF";
    for (int byte = 0; byte < 256; ++byte) add(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">", 6);
  }

  Result<std::unique_ptr<tokenizer::Tokenizer>> make() const {
    gguf::Writer writer;
    writer.add_string("tokenizer.ggml.model", model);
    if (!pre.empty()) writer.add_string("tokenizer.ggml.pre", pre);
    writer.add_strings("tokenizer.ggml.tokens", tokens);
    if (!types.empty()) writer.add_int32s("tokenizer.ggml.token_type", types);
    if (!scores.empty()) writer.add_float32s("tokenizer.ggml.scores", scores);
    if (!merges.empty()) writer.add_strings("tokenizer.ggml.merges", merges);
    more(writer);
    const auto bytes = writer.serialize();
    if (!bytes.is_ok()) return bytes.status();
    const auto file = gguf::File::parse(std::as_bytes(std::span(*bytes)), "tiny.gguf");
    if (!file.is_ok()) return file.status();
    return tokenizer::Tokenizer::from_gguf(**file);
  }
};

}  // namespace da::test
