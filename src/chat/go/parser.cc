#include "chat/go/parser.h"

#include <algorithm>
#include <utility>

#include "chat/go/parser_base.h"

namespace da::chat::go {

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

static bool is_blank(const Node& list) {
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

Result<std::unique_ptr<Program>> parse(std::string_view source, size_t max_depth) {
  DA_ASSIGN_OR_RETURN(std::vector<Token> tokens, tokenize(source));
  auto program = std::make_unique<Program>();
  Parser parser(std::move(tokens), *program, max_depth);
  DA_RETURN_IF_ERROR(parser.run());
  return program;
}

}  // namespace da::chat::go
