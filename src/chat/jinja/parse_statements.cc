#include <algorithm>
#include <utility>

#include "chat/jinja/parser_base.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {

StatementPtr Parser::statement(Verb verb) const {
  auto result = std::make_unique<Statement>();
  result->verb = verb;
  result->line = current().line;
  return result;
}

// Parses text, prints and tags until one of the end words opens a tag (it becomes the current token), or to the end.
Block Parser::parse_block(EndWords end_words) {
  Block block;
  ++depth_;
  if (depth_ > max_depth_) {
    fail("template nests deeper than " + std::to_string(max_depth_));
  }
  while (ok()) {
    const Token& token = current();
    if (token.type == TokenType::kData) {
      StatementPtr text = statement(Verb::kText);
      text->text = token.text;
      block.push_back(std::move(text));
      next();
    } else if (token.type == TokenType::kVariableBegin) {
      StatementPtr print = statement(Verb::kPrint);
      next();
      print->value = parse_tuple({});
      expect(TokenType::kVariableEnd);
      block.push_back(std::move(print));
    } else if (token.type == TokenType::kBlockBegin) {
      next();
      if (std::any_of(end_words.begin(), end_words.end(), [&](std::string_view word) { return is_name(word); })) {
        break;
      }
      parse_statement(block);
      expect(TokenType::kBlockEnd);
    } else {
      if (end_words.size() > 0) {
        fail("unexpected end of template, expected '" + std::string(*(end_words.end() - 1)) + "'");
      }
      break;
    }
  }
  --depth_;
  return block;
}

// The body of a tag: behind an optional colon and the tag's end.
Block Parser::parse_body(EndWords end_words) {
  skip_operator(":");
  expect(TokenType::kBlockEnd);
  return parse_block(end_words);
}

void Parser::parse_statement(Block& out) {
  if (current().type != TokenType::kName) {
    fail("tag name expected");
    return;
  }
  std::string word = current().text;
  if (word == "print") {
    parse_print(out);
    return;
  }
  StatementPtr parsed = word == "if"           ? parse_if()
                        : word == "for"        ? parse_for()
                        : word == "set"        ? parse_set()
                        : word == "macro"      ? parse_macro()
                        : word == "call"       ? parse_call_block()
                        : word == "filter"     ? parse_filter_block()
                        : word == "with"       ? parse_with()
                        : word == "block"      ? parse_named_block()
                        : word == "generation" ? parse_scope("endgeneration")
                        : word == "autoescape" ? parse_autoescape()
                        : word == "break"      ? parse_loop_control(Verb::kBreak)
                        : word == "continue"   ? parse_loop_control(Verb::kContinue)
                        : word == "extends" || word == "include" || word == "import" || word == "from"
                            ? parse_loader(word)
                            : nullptr;
  if (parsed != nullptr) {
    out.push_back(std::move(parsed));
  } else {
    fail("unknown tag '" + word.substr(0, 40) + "'");
  }
}

StatementPtr Parser::parse_if() {
  StatementPtr result = statement(Verb::kIf);
  while (ok()) {
    next();
    ExpressionPtr test = parse_tuple({.with_condition = false});
    Block body = parse_body({"elif", "else", "endif"});
    result->branches.emplace_back(std::move(test), std::move(body));
    if (is_name("elif")) {
      continue;
    }
    bool has_else = is_name("else");
    next();
    if (has_else) {
      result->otherwise = parse_body({"endif"});
      next();
    }
    break;
  }
  return result;
}

StatementPtr Parser::parse_for() {
  StatementPtr result = statement(Verb::kFor);
  next();
  result->target = parse_target(false, "in");
  if (ok() && !skip_name("in")) {
    fail("expected 'in'");
  }
  result->value = parse_tuple({.with_condition = false, .end_word = "recursive"});
  if (skip_name("if")) {
    result->filter = parse_expression();
  }
  result->recursive = skip_name("recursive");
  ++loop_depth_;
  result->body = parse_body({"else", "endfor"});
  --loop_depth_;
  bool has_else = is_name("else");
  next();
  if (has_else) {
    result->otherwise = parse_body({"endfor"});
    next();
  }
  return result;
}

StatementPtr Parser::parse_set() {
  StatementPtr result = statement(Verb::kSet);
  next();
  result->target = parse_target(true);
  if (skip_operator("=")) {
    result->value = parse_tuple({});
    return result;
  }
  result->verb = Verb::kSetBlock;
  result->value = parse_filter_chain(nullptr, false);
  result->body = parse_body({"endset"});
  next();
  return result;
}

void Parser::parse_signature(Statement& result) {
  expect_operator("(");
  while (ok() && !is_operator(")")) {
    if (!result.parameters.empty()) {
      expect_operator(",");
    }
    NameId parameter = intern(expect_name());
    if (std::find(result.parameters.begin(), result.parameters.end(), parameter) != result.parameters.end()) {
      fail("duplicate argument '" + program_.names[parameter] + "'");
    }
    result.parameters.push_back(parameter);
    if (skip_operator("=")) {
      result.defaults.push_back(parse_expression());
    } else if (!result.defaults.empty()) {
      fail("non-default argument follows default argument");
    }
  }
  expect_operator(")");
}

// Which of the implicit variables of a macro its body reads.
void Parser::note_macro_names(Statement& result, size_t first_use) {
  auto uses = [&](const char* name) {
    auto found = name_ids_.find(name);
    if (found == name_ids_.end()) {
      return false;
    }
    return std::find(name_uses_.begin() + static_cast<std::ptrdiff_t>(first_use), name_uses_.end(), found->second) !=
               name_uses_.end() &&
           std::find(result.parameters.begin(), result.parameters.end(), found->second) == result.parameters.end();
  };
  result.uses_caller = uses("caller");
  result.uses_varargs = uses("varargs");
  result.uses_kwargs = uses("kwargs");
}

StatementPtr Parser::parse_macro() {
  StatementPtr result = statement(Verb::kMacro);
  next();
  result->text = expect_name();
  result->name = intern(result->text);
  parse_signature(*result);
  size_t first_use = name_uses_.size();
  size_t outer_loops = std::exchange(loop_depth_, 0);
  result->body = parse_body({"endmacro"});
  loop_depth_ = outer_loops;
  next();
  note_macro_names(*result, first_use);
  return result;
}

StatementPtr Parser::parse_call_block() {
  StatementPtr result = statement(Verb::kCallBlock);
  next();
  if (is_operator("(")) {
    parse_signature(*result);
  }
  result->text = "caller";
  result->value = parse_expression();
  if (ok() && result->value->op != Op::kCall) {
    fail("expected call");
  }
  size_t first_use = name_uses_.size();
  size_t outer_loops = std::exchange(loop_depth_, 0);
  result->body = parse_body({"endcall"});
  loop_depth_ = outer_loops;
  next();
  note_macro_names(*result, first_use);
  return result;
}

StatementPtr Parser::parse_filter_block() {
  StatementPtr result = statement(Verb::kFilterBlock);
  next();
  result->value = parse_filter_chain(nullptr, true);
  result->body = parse_body({"endfilter"});
  next();
  return result;
}

StatementPtr Parser::parse_with() {
  StatementPtr result = statement(Verb::kWith);
  next();
  while (ok() && current().type != TokenType::kBlockEnd) {
    if (!result->targets.empty()) {
      expect_operator(",");
    }
    result->targets.push_back(parse_target(false));
    expect_operator("=");
    result->values.push_back(parse_expression());
  }
  result->body = parse_body({"endwith"});
  next();
  return result;
}

StatementPtr Parser::parse_named_block() {
  StatementPtr result = statement(Verb::kBlock);
  next();
  result->text = expect_name();
  result->scoped = skip_name("scoped");
  result->required = skip_name("required");
  size_t outer_loops = std::exchange(loop_depth_, 0);
  result->body = parse_body({"endblock"});
  loop_depth_ = outer_loops;
  next();
  skip_name(result->text);
  for (const Statement* block : program_.blocks) {
    if (block->text == result->text) {
      fail("block '" + result->text + "' defined twice");
    }
  }
  if (result->required) {
    for (const StatementPtr& part : result->body) {
      if (part->verb != Verb::kText || !unicode::strip(part->text).empty()) {
        fail("required blocks can only contain comments or whitespace");
      }
    }
  }
  program_.blocks.push_back(result.get());
  return result;
}

StatementPtr Parser::parse_scope(std::string_view end_word) {
  StatementPtr result = statement(Verb::kScope);
  next();
  size_t outer_loops = std::exchange(loop_depth_, 0);
  result->body = parse_body({end_word});
  loop_depth_ = outer_loops;
  next();
  return result;
}

StatementPtr Parser::parse_autoescape() {
  StatementPtr result = statement(Verb::kAutoescape);
  next();
  result->value = parse_expression();
  result->body = parse_body({"endautoescape"});
  next();
  return result;
}

StatementPtr Parser::parse_loop_control(Verb verb) {
  StatementPtr result = statement(verb);
  next();
  if (loop_depth_ == 0) {
    fail(verb == Verb::kBreak ? "'break' outside loop" : "'continue' outside loop");
  }
  return result;
}

void Parser::parse_print(Block& out) {
  next();
  bool first = true;
  while (ok() && current().type != TokenType::kBlockEnd) {
    if (!first) {
      expect_operator(",");
    }
    first = false;
    StatementPtr print = statement(Verb::kPrint);
    print->value = parse_expression();
    out.push_back(std::move(print));
  }
}

// Chat templates stand alone; the tags that load others parse, and fail when they are reached.
StatementPtr Parser::parse_loader(std::string_view word) {
  StatementPtr result = statement(Verb::kNoLoader);
  next();
  result->value = parse_expression();
  if (word == "import" && ok() && !skip_name("as")) {
    fail("expected 'as'");
  }
  if (word == "from" && ok() && !is_name("import")) {
    fail("expected 'import'");
  }
  while (ok() && (current().type == TokenType::kName || is_operator(","))) {
    next();
  }
  return result;
}

}  // namespace da::chat::jinja
