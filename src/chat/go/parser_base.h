#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "chat/go/ast.h"
#include "chat/go/lexer.h"

namespace da::chat::go {

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

}  // namespace da::chat::go
