#include <memory>
#include <utility>
#include <vector>

#include "chat/jinja/parser_base.h"

// The parser's part for what may follow a value: filters, tests, subscripts, attributes and calls.
namespace da::chat::jinja {

ExpressionPtr Parser::parse_postfix(ExpressionPtr node) {
  while (ok() && (is_operator(".") || is_operator("[") || is_operator("("))) {
    node = is_operator("(") ? parse_call(std::move(node)) : parse_subscript(std::move(node));
  }
  return node;
}

ExpressionPtr Parser::parse_filters(ExpressionPtr node) {
  while (ok()) {
    if (is_operator("|")) {
      node = parse_filter_chain(std::move(node), false);
    } else if (is_name("is")) {
      node = parse_test(std::move(node));
    } else if (is_operator("(")) {
      node = parse_call(std::move(node));
    } else {
      break;
    }
  }
  return node;
}

ExpressionPtr Parser::parse_subscript(ExpressionPtr node) {
  uint32_t line = current().line;
  if (skip_operator(".")) {
    const Token& token = current();
    if (token.type == TokenType::kName) {
      ExpressionPtr attribute = expression(Op::kAttribute, line);
      attribute->text = token.text;
      attribute->items.push_back(std::move(node));
      next();
      return attach(std::move(attribute));
    }
    if (token.type != TokenType::kInteger) {
      fail("expected name or number");
      return nullptr;
    }
    ExpressionPtr item = expression(Op::kItem, line);
    item->items.push_back(std::move(node));
    item->items.push_back(constant(Value::of_int(token.integer), line));
    next();
    return attach(std::move(item));
  }
  expect_operator("[");
  std::vector<ExpressionPtr> indices;
  while (ok() && !is_operator("]")) {
    if (!indices.empty()) {
      expect_operator(",");
    }
    indices.push_back(parse_index());
  }
  expect_operator("]");
  if (!ok()) {
    return nullptr;
  }
  if (indices.size() == 1 && indices[0]->op == Op::kSlice && indices[0]->items[0] == nullptr) {
    indices[0]->items[0] = std::move(node);
    return attach(std::move(indices[0]));
  }
  ExpressionPtr item = expression(Op::kItem, line);
  item->items.push_back(std::move(node));
  if (indices.size() == 1) {
    item->items.push_back(std::move(indices[0]));
  } else {
    ExpressionPtr tuple = expression(Op::kTuple, line);
    tuple->items = std::move(indices);
    item->items.push_back(attach(std::move(tuple)));
  }
  return attach(std::move(item));
}

ExpressionPtr Parser::parse_index() {
  uint32_t line = current().line;
  ExpressionPtr first;
  if (!is_operator(":")) {
    first = parse_expression();
    if (!is_operator(":")) {
      return first;
    }
  }
  ExpressionPtr slice = expression(Op::kSlice, line);
  slice->items.resize(4);
  slice->items[1] = std::move(first);
  for (size_t part = 2; part < 4 && ok() && skip_operator(":"); ++part) {
    if (!is_operator(":") && !is_operator("]") && !is_operator(",")) {
      slice->items[part] = parse_expression();
    }
  }
  return attach(std::move(slice));
}

std::unique_ptr<CallArguments> Parser::parse_arguments() {
  auto arguments = std::make_unique<CallArguments>();
  expect_operator("(");
  bool first = true;
  while (ok() && !is_operator(")")) {
    if (!first) {
      expect_operator(",");
      if (is_operator(")")) {
        break;
      }
    }
    first = false;
    if (skip_operator("*")) {
      if (arguments->star != nullptr || arguments->double_star != nullptr) {
        fail("invalid syntax for function call expression");
      }
      arguments->star = parse_expression();
    } else if (skip_operator("**")) {
      if (arguments->double_star != nullptr) {
        fail("invalid syntax for function call expression");
      }
      arguments->double_star = parse_expression();
    } else if (current().type == TokenType::kName && look().type == TokenType::kOperator && look().text == "=") {
      std::string name = current().text;
      next();
      next();
      if (arguments->double_star != nullptr) {
        fail("invalid syntax for function call expression");
      }
      arguments->named.emplace_back(std::move(name), parse_expression());
    } else {
      if (arguments->star != nullptr || arguments->double_star != nullptr || !arguments->named.empty()) {
        fail("invalid syntax for function call expression");
      }
      arguments->positional.push_back(parse_expression());
    }
  }
  expect_operator(")");
  return arguments;
}

ExpressionPtr Parser::parse_call(ExpressionPtr node) {
  ExpressionPtr call = expression(Op::kCall, current().line);
  call->items.push_back(std::move(node));
  call->arguments = parse_arguments();
  return attach(std::move(call));
}

ExpressionPtr Parser::parse_filter_chain(ExpressionPtr node, bool start_inline) {
  while (ok() && (start_inline || is_operator("|"))) {
    if (!start_inline) {
      next();
    }
    start_inline = false;
    ExpressionPtr filter = expression(Op::kFilter, current().line);
    filter->text = expect_name();
    while (ok() && skip_operator(".")) {
      filter->text += "." + expect_name();
    }
    filter->arguments = is_operator("(") ? parse_arguments() : std::make_unique<CallArguments>();
    filter->items.push_back(std::move(node));
    node = attach(std::move(filter));
  }
  return node;
}

ExpressionPtr Parser::parse_test(ExpressionPtr node) {
  uint32_t line = current().line;
  next();
  bool negated = skip_name("not");
  ExpressionPtr test = expression(Op::kTest, line);
  test->text = expect_name();
  while (ok() && skip_operator(".")) {
    test->text += "." + expect_name();
  }
  test->items.push_back(std::move(node));
  TokenType type = current().type;
  bool takes_argument = type == TokenType::kString || type == TokenType::kInteger || type == TokenType::kFloat ||
                        is_operator("[") || is_operator("{") ||
                        (type == TokenType::kName && !is_name("else") && !is_name("or") && !is_name("and"));
  if (is_operator("(")) {
    test->arguments = parse_arguments();
  } else {
    test->arguments = std::make_unique<CallArguments>();
    if (takes_argument) {
      if (is_name("is")) {
        fail("tests cannot be chained with is");
      }
      test->arguments->positional.push_back(parse_postfix(parse_primary()));
    }
  }
  test = attach(std::move(test));
  if (!negated) {
    return test;
  }
  ExpressionPtr negation = expression(Op::kNot, line);
  negation->items.push_back(std::move(test));
  return attach(std::move(negation));
}

}  // namespace da::chat::jinja
