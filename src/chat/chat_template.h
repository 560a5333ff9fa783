#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/result.h"
#include "chat/go_template.h"
#include "chat/jinja.h"
#include "chat/message.h"
#include "chat/render_options.h"

namespace da::chat {

struct ChatOptions {
  // Ends the prompt where the assistant's turn begins. Go templates decide that themselves.
  bool add_generation_prompt = true;
  std::optional<bool> think;  // unset: the template's own default
  std::string think_level;    // low, medium, high, max; empty: none
  std::string system;         // put before the messages if they do not begin with a system message
  // Go templates with a hole to fill: both set means that the messages are not used.
  std::string prompt;
  std::string suffix;
  // More variables for Jinja templates; they replace ours of the same name.
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  RenderOptions render;
};

// What a model's prompt is made with: one of the two template languages behind one call. Immutable; may be shared
// between threads.
class ChatTemplate {
 public:
  // bos and eos are the texts of the model's special tokens; "" where there is none.
  static Result<ChatTemplate> from_jinja(std::string_view source, std::string_view bos_token,
                                         std::string_view eos_token);
  static Result<ChatTemplate> from_go(std::string_view source);

  // `tools`: a list in the form of OpenAI's and Ollama's APIs, or null. kInvalidArgument carries the message of a
  // template that refuses the conversation; kResourceExhausted: a limit; kCorruptData: the template is at fault.
  Result<std::string> render(const std::vector<Message>& messages, const nlohmann::ordered_json& tools,
                             const ChatOptions& options = {}) const;

  bool supports_tools() const { return mentions("tools"); }
  bool supports_thinking() const;
  bool supports_suffix() const { return go_ != nullptr && mentions("suffix"); }
  // Whether the template reads a variable of that name (lower case for Go templates).
  bool mentions(std::string_view name) const { return go_ != nullptr ? go_->mentions(name) : jinja_->mentions(name); }
  bool is_go() const { return go_ != nullptr; }

 private:
  ChatTemplate() = default;
  Result<std::string> render_jinja(const std::vector<Message>& messages, const nlohmann::ordered_json& tools,
                                   const ChatOptions& options) const;
  Result<std::string> render_go(const std::vector<Message>& messages, const nlohmann::ordered_json& tools,
                                const ChatOptions& options) const;

  std::unique_ptr<JinjaTemplate> jinja_;  // exactly one of the two is set
  std::unique_ptr<GoTemplate> go_;
  std::string source_;
  std::string bos_token_;
  std::string eos_token_;
};

}  // namespace da::chat
