#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/gguf.h"

namespace da::store {

// What a GGUF header tells about its model.
struct ModelDetails {
  std::string family;               // the architecture
  std::string parameter_size;       // "8.0B"
  std::string quantization_level;   // "Q4_K_M"
  uint64_t parameter_count = 0, context_length = 0, embedding_length = 0;
  bool pools = false;               // an embedding model
  bool jinja_tools = false, jinja_thinking = false;
  bool is_model = true;             // false: an adapter or a projector
};

Result<ModelDetails> read_details(const gguf::File& file);

// "8.0B", "5.2M", "260K".
std::string parameter_size_text(uint64_t count);

// Ollama's rules; a Go template, where there is one, decides over the GGUF's own.
std::vector<std::string> capabilities(const ModelDetails& details, std::string_view go_template,
                                      const std::vector<std::string>& declared);

}  // namespace da::store
