#include "chat/jinja/lexer.h"

#include <optional>
#include <utility>

#include "base/utf8.h"
#include "chat/jinja/literals.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {
namespace {

// The three opening marks, and what may stand right behind one.
enum class Opening { kVariable, kBlock, kComment };

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Result<std::vector<Token>> run();

 private:
  Status fail(std::string message) const {
    return {ErrorCode::kCorruptData, "template line " + std::to_string(line_) + ": " + std::move(message)};
  }
  char at(size_t position) const { return position < source_.size() ? source_[position] : '\0'; }
  bool starts(size_t position, std::string_view text) const { return source_.substr(position, text.size()) == text; }
  size_t skip_space(size_t position) const;
  void advance_to(size_t position);
  void push(TokenType type, std::string text = {});
  void push_data(std::string_view text, char sign, bool strip_line);

  std::optional<size_t> match_raw_begin(size_t position) const;
  Status lex_raw(size_t begin);
  Status lex_comment();
  Status lex_inside(bool block);
  std::optional<size_t> match_end(size_t position, bool block) const;
  Status lex_number(bool& matched);
  Status lex_name(bool& matched);
  Status lex_string(bool& matched);
  Status lex_operator(std::string& closers);

  std::string_view source_;
  size_t position_ = 0;
  uint32_t line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

size_t Lexer::skip_space(size_t position) const {
  while (position < source_.size()) {
    utf8::Decoded decoded = utf8::decode_one(source_.substr(position));
    if (!unicode::is_space(decoded.code_point)) {
      break;
    }
    position += decoded.length;
  }
  return position;
}

void Lexer::advance_to(size_t position) {
  for (size_t i = position_; i < position; ++i) {
    line_ += source_[i] == '\n';
  }
  if (position > position_) {
    line_starting_ = source_[position - 1] == '\n';
  }
  position_ = position;
}

void Lexer::push(TokenType type, std::string text) {
  Token token;
  token.type = type;
  token.line = line_;
  token.text = std::move(text);
  tokens_.push_back(std::move(token));
}

// `sign` is the mark behind the opening: '-' strips all space before it, '+' keeps it, else (lstrip_blocks) the space
// that stands alone before the tag on its line goes.
void Lexer::push_data(std::string_view text, char sign, bool strip_line) {
  if (sign == '-') {
    text = unicode::strip_right(text);
  } else if (sign != '+' && strip_line) {
    size_t newline = text.rfind('\n');
    size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
    if (line_begin > 0 || line_starting_) {
      std::string_view tail = text.substr(line_begin);
      if (!tail.empty() && unicode::strip_right(tail).empty()) {
        text = text.substr(0, line_begin);
      }
    }
  }
  if (!text.empty()) {
    push(TokenType::kData, std::string(text));
  }
}

// {% raw %}: the position behind it.
std::optional<size_t> Lexer::match_raw_begin(size_t position) const {
  if (!starts(position, "{%")) {
    return std::nullopt;
  }
  size_t p = position + 2;
  if (at(p) == '-' || at(p) == '+') {
    ++p;
  }
  p = skip_space(p);
  if (!starts(p, "raw")) {
    return std::nullopt;
  }
  p = skip_space(p + 3);
  if (starts(p, "-%}")) {
    return skip_space(p + 3);
  }
  if (starts(p, "%}")) {
    return p + 2;
  }
  return std::nullopt;
}

Status Lexer::lex_raw(size_t begin) {
  advance_to(begin);
  for (size_t p = source_.find("{%", begin); p != std::string_view::npos; p = source_.find("{%", p + 1)) {
    char sign = at(p + 2);
    size_t q = p + 2 + (sign == '-' || sign == '+');
    q = skip_space(q);
    if (!starts(q, "endraw")) {
      continue;
    }
    std::optional<size_t> end = match_end(skip_space(q + 6), true);
    if (!end) {
      continue;
    }
    push_data(source_.substr(begin, p - begin), sign, true);
    advance_to(*end);
    return Status::ok();
  }
  return fail("Missing end of raw directive");
}

Status Lexer::lex_comment() {
  size_t close = source_.find("#}", position_);
  if (close == std::string_view::npos) {
    return fail("Missing end of comment tag");
  }
  size_t end = close + 2;
  // "{#+}" and "{#-}" cannot share the sign of the opening, which is already consumed.
  char sign = close > position_ ? source_[close - 1] : '\0';
  if (sign == '-') {
    end = skip_space(end);
  } else if (sign != '+' && at(end) == '\n') {
    ++end;
  }
  advance_to(end);
  return Status::ok();
}

std::optional<size_t> Lexer::match_end(size_t position, bool block) const {
  std::string_view close = block ? "%}" : "}}";
  if (at(position) == '-' && starts(position + 1, close)) {
    return skip_space(position + 3);
  }
  if (block && at(position) == '+' && starts(position + 1, close)) {
    return position + 3;
  }
  if (starts(position, close)) {
    position += 2;
    return block && at(position) == '\n' ? position + 1 : position;
  }
  return std::nullopt;
}

Status Lexer::lex_number(bool& matched) {
  if (at(position_) < '0' || at(position_) > '9') {
    return Status::ok();
  }
  matched = true;
  Token token;
  token.line = line_;
  Result<size_t> end = read_number(source_, position_, token);
  if (!end.is_ok()) {
    return fail(end.status().message());
  }
  tokens_.push_back(std::move(token));
  advance_to(*end);
  return Status::ok();
}

Status Lexer::lex_name(bool& matched) {
  size_t p = position_;
  while (p < source_.size()) {
    utf8::Decoded decoded = utf8::decode_one(source_.substr(p));
    if (!unicode::is_word(decoded.code_point)) {
      break;
    }
    p += decoded.length;
  }
  if (p == position_) {
    return Status::ok();
  }
  matched = true;
  push(TokenType::kName, std::string(source_.substr(position_, p - position_)));
  advance_to(p);
  return Status::ok();
}

Status Lexer::lex_string(bool& matched) {
  char quote = at(position_);
  if (quote != '\'' && quote != '"') {
    return Status::ok();
  }
  size_t p = position_ + 1;
  while (p < source_.size() && source_[p] != quote) {
    p += source_[p] == '\\' ? 2 : 1;
  }
  if (p >= source_.size()) {
    return fail("string is never closed");
  }
  matched = true;
  std::string value;
  if (Status read = unescape(source_.substr(position_ + 1, p - position_ - 1), value); !read.is_ok()) {
    return fail(read.message());
  }
  push(TokenType::kString, std::move(value));
  advance_to(p + 1);
  return Status::ok();
}

Status Lexer::lex_operator(std::string& closers) {
  static constexpr std::string_view kLong[] = {"//", "**", "==", "!=", ">=", "<="};
  static constexpr std::string_view kShort = "+-/*%~[](){}><=.:|,;";
  for (std::string_view text : kLong) {
    if (starts(position_, text)) {
      push(TokenType::kOperator, std::string(text));
      advance_to(position_ + 2);
      return Status::ok();
    }
  }
  char c = at(position_);
  if (kShort.find(c) == std::string_view::npos || c == '\0') {
    return fail("unexpected character");
  }
  if (c == '(' || c == '[' || c == '{') {
    closers += c == '(' ? ')' : c == '[' ? ']' : '}';
  } else if (c == ')' || c == ']' || c == '}') {
    if (closers.empty() || closers.back() != c) {
      return fail(std::string("unexpected '") + c + "'");
    }
    closers.pop_back();
  }
  push(TokenType::kOperator, std::string(1, c));
  advance_to(position_ + 1);
  return Status::ok();
}

// Inside {{ }} or {% %}, up to and including the end. An end mark inside brackets is not one.
Status Lexer::lex_inside(bool block) {
  std::string closers;
  while (true) {
    if (closers.empty()) {
      if (std::optional<size_t> end = match_end(position_, block)) {
        push(block ? TokenType::kBlockEnd : TokenType::kVariableEnd);
        advance_to(*end);
        return Status::ok();
      }
    }
    size_t next = skip_space(position_);
    if (next != position_) {
      advance_to(next);
      continue;
    }
    if (position_ >= source_.size()) {
      return fail(std::string("unexpected end of template, expected '") + (block ? "%}" : "}}") + "'");
    }
    bool matched = false;
    DA_RETURN_IF_ERROR(lex_number(matched));
    if (!matched) {
      DA_RETURN_IF_ERROR(lex_name(matched));
    }
    if (!matched) {
      DA_RETURN_IF_ERROR(lex_string(matched));
    }
    if (!matched) {
      DA_RETURN_IF_ERROR(lex_operator(closers));
    }
  }
}

Result<std::vector<Token>> Lexer::run() {
  while (position_ < source_.size()) {
    size_t mark = position_;
    while ((mark = source_.find('{', mark)) != std::string_view::npos && at(mark + 1) != '{' && at(mark + 1) != '%' &&
           at(mark + 1) != '#') {
      ++mark;
    }
    if (mark == std::string_view::npos) {
      push(TokenType::kData, std::string(source_.substr(position_)));
      advance_to(source_.size());
      break;
    }
    std::string_view text = source_.substr(position_, mark - position_);
    char sign = at(mark + 2);
    bool signed_mark = sign == '-' || sign == '+';
    Opening opening = at(mark + 1) == '{'   ? Opening::kVariable
                      : at(mark + 1) == '%' ? Opening::kBlock
                                            : Opening::kComment;
    std::optional<size_t> raw = match_raw_begin(mark);
    push_data(text, sign, opening != Opening::kVariable);
    advance_to(mark);
    if (raw) {
      DA_RETURN_IF_ERROR(lex_raw(*raw));
      continue;
    }
    switch (opening) {
      case Opening::kComment:
        advance_to(mark + 2 + signed_mark);
        DA_RETURN_IF_ERROR(lex_comment());
        break;
      case Opening::kVariable:
      case Opening::kBlock: {
        bool block = opening == Opening::kBlock;
        push(block ? TokenType::kBlockBegin : TokenType::kVariableBegin);
        advance_to(mark + 2 + signed_mark);
        DA_RETURN_IF_ERROR(lex_inside(block));
        break;
      }
    }
  }
  push(TokenType::kEnd);
  return std::move(tokens_);
}

}  // namespace

std::string normalize_source(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
      continue;
    }
    text += '\n';
    i += i + 1 < source.size() && source[i + 1] == '\n';
  }
  if (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  return text;
}

Result<std::vector<Token>> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace da::chat::jinja
