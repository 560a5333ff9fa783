#include <algorithm>
#include <array>

#include "chat/jinja/parser_base.h"

namespace da::chat::jinja {
namespace {

// Chains (a.b.c, x|f|g, not not x) nest the tree without nesting the text; the evaluator recurses over them.
constexpr uint32_t kMaxTreeDepth = 250;

struct DepthGuard {
  explicit DepthGuard(size_t& depth) : depth_(depth) { ++depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;
  ~DepthGuard() { --depth_; }
  size_t& depth_;
};

}  // namespace

ExpressionPtr Parser::expression(Op op, uint32_t line) const {
  auto node = std::make_unique<Expression>();
  node->op = op;
  node->line = line;
  return node;
}

ExpressionPtr Parser::constant(Value value, uint32_t line) const {
  ExpressionPtr node = expression(Op::kConstant, line);
  node->constant = value;
  return node;
}

// Computes the depth of a finished node.
ExpressionPtr Parser::attach(ExpressionPtr parent) {
  if (parent == nullptr) {
    return parent;
  }
  auto include = [&](const ExpressionPtr& child) {
    if (child != nullptr) {
      parent->depth = std::max(parent->depth, child->depth + 1);
    }
  };
  std::for_each(parent->items.begin(), parent->items.end(), include);
  if (parent->arguments != nullptr) {
    std::for_each(parent->arguments->positional.begin(), parent->arguments->positional.end(), include);
    for (const auto& [name, value] : parent->arguments->named) {
      include(value);
    }
    include(parent->arguments->star);
    include(parent->arguments->double_star);
  }
  if (parent->depth > kMaxTreeDepth) {
    fail("expression nests too deeply");
  }
  return parent;
}

ExpressionPtr Parser::parse_expression(bool with_condition) {
  DepthGuard guard(depth_);
  if (depth_ > max_depth_) {
    fail("template nests deeper than " + std::to_string(max_depth_));
  }
  if (!ok()) {
    return nullptr;
  }
  ExpressionPtr node = parse_or();
  while (with_condition && ok() && is_name("if")) {
    ExpressionPtr condition = expression(Op::kCondition, current().line);
    next();
    ExpressionPtr test = parse_or();
    ExpressionPtr otherwise;
    if (skip_name("else")) {
      otherwise = parse_expression();
    }
    condition->items.push_back(std::move(test));
    condition->items.push_back(std::move(node));
    condition->items.push_back(std::move(otherwise));
    node = attach(std::move(condition));
  }
  return node;
}

ExpressionPtr Parser::parse_or() {
  ExpressionPtr left = parse_and();
  if (!ok() || !is_name("or")) {
    return left;
  }
  ExpressionPtr node = expression(Op::kOr, current().line);
  node->items.push_back(std::move(left));
  while (ok() && skip_name("or")) {
    node->items.push_back(parse_and());
  }
  return attach(std::move(node));
}

ExpressionPtr Parser::parse_and() {
  ExpressionPtr left = parse_not();
  if (!ok() || !is_name("and")) {
    return left;
  }
  ExpressionPtr node = expression(Op::kAnd, current().line);
  node->items.push_back(std::move(left));
  while (ok() && skip_name("and")) {
    node->items.push_back(parse_not());
  }
  return attach(std::move(node));
}

ExpressionPtr Parser::parse_not() {
  size_t count = 0;
  uint32_t line = current().line;
  while (skip_name("not")) {
    ++count;
  }
  ExpressionPtr node = parse_compare();
  // not not x is the truth of x, so at most two survive.
  for (size_t i = 0; i < (count > 2 ? 2 - count % 2 : count); ++i) {
    ExpressionPtr negation = expression(Op::kNot, line);
    negation->items.push_back(std::move(node));
    node = attach(std::move(negation));
  }
  return node;
}

ExpressionPtr Parser::parse_compare() {
  static constexpr std::array<std::pair<std::string_view, Binary>, 6> kOperators = {{
      {"==", Binary::kEqual},
      {"!=", Binary::kNotEqual},
      {"<", Binary::kLess},
      {"<=", Binary::kLessEqual},
      {">", Binary::kGreater},
      {">=", Binary::kGreaterEqual},
  }};
  ExpressionPtr node = parse_sum();
  ExpressionPtr chain;
  while (ok()) {
    Binary operation;
    const auto* found =
        std::find_if(kOperators.begin(), kOperators.end(), [&](const auto& entry) { return is_operator(entry.first); });
    if (found != kOperators.end()) {
      operation = found->second;
      next();
    } else if (is_name("in")) {
      operation = Binary::kIn;
      next();
    } else if (is_name("not") && look().type == TokenType::kName && look().text == "in") {
      operation = Binary::kNotIn;
      next();
      next();
    } else {
      break;
    }
    if (chain == nullptr) {
      chain = expression(Op::kCompare, current().line);
      chain->items.push_back(std::move(node));
    }
    chain->operators.push_back(operation);
    chain->items.push_back(parse_sum());
  }
  return chain == nullptr ? std::move(node) : attach(std::move(chain));
}

ExpressionPtr Parser::parse_sum() {
  ExpressionPtr node = parse_concat();
  ExpressionPtr chain;
  while (ok() && (is_operator("+") || is_operator("-"))) {
    if (chain == nullptr) {
      chain = expression(Op::kArithmetic, current().line);
      chain->items.push_back(std::move(node));
    }
    chain->operators.push_back(is_operator("+") ? Binary::kAdd : Binary::kSubtract);
    next();
    chain->items.push_back(parse_concat());
  }
  return chain == nullptr ? std::move(node) : attach(std::move(chain));
}

ExpressionPtr Parser::parse_concat() {
  ExpressionPtr node = parse_product();
  ExpressionPtr chain;
  while (ok() && is_operator("~")) {
    if (chain == nullptr) {
      chain = expression(Op::kConcat, current().line);
      chain->items.push_back(std::move(node));
    }
    next();
    chain->items.push_back(parse_product());
  }
  return chain == nullptr ? std::move(node) : attach(std::move(chain));
}

ExpressionPtr Parser::parse_product() {
  ExpressionPtr node = parse_power();
  ExpressionPtr chain;
  while (ok() && (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%"))) {
    if (chain == nullptr) {
      chain = expression(Op::kArithmetic, current().line);
      chain->items.push_back(std::move(node));
    }
    chain->operators.push_back(is_operator("*")   ? Binary::kMultiply
                               : is_operator("/") ? Binary::kDivide
                               : is_operator("%") ? Binary::kModulo
                                                  : Binary::kFloorDivide);
    next();
    chain->items.push_back(parse_power());
  }
  return chain == nullptr ? std::move(node) : attach(std::move(chain));
}

// The sign binds tighter than the power, and powers group to the left: Jinja's way, not Python's.
ExpressionPtr Parser::parse_power() {
  ExpressionPtr node = parse_unary();
  ExpressionPtr chain;
  while (ok() && is_operator("**")) {
    if (chain == nullptr) {
      chain = expression(Op::kArithmetic, current().line);
      chain->items.push_back(std::move(node));
    }
    next();
    chain->operators.push_back(Binary::kPower);
    chain->items.push_back(parse_unary());
  }
  return chain == nullptr ? std::move(node) : attach(std::move(chain));
}

ExpressionPtr Parser::parse_unary(bool with_filter) {
  DepthGuard guard(depth_);
  if (depth_ > max_depth_) {
    fail("template nests deeper than " + std::to_string(max_depth_));
  }
  if (!ok()) {
    return nullptr;
  }
  ExpressionPtr node;
  if (is_operator("-") || is_operator("+")) {
    node = expression(is_operator("-") ? Op::kNegate : Op::kPlus, current().line);
    next();
    node->items.push_back(parse_unary(false));
    node = attach(std::move(node));
  } else {
    node = parse_primary();
  }
  node = parse_postfix(std::move(node));
  return with_filter ? parse_filters(std::move(node)) : std::move(node);
}

ExpressionPtr Parser::parse_primary(bool with_namespace) {
  if (!ok()) {
    return nullptr;
  }
  const Token& token = current();
  uint32_t line = token.line;
  switch (token.type) {
    case TokenType::kName: {
      std::string name = token.text;
      next();
      if (name == "true" || name == "True" || name == "false" || name == "False") {
        return constant(Value::of_bool(name == "true" || name == "True"), line);
      }
      if (name == "none" || name == "None") {
        return constant(Value::none(), line);
      }
      if (with_namespace && is_operator(".")) {
        next();
        ExpressionPtr node = expression(Op::kNamespaceRef, line);
        node->name = intern(name);
        name_uses_.push_back(node->name);
        node->text = expect_name();
        return node;
      }
      ExpressionPtr node = expression(Op::kName, line);
      node->name = intern(name);
      name_uses_.push_back(node->name);
      return node;
    }
    case TokenType::kString: {
      ExpressionPtr node = expression(Op::kConstant, line);
      while (current().type == TokenType::kString) {
        node->text += current().text;
        next();
      }
      node->constant = Value::of_text(node->text);
      return node;
    }
    case TokenType::kInteger: {
      BigInt value = token.integer;
      next();
      return constant(Value::of_int(value), line);
    }
    case TokenType::kFloat: {
      double value = token.real;
      next();
      return constant(Value::of_float(value), line);
    }
    default:
      break;
  }
  if (skip_operator("(")) {
    ExpressionPtr node = parse_tuple({.parenthesized = true});
    expect_operator(")");
    return node;
  }
  if (is_operator("[")) {
    return parse_list();
  }
  if (is_operator("{")) {
    return parse_dict();
  }
  fail_unexpected();
  return nullptr;
}

ExpressionPtr Parser::parse_tuple(TupleMode mode) {
  DepthGuard guard(depth_);
  if (depth_ > max_depth_) {
    fail("template nests deeper than " + std::to_string(max_depth_));
  }
  std::vector<ExpressionPtr> items;
  bool is_tuple = false;
  uint32_t line = current().line;
  while (ok()) {
    if (!items.empty()) {
      expect_operator(",");
    }
    TokenType type = current().type;
    if (type == TokenType::kVariableEnd || type == TokenType::kBlockEnd || is_operator(")") ||
        (!mode.end_word.empty() && is_name(mode.end_word))) {
      break;
    }
    items.push_back(mode.simple ? parse_primary(mode.with_namespace) : parse_expression(mode.with_condition));
    if (!is_operator(",")) {
      break;
    }
    is_tuple = true;
  }
  if (!ok()) {
    return nullptr;
  }
  if (!is_tuple && !items.empty()) {
    return std::move(items[0]);
  }
  if (!is_tuple && !mode.parenthesized) {
    fail("expected an expression");
    return nullptr;
  }
  ExpressionPtr node = expression(Op::kTuple, line);
  node->items = std::move(items);
  return attach(std::move(node));
}

ExpressionPtr Parser::parse_target(bool with_namespace, std::string_view end_word) {
  ExpressionPtr target = parse_tuple({.simple = true, .with_namespace = with_namespace, .end_word = end_word});
  if (ok()) {
    check_target(target.get());
  }
  return target;
}

void Parser::check_target(const Expression* target) {
  if (target->op == Op::kTuple) {
    for (const ExpressionPtr& item : target->items) {
      check_target(item.get());
    }
  } else if (target->op != Op::kName && target->op != Op::kNamespaceRef) {
    fail("cannot assign to this expression");
  }
}

ExpressionPtr Parser::parse_list() {
  ExpressionPtr node = expression(Op::kList, current().line);
  next();
  while (ok() && !is_operator("]")) {
    if (!node->items.empty()) {
      expect_operator(",");
    }
    if (is_operator("]")) {
      break;
    }
    node->items.push_back(parse_expression());
  }
  expect_operator("]");
  return attach(std::move(node));
}

ExpressionPtr Parser::parse_dict() {
  ExpressionPtr node = expression(Op::kDict, current().line);
  next();
  while (ok() && !is_operator("}")) {
    if (!node->items.empty()) {
      expect_operator(",");
    }
    if (is_operator("}")) {
      break;
    }
    node->items.push_back(parse_expression());
    expect_operator(":");
    node->items.push_back(parse_expression());
  }
  expect_operator("}");
  return attach(std::move(node));
}

}  // namespace da::chat::jinja
