#include <algorithm>
#include <utility>

#include "chat/call_stream.h"
#include "chat/call_value.h"
#include "chat/output_text.h"

// Calls with tags around each argument. What stands between the tags is passed over.
namespace da::chat {
namespace {

struct Tags {
  std::string_view call_open;  // empty: the name is at the front
  std::string_view name_end;   // GLM's is the first argument's opening tag
  std::string_view argument_open, key_end, value_open, value_close;
  std::string_view call_close;  // empty: the end of the text
};

constexpr Tags kQwenCoder = {"<function=", ">", "<parameter=", ">", "", "</parameter>", "</function>"};
constexpr Tags kGlm = {"", "<arg_key>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", ""};
constexpr Tags kDeepSeek = {
    "<｜DSML｜invoke name=\"", "\">", "<｜DSML｜parameter name=\"", ">", "", "</｜DSML｜parameter>",
    "</｜DSML｜invoke>"};
constexpr Tags kMiniMax = {"<invoke name=\"", "\">", "<parameter name=\"", ">", "", "</parameter>", "</invoke>"};

constexpr const Tags& tags_of(CallTags form) {
  switch (form) {
    case CallTags::kQwenCoder:
      return kQwenCoder;
    case CallTags::kGlm:
      return kGlm;
    case CallTags::kDeepSeek:
      return kDeepSeek;
    case CallTags::kMiniMax:
      return kMiniMax;
  }
  return kQwenCoder;
}

class TaggedCallStream : public CallStream {
 public:
  TaggedCallStream(CallTags form, int first_index, IsOffered is_offered)
      : CallStream(first_index, std::move(is_offered)), tags_(tags_of(form)) {
    if (tags_.call_open.empty()) state_ = State::kName;
  }

  void feed(std::string_view text, std::vector<ToolCallDelta>& out) override {
    pending_ += text;
    while (step(out)) {
    }
    flush(out);
  }
  bool finish(std::vector<ToolCallDelta>& out) override {
    // Models forget the closing tag of the last call.
    if (state_ == State::kBody) close(out);
    return state_ == State::kBetween && n_ended() > 0;
  }

 private:
  enum class State { kBetween, kName, kBody, kKey, kValueOpen, kValue };

  // Takes the text up to `mark` into `before`; false, and only what may be the mark's beginning stays, if it is not
  // here.
  bool take(std::string_view mark, std::string& before) {
    const size_t at = pending_.find(mark);
    const size_t n = at == std::string::npos ? pending_.size() - partial_suffix(pending_, mark) : at;
    before += std::string_view(pending_).substr(0, n);
    pending_.erase(0, at == std::string::npos ? n : at + mark.size());
    return at != std::string::npos;
  }

  bool step(std::vector<ToolCallDelta>& out) {
    switch (state_) {
      case State::kBetween:
        taken_.clear();
        if (!take(tags_.call_open, taken_)) return false;
        begin(State::kName);
        return true;
      case State::kName:
        if (!take(tags_.name_end, taken_)) return false;
        if (trim(taken_).empty()) return false;  // no call: what follows is lost in it
        name_call(std::string(trim(taken_)));
        write("{");
        n_arguments_ = 0;
        begin(tags_.name_end == tags_.argument_open ? State::kKey : State::kBody);
        return true;
      case State::kBody:
        return step_body(out);
      case State::kKey:
        if (!take(tags_.key_end, taken_)) return false;
        begin_value();
        return true;
      case State::kValueOpen:
        taken_.clear();
        if (!take(tags_.value_open, taken_)) return false;
        begin(State::kValue);
        return true;
      case State::kValue: {
        taken_.clear();
        const bool ended = take(tags_.value_close, taken_);
        std::string json;
        value_.feed(taken_, json);
        if (ended) value_.end(json);
        write(json);
        if (ended) begin(State::kBody);
        return ended;
      }
    }
    return false;
  }

  // The next argument or the call's end, whichever comes first.
  bool step_body(std::vector<ToolCallDelta>& out) {
    const size_t argument = pending_.find(tags_.argument_open);
    const size_t end = tags_.call_close.empty() ? std::string::npos : pending_.find(tags_.call_close);
    if (argument == std::string::npos && end == std::string::npos) {
      size_t keep = partial_suffix(pending_, tags_.argument_open);
      if (!tags_.call_close.empty()) keep = std::max(keep, partial_suffix(pending_, tags_.call_close));
      pending_.erase(0, pending_.size() - keep);
      return false;
    }
    if (argument < end) {
      pending_.erase(0, argument + tags_.argument_open.size());
      begin(State::kKey);
    } else {
      pending_.erase(0, end + tags_.call_close.size());
      close(out);
    }
    return true;
  }

  void begin_value() {
    // key, or key" string="true" in quotes
    std::string_view key = taken_, attributes;
    if (tags_.argument_open.ends_with('"')) {
      const size_t quote = key.find('"');
      attributes = key.substr(std::min(key.size(), quote));
      key = key.substr(0, quote);
    }
    write(n_arguments_++ > 0 ? "," : "");
    write(quoted_json(trim(key)));
    write(":");
    value_.begin(attributes.find("string=\"true\"") != std::string_view::npos);
    begin(tags_.value_open.empty() ? State::kValue : State::kValueOpen);
  }

  void close(std::vector<ToolCallDelta>& out) {
    write("}");
    end_call(out);
    begin(State::kBetween);
  }

  void begin(State state) {
    taken_.clear();
    state_ = state;
  }

  const Tags& tags_;
  State state_ = State::kBetween;
  std::string pending_, taken_;
  BareValue value_;
  int n_arguments_ = 0;
};

}  // namespace

std::unique_ptr<CallStream> tagged_call_stream(CallTags tags, int first_index, CallStream::IsOffered is_offered) {
  return std::make_unique<TaggedCallStream>(tags, first_index, std::move(is_offered));
}

}  // namespace da::chat
