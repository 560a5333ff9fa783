#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "chat/render_options.h"

namespace da::chat {

namespace go {
struct Node;
struct Program;
}  // namespace go

// A template in the language of Go's text/template with Ollama's functions. A parsed template is immutable and may be
// rendered by many threads.
class GoTemplate {
 public:
  // Errors (kCorruptData) name the line.
  static Result<std::unique_ptr<GoTemplate>> parse(std::string_view source);
  ~GoTemplate();

  // Executes the template with `data` as its dot. Errors: kResourceExhausted beyond a limit, else kCorruptData.
  Result<std::string> render(const nlohmann::ordered_json& data, const RenderOptions& options = {}) const;

  // Renders a chat as Ollama does. `values`: {messages, tools?, think?, think_level?, is_think_set?, prompt?, suffix?},
  // messages and tools in the form of Ollama's API. kInvalidArgument: the values do not have that form.
  Result<std::string> render_chat(const nlohmann::ordered_json& values, const RenderOptions& options = {}) const;

  // Whether the template refers to a field or variable of that name (lower case), for example "tools".
  bool mentions(std::string_view name) const;

 private:
  GoTemplate();

  std::unique_ptr<go::Program> program_;
  std::unique_ptr<go::Node> chat_root_;  // with {{ .Response }} at the end if the template has no such field
  std::unique_ptr<go::Node> cut_root_;   // without what follows the first .Response: the turn to be generated
  std::set<std::string, std::less<>> mentions_;
  size_t source_bytes_ = 0;
};

}  // namespace da::chat
