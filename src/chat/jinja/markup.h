#pragma once

#include <string>
#include <string_view>

namespace da::chat::jinja {

// Appends `text` with & < > " ' as HTML entities; text already `safe` is appended as it is.
void append_escaped(std::string& out, std::string_view text, bool safe = false);

}  // namespace da::chat::jinja
