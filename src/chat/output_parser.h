#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/message.h"
#include "chat/output_format.h"

namespace da::chat {

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
  enum class State { kStart, kThinking, kAfterThinking, kContent, kCall, kHeader, kMessage };
  struct Marker {
    size_t at, length;
    bool opens_call;
  };

  void run(OutputDelta& out, bool at_end);
  bool step(OutputDelta& out, bool at_end);
  bool step_start(bool at_end);
  bool step_thinking(OutputDelta& out, bool at_end);
  bool step_content(OutputDelta& out, bool at_end);
  bool step_call(OutputDelta& out, bool at_end);
  bool step_header(bool at_end);
  bool step_message(OutputDelta& out, bool at_end);
  void end_message(OutputDelta& out);
  bool take_tagged(OutputDelta& out, bool at_end);
  bool take_llama(OutputDelta& out, bool at_end);
  bool take_mistral(OutputDelta& out, bool at_end);
  bool add_calls(std::string_view text, OutputDelta& out);
  bool add_call(const nlohmann::ordered_json& json, OutputDelta& out);
  bool is_offered(const std::string& name) const;
  // The first marker in pending_; at its end, with length 0, how much of it may be the start of one.
  Marker find_marker() const;
  // The marker's text goes out as content: no call was found behind it.
  bool give_up(OutputDelta& out);

  OutputFormat format_;
  std::vector<std::string> tool_names_;
  State state_;
  std::string pending_;  // not decided yet
  bool trim_ = false;    // white space at the front of pending_ is dropped
  bool any_content_ = false;
  int next_index_ = 0;
  // Of the harmony message under way: where its text goes, the function it calls, and its arguments.
  bool message_thinks_ = false;
  std::string called_, arguments_;
};

}  // namespace da::chat
