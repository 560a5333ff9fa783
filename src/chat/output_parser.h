#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/call_stream.h"
#include "chat/message.h"
#include "chat/output_format.h"

namespace da::chat {

struct OutputDelta {
  std::string content;
  std::string thinking;
  std::vector<ToolCall> tool_calls;        // complete ones
  std::vector<ToolCallDelta> call_pieces;  // only if asked for: the same calls, in pieces as they come

  bool empty() const { return content.empty() && thinking.empty() && tool_calls.empty() && call_pieces.empty(); }
};

// Splits a stream of answer text into thinking, content and tool calls. Text that might be the start of a marker is
// held back until that is decided. What looks like a call but is none (not JSON, no name, a tool that is not offered)
// comes out as content. Not thread-safe.
class OutputParser {
 public:
  // `tool_names`: the tools offered; empty accepts any name. `in_pieces`: arguments come out as JSON text while they
  // are written, in whatever notation. A call of which pieces are out stays a call even if the model breaks off in it;
  // it is then missing among the complete ones.
  OutputParser(OutputFormat format, std::vector<std::string> tool_names, bool in_pieces = false);

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
  // Feeds what has come of a call to its stream; `ended`: up to `size` it is all there.
  void stream_call(OutputDelta& out, size_t size, bool ended);
  void leave_call();
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
  bool only_space_ = true;  // since the beginning, or the last call
  int next_index_ = 0;
  // Of the harmony message under way: where its text goes, the function it calls, and its arguments.
  bool message_thinks_ = false;
  std::string called_, arguments_;
  // Of the call under way: how far it was searched for its end, and its pieces.
  size_t searched_ = 0;
  JsonEnd json_end_;
  const bool in_pieces_;
  std::unique_ptr<CallStream> stream_;
  size_t streamed_ = 0;         // bytes of pending_
  bool message_begun_ = false;  // pieces of the harmony call are out
};

}  // namespace da::chat
