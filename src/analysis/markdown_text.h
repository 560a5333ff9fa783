#pragma once

#include <string>
#include <string_view>

// Foreign text inside Markdown: it shows as it reads, and nothing in it becomes markup, a link, an image or HTML.
namespace da::analysis {

// On one line: line ends become "↵". Fit for list items and table cells.
std::string markdown_line(std::string_view text);
// As a block quote, each line behind `indent` and "> ". No line end after the last.
std::string markdown_quote(std::string_view text, std::string_view indent);

}  // namespace da::analysis
