#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace da::chat {

// A further piece of a tool call under way. The first of a call has its name (and id, where the family writes one),
// those of one call together its arguments as JSON text.
struct ToolCallDelta {
  int index = 0;
  std::string name;
  std::string arguments;
  std::string id = {};
};

// Reads calls whose text is still coming, in one of the forms that tool_calls.h lists. Only what is the next piece of a
// call for a tool on offer comes out.
class CallStream {
 public:
  using IsOffered = std::function<bool(const std::string&)>;
  CallStream(int first_index, IsOffered is_offered) : index_(first_index), is_offered_(std::move(is_offered)) {}
  virtual ~CallStream() = default;

  // `text` is what was not fed before.
  virtual void feed(std::string_view text, std::vector<ToolCallDelta>& out) = 0;
  // No more text comes. False if it broke off in a call, or there was none.
  virtual bool finish(std::vector<ToolCallDelta>& out) = 0;

  // Whether pieces of the call with this index came out.
  bool has_begun(int index) const {
    return index == index_ ? announced_ : index < index_ && begun_[static_cast<size_t>(index - first())];
  }
  bool has_begun_any() const { return announced_ || n_begun_ > 0; }
  // The arguments of that call, all that came out of it.
  const std::string& arguments(int index) const { return arguments_[static_cast<size_t>(index - first())]; }

 protected:
  void name_call(std::string name, std::string id = {});
  void write(std::string_view json) { waiting_ += json; }
  void flush(std::vector<ToolCallDelta>& out);
  void end_call(std::vector<ToolCallDelta>& out);
  int n_ended() const { return static_cast<int>(begun_.size()); }

 private:
  int first() const { return index_ - static_cast<int>(begun_.size()); }

  int index_;
  IsOffered is_offered_;
  std::vector<bool> begun_;             // of the calls before this one
  std::vector<std::string> arguments_;  // of all calls
  int n_begun_ = 0;
  std::string name_, id_, waiting_;
  bool announced_ = false, refused_ = false;
};

// For calls that begin with `text`; null if that does not tell their form (yet).
std::unique_ptr<CallStream> make_call_stream(std::string_view text, int first_index, CallStream::IsOffered is_offered);

// The forms.
std::unique_ptr<CallStream> json_call_stream(int first_index, CallStream::IsOffered is_offered);
std::unique_ptr<CallStream> gemma_call_stream(int first_index, CallStream::IsOffered is_offered);
// A name somewhere in what stands before a JSON object.
enum class CallHeader : uint8_t { kDeepSeek, kKimi, kFunctionary, kMistral };
std::unique_ptr<CallStream> headed_call_stream(CallHeader header, int first_index, CallStream::IsOffered is_offered);
// Tags around every argument.
enum class CallTags : uint8_t { kQwenCoder, kGlm, kDeepSeek, kMiniMax };
std::unique_ptr<CallStream> tagged_call_stream(CallTags tags, int first_index, CallStream::IsOffered is_offered);

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
