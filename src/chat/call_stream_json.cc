#include <nlohmann/json.hpp>
#include <utility>

#include "chat/call_stream.h"
#include "chat/output_text.h"

// Calls whose arguments are written as JSON: they come out as they are.
namespace da::chat {
namespace {

// {"name": …, "arguments": {…}}, or a list of such. Arguments that stand before the name wait for it, those written as
// a JSON string never come out here.
class JsonCallStream : public CallStream {
 public:
  using CallStream::CallStream;

  void feed(std::string_view text, std::vector<ToolCallDelta>& out) override {
    for (const char c : text) {
      if (ended_) break;
      const bool was_inside = call_depth_ > 0 && depth_ >= call_depth_;
      take(c);
      if (was_inside && depth_ < call_depth_) {
        end_call(out);
        key_.clear();
        is_value_ = in_arguments_ = has_arguments_ = false;
      }
    }
    flush(out);
  }
  bool finish(std::vector<ToolCallDelta>& out) override {
    flush(out);
    return ended_ && n_ended() > 0;
  }

 private:
  // One character. At the call's own level keys and the name are read; the arguments are copied as they are.
  void take(char c) {
    const bool copied = in_arguments_;
    if (copied) write(std::string_view(&c, 1));
    if (in_string_) {
      if (!copied && depth_ == call_depth_) string_ += c;
      if (!escaped_ && c == '"') {
        in_string_ = false;
        if (!copied && depth_ == call_depth_) end_string();
      }
      escaped_ = !escaped_ && c == '\\';
      return;
    }
    switch (c) {
      case '"':
        in_string_ = true;
        string_ = c;
        return;
      case '{':
      case '[':
        ++depth_;
        if (call_depth_ == 0) call_depth_ = c == '[' ? 2 : 1;
        if (depth_ == call_depth_ + 1 && is_value_ && c == '{' && !has_arguments_ &&
            (key_ == "arguments" || key_ == "parameters")) {
          in_arguments_ = has_arguments_ = true;
          write("{");
        }
        return;
      case '}':
      case ']':
        --depth_;
        if (in_arguments_ && depth_ == call_depth_) in_arguments_ = false;
        if (depth_ == 0) ended_ = true;
        return;
      case ':':
        if (depth_ == call_depth_) is_value_ = true;
        return;
      case ',':
        if (depth_ == call_depth_) is_value_ = false;
        return;
      default:
        if (call_depth_ == 0 && kSpaces.find(c) == std::string_view::npos) ended_ = true;  // no JSON
    }
  }

  void end_string() {
    const auto decoded = nlohmann::json::parse(string_, nullptr, false);
    if (!decoded.is_string()) return;
    if (!is_value_) {
      key_ = decoded.get<std::string>();
    } else if (key_ == "name" || key_ == "tool_name") {
      name_call(decoded.get<std::string>());
    }
  }

  int depth_ = 0, call_depth_ = 0;  // call_depth_: inside the call's own braces, 0 before the first character
  bool in_string_ = false, escaped_ = false, is_value_ = false, in_arguments_ = false, ended_ = false;
  bool has_arguments_ = false;  // of two, the first counts
  std::string string_, key_;
};

// A header with the name, an object, the next header, and so on.
class HeadedCallStream : public CallStream {
 public:
  HeadedCallStream(CallHeader form, int first_index, IsOffered is_offered)
      : CallStream(first_index, std::move(is_offered)), form_(form) {}

  void feed(std::string_view text, std::vector<ToolCallDelta>& out) override {
    while (!text.empty() && !broken_) {
      if (!in_object_) {
        const size_t brace = text.find('{');
        header_ += text.substr(0, brace);
        if (brace == std::string_view::npos) break;
        text.remove_prefix(brace);
        broken_ = !read_header();
        in_object_ = true;
        continue;
      }
      size_t n = 0;
      bool closed = false;
      while (n < text.size() && !closed) closed = take(text[n++]);
      write(text.substr(0, n));
      text.remove_prefix(n);
      if (!closed) break;
      end_call(out);
      header_.clear();
      in_object_ = false;
    }
    if (!broken_) flush(out);
  }
  bool finish(std::vector<ToolCallDelta>&) override { return !broken_ && !in_object_ && n_ended() > 0; }

 private:
  // Whether this character closes the object.
  bool take(char c) {
    if (in_string_) {
      if (!escaped_ && c == '"') in_string_ = false;
      escaped_ = !escaped_ && c == '\\';
      return false;
    }
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_;
    return (c == '}' || c == ']') && --depth_ == 0;
  }

  bool read_header() {
    std::string_view text = header_, before, name, id;
    switch (form_) {
      case CallHeader::kDeepSeek:  // …<｜tool▁call▁begin｜>name<｜tool▁sep｜>, or function<｜tool▁sep｜>name and a line
                                   // end
        if (!take_until(text, "<｜tool▁call▁begin｜>", before) || !take_until(text, "<｜tool▁sep｜>", name))
          return false;
        if (trim(name) == "function" && !take_until(text, "\n", name)) return false;
        break;
      case CallHeader::kKimi:  // …<|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>
        if (!take_until(text, "<|tool_call_begin|>", before) || !take_until(text, "<|tool_call_argument_begin|>", id))
          return false;
        id = trim(id);
        name = id.substr(0, id.rfind(':'));
        if (name.starts_with("functions.")) name.remove_prefix(std::string_view("functions.").size());
        break;
      case CallHeader::kFunctionary:  // name>
        if (!take_until(text, ">", name) || n_ended() > 0) return false;
        break;
      case CallHeader::kMistral:  // name, perhaps [CALL_ID]… and [ARGS]
        if (n_ended() > 0) return false;
        name = text.substr(0, text.find('['));
        break;
    }
    name = trim(name);
    if (name.empty()) return false;
    name_call(std::string(name), std::string(id));
    return true;
  }

  CallHeader form_;
  std::string header_;
  bool in_object_ = false, broken_ = false, in_string_ = false, escaped_ = false;
  int depth_ = 0;
};

}  // namespace

std::unique_ptr<CallStream> json_call_stream(int first_index, CallStream::IsOffered is_offered) {
  return std::make_unique<JsonCallStream>(first_index, std::move(is_offered));
}

std::unique_ptr<CallStream> headed_call_stream(CallHeader header, int first_index, CallStream::IsOffered is_offered) {
  return std::make_unique<HeadedCallStream>(header, first_index, std::move(is_offered));
}

}  // namespace da::chat
