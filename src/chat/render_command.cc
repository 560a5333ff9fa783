#include "chat/render_command.h"

#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "chat/go_template.h"
#include "chat/jinja.h"

namespace da::chat {
namespace {

using Json = nlohmann::ordered_json;

Result<std::string> render_jinja(std::string_view source, Json variables, const RenderOptions& options) {
  DA_ASSIGN_OR_RETURN(std::unique_ptr<JinjaTemplate> parsed, JinjaTemplate::parse(source));
  if (variables.is_object()) {
    for (const char* name : {"tools", "documents"}) {
      if (variables.find(name) == variables.end()) {
        variables[name] = nullptr;
      }
    }
  }
  return parsed->render(variables, options);
}

Result<std::string> render_go(std::string_view source, const Json& variables, const RenderOptions& options) {
  DA_ASSIGN_OR_RETURN(std::unique_ptr<GoTemplate> parsed, GoTemplate::parse(source));
  auto messages = variables.is_object() ? variables.find("messages") : variables.end();
  bool chat = variables.is_object() && messages != variables.end() && messages->is_array();
  return chat ? parsed->render_chat(variables, options) : parsed->render(variables, options);
}

}  // namespace

Result<std::string> render_file(const std::string& path, std::string_view engine, std::string_view json_text,
                                const RenderOptions& options) {
  if (engine != "jinja" && engine != "go") {
    return Status(ErrorCode::kInvalidArgument,
                  "render: unknown engine '" + std::string(engine) + "', expected jinja or go");
  }
  DA_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  auto bytes = file.bytes();
  std::string_view source(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  Json variables = Json::parse(json_text, nullptr, false);
  if (variables.is_discarded()) {
    return Status(ErrorCode::kInvalidArgument, "render: the variables are not valid JSON");
  }
  return engine == "jinja" ? render_jinja(source, std::move(variables), options)
                           : render_go(source, variables, options);
}

}  // namespace da::chat
