// A family by the first byte, then what a model answers: whole or in small pieces it is split into the same thinking,
// content and calls, and the pieces of a call that is complete are its arguments.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

#include "chat/output_parser.h"

namespace {

using namespace da::chat;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Outcome {
  std::string text;
  std::string calls;
  bool operator==(const Outcome&) const = default;
};

Outcome split(const OutputFormat& format, std::string_view answer, size_t size, bool in_pieces) {
  OutputParser parser(format, {"f", "get"}, in_pieces);
  Outcome outcome;
  std::map<int, std::string> pieces;
  std::string thinking;
  const auto add = [&](const OutputDelta& delta) {
    outcome.text += delta.content;
    thinking += delta.thinking;
    for (const ToolCallDelta& piece : delta.call_pieces) pieces[piece.index] += piece.arguments;
    for (const ToolCall& call : delta.tool_calls) {
      require(call.arguments.is_object() && (call.name == "f" || call.name == "get"));
      const std::string arguments =
          call.arguments.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
      outcome.calls += std::to_string(call.index) + call.name + arguments + "\n";
      if (!in_pieces) continue;
      const auto joined = nlohmann::ordered_json::parse(pieces[call.index], nullptr, false);
      require(!joined.is_discarded() &&
              joined.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) == arguments);
    }
  };
  for (size_t at = 0; at < answer.size(); at += size) add(parser.push(answer.substr(at, size)));
  add(parser.finish());
  outcome.text += "\n" + thinking;
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static constexpr const char* kTemplates[] = {
      "<think> </think> <tool_call> </tool_call>",
      "[TOOL_CALLS] [THINK] [/THINK]",
      "<|start_header_id|> <|python_tag|>",
      "<|channel|> <|message|>",
      "<｜tool▁calls▁begin｜> <｜tool▁calls▁end｜> </think>",
      "<|tool_call|> <think> </think>",
      "<|channel>thought <channel|> <|tool_call> <tool_call|>",
      "<|tool_calls_section_begin|> <|tool_calls_section_end|>",
      "<|START_ACTION|> <|END_ACTION|> <|START_THINKING|> <|END_THINKING|> <|START_RESPONSE|> <|END_RESPONSE|>",
      "<function= </function>",
      "<start_function_call> <end_function_call>",
      "｜DSML｜ function_calls",
      "<minimax:tool_call> </minimax:tool_call>"};
  if (size < 1) return 0;
  const std::string_view answer(reinterpret_cast<const char*>(data) + 1, std::min<size_t>(size - 1, 2000));
  const OutputFormat format = detect_output_format(kTemplates[data[0] % std::size(kTemplates)], "");
  const Outcome whole = split(format, answer, answer.size() + 1, false);
  for (const size_t piece : {1, 3}) require(split(format, answer, piece, false) == whole);
  (void)split(format, answer, 2, true);
  return 0;
}
