#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "chat/go/value.h"

namespace da::chat::go {

// JSON as Go decodes it into any: sorted maps. With `all_floats` every number is a float64, as encoding/json makes
// them; else numbers without point or exponent are ints. Text is referred to, not copied.
Result<Value> from_json(const nlohmann::ordered_json& json, Heap& heap, bool all_floats, size_t max_depth);

// The messages as templates see them: neighbours of one role joined, the system texts collected.
struct Conversation {
  struct Turn {
    std::string_view role;
    std::string_view content;
  };
  std::string_view system;
  std::vector<Turn> turns;
  Value messages;
};
Result<Conversation> make_conversation(const nlohmann::ordered_json& messages, Heap& heap, size_t max_depth);

// The tools of a request, reduced to the schema fields that Ollama keeps.
Result<Value> make_tools(const nlohmann::ordered_json& tools, Heap& heap, size_t max_depth);

}  // namespace da::chat::go
