#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chat/jinja/value.h"

namespace da::chat::jinja {

struct NativeSpec;
using ExpressionPtr = std::unique_ptr<Expression>;
using StatementPtr = std::unique_ptr<Statement>;
using Block = std::vector<StatementPtr>;
// Variables are numbered when the template is parsed; see Program::names.
using NameId = uint32_t;

enum class Op : uint8_t {
  kConstant,      // constant
  kName,          // name
  kNamespaceRef,  // name.text, only as the target of set
  kList,          // items
  kTuple,         // items
  kDict,          // items: key, value, key, value…
  kAttribute,     // items[0].text
  kItem,          // items[0][items[1]]
  kSlice,         // items[0][items[1]:items[2]:items[3]], absent parts null
  kCall,          // items[0](call arguments)
  kFilter,        // items[0]|text(call arguments); items[0] is null inside a filter block
  kTest,          // items[0] is text(call arguments)
  kNot,
  kNegate,
  kPlus,
  kAnd,
  kOr,
  kConcat,      // items joined as text
  kArithmetic,  // items[0] text[0] items[1] text[1] items[2]…, left to right
  kCompare,     // the same for comparisons, chained
  kCondition,   // items: test, then, else (null when absent)
};

enum class Binary : uint8_t {
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
};

struct CallArguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star;         // *args
  ExpressionPtr double_star;  // **kwargs
};

struct Expression {
  Op op = Op::kConstant;
  uint32_t line = 0;
  uint32_t depth = 1;
  NameId name = 0;
  Value constant;
  std::string text;
  std::vector<ExpressionPtr> items;
  std::vector<Binary> operators;
  std::unique_ptr<CallArguments> arguments;
  const NativeSpec* native = nullptr;  // the filter or test; null: unknown, an error when reached
};

enum class Verb : uint8_t {
  kText,         // text
  kPrint,        // value
  kIf,           // branches
  kFor,          // target, value, filter, body, otherwise, recursive
  kSet,          // target, value
  kSetBlock,     // target, filter chain in value (may be null), body
  kMacro,        // name, parameters, defaults, body
  kCallBlock,    // value is the call; parameters, defaults, body
  kFilterBlock,  // value is the filter chain, body
  kWith,         // targets, values, body
  kBlock,        // text, body
  kScope,        // body in a scope of its own
  kAutoescape,   // value, body
  kBreak,
  kContinue,
  kNoLoader,  // extends, include, import: there is nothing to load from
};

struct Statement {
  Verb verb = Verb::kText;
  uint32_t line = 0;
  NameId name = 0;
  std::string text;
  ExpressionPtr target;
  ExpressionPtr value;
  ExpressionPtr filter;
  Block body;
  Block otherwise;
  std::vector<std::pair<ExpressionPtr, Block>> branches;
  std::vector<NameId> parameters;
  std::vector<ExpressionPtr> defaults;  // for the last parameters
  std::vector<ExpressionPtr> targets;
  std::vector<ExpressionPtr> values;
  bool recursive = false;
  bool scoped = false;
  bool required = false;
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};

// A parsed template.
struct Program {
  std::string source;  // newlines normalised
  std::vector<std::string> names;
  Block body;
  std::vector<const Statement*> blocks;

  static constexpr NameId kNotFound = ~NameId{0};
  NameId find_name(std::string_view name) const;
};

}  // namespace da::chat::jinja
