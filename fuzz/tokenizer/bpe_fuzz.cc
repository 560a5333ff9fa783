// Byte-level BPE: any bytes as a text, under each published pre-tokenizer in turn.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "tokenizer/pretokenizer.h"
#include "tokenizer/vocabularies.h"

namespace {

using Tokenizers = std::vector<std::unique_ptr<da::tokenizer::Tokenizer>>;

const Tokenizers& tokenizers() {
  static const Tokenizers instances = [] {
    Tokenizers made;
    for (const std::string_view pre : da::tokenizer::PreTokenizer::rules())
      made.push_back(da::fuzz::build_vocabulary("gpt2", pre));
    return made;
  }();
  return instances;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  da::fuzz::check_encoding(*tokenizers()[data[0] % tokenizers().size()], text, data[1], true);
  return 0;
}
