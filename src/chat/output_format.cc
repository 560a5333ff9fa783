#include "chat/output_format.h"

#include <array>
#include <utility>

#include "chat/output_text.h"

namespace da::chat {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr auto kThinking = std::to_array<Pair>({
    {"<think>", "</think>"},
    {"[THINK]", "[/THINK]"},
    {"<|channel>thought", "<channel|>"},  // Gemma 4
    {"<|START_THINKING|>", "<|END_THINKING|>"},
    {"<seed:think>", "</seed:think>"},
    {"<thinking>", "</thinking>"},
    {"<reasoning>", "</reasoning>"},
    {"Here is my thought process:", "Here is my response:"},  // Granite 3.2
});

// Tags around calls, the more telling first. Granite's and Phi-4's opening tags are alike.
constexpr auto kCalls = std::to_array<Pair>({
    {"<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"},
    {"<|START_ACTION|>", "<|END_ACTION|>"},
    {"<tool_calls>", "</tool_calls>"},  // Apriel
    {"<minimax:tool_call>", "</minimax:tool_call>"},
    {"<tool_call>", "</tool_call>"},
    {"<|tool_call|>", "<|/tool_call|>"},
    {"<TOOLCALL>", "</TOOLCALL>"},
    {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"},  // Kimi K2
    {"<|tool_call>", "<tool_call|>"},                                // Gemma 4
    {"<start_function_call>", "<end_function_call>"},                // FunctionGemma
    {"<seed:tool_call>", "</seed:tool_call>"},
    {"<function=", "</function>"},  // Functionary: the name follows at once
});

constexpr auto kAnswerTags =
    std::to_array<std::string_view>({"<response>", "</response>", "<|START_RESPONSE|>", "<|END_RESPONSE|>"});

constexpr std::string_view kActionOpen = "Action: ```json", kActionClose = "```";

}  // namespace

void OutputFormat::forget_tools() {
  tools = ToolFormat::kNone;
  call_open.clear();
  call_close.clear();
}

std::vector<std::string> OutputFormat::markers() const {
  std::vector<std::string> all = dropped;
  for (const std::string& marker : {think_open, think_close, call_open, call_close}) {
    if (!marker.empty()) all.push_back(marker);
  }
  const auto add = [&](std::initializer_list<const char*> more) { all.insert(all.end(), more.begin(), more.end()); };
  if (harmony) add({"<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|call|>", "<|return|>"});
  if (tools == ToolFormat::kMistral) add({"[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"});
  if (tools == ToolFormat::kLlama) add({"<|python_tag|>"});
  if (call_open.starts_with("<｜tool▁calls")) add({"<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"});
  if (call_open.starts_with("<｜DSML｜")) add({"｜DSML｜"});
  if (think_open.starts_with("<|channel>")) add({"<|channel>"});
  if (call_open == "<|tool_call>") add({"<|\"|>"});
  if (call_open == "<start_function_call>") add({"<escape>"});
  if (call_open.starts_with("<|tool_calls_section"))
    add({"<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"});
  return all;
}

OutputFormat detect_output_format(std::string_view template_source, std::string_view rendered_prompt) {
  OutputFormat format;
  const auto has = [&](std::string_view marker) { return template_source.find(marker) != std::string_view::npos; };
  const std::string_view end = rendered_prompt.substr(0, rendered_prompt.find_last_not_of(kSpaces) + 1);
  if (has("<|channel|>") && has("<|message|>")) {
    format.harmony = true;
    format.tools = ToolFormat::kHarmony;
    // A prompt may end inside the answer's first message, or in its header.
    const size_t start = rendered_prompt.rfind("<|start|>");
    const std::string_view message =
        start == std::string_view::npos ? std::string_view() : rendered_prompt.substr(start);
    const size_t channel = message.find("<|channel|>");
    const bool ended =
        message.find("<|end|>") != std::string_view::npos || message.find("<|return|>") != std::string_view::npos;
    if (channel != std::string_view::npos && !ended) format.harmony_header = message.substr(channel);
    return format;
  }
  for (const auto& [open, close] : kThinking) {
    if (!has(close)) continue;
    format.think_open = open;
    format.think_close = close;
    format.starts_thinking = end.ends_with(open);
    break;
  }
  for (const std::string_view tag : kAnswerTags) {
    if (has(tag)) format.dropped.emplace_back(tag);
  }
  if (has("｜DSML｜")) {  // DeepSeek V3.2 and later; templates put the tags together out of this
    const std::string name = has("function_calls") ? "function_calls>" : "tool_calls>";
    format.tools = ToolFormat::kTagged;
    format.call_open = "<｜DSML｜" + name;
    format.call_close = "</｜DSML｜" + name;
    return format;
  }
  for (const auto& [open, close] : kCalls) {
    if (!has(open)) continue;
    format.tools = ToolFormat::kTagged;
    format.call_open = open;
    if (has(close)) format.call_close = close;
    return format;
  }
  if (has(kMistralOpen)) {
    format.tools = ToolFormat::kMistral;
  } else if (has("<|start_header_id|>") && (has("\"parameters\"") || has(kPythonTag))) {
    format.tools = ToolFormat::kLlama;
  } else if (has("Action:") && has("```json") && has("tool_name")) {
    format.tools = ToolFormat::kTagged;
    format.call_open = kActionOpen;
    format.call_close = kActionClose;
  }
  return format;
}

}  // namespace da::chat
