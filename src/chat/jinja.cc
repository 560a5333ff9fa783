#include "chat/jinja.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "chat/jinja/interpreter.h"
#include "chat/jinja/parser.h"

namespace da::chat {
namespace {

// Bytes of text in the variables, the measure that limits refer to. Walks without recursion: input may nest.
size_t text_bytes(const nlohmann::ordered_json& variables) {
  size_t bytes = 0;
  std::vector<const nlohmann::ordered_json*> pending = {&variables};
  while (!pending.empty()) {
    const nlohmann::ordered_json* json = pending.back();
    pending.pop_back();
    if (json->is_string()) {
      bytes += json->get_ref<const std::string&>().size();
    } else if (json->is_array()) {
      for (const auto& element : *json) {
        pending.push_back(&element);
      }
    } else if (json->is_object()) {
      for (const auto& [key, element] : json->items()) {
        bytes += key.size();
        pending.push_back(&element);
      }
    }
  }
  return bytes;
}

}  // namespace

JinjaTemplate::JinjaTemplate(std::unique_ptr<jinja::Program> program) : program_(std::move(program)) {}
JinjaTemplate::~JinjaTemplate() = default;

Result<std::unique_ptr<JinjaTemplate>> JinjaTemplate::parse(std::string_view source) {
  DA_ASSIGN_OR_RETURN(std::unique_ptr<jinja::Program> program, jinja::parse(source, RenderLimits{}.max_depth));
  return std::unique_ptr<JinjaTemplate>(new JinjaTemplate(std::move(program)));
}

Result<std::string> JinjaTemplate::render(const nlohmann::ordered_json& variables, const RenderOptions& options) const {
  if (!variables.is_object()) {
    return Status(ErrorCode::kInvalidArgument, "render template: the variables are not a JSON object");
  }
  jinja::Interpreter interpreter(*program_, options, program_->source.size() + text_bytes(variables));
  for (const auto& [name, value] : variables.items()) {
    interpreter.set_variable(name, value);
  }
  return interpreter.run();
}

bool JinjaTemplate::mentions(std::string_view name) const {
  return program_->find_name(name) != jinja::Program::kNotFound;
}

}  // namespace da::chat
