// SentencePiece-style BPE, by scores or (bit 2 of the first byte) by a list of merges: any bytes as a text.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tokenizer/vocabularies.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto by_score = da::fuzz::build_vocabulary("llama", "default");
  static const auto by_list = da::fuzz::build_vocabulary("gemma4", "gemma4");
  if (size < 1) return 0;
  da::fuzz::check_encoding((data[0] & 4) != 0 ? *by_list : *by_score,
                           {reinterpret_cast<const char*>(data) + 1, size - 1}, data[0], true);
  return 0;
}
