#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace da::chat {

// How a family of models marks tool calls in its output.
enum class ToolFormat {
  kNone,
  kTagged,  // calls between two tags, or behind one: JSON, or one of the families' own forms (tool_calls.h)
  kLlama,  // the whole answer is {"name": …, "parameters": {…}}, possibly behind <|python_tag|>, several split by ";"
  kMistral,  // [TOOL_CALLS][{"name": …, "arguments": {…}}, …], or [TOOL_CALLS]name[ARGS]{…}
  kHarmony,  // messages to=functions.name in gpt-oss's form
};

struct OutputFormat {
  std::string think_open;   // "<think>"; empty: no thinking
  std::string think_close;  // "</think>"
  // The prompt ended with the opening tag: output starts inside the thinking.
  bool starts_thinking = false;
  ToolFormat tools = ToolFormat::kNone;
  std::string call_open, call_close;  // kTagged; the second may be empty
  std::vector<std::string> dropped;   // tags around the answer that are no part of it
  // gpt-oss: <|channel|>analysis<|message|>…<|end|><|start|>assistant<|channel|>final<|message|>…; what the prompt has
  // already of the first message's header.
  bool harmony = false;
  std::string harmony_header;

  // False: the output is content as it is.
  bool is_marked() const { return harmony || !think_open.empty() || tools != ToolFormat::kNone || !dropped.empty(); }
  // Without tools on offer no call is looked for.
  void forget_tools();
  // The markers as text. Where a vocabulary has one as a control token, the engine must write it out.
  std::vector<std::string> markers() const;
};

// Chooses by the markers in the template's text, never by a model's name. `rendered_prompt` (its end is enough) tells
// where in the form the output starts.
OutputFormat detect_output_format(std::string_view template_source, std::string_view rendered_prompt);

}  // namespace da::chat
