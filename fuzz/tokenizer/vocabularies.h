#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace da::fuzz {

// A small vocabulary of one kind ("llama", "gemma4", "gpt2", "t5", "bert"), made in memory: some words, every byte
// where the kind has byte tokens, and special tokens of all kinds that overlap with the words.
std::unique_ptr<tokenizer::Tokenizer> build_vocabulary(std::string_view model, std::string_view pre);

// Encodes `text` with `flags` (bit 0: bos and eos, bit 1: control tokens in the text); ends the process if the ids are
// not the vocabulary's, or (`lossless`) do not give the text back.
void check_encoding(const tokenizer::Tokenizer& tokenizer, std::string_view text, uint8_t flags, bool lossless);

}  // namespace da::fuzz
