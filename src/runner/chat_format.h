#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "runner/prompt.h"

namespace da::runner {

// The model's own Jinja template as a Render; `bos` and `eos` as they are written. Errors: kCorruptData names the line.
Result<Render> compile_jinja(std::string_view source, std::string bos, std::string eos);

// A Go template of a Modelfile or a request. Errors: kInvalidArgument, "template error: …".
Result<Render> compile_go(const std::string& source);

}  // namespace da::runner
