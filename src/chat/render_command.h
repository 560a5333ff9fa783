#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "chat/render_options.h"

namespace da::chat {

// `deepanalyze render FILE --engine jinja|go`: renders the template in the file with variables given as JSON text.
//
// jinja: the variables are the context; `tools` and `documents` are null unless given.
// go: an object with a list `messages` is a chat in the form of Ollama's API ({messages, tools?, think?, think_level?,
// is_think_set?, prompt?, suffix?}); anything else is the template's dot.
//
// Errors are one line: what is wrong with the file or the JSON, or the template's own message.
Result<std::string> render_file(const std::string& path, std::string_view engine, std::string_view json_text,
                                const RenderOptions& options = {});

}  // namespace da::chat
