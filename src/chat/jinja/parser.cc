#include "chat/jinja/parser.h"

#include <utility>

#include "chat/jinja/natives.h"
#include "chat/jinja/parser_base.h"

// What every part of the parser uses, and what follows when the text is read: names of filters and tests are looked up.
namespace da::chat::jinja {

void Parser::fail(std::string message) {
  if (ok()) {
    status_ =
        Status(ErrorCode::kCorruptData, "template line " + std::to_string(current().line) + ": " + std::move(message));
  }
}

void Parser::fail_unexpected() {
  switch (current().type) {
    case TokenType::kEnd:
      fail("unexpected end of template");
      return;
    case TokenType::kVariableEnd:
    case TokenType::kBlockEnd:
      fail("expression missing before the end of the tag");
      return;
    default:
      fail("unexpected '" + current().text.substr(0, 40) + "'");
  }
}

bool Parser::skip_operator(std::string_view text) {
  if (!is_operator(text)) {
    return false;
  }
  next();
  return true;
}

bool Parser::skip_name(std::string_view text) {
  if (!is_name(text)) {
    return false;
  }
  next();
  return true;
}

void Parser::expect_operator(std::string_view text) {
  if (ok() && !skip_operator(text)) {
    fail("expected '" + std::string(text) + "'");
  }
}

void Parser::expect(TokenType type) {
  if (ok() && current().type != type) {
    fail_unexpected();
  }
  next();
}

std::string Parser::expect_name() {
  if (current().type != TokenType::kName) {
    fail("expected a name");
    return {};
  }
  std::string name = current().text;
  next();
  return name;
}

NameId Parser::intern(const std::string& name) {
  auto [found, added] = name_ids_.emplace(name, static_cast<NameId>(program_.names.size()));
  if (added) {
    program_.names.push_back(name);
  }
  return found->second;
}

void Parser::resolve(CallArguments* arguments, bool soft) {
  if (arguments == nullptr) {
    return;
  }
  for (const ExpressionPtr& value : arguments->positional) {
    resolve(value.get(), soft);
  }
  for (const auto& [name, value] : arguments->named) {
    resolve(value.get(), soft);
  }
  resolve(arguments->star.get(), soft);
  resolve(arguments->double_star.get(), soft);
}

void Parser::resolve(Expression* node, bool soft) {
  if (node == nullptr) {
    return;
  }
  soft = soft || node->op == Op::kCondition;
  if (node->op == Op::kFilter || node->op == Op::kTest) {
    node->native = node->op == Op::kFilter ? find_filter(node->text) : find_test(node->text);
    if (node->native == nullptr && !soft && ok()) {
      status_ = Status(ErrorCode::kCorruptData, "template line " + std::to_string(node->line) + ": no " +
                                                    (node->op == Op::kFilter ? "filter" : "test") + " named '" +
                                                    node->text.substr(0, 60) + "'");
    }
  }
  for (const ExpressionPtr& item : node->items) {
    resolve(item.get(), soft);
  }
  resolve(node->arguments.get(), soft);
}

void Parser::resolve(const Block& block, bool soft) {
  for (const StatementPtr& part : block) {
    bool is_if = part->verb == Verb::kIf;
    bool own_frame = part->verb == Verb::kFilterBlock || part->verb == Verb::kSetBlock;
    resolve(part->value.get(), soft && !own_frame);
    resolve(part->target.get(), soft);
    resolve(part->filter.get(), false);
    for (const auto& [test, body] : part->branches) {
      resolve(test.get(), true);
      resolve(body, true);
    }
    for (const ExpressionPtr& value : part->defaults) {
      resolve(value.get(), false);
    }
    for (const ExpressionPtr& value : part->values) {
      resolve(value.get(), soft);
    }
    // Every tag but `if` opens a frame of its own, and the leniency of an outer `if` ends there.
    resolve(part->body, false);
    resolve(part->otherwise, is_if);
  }
}

Status Parser::run() {
  program_.body = parse_block({});
  if (ok()) {
    resolve(program_.body, false);
  }
  return status_;
}

NameId Program::find_name(std::string_view name) const {
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) {
      return static_cast<NameId>(i);
    }
  }
  return kNotFound;
}

Result<std::unique_ptr<Program>> parse(std::string_view source, size_t max_depth) {
  auto program = std::make_unique<Program>();
  program->source = normalize_source(source);
  DA_ASSIGN_OR_RETURN(std::vector<Token> tokens, tokenize(program->source));
  Parser parser(std::move(tokens), *program, max_depth);
  DA_RETURN_IF_ERROR(parser.run());
  return program;
}

}  // namespace da::chat::jinja
