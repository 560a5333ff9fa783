#include "chat/jinja/text_ops.h"

#include <algorithm>

#include "base/utf8.h"
#include "chat/jinja/interpreter.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {

std::string_view strip_characters(std::string_view text, std::string_view set, bool left, bool right) {
  std::vector<char32_t> wanted = utf8::to_code_points(set);
  std::vector<size_t> offsets = unicode::offsets(text);
  auto in_set = [&](size_t i) {
    return std::find(wanted.begin(), wanted.end(), utf8::decode_one(text.substr(offsets[i])).code_point) !=
           wanted.end();
  };
  size_t begin = 0;
  size_t end = offsets.size() - 1;
  while (left && begin < end && in_set(begin)) {
    ++begin;
  }
  while (right && end > begin && in_set(end - 1)) {
    --end;
  }
  return text.substr(offsets[begin], offsets[end] - offsets[begin]);
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (size_t i = 0; i < text.size();) {
    utf8::Decoded decoded = utf8::decode_one(text.substr(i));
    char32_t c = decoded.code_point;
    bool breaks = (c >= 0xA && c <= 0xD) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
    size_t end = i + decoded.length;
    if (breaks) {
      if (c == '\r' && end < text.size() && text[end] == '\n') {
        ++end;
      }
      lines.push_back(text.substr(begin, (keep_ends ? end : i) - begin));
      begin = end;
    }
    i = end;
  }
  if (begin < text.size()) {
    lines.push_back(text.substr(begin));
  }
  return lines;
}

Value replace_text(Interpreter& in, std::string_view text, std::string_view old_text, std::string_view new_text,
                   long long count, bool markup) {
  in.scan(text.size());
  std::string out;
  auto left = count < 0 ? ~0ULL : static_cast<unsigned long long>(count);
  auto grows = [&] { return out.size() > in.max_text_bytes(); };
  if (old_text.empty()) {
    // The new text goes before each character and at the end.
    std::vector<size_t> offsets = unicode::offsets(text);
    for (size_t i = 0; i < offsets.size() && !grows(); ++i) {
      if (left > 0) {
        out += new_text;
        --left;
      }
      if (i + 1 < offsets.size()) {
        out += text.substr(offsets[i], offsets[i + 1] - offsets[i]);
      }
    }
    return in.text(std::move(out), markup);
  }
  size_t position = 0;
  for (; left > 0 && !grows(); --left) {
    size_t found = text.find(old_text, position);
    if (found == std::string_view::npos) {
      break;
    }
    out += text.substr(position, found - position);
    out += new_text;
    position = found + old_text.size();
  }
  out += text.substr(position);
  return in.text(std::move(out), markup);
}

Value justify(Interpreter& in, std::string_view text, long long width, std::string_view fill, Justify side,
              bool markup) {
  if (unicode::length(fill) != 1) {
    return in.fail("The fill character must be exactly one character long");
  }
  auto length = static_cast<long long>(unicode::length(text));
  if (width <= length) {
    return Value::of_text(text, markup);
  }
  long long padding = width - length;
  if (padding > static_cast<long long>(in.max_text_bytes())) {
    return in.fail("text grows beyond the limit", ErrorCode::kResourceExhausted);
  }
  // Python puts the odd space on the left when the width is odd.
  long long left = side == Justify::kLeft ? 0 : side == Justify::kRight ? padding : padding / 2 + (padding & width & 1);
  std::string out;
  for (long long i = 0; i < left; ++i) {
    out += fill;
  }
  out += text;
  for (long long i = left; i < padding; ++i) {
    out += fill;
  }
  return in.text(std::move(out), markup);
}

namespace {

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// The pieces a line may be broken between: runs of spaces, words, and words cut behind hyphens.
std::vector<std::string_view> chunks_of(std::string_view line, bool break_hyphens) {
  std::vector<std::string_view> chunks;
  auto letter_at = [&](size_t i) {
    return i < line.size() && unicode::is_alpha(utf8::decode_one(line.substr(i)).code_point);
  };
  size_t i = 0;
  while (i < line.size()) {
    size_t begin = i;
    bool space = is_ascii_space(line[i]);
    while (i < line.size() && is_ascii_space(line[i]) == space) {
      ++i;
      bool hyphen = !space && break_hyphens && line[i - 1] == '-' && i - begin >= 3 && letter_at(i) && i < line.size();
      if (hyphen && (static_cast<unsigned char>(line[i - 2]) >= 0x80 || letter_at(i - 2)) && letter_at(i + 1)) {
        break;
      }
    }
    chunks.push_back(line.substr(begin, i - begin));
  }
  return chunks;
}

}  // namespace

std::vector<std::string> wrap_line(std::string_view line, size_t width, bool break_long, bool break_hyphens) {
  std::vector<std::string_view> chunks = chunks_of(line, break_hyphens);
  std::reverse(chunks.begin(), chunks.end());
  std::vector<std::string> lines;
  while (!chunks.empty()) {
    if (!lines.empty() && is_ascii_space(chunks.back().front())) {
      chunks.pop_back();
      if (chunks.empty()) {
        break;
      }
    }
    std::vector<std::string_view> current;
    size_t length = 0;
    while (!chunks.empty() && length + unicode::length(chunks.back()) <= width) {
      length += unicode::length(chunks.back());
      current.push_back(chunks.back());
      chunks.pop_back();
    }
    if (!chunks.empty() && unicode::length(chunks.back()) > width) {
      if (break_long) {
        size_t room = width > length ? width - length : 1;
        std::string_view chunk = chunks.back();
        size_t cut = unicode::offsets(chunk)[room];
        // A hyphen within the room is a better place to cut.
        size_t hyphen = break_hyphens ? chunk.substr(0, cut).rfind('-') : std::string_view::npos;
        if (hyphen != std::string_view::npos && hyphen > 0 &&
            chunk.substr(0, hyphen).find_first_not_of('-') != std::string_view::npos) {
          cut = hyphen + 1;
        }
        current.push_back(chunk.substr(0, cut));
        chunks.back().remove_prefix(cut);
      } else if (current.empty()) {
        current.push_back(chunks.back());
        chunks.pop_back();
      }
    }
    if (!current.empty() && is_ascii_space(current.back().front())) {
      current.pop_back();
    }
    if (!current.empty()) {
      std::string text;
      for (std::string_view part : current) {
        text += part;
      }
      lines.push_back(std::move(text));
    }
  }
  return lines;
}

void append_pretty(Interpreter& in, std::string& out, const Value& value, size_t indent, size_t allowance) {
  constexpr size_t kWidth = 80;
  if (!in.step() || indent > 4 * kWidth) {
    return;
  }
  Value shown = value;
  if (value.kind == Kind::kDict) {
    // Keys are sorted; a mix of types keeps its order.
    Dict* sorted = in.arena().make<Dict>();
    sorted->entries = value.dict()->entries;
    bool texts = std::all_of(sorted->entries.begin(), sorted->entries.end(),
                             [](const auto& entry) { return entry.first.is_string(); });
    if (texts) {
      std::stable_sort(sorted->entries.begin(), sorted->entries.end(),
                       [](const auto& a, const auto& b) { return a.first.str() < b.first.str(); });
    }
    shown = Value::of_dict(sorted);
  }
  std::string flat;
  append_repr(flat, shown, in.max_text_bytes());
  bool nested =
      shown.kind == Kind::kDict ||
      (shown.kind == Kind::kSeq && (shown.seq()->type == SeqType::kList || shown.seq()->type == SeqType::kTuple));
  if (!nested || indent + allowance + unicode::length(flat) <= kWidth) {
    out += flat;
    return;
  }
  size_t count = shown.kind == Kind::kDict ? shown.dict()->entries.size() : shown.seq()->items.size();
  bool tuple = shown.kind == Kind::kSeq && shown.seq()->type == SeqType::kTuple;
  out += shown.kind == Kind::kDict ? '{' : tuple ? '(' : '[';
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) {
      out += ",\n" + std::string(indent + 1, ' ');
    }
    size_t rest = i + 1 == count ? allowance + 1 : 1;
    if (shown.kind == Kind::kDict) {
      const auto& [key, item] = shown.dict()->entries[i];
      std::string name;
      append_repr(name, key, in.max_text_bytes());
      out += name + ": ";
      append_pretty(in, out, item, indent + unicode::length(name) + 3, rest);
    } else {
      append_pretty(in, out, shown.seq()->items[i], indent + 1, rest);
    }
  }
  out += shown.kind == Kind::kDict ? "}" : tuple ? (count == 1 ? ",)" : ")") : "]";
}

}  // namespace da::chat::jinja
