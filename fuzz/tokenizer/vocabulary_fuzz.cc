// Any bytes as a vocabulary (a GGUF file), and as a text for it: refused with a message, or a tokenizer whose ids are
// its own.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "gguf/gguf.h"
#include "tokenizer/vocabularies.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = da::gguf::File::parse(std::as_bytes(std::span(data, size)), "fuzz");
  if (!file.is_ok()) return 0;
  const auto own = da::tokenizer::Tokenizer::from_gguf(**file);
  if (!own.is_ok()) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const uint8_t flags : {0, 3}) {
    const auto ids = (*own)->encode(text, {.add_special = flags != 0, .parse_special = flags != 0});
    for (const auto id : ids) {
      if (id < 0 || id >= (*own)->n_tokens()) std::abort();
    }
    if (!(*own)->decode(ids).is_ok()) std::abort();
  }
  return 0;
}
