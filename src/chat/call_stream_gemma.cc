#include <nlohmann/json.hpp>
#include <utility>

#include "chat/call_stream.h"
#include "chat/call_value.h"
#include "chat/output_text.h"

namespace da::chat {
namespace {

constexpr std::string_view kTextMarks[] = {"<|\"|>", "<escape>"};
constexpr size_t kMaxDepth = 64, kMaxNameBytes = 1000;

// Gemma's own notation: call:name{key:value,…}, […], bare numbers and words, texts between two marks.
class GemmaCallStream : public CallStream {
 public:
  using CallStream::CallStream;

  void feed(std::string_view text, std::vector<ToolCallDelta>& out) override {
    pending_ += text;
    while (step(out)) {
    }
    if (state_ != State::kBroken) flush(out);
  }
  bool finish(std::vector<ToolCallDelta>&) override {
    return state_ == State::kCall && trim(pending_).empty() && n_ended() > 0;
  }

 private:
  enum class State { kCall, kKey, kValue, kText, kAfter, kBroken };

  bool step(std::vector<ToolCallDelta>& out) {
    if (state_ != State::kText) pending_.erase(0, pending_.size() - trim_left(pending_).size());
    if (pending_.empty()) return false;
    switch (state_) {
      case State::kCall:
        return step_call();
      case State::kKey:
        return step_key();
      case State::kValue:
        return step_value();
      case State::kText:
        return step_text();
      case State::kAfter:
        return step_after(out);
      case State::kBroken:
        return false;
    }
    return false;
  }

  bool step_call() {
    constexpr std::string_view kCall = "call:";
    if (pending_.size() < kCall.size() && kCall.starts_with(pending_)) return false;
    const size_t brace = std::string_view(pending_).substr(0, kMaxNameBytes).find('{');
    if (!pending_.starts_with(kCall)) return break_off();
    if (brace == std::string::npos) return pending_.size() < kMaxNameBytes ? false : break_off();
    const std::string name(trim(std::string_view(pending_).substr(kCall.size(), brace - kCall.size())));
    if (name.empty()) return break_off();
    name_call(name);
    pending_.erase(0, brace);
    return open('{');
  }

  bool open(char bracket) {
    pending_.erase(0, 1);
    write(std::string_view(&bracket, 1));
    open_ += bracket;
    is_empty_ = true;
    state_ = bracket == '{' ? State::kKey : State::kValue;
    return open_.size() <= kMaxDepth || break_off();
  }

  // A key and its colon; the end of an object that has none.
  bool step_key() {
    if (is_empty_ && pending_[0] == '}') {
      state_ = State::kAfter;
      return true;
    }
    const size_t colon = pending_.find(':', searched_);
    searched_ = colon == std::string::npos ? pending_.size() : 0;
    if (colon == std::string::npos) return false;
    write(quoted_json(trim(std::string_view(pending_).substr(0, colon))));
    write(":");
    pending_.erase(0, colon + 1);
    state_ = State::kValue;
    return true;
  }

  bool step_value() {
    if (open_.back() == '[' && is_empty_ && pending_[0] == ']') {
      state_ = State::kAfter;
      return true;
    }
    is_empty_ = false;
    for (const std::string_view mark : kTextMarks) {
      if (pending_.size() < mark.size() && mark.starts_with(pending_)) return false;
      if (!pending_.starts_with(mark)) continue;
      pending_.erase(0, mark.size());
      mark_ = mark;
      write("\"");
      state_ = State::kText;
      return true;
    }
    if (pending_[0] == '{' || pending_[0] == '[') return open(pending_[0]);
    const size_t end = pending_.find_first_of(",]}", searched_);
    if (end == std::string::npos) {
      searched_ = pending_.size();
      return false;
    }
    searched_ = 0;
    const std::string word(trim(std::string_view(pending_).substr(0, end)));
    write(nlohmann::json::accept(word) ? word : quoted_json(word));
    pending_.erase(0, end);
    state_ = State::kAfter;
    return true;
  }

  bool step_text() {
    const size_t end = pending_.find(mark_);
    const size_t n = end == std::string::npos ? pending_.size() - partial_suffix(pending_, mark_) : end;
    std::string json;
    append_escaped(json, std::string_view(pending_).substr(0, n));
    write(json);
    pending_.erase(0, end == std::string::npos ? n : end + mark_.size());
    if (end == std::string::npos) return false;
    write("\"");
    state_ = State::kAfter;
    return true;
  }

  // A comma, or the end of what is open.
  bool step_after(std::vector<ToolCallDelta>& out) {
    const char c = pending_[0];
    const bool is_object = open_.back() == '{';
    if (c != ',' && c != (is_object ? '}' : ']')) return break_off();
    pending_.erase(0, 1);
    write(std::string_view(&c, 1));
    is_empty_ = false;
    if (c == ',') {
      state_ = is_object ? State::kKey : State::kValue;
      return true;
    }
    open_.pop_back();
    if (open_.empty()) {
      end_call(out);
      state_ = State::kCall;
    }
    return true;
  }

  bool break_off() {
    state_ = State::kBroken;
    return false;
  }

  State state_ = State::kCall;
  std::string pending_, open_;
  std::string_view mark_;
  size_t searched_ = 0;
  bool is_empty_ = false;  // nothing in the innermost bracket yet
};

}  // namespace

std::unique_ptr<CallStream> gemma_call_stream(int first_index, CallStream::IsOffered is_offered) {
  return std::make_unique<GemmaCallStream>(first_index, std::move(is_offered));
}

}  // namespace da::chat
