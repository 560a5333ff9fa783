#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "base/result.h"
#include "chat/jinja/ast.h"
#include "chat/jinja/natives.h"
#include "chat/jinja/value.h"
#include "chat/render_options.h"

namespace da::chat::jinja {

// Variables of one block of the template. Lookup goes from the innermost scope outwards.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<NameId, Value>> variables;
  bool captured = false;  // a macro refers to it: kept until the rendering ends
};

// One rendering. The first error is kept and everything unwinds; values are meaningless after it.
class Interpreter {
 public:
  Interpreter(const Program& program, const RenderOptions& options, size_t input_bytes);

  // Makes a variable of the context known. Values of the JSON are referred to, not copied.
  void set_variable(std::string_view name, const nlohmann::ordered_json& value);
  Result<std::string> run();

  const Program& program() const { return program_; }
  const CivilTime& now() const { return options_.now; }
  Arena& arena() { return arena_; }

  // Errors. `fail` returns an undefined value to return at once.
  bool ok() const { return status_.is_ok(); }
  Value fail(std::string message, ErrorCode code = ErrorCode::kCorruptData);
  Value fail_type(std::string_view expected, const Value& found);
  Value fail_undefined(const Value& value);
  // Counts work; fails when the budget is used up.
  bool step(uint64_t count = 1);
  // Counts bytes read or compared by a text operation.
  bool scan(size_t bytes) { return step(bytes / 4096); }
  bool reserve(size_t bytes);
  size_t max_text_bytes() const { return max_output_bytes_; }

  // Making values.
  Value text(std::string value, bool markup = false);
  Value list(std::vector<Value> items, SeqType type = SeqType::kList);
  Value dict_value(Dict* dict);
  Value from_json(const nlohmann::ordered_json& json, bool copy_text);
  // str(value), without a copy where it is a string.
  std::string_view str(const Value& value);

  // Reading values.
  bool iterate(const Value& value, std::vector<Value>& out);
  Seq* to_seq(const Value& value);  // for loops; nullptr: an error
  std::optional<size_t> length(const Value& value);
  Value attribute(const Value& owner, std::string_view name);
  Value item(const Value& owner, const Value& key);
  // Fails unless `key` can be a key of a dict.
  bool hashable(const Value& key);

  // Operators.
  Value binary(Binary operation, const Value& left, const Value& right);
  Value add(const Value& left, const Value& right);
  bool less(const Value& left, const Value& right);
  bool contains(const Value& container, const Value& item);
  bool compare(Binary operation, const Value& left, const Value& right);
  Value format_percent(const Value& format, const Value& arguments);
  Value slice(const Value& value, const Value& start, const Value& stop, const Value& step);

  // Calls.
  Value call(const Value& callee, Arguments arguments);
  Value call_native(const NativeSpec& spec, const Value& self, Arguments arguments);
  Value eval(const Expression& node);

  // For loops.
  bool assign(const Expression& target, const Value& value, Scope& scope);
  Scope* push_scope(Scope* parent);
  void pop_scope(Scope* scope);
  Scope* current_scope() { return scope_; }
  Value eval_in(const Expression& node, Scope* scope);
  void render_loop(const Statement& node, const Value& iterable, Scope* scope, size_t depth0);
  Value render_recursive(const Loop& loop, const Value& iterable);

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  // expressions.cc
  Value eval_node(const Expression& node);
  Value eval_list(const Expression& node, SeqType type);
  Value eval_dict(const Expression& node);
  Value eval_call(const Expression& node);
  Value eval_native(const Expression& node, const Value& self);
  bool eval_arguments(const CallArguments& source, Arguments& out);
  Value eval_compare(const Expression& node);
  Value eval_concat(const Expression& node);
  Value lookup(NameId name);

  // operators.cc
  Value arithmetic(Binary operation, const Value& left, const Value& right);
  Value integer_arithmetic(Binary operation, BigInt left, BigInt right);
  Value float_arithmetic(Binary operation, double left, double right);
  Value repeat(const Value& value, BigInt count);
  int order(const Value& left, const Value& right, Binary operation);

  // statements.cc
  Flow exec(const Block& block);
  Flow exec(const Statement& node);
  Flow exec_if(const Statement& node);
  void exec_set_block(const Statement& node);
  void exec_macro(const Statement& node);
  void exec_call_block(const Statement& node);
  Flow exec_with(const Statement& node);
  void exec_block(const Statement& node);
  void exec_scoped(const Statement& node);
  std::string capture(const Block& block);
  Value apply_filters(const Expression* chain, Value value);
  Value call_macro(const Callable& macro, Arguments arguments);
  Value render_block(const Statement& node, Scope* scope);
  Value make_macro(const Statement& node);
  void write(std::string_view text);
  void print(const Value& value);
  NameId name_id(std::string_view name) const { return program_.find_name(name); }

  const Program& program_;
  RenderOptions options_;
  Arena arena_;
  size_t max_output_bytes_;
  uint64_t steps_ = 0;
  size_t depth_ = 0;
  size_t macro_depth_ = 0;
  uint32_t line_ = 1;
  bool autoescape_ = false;
  Status status_;
  std::string output_;
  std::string* out_ = &output_;
  std::deque<Scope> scopes_;
  std::vector<Scope*> free_scopes_;
  Scope* context_ = nullptr;
  Scope* root_ = nullptr;  // what `set` at the top of the template writes
  Scope* scope_ = nullptr;
  NameId loop_name_;
  NameId caller_name_;
  NameId varargs_name_;
  NameId kwargs_name_;
  NameId self_name_;
};

}  // namespace da::chat::jinja
