#include "analysis/markdown_text.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <vector>

#include "base/utf8.h"

namespace da::analysis {
namespace {

bool is_printable_ascii(char c) { return c > 0x20 && c < 0x7F; }

// Words that readers of GitHub's dialect turn into links by themselves, where no escape helps: addresses.
bool is_address(std::string_view word) {
  std::string lower(word);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower.find("://") != std::string::npos || lower.find("www.") != std::string::npos || lower.find('@') != std::string::npos;
}

// As a code span, inside of which nothing is markup. A table still cuts at a pipe: it alone is escaped.
std::string code_span(std::string_view word) {
  size_t longest = 0, run = 0;
  for (const char c : word) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  const char* pad = word.front() == '`' || word.back() == '`' ? " " : "";
  std::string out = fence + pad;
  for (const char c : word) out.append(c == '|' ? "\\|" : std::string(1, c));
  return out.append(pad).append(fence);
}

// Characters that turn the direction of what follows, also beyond the quote: shown by number instead.
bool is_direction_control(char32_t c) { return (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069); }

void append_character(std::string& out, std::string_view text, size_t at, size_t length) {
  const char c = text[at];
  if (length > 1) {
    const char32_t point = utf8::decode_one(text.substr(at)).code_point;
    if (is_direction_control(point)) {
      constexpr std::string_view kHex = "0123456789ABCDEF";
      out.append("⟦U+20").append(1, kHex[(point >> 4) & 15]).append(1, kHex[point & 15]).append("⟧");
    } else {
      out.append(text.substr(at, length));
    }
    return;
  }
  switch (c) {
    case '<': out.append("&lt;"); return;
    case '>': out.append("&gt;"); return;
    case '&': out.append("&amp;"); return;
    case '\\':
    case '`':
    case '*':
    case '_':
    case '[':
    case ']':
    case '|':
    case '~':
    case '$':
    case '^':
    case '=':
      out.push_back('\\');
      out.push_back(c);
      return;
    default:
      // Whether it is a tab or any other control, a space is all it can mean here.
      out.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c);
  }
}

// Where the line's beginning would make it a heading, a list item, a rule, or an underline of the line before.
std::optional<size_t> marker_place(std::string_view line) {
  const size_t at = std::min(line.find_first_not_of("0123456789"), line.size());
  if (at == line.size() || at > 9) return std::nullopt;
  const char next = at + 1 < line.size() ? line[at + 1] : ' ';
  const bool alone = next == ' ' || next == '\t';
  const auto is_any = [](char c, std::string_view of) { return of.find(c) != std::string_view::npos; };
  if (at > 0) return is_any(line[at], ".)") && alone ? std::optional(at) : std::nullopt;
  const bool marker = (is_any(line[0], "+-#") && alone) || (line[0] == '#' && next == '#') || (line[0] == '-' && is_any(next, "-:")) ||
                      (line[0] == ':' && next == '-');
  return marker ? std::optional<size_t>(0) : std::nullopt;
}

// One line without line ends.
std::string escape_line(std::string_view line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  std::string out;
  size_t at = 0;
  if (const auto marker = marker_place(line)) {
    out.append(line.substr(0, *marker)).append("\\").append(1, line[*marker]);
    at = *marker + 1;
  }
  while (at < line.size()) {
    size_t end = at;
    while (end < line.size() && is_printable_ascii(line[end])) ++end;
    if (end > at && is_address(line.substr(at, end - at))) {
      out.append(code_span(line.substr(at, end - at)));
      at = end;
      continue;
    }
    end = std::max(end, at + 1);
    while (at < end) {
      const utf8::Decoded d = utf8::decode_one(line.substr(at));
      append_character(out, line, at, d.valid ? d.length : 1);
      at += d.valid ? d.length : 1;
    }
  }
  return out;
}

// At CR, LF, CRLF, and Unicode's line ends.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode_one(text.substr(at));
    const char32_t c = d.code_point;
    size_t length = d.length;
    if (c == '\n' || c == '\r' || c == 0x0B || c == 0x0C || c == 0x85 || c == 0x2028 || c == 0x2029) {
      if (c == '\r' && at + 1 < text.size() && text[at + 1] == '\n') length = 2;
      lines.push_back(text.substr(begin, at - begin));
      begin = at + length;
    }
    at += length;
  }
  lines.push_back(text.substr(begin));
  return lines;
}

}  // namespace

std::string markdown_line(std::string_view text) {
  std::string out;
  for (const std::string_view line : lines_of(text)) {
    if (!out.empty()) out.append(" ↵ ");
    out.append(escape_line(line));
  }
  return out;
}

std::string markdown_quote(std::string_view text, std::string_view indent) {
  std::string out;
  for (const std::string_view line : lines_of(text)) {
    const std::string escaped = escape_line(line);
    if (!out.empty()) out.append("\n");
    out.append(indent).append(escaped.empty() ? ">" : "> ").append(escaped);
  }
  return out;
}

}  // namespace da::analysis
