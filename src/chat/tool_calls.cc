#include "chat/tool_calls.h"

#include <string>
#include <vector>

#include "chat/call_stream.h"
#include "chat/output_text.h"

namespace da::chat {

using Json = nlohmann::ordered_json;

Json read_tool_calls(std::string_view text) {
  text = trim(text);
  if (text.starts_with('{') || text.starts_with('[')) {
    Json calls = Json::parse(text, nullptr, false);
    return calls.is_object() ? Json::array({std::move(calls)}) : calls;
  }
  const Json no_calls = Json(Json::value_t::discarded);
  const auto stream = make_call_stream(text, 0, [](const std::string&) { return true; });
  if (stream == nullptr) return no_calls;
  std::vector<ToolCallDelta> pieces;
  stream->feed(text, pieces);
  if (!stream->finish(pieces)) return no_calls;
  Json calls = Json::array();
  std::vector<std::string> arguments;
  for (const ToolCallDelta& piece : pieces) {
    if (!piece.name.empty()) {
      calls.push_back({{"name", piece.name}});
      if (!piece.id.empty()) calls.back()["id"] = piece.id;
      arguments.emplace_back();
    }
    arguments.back() += piece.arguments;
  }
  for (size_t i = 0; i < arguments.size(); ++i) calls[i]["arguments"] = Json::parse(arguments[i], nullptr, false);
  return calls.empty() ? no_calls : calls;
}

}  // namespace da::chat
