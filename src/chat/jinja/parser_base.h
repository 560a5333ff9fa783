#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "chat/jinja/ast.h"
#include "chat/jinja/lexer.h"

namespace da::chat::jinja {

// The recursive-descent parser. The first error is kept; after it every function returns null quickly.
class Parser {
 public:
  Parser(std::vector<Token> tokens, Program& program, size_t max_depth)
      : tokens_(std::move(tokens)), program_(program), max_depth_(max_depth) {}

  Status run();

 private:
  // Why a parse stops: the words that end the block being parsed.
  using EndWords = std::initializer_list<std::string_view>;

  const Token& current() const { return tokens_[position_]; }
  const Token& look() const { return tokens_[position_ + 1 < tokens_.size() ? position_ + 1 : position_]; }
  void next() { position_ += position_ + 1 < tokens_.size(); }
  bool ok() const { return status_.is_ok(); }
  void fail(std::string message);
  void fail_unexpected();
  bool is_operator(std::string_view text) const {
    return current().type == TokenType::kOperator && current().text == text;
  }
  bool is_name(std::string_view text) const { return current().type == TokenType::kName && current().text == text; }
  bool skip_operator(std::string_view text);
  bool skip_name(std::string_view text);
  void expect_operator(std::string_view text);
  void expect(TokenType type);
  std::string expect_name();
  NameId intern(const std::string& name);

  // statements.cc
  Block parse_block(EndWords end_words);
  Block parse_body(EndWords end_words);
  void parse_statement(Block& out);
  StatementPtr parse_if();
  StatementPtr parse_for();
  StatementPtr parse_set();
  StatementPtr parse_macro();
  StatementPtr parse_call_block();
  StatementPtr parse_filter_block();
  StatementPtr parse_with();
  StatementPtr parse_named_block();
  StatementPtr parse_scope(std::string_view end_word);
  StatementPtr parse_autoescape();
  StatementPtr parse_loop_control(Verb verb);
  void parse_print(Block& out);
  StatementPtr parse_loader(std::string_view word);
  void parse_signature(Statement& statement);
  void note_macro_names(Statement& statement, size_t first_use);
  StatementPtr statement(Verb verb) const;

  // expressions.cc
  ExpressionPtr parse_expression(bool with_condition = true);
  ExpressionPtr parse_or();
  ExpressionPtr parse_and();
  ExpressionPtr parse_not();
  ExpressionPtr parse_compare();
  ExpressionPtr parse_sum();
  ExpressionPtr parse_concat();
  ExpressionPtr parse_product();
  ExpressionPtr parse_power();
  ExpressionPtr parse_unary(bool with_filter = true);
  ExpressionPtr parse_primary(bool with_namespace = false);
  ExpressionPtr parse_postfix(ExpressionPtr node);
  ExpressionPtr parse_filters(ExpressionPtr node);
  ExpressionPtr parse_subscript(ExpressionPtr node);
  ExpressionPtr parse_index();
  ExpressionPtr parse_call(ExpressionPtr node);
  ExpressionPtr parse_filter_chain(ExpressionPtr node, bool start_inline);
  ExpressionPtr parse_test(ExpressionPtr node);
  std::unique_ptr<CallArguments> parse_arguments();
  ExpressionPtr parse_list();
  ExpressionPtr parse_dict();
  struct TupleMode {
    bool simple = false;  // names and literals only: an assignment target
    bool with_condition = true;
    bool parenthesized = false;  // () is the empty tuple
    bool with_namespace = false;
    std::string_view end_word{};
  };
  ExpressionPtr parse_tuple(TupleMode mode);
  ExpressionPtr parse_target(bool with_namespace, std::string_view end_word = {});
  void check_target(const Expression* target);
  ExpressionPtr expression(Op op, uint32_t line) const;
  ExpressionPtr constant(Value value, uint32_t line) const;
  ExpressionPtr attach(ExpressionPtr parent);

  // Checks filters and tests by name. Unknown ones are an error, unless an `if` may keep them from being reached.
  void resolve(const Block& block, bool soft);
  void resolve(Expression* expression, bool soft);
  void resolve(CallArguments* arguments, bool soft);

  std::vector<Token> tokens_;
  Program& program_;
  size_t max_depth_;
  size_t position_ = 0;
  size_t depth_ = 0;
  size_t loop_depth_ = 0;  // for loops around the statement, within the same macro or block
  Status status_;
  std::unordered_map<std::string, NameId> name_ids_;
  std::vector<NameId> name_uses_;  // every variable read, in order of appearance
};

}  // namespace da::chat::jinja
