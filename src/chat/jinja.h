#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "chat/render_options.h"

namespace da::chat {

namespace jinja {
struct Program;
}

// A Jinja template as Hugging Face renders chat templates: trim_blocks, lstrip_blocks, loop controls, the sandbox, and
// raise_exception, strftime_now, tojson, namespace. A parsed template is immutable and may be rendered by many threads.
class JinjaTemplate {
 public:
  // Errors (kCorruptData) name the line.
  static Result<std::unique_ptr<JinjaTemplate>> parse(std::string_view source);
  ~JinjaTemplate();

  // `variables` is an object; the order of keys is kept. Errors name the line and carry the message:
  // kInvalidArgument when the template itself refused its input (raise_exception), kResourceExhausted beyond a limit,
  // else kCorruptData.
  Result<std::string> render(const nlohmann::ordered_json& variables, const RenderOptions& options = {}) const;

  // Whether the template reads a variable of that name anywhere, for example "tools" or "enable_thinking".
  bool mentions(std::string_view name) const;

 private:
  explicit JinjaTemplate(std::unique_ptr<jinja::Program> program);

  std::unique_ptr<jinja::Program> program_;
};

}  // namespace da::chat
