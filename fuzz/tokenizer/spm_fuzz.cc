// SentencePiece-style BPE: any bytes as a text.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tokenizer/vocabularies.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto tokenizer = da::fuzz::build_vocabulary("llama", "default");
  if (size < 1) return 0;
  da::fuzz::check_encoding(*tokenizer, {reinterpret_cast<const char*>(data) + 1, size - 1}, data[0], true);
  return 0;
}
