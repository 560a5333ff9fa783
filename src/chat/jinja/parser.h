#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "chat/jinja/ast.h"

namespace da::chat::jinja {

// Parses a template; errors are kCorruptData and name the line. Nesting beyond `max_depth` is refused.
Result<std::unique_ptr<Program>> parse(std::string_view source, size_t max_depth);

}  // namespace da::chat::jinja
