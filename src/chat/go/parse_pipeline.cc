// Pipelines: declarations, commands, operands.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/utf8.h"
#include "chat/go/functions.h"
#include "chat/go/parser_base.h"

namespace da::chat::go {

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

}  // namespace da::chat::go
