#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "chat/go/ast.h"

namespace da::chat::go {

// Parses a template. Errors (kCorruptData) name the line.
Result<std::unique_ptr<Program>> parse(std::string_view source, size_t max_depth);

}  // namespace da::chat::go
