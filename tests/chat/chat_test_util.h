#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "chat/go_template.h"
#include "chat/jinja.h"

namespace da::chat {

inline RenderOptions fixed_options() {
  RenderOptions options;
  options.now = {2026, 1, 15, 12, 0, 0};
  return options;
}

// The rendering, or "!" and the error's message.
inline std::string run_jinja(std::string_view source, const std::string& variables = "{}",
                             const RenderOptions& options = fixed_options()) {
  auto parsed = JinjaTemplate::parse(source);
  if (!parsed.is_ok()) {
    return "!" + parsed.status().message();
  }
  auto rendered = (*parsed)->render(nlohmann::ordered_json::parse(variables), options);
  return rendered.is_ok() ? *rendered : "!" + rendered.status().message();
}

inline ErrorCode jinja_code(std::string_view source, const std::string& variables = "{}",
                            const RenderOptions& options = fixed_options()) {
  auto parsed = JinjaTemplate::parse(source);
  return parsed.is_ok() ? (*parsed)->render(nlohmann::ordered_json::parse(variables), options).code() : parsed.code();
}

inline std::string run_go(std::string_view source, const std::string& data = "{}",
                          const RenderOptions& options = fixed_options()) {
  auto parsed = GoTemplate::parse(source);
  if (!parsed.is_ok()) {
    return "!" + parsed.status().message();
  }
  auto rendered = (*parsed)->render(nlohmann::ordered_json::parse(data), options);
  return rendered.is_ok() ? *rendered : "!" + rendered.status().message();
}

inline std::string run_go_chat(std::string_view source, const std::string& values) {
  auto parsed = GoTemplate::parse(source);
  if (!parsed.is_ok()) {
    return "!" + parsed.status().message();
  }
  auto rendered = (*parsed)->render_chat(nlohmann::ordered_json::parse(values), fixed_options());
  return rendered.is_ok() ? *rendered : "!" + rendered.status().message();
}

}  // namespace da::chat
