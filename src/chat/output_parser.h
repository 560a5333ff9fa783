#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/message.h"

namespace da::chat {

// How a family of models marks tool calls in its output.
enum class ToolFormat {
  kNone,
  kHermes,  // <tool_call>{"name": …, "arguments": {…}}</tool_call>, several one after another
  kLlama,  // the whole answer is {"name": …, "parameters": {…}}, possibly behind <|python_tag|>, several split by ";"
  kMistral,  // [TOOL_CALLS][{"name": …, "arguments": {…}}, …], or [TOOL_CALLS]name[ARGS]{…}
};

struct OutputFormat {
  std::string think_open;   // "<think>"; empty: no thinking
  std::string think_close;  // "</think>"
  // The prompt ended with the opening tag: output starts inside the thinking.
  bool starts_thinking = false;
  ToolFormat tools = ToolFormat::kNone;
};

// Chooses by the markers in the template's text. `rendered_prompt` tells whether output starts inside the thinking.
OutputFormat detect_output_format(std::string_view template_source, std::string_view rendered_prompt);

struct OutputDelta {
  std::string content;
  std::string thinking;
  std::vector<ToolCall> tool_calls;  // complete ones

  bool empty() const { return content.empty() && thinking.empty() && tool_calls.empty(); }
};

// Splits a stream of answer text into thinking, content and tool calls. Text that might be the start of a marker is
// held back until that is decided. What looks like a call but is none (not JSON, no name, a tool that is not offered)
// comes out as content. Not thread-safe.
class OutputParser {
 public:
  // `tool_names`: the tools offered; empty accepts any name.
  OutputParser(OutputFormat format, std::vector<std::string> tool_names);

  OutputDelta push(std::string_view text);
  // What is left at the end of the answer.
  OutputDelta finish();

 private:
  enum class State { kStart, kThinking, kAfterThinking, kContent, kCall };

  void run(OutputDelta& out, bool at_end);
  bool step(OutputDelta& out, bool at_end);
  bool step_start(bool at_end);
  bool step_thinking(OutputDelta& out, bool at_end);
  bool step_content(OutputDelta& out, bool at_end);
  bool step_call(OutputDelta& out, bool at_end);
  bool take_hermes(OutputDelta& out, bool at_end);
  bool take_llama(OutputDelta& out, bool at_end);
  bool take_mistral(OutputDelta& out, bool at_end);
  bool add_calls(std::string_view json_text, OutputDelta& out);
  bool add_call(const nlohmann::ordered_json& json, OutputDelta& out);
  bool is_offered(const std::string& name) const;
  std::string_view call_marker() const;
  // The marker's text goes out as content: no call was found behind it.
  bool give_up(OutputDelta& out);

  OutputFormat format_;
  std::vector<std::string> tool_names_;
  State state_;
  std::string pending_;  // not decided yet
  bool trim_ = false;    // white space at the front of pending_ is dropped
  bool any_content_ = false;
  int next_index_ = 0;
};

}  // namespace da::chat
