#include "chat/go/parser.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "chat/go/functions.h"
#include "chat/go/lexer.h"

namespace da::chat::go {
namespace {

// A recursive-descent parser. The first error is kept; after it every function returns quickly.
class Parser {
 public:
  Parser(std::vector<Token> tokens, Program& program, size_t max_depth)
      : tokens_(std::move(tokens)), program_(program), max_depth_(max_depth) {}

  Status run();

 private:
  enum class Stop { kEnd, kElse, kInput };

  const Token& current() const { return tokens_[position_]; }
  void next() { position_ += position_ + 1 < tokens_.size(); }
  const Token& skip_space();
  bool ok() const { return status_.is_ok(); }
  void fail(std::string message) {
    if (ok()) {
      status_ = Status(ErrorCode::kCorruptData,
                       "template line " + std::to_string(current().line) + ": " + std::move(message));
    }
  }
  void unexpected(std::string_view context);
  bool is_keyword(std::string_view word) const {
    return current().type == TokenType::kKeyword && current().text == word;
  }
  void expect_right(std::string_view context);
  std::string expect_string(std::string_view context);
  NodePtr node(NodeType type) const;

  NodePtr parse_list(Stop& stop);
  void parse_action(Node& list);
  NodePtr parse_control(NodeType type, std::string_view context);
  NodePtr parse_template_call();
  NodePtr parse_block();
  void parse_definition();
  void define(const std::string& name, NodePtr list);
  NodePtr parse_pipeline(std::string_view context, TokenType end);
  void parse_declarations(Node& pipe, std::string_view context);
  NodePtr parse_command();
  NodePtr parse_operand();
  NodePtr parse_term();
  NodePtr parse_number(const Token& token);

  std::vector<Token> tokens_;
  Program& program_;
  size_t max_depth_;
  size_t position_ = 0;
  size_t depth_ = 0;        // of control structures
  size_t paren_depth_ = 0;  // of pipelines within one another
  size_t range_depth_ = 0;
  Status status_;
  std::vector<std::string> variables_ = {"$"};
};

const Token& Parser::skip_space() {
  while (current().type == TokenType::kSpace) {
    next();
  }
  return current();
}

void Parser::unexpected(std::string_view context) {
  const Token& token = current();
  fail("unexpected " + (token.type == TokenType::kEnd ? "EOF" : "\"" + token.text.substr(0, 40) + "\"") + " in " +
       std::string(context));
}

void Parser::expect_right(std::string_view context) {
  if (skip_space().type != TokenType::kRight) {
    unexpected(context);
  }
  next();
}

std::string Parser::expect_string(std::string_view context) {
  if (skip_space().type != TokenType::kString) {
    unexpected(context);
    return {};
  }
  std::string text = current().text;
  next();
  return text;
}

NodePtr Parser::node(NodeType type) const {
  auto result = std::make_unique<Node>();
  result->type = type;
  result->line = current().line;
  return result;
}

bool is_blank(const Node& list) {
  return std::all_of(list.children.begin(), list.children.end(), [](const NodePtr& child) {
    return child->type == NodeType::kText && child->text.find_first_not_of(" \t\r\n\f\v") == std::string::npos;
  });
}

void Parser::define(const std::string& name, NodePtr list) {
  NodePtr& slot = program_.defined[name];
  if (slot == nullptr || is_blank(*slot)) {
    slot = std::move(list);
  } else if (!is_blank(*list)) {
    fail("multiple definition of template \"" + name + "\"");
  }
}

Status Parser::run() {
  program_.root = node(NodeType::kList);
  while (ok() && current().type != TokenType::kEnd) {
    if (current().type == TokenType::kLeft) {
      size_t begin = position_;
      next();
      skip_space();
      if (is_keyword("define")) {
        parse_definition();
        continue;
      }
      if (is_keyword("end") || is_keyword("else")) {
        fail("unexpected {{" + current().text + "}}");
        break;
      }
      position_ = begin;
    }
    parse_action(*program_.root);
  }
  return status_;
}

void Parser::parse_definition() {
  next();
  std::string name = expect_string("define clause");
  expect_right("define clause");
  std::vector<std::string> outer = std::exchange(variables_, {"$"});
  size_t outer_ranges = std::exchange(range_depth_, 0);
  Stop stop = Stop::kInput;
  NodePtr list = parse_list(stop);
  if (ok() && stop != Stop::kEnd) {
    fail("unexpected {{else}} in define clause");
  }
  expect_right("end");
  variables_ = std::move(outer);
  range_depth_ = outer_ranges;
  if (ok()) {
    define(name, std::move(list));
  }
}

// Nodes up to {{end}} or {{else}}, whose keyword has been consumed when this returns.
NodePtr Parser::parse_list(Stop& stop) {
  NodePtr list = node(NodeType::kList);
  while (ok()) {
    if (current().type == TokenType::kEnd) {
      fail("unexpected EOF");
      break;
    }
    if (current().type == TokenType::kLeft) {
      size_t begin = position_;
      next();
      skip_space();
      if (is_keyword("end") || is_keyword("else")) {
        stop = is_keyword("end") ? Stop::kEnd : Stop::kElse;
        next();
        break;
      }
      position_ = begin;
    }
    parse_action(*list);
  }
  return list;
}

// Text, or one action with its body.
void Parser::parse_action(Node& list) {
  if (current().type == TokenType::kText) {
    NodePtr text = node(NodeType::kText);
    text->text = current().text;
    list.children.push_back(std::move(text));
    next();
    return;
  }
  next();
  skip_space();
  NodePtr result;
  if (current().type == TokenType::kKeyword) {
    std::string word = current().text;
    if (word == "define") {
      fail("unexpected <define> in command");
      return;
    }
    bool jump = word == "break" || word == "continue";
    result = jump ? node(word == "break" ? NodeType::kBreak : NodeType::kContinue) : nullptr;
    next();
    if (jump) {
      if (range_depth_ == 0) {
        fail("{{" + word + "}} outside {{range}}");
      }
      expect_right("{{" + word + "}}");
    } else if (word == "if") {
      result = parse_control(NodeType::kIf, "if");
    } else if (word == "with") {
      result = parse_control(NodeType::kWith, "with");
    } else if (word == "range") {
      result = parse_control(NodeType::kRange, "range");
    } else if (word == "template") {
      result = parse_template_call();
    } else {
      result = parse_block();
    }
  } else {
    result = node(NodeType::kAction);
    result->pipe = parse_pipeline("command", TokenType::kRight);
  }
  if (result != nullptr) {
    list.children.push_back(std::move(result));
  }
}

NodePtr Parser::parse_control(NodeType type, std::string_view context) {
  NodePtr result = node(type);
  // More than elsewhere: chains of else-if nest here.
  if (++depth_ > 4 * max_depth_) {
    fail("template nests too deeply");
    return nullptr;
  }
  size_t outer_variables = variables_.size();
  result->pipe = parse_pipeline(context, TokenType::kRight);
  range_depth_ += type == NodeType::kRange;
  Stop stop = Stop::kInput;
  result->list = parse_list(stop);
  range_depth_ -= type == NodeType::kRange;
  if (ok() && stop == Stop::kElse) {
    skip_space();
    bool chained = (type == NodeType::kIf && is_keyword("if")) || (type == NodeType::kWith && is_keyword("with"));
    if (chained) {
      next();
      result->otherwise = node(NodeType::kList);
      NodePtr inner = parse_control(type, context);
      if (inner != nullptr) {
        result->otherwise->children.push_back(std::move(inner));
      }
    } else {
      expect_right("else");
      result->otherwise = parse_list(stop);
      if (ok() && stop != Stop::kEnd) {
        fail("expected end; found {{else}}");
      }
      expect_right("end");
    }
  } else {
    expect_right("end");
  }
  variables_.resize(std::min(outer_variables, variables_.size()));
  --depth_;
  return result;
}

NodePtr Parser::parse_template_call() {
  NodePtr result = node(NodeType::kTemplate);
  result->text = expect_string("template clause");
  if (skip_space().type == TokenType::kRight) {
    next();
  } else {
    result->pipe = parse_pipeline("template clause", TokenType::kRight);
  }
  return result;
}

NodePtr Parser::parse_block() {
  NodePtr result = node(NodeType::kTemplate);
  result->text = expect_string("block clause");
  result->pipe = parse_pipeline("block clause", TokenType::kRight);
  if (++depth_ > max_depth_) {
    fail("template nests too deeply");
  }
  std::vector<std::string> outer = std::exchange(variables_, {"$"});
  size_t outer_ranges = std::exchange(range_depth_, 0);
  Stop stop = Stop::kInput;
  NodePtr list = parse_list(stop);
  if (ok() && stop != Stop::kEnd) {
    fail("unexpected {{else}} in block clause");
  }
  expect_right("end");
  variables_ = std::move(outer);
  range_depth_ = outer_ranges;
  --depth_;
  if (ok()) {
    define(result->text, std::move(list));
  }
  return result;
}

void Parser::parse_declarations(Node& pipe, std::string_view context) {
  while (ok() && skip_space().type == TokenType::kVariable) {
    size_t begin = position_;
    std::string name = current().text;
    next();
    TokenType type = skip_space().type;
    if (type == TokenType::kAssign || type == TokenType::kDeclare) {
      pipe.assigns = type == TokenType::kAssign;
      pipe.names.push_back(name);
      next();
      break;
    }
    if (type != TokenType::kOther || current().text != ",") {
      position_ = begin;
      if (!pipe.names.empty()) {
        fail("range can only initialize variables");
      }
      return;
    }
    pipe.names.push_back(name);
    next();
    if (context != "range" || pipe.names.size() > 1) {
      fail("too many declarations in " + std::string(context));
    } else if (TokenType after = skip_space().type; after != TokenType::kVariable && after != TokenType::kRight) {
      fail("range can only initialize variables");
    }
  }
  // Assigning to an unknown variable is an error of execution, as in Go.
  variables_.insert(variables_.end(), pipe.names.begin(), pipe.names.end());
}

NodePtr Parser::parse_pipeline(std::string_view context, TokenType end) {
  NodePtr pipe = node(NodeType::kPipe);
  if (!ok() || ++paren_depth_ > max_depth_) {
    fail("template nests too deeply");
    return pipe;
  }
  parse_declarations(*pipe, context);
  while (ok()) {
    const Token& token = skip_space();
    if (token.type == end) {
      next();
      break;
    }
    switch (token.type) {
      case TokenType::kIdentifier:
      case TokenType::kBool:
      case TokenType::kField:
      case TokenType::kVariable:
      case TokenType::kDot:
      case TokenType::kNumber:
      case TokenType::kCharacter:
      case TokenType::kString:
      case TokenType::kLeftParen:
        pipe->children.push_back(parse_command());
        break;
      default:
        unexpected(context);
    }
  }
  --paren_depth_;
  if (!ok()) {
    return pipe;
  }
  if (pipe->children.empty()) {
    fail("missing value for " + std::string(context));
  }
  for (size_t i = 1; i < pipe->children.size() && ok(); ++i) {
    NodeType first = pipe->children[i]->children[0]->type;
    if (first == NodeType::kDot || first == NodeType::kNil || first == NodeType::kConstant) {
      fail("non executable command in pipeline stage " + std::to_string(i + 1));
    }
  }
  return pipe;
}

NodePtr Parser::parse_command() {
  NodePtr command = node(NodeType::kCommand);
  while (ok()) {
    skip_space();
    if (NodePtr operand = parse_operand()) {
      command->children.push_back(std::move(operand));
    }
    if (!ok()) {
      break;
    }
    TokenType type = current().type;
    if (type == TokenType::kSpace) {
      continue;
    }
    if (type == TokenType::kPipe) {
      next();  // a pipe at the end is allowed, as in Go
    } else if (type != TokenType::kRight && type != TokenType::kRightParen) {
      unexpected("operand");
    }
    break;
  }
  if (ok() && command->children.empty()) {
    fail("empty command");
  }
  return command;
}

NodePtr Parser::parse_operand() {
  NodePtr term = parse_term();
  if (term == nullptr || current().type != TokenType::kField) {
    return term;
  }
  if (term->type == NodeType::kConstant || term->type == NodeType::kDot || term->type == NodeType::kNil) {
    fail("unexpected . after term");
    return nullptr;
  }
  NodePtr chain;
  if (term->type != NodeType::kField && term->type != NodeType::kVariable) {
    chain = node(NodeType::kChain);
    chain->children.push_back(std::move(term));
  } else {
    chain = std::move(term);
  }
  while (current().type == TokenType::kField) {
    chain->names.push_back(current().text.substr(1));
    next();
  }
  return chain;
}

NodePtr Parser::parse_term() {
  const Token& token = current();
  NodePtr result;
  switch (token.type) {
    case TokenType::kIdentifier:
      if (token.text == "nil") {
        result = node(NodeType::kNil);
        break;
      }
      if (!is_function(token.text)) {
        fail("function \"" + token.text.substr(0, 60) + "\" not defined");
        return nullptr;
      }
      result = node(NodeType::kIdentifier);
      result->text = token.text;
      break;
    case TokenType::kDot:
      result = node(NodeType::kDot);
      break;
    case TokenType::kVariable:
      if (std::find(variables_.begin(), variables_.end(), token.text) == variables_.end()) {
        fail("undefined variable \"" + token.text + "\"");
        return nullptr;
      }
      result = node(NodeType::kVariable);
      result->names.push_back(token.text);
      break;
    case TokenType::kField:
      result = node(NodeType::kField);
      result->names.push_back(token.text.substr(1));
      break;
    case TokenType::kBool:
      result = node(NodeType::kConstant);
      result->constant = Value::of_bool(token.text == "true");
      break;
    case TokenType::kCharacter:
      result = node(NodeType::kConstant);
      result->constant = Value::of_int(utf8::decode_one(token.text).code_point);
      break;
    case TokenType::kNumber:
      result = parse_number(token);
      break;
    case TokenType::kString:
      result = node(NodeType::kConstant);
      result->text = token.text;
      result->constant = Value::of_text(result->text);
      break;
    case TokenType::kLeftParen:
      next();
      return parse_pipeline("parenthesized pipeline", TokenType::kRightParen);
    default:
      return nullptr;
  }
  next();
  return result;
}

NodePtr Parser::parse_number(const Token& token) {
  NodePtr result = node(NodeType::kConstant);
  std::string text;
  for (char c : token.text) {
    if (c != '_') {
      text += c;
    }
  }
  size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  bool negative = sign == 1 && text[0] == '-';
  std::string digits = text.substr(sign);
  char mark = digits.size() > 1 && digits[0] == '0' ? static_cast<char>(digits[1] | 0x20) : '\0';
  bool hex = mark == 'x';
  if (digits.find_first_of(hex ? ".pP" : ".eEpP") != std::string::npos) {
    char* end = nullptr;
    double real = std::strtod(digits.c_str(), &end);
    if (*end != '\0' || !std::isfinite(real)) {
      fail("illegal number syntax");
    }
    result->constant = Value::of_float(negative ? -real : real);
    return result;
  }
  int base = hex ? 16 : mark == 'o' || (mark >= '0' && mark <= '9') ? 8 : mark == 'b' ? 2 : 10;
  size_t prefix = mark == 'x' || mark == 'o' || mark == 'b' ? 2 : 0;
  uint64_t magnitude = 0;
  auto [end, error] = std::from_chars(digits.data() + prefix, digits.data() + digits.size(), magnitude, base);
  if (error == std::errc::result_out_of_range || magnitude > (uint64_t{1} << 63) - (negative ? 0 : 1)) {
    result->text = token.text + " overflows int";  // an error once it is evaluated
    result->constant = Value();
  } else if (error != std::errc() || end != digits.data() + digits.size()) {
    fail("illegal number syntax");
  }
  if (result->text.empty()) {
    result->constant = Value::of_int(static_cast<int64_t>(negative ? 0 - magnitude : magnitude));
  }
  return result;
}

}  // namespace

Result<std::unique_ptr<Program>> parse(std::string_view source, size_t max_depth) {
  DA_ASSIGN_OR_RETURN(std::vector<Token> tokens, tokenize(source));
  auto program = std::make_unique<Program>();
  Parser parser(std::move(tokens), *program, max_depth);
  DA_RETURN_IF_ERROR(parser.run());
  return program;
}

}  // namespace da::chat::go
