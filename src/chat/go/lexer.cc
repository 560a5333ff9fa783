#include "chat/go/lexer.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "chat/unicode_text.h"

namespace da::chat::go {
namespace {

constexpr std::string_view kSpaces = " \t\r\n";
constexpr std::array<std::string_view, 10> kKeywords = {"block", "break", "continue", "define",   "else",
                                                        "end",   "if",    "range",    "template", "with"};

bool is_space(char c) { return c != '\0' && kSpaces.find(c) != std::string_view::npos; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  Result<std::vector<Token>> run();

 private:
  Status fail(std::string_view message) const {
    return {ErrorCode::kCorruptData, "template line " + std::to_string(line_) + ": " + std::string(message)};
  }
  char at(size_t position) const { return position < source_.size() ? source_[position] : '\0'; }
  bool starts(size_t position, std::string_view text) const { return source_.substr(position, text.size()) == text; }
  bool trims_right(size_t position) const { return is_space(at(position)) && at(position + 1) == '-'; }
  // The end of an action stands here: "}}", or a space and "-}}".
  bool at_right(size_t position) const {
    return starts(position, "}}") || (trims_right(position) && starts(position + 2, "}}"));
  }
  void push(TokenType type, std::string text = {});
  void advance_to(size_t position);
  void close_action();
  bool is_word(size_t position, size_t& length) const;
  bool at_terminator(size_t position) const;
  Status lex_comment();
  Status lex_inside();
  Status lex_name();
  Status lex_number();
  Status lex_quoted(char quote);
  Status unquote(std::string_view body, char quote, std::string& out) const;

  std::string_view source_;
  size_t position_ = 0;
  uint32_t line_ = 1;
  bool trim_next_ = false;  // the last action ended with -}}
  size_t parens_ = 0;
  std::vector<Token> tokens_;
};

void Lexer::push(TokenType type, std::string text) {
  Token token;
  token.type = type;
  token.line = line_;
  token.text = std::move(text);
  tokens_.push_back(std::move(token));
}

void Lexer::advance_to(size_t position) {
  line_ += static_cast<uint32_t>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(position_),
                                            source_.begin() + static_cast<std::ptrdiff_t>(position), '\n'));
  position_ = position;
}

// Letters, digits and underscores in Unicode's sense.
bool Lexer::is_word(size_t position, size_t& length) const {
  if (position >= source_.size()) {
    return false;
  }
  utf8::Decoded decoded = utf8::decode_one(source_.substr(position));
  length = decoded.length;
  return decoded.valid && (decoded.code_point == '_' || unicode::is_alpha(decoded.code_point) ||
                           unicode::is_decimal(decoded.code_point));
}

bool Lexer::at_terminator(size_t position) const {
  char c = at(position);
  return position >= source_.size() || is_space(c) || std::string_view(".,|:()").find(c) != std::string_view::npos ||
         at_right(position);
}

// Behind "{{" (and its trim marker): a comment ends the action at once.
Status Lexer::lex_comment() {
  size_t end = source_.find("*/", position_);
  if (end == std::string_view::npos) {
    return fail("unclosed comment");
  }
  advance_to(end + 2);
  if (!at_right(position_)) {
    return fail("comment ends before closing delimiter");
  }
  close_action();
  return Status::ok();
}

void Lexer::close_action() {
  trim_next_ = trims_right(position_);
  advance_to(position_ + (trim_next_ ? 4 : 2));
}

Status Lexer::lex_name() {
  size_t begin = position_;
  char first = at(begin);
  size_t p = begin + (first == '.' || first == '$');
  size_t length = 0;
  while (is_word(p, length)) {
    p += length;
  }
  std::string text(source_.substr(begin, p - begin));
  if (!at_terminator(p)) {
    return fail("bad character in name");
  }
  TokenType type = TokenType::kIdentifier;
  if (first == '.') {
    type = text.size() == 1 ? TokenType::kDot : TokenType::kField;
  } else if (first == '$') {
    type = TokenType::kVariable;
  } else if (std::find(kKeywords.begin(), kKeywords.end(), text) != kKeywords.end()) {
    type = TokenType::kKeyword;
  } else if (text == "true" || text == "false") {
    type = TokenType::kBool;
  }
  push(type, std::move(text));
  advance_to(p);
  return Status::ok();
}

Status Lexer::lex_number() {
  size_t p = position_;
  p += at(p) == '+' || at(p) == '-';
  std::string_view digits = "0123456789_";
  if (at(p) == '0') {
    char mark = static_cast<char>(at(p + 1) | 0x20);
    if (mark == 'x') {
      digits = "0123456789abcdefABCDEF_";
      p += 2;
    } else if (mark == 'o') {
      digits = "01234567_";
      p += 2;
    } else if (mark == 'b') {
      digits = "01_";
      p += 2;
    }
  }
  bool hex = digits.size() > 20;
  auto skip = [&](std::string_view set) {
    while (p < source_.size() && set.find(source_[p]) != std::string_view::npos) {
      ++p;
    }
  };
  skip(digits);
  if (at(p) == '.') {
    ++p;
    skip(digits);
  }
  if ((digits.size() == 11 && (at(p) | 0x20) == 'e') || (hex && (at(p) | 0x20) == 'p')) {
    ++p;
    p += at(p) == '+' || at(p) == '-';
    skip("0123456789_");
  }
  size_t length = 0;
  if (is_word(p, length)) {
    return fail("bad number syntax");
  }
  push(TokenType::kNumber, std::string(source_.substr(position_, p - position_)));
  advance_to(p);
  return Status::ok();
}

// Go's escapes in "…" and '…'.
Status Lexer::unquote(std::string_view body, char quote, std::string& out) const {
  for (size_t i = 0; i < body.size(); ++i) {
    char c = body[i];
    if (c == '\n') {
      return fail("unterminated quoted string");
    }
    if (c != '\\') {
      out += c;
      continue;
    }
    c = i + 1 < body.size() ? body[++i] : '\0';
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    int base = 16;
    if (c >= '0' && c <= '7') {
      digits = 3;
      base = 8;
      --i;
    }
    if (digits > 0) {
      uint32_t value = 0;
      for (size_t k = 0; k < digits; ++k) {
        char d = i + 1 < body.size() ? body[++i] : '\0';
        char lower = static_cast<char>(d | 0x20);
        int digit = is_digit(d) ? d - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
        if (digit >= base) {
          return fail("invalid syntax in string");
        }
        value = value * static_cast<uint32_t>(base) + static_cast<uint32_t>(digit);
      }
      if (c == 'u' || c == 'U') {
        if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) {
          return fail("invalid syntax in string");
        }
        utf8::append(out, value);
      } else if (value > 0xFF) {
        return fail("invalid syntax in string");
      } else if (quote == '\'') {
        utf8::append(out, value);
      } else {
        out += static_cast<char>(value);
      }
      continue;
    }
    static constexpr std::string_view kFrom = "abfnrtv\\";
    static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\";
    size_t known = kFrom.find(c);
    if (known != std::string_view::npos && c != '\0') {
      out += kTo[known];
    } else if (c == quote) {
      out += c;
    } else {
      return fail("invalid syntax in string");
    }
  }
  return Status::ok();
}

Status Lexer::lex_quoted(char quote) {
  size_t p = position_ + 1;
  while (p < source_.size() && source_[p] != quote) {
    p += quote != '`' && source_[p] == '\\' ? 2 : 1;
  }
  if (p >= source_.size()) {
    return fail(quote == '\''  ? "unterminated character constant"
                : quote == '`' ? "unterminated raw quoted string"
                               : "unterminated quoted string");
  }
  std::string_view body = source_.substr(position_ + 1, p - position_ - 1);
  std::string text(body);
  if (quote != '`') {
    text.clear();
    DA_RETURN_IF_ERROR(unquote(body, quote, text));
  }
  if (quote == '\'' && utf8::count_code_points(text) != 1) {
    return fail("malformed character constant");
  }
  push(quote == '\'' ? TokenType::kCharacter : TokenType::kString, std::move(text));
  advance_to(p + 1);
  return Status::ok();
}

Status Lexer::lex_inside() {
  parens_ = 0;
  while (true) {
    if (at_right(position_)) {
      if (parens_ > 0) {
        return fail("unclosed left paren");
      }
      push(TokenType::kRight);
      close_action();
      return Status::ok();
    }
    char c = at(position_);
    size_t length = 0;
    if (position_ >= source_.size()) {
      return fail("unclosed action");
    }
    if (is_space(c)) {
      size_t p = position_;
      // The space before "-}}" belongs to the trim marker.
      while (is_space(at(p)) && !at_right(p)) {
        ++p;
      }
      push(TokenType::kSpace);
      advance_to(p);
    } else if (c == '"' || c == '`' || c == '\'') {
      DA_RETURN_IF_ERROR(lex_quoted(c));
    } else if (c == '$' || (c == '.' && !is_digit(at(position_ + 1)))) {
      DA_RETURN_IF_ERROR(lex_name());
    } else if (is_digit(c) || c == '.' || c == '+' || c == '-') {
      DA_RETURN_IF_ERROR(lex_number());
    } else if (is_word(position_, length)) {
      DA_RETURN_IF_ERROR(lex_name());
    } else if (starts(position_, ":=")) {
      push(TokenType::kDeclare);
      advance_to(position_ + 2);
    } else if (c == '=' || c == '|' || c == '(' || c == ')') {
      if (c == ')' && parens_ == 0) {
        return fail("unexpected right paren");
      }
      parens_ += c == '(' ? 1 : 0;
      parens_ -= c == ')' ? 1 : 0;
      push(c == '='   ? TokenType::kAssign
           : c == '|' ? TokenType::kPipe
           : c == '(' ? TokenType::kLeftParen
                      : TokenType::kRightParen);
      advance_to(position_ + 1);
    } else if (c > 0x20 && c < 0x7F && c != ':') {
      push(TokenType::kOther, std::string(1, c));
      advance_to(position_ + 1);
    } else {
      return fail("unrecognized character in action");
    }
  }
}

Result<std::vector<Token>> Lexer::run() {
  while (position_ < source_.size()) {
    size_t mark = std::min(source_.find("{{", position_), source_.size());
    bool trim = mark < source_.size() && at(mark + 2) == '-' && is_space(at(mark + 3));
    std::string_view text = source_.substr(position_, mark - position_);
    if (trim_next_) {
      size_t first = text.find_first_not_of(kSpaces);
      text = first == std::string_view::npos ? std::string_view() : text.substr(first);
    }
    trim_next_ = false;
    if (trim) {
      text = text.substr(0, text.find_last_not_of(kSpaces) + 1);
    }
    if (!text.empty()) {
      push(TokenType::kText, std::string(text));
    }
    advance_to(mark);
    if (mark == source_.size()) {
      break;
    }
    size_t inside = mark + 2 + (trim ? 2 : 0);
    if (starts(inside, "/*")) {
      advance_to(inside);
      DA_RETURN_IF_ERROR(lex_comment());
      continue;
    }
    push(TokenType::kLeft);
    advance_to(inside);
    DA_RETURN_IF_ERROR(lex_inside());
  }
  push(TokenType::kEnd);
  return std::move(tokens_);
}

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace da::chat::go
