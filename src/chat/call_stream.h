#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace da::chat {

// A further piece of a tool call under way. The first of a call has its name, those of one call together its arguments
// as JSON text.
struct ToolCallDelta {
  int index = 0;
  std::string name;
  std::string arguments;
};

// Reads calls whose text is still coming: {"name": …, "arguments": {…}}, or a list of such. Only what is the next piece
// of a call for a tool on offer comes out; arguments that stand before the name wait for it, those written as a JSON
// string never come out here.
class CallStream {
 public:
  CallStream(int first_index, std::function<bool(const std::string&)> is_offered)
      : index_(first_index), is_offered_(std::move(is_offered)) {}

  // `text` is what was not fed before.
  void feed(std::string_view text, std::vector<ToolCallDelta>& out);
  // Whether pieces of the call with this index came out.
  bool has_begun(int index) const {
    return index == index_ ? announced_ : index < index_ && begun_[static_cast<size_t>(index - first())];
  }
  bool has_begun_any() const { return announced_ || n_begun_ > 0; }

 private:
  int first() const { return index_ - static_cast<int>(begun_.size()); }
  void take(char c);
  void end_string();
  void end_call(std::vector<ToolCallDelta>& out);
  void flush(std::vector<ToolCallDelta>& out);

  int index_;
  std::function<bool(const std::string&)> is_offered_;
  std::vector<bool> begun_;  // of the calls before this one
  int n_begun_ = 0;
  int depth_ = 0, call_depth_ = 0;  // call_depth_: inside the call's own braces, 0 before the first character
  bool in_string_ = false, escaped_ = false, is_value_ = false, in_arguments_ = false, ended_ = false;
  std::string string_, key_, name_, waiting_;
  bool announced_ = false, refused_ = false;
};

// The end of the JSON object or array at the front of a text that grows; begins with { or [.
class JsonEnd {
 public:
  // npos: not complete yet. `text` is what it was at the last call, and more.
  size_t find(std::string_view text);
  void reset() { *this = {}; }

 private:
  size_t at_ = 0;
  int depth_ = 0;
  bool in_string_ = false;
};

}  // namespace da::chat
