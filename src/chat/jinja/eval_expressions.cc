#include <utility>

#include "chat/jinja/interpreter.h"
#include "chat/jinja/markup.h"

namespace da::chat::jinja {
namespace {

// Every level of the evaluator's recursion takes well under a kilobyte of stack.
constexpr size_t kMaxEvalDepth = 2000;

}  // namespace

Value Interpreter::eval(const Expression& node) {
  if (!ok() || !step()) {
    return {};
  }
  if (node.op == Op::kConstant) {
    return node.constant;
  }
  line_ = node.line;
  if (++depth_ > kMaxEvalDepth) {
    --depth_;
    return fail("maximum recursion depth exceeded", ErrorCode::kResourceExhausted);
  }
  Value value = eval_node(node);
  --depth_;
  return ok() ? value : Value();
}

Value Interpreter::eval_in(const Expression& node, Scope* scope) {
  Scope* outer = std::exchange(scope_, scope);
  Value value = eval(node);
  scope_ = outer;
  return value;
}

Value Interpreter::lookup(NameId name) {
  for (Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    for (const auto& [id, value] : scope->variables) {
      if (id == name) {
        return value;
      }
    }
  }
  return Value::undefined(Missing::kName, program_.names[name]);
}

Value Interpreter::eval_node(const Expression& node) {
  const auto& items = node.items;
  switch (node.op) {
    case Op::kConstant:
      return node.constant;
    case Op::kName:
    case Op::kNamespaceRef:
      return lookup(node.name);
    case Op::kList:
      return eval_list(node, SeqType::kList);
    case Op::kTuple:
      return eval_list(node, SeqType::kTuple);
    case Op::kDict:
      return eval_dict(node);
    case Op::kAttribute: {
      Value owner = eval(*items[0]);
      return ok() ? attribute(owner, node.text) : Value();
    }
    case Op::kItem: {
      Value owner = eval(*items[0]);
      Value key = eval(*items[1]);
      return ok() ? item(owner, key) : Value();
    }
    case Op::kSlice: {
      Value owner = eval(*items[0]);
      Value parts[3];
      for (size_t i = 0; i < 3; ++i) {
        parts[i] = items[i + 1] == nullptr ? Value::none() : eval(*items[i + 1]);
      }
      return ok() ? slice(owner, parts[0], parts[1], parts[2]) : Value();
    }
    case Op::kCall:
      return eval_call(node);
    case Op::kFilter:
    case Op::kTest: {
      Value self = eval(*items[0]);
      return ok() ? eval_native(node, self) : Value();
    }
    case Op::kNot:
      return Value::of_bool(!truthy(eval(*items[0])));
    case Op::kNegate:
    case Op::kPlus: {
      Value value = eval(*items[0]);
      if (!ok()) {
        return {};
      }
      if (value.is_integral()) {
        return integer_arithmetic(node.op == Op::kNegate ? Binary::kSubtract : Binary::kAdd, 0, value.as_int());
      }
      if (value.kind == Kind::kFloat) {
        return Value::of_float(node.op == Op::kNegate ? -value.real : value.real);
      }
      return value.is_undefined() ? fail_undefined(value) : fail_type("number", value);
    }
    case Op::kAnd:
    case Op::kOr: {
      Value value;
      for (const ExpressionPtr& part : items) {
        value = eval(*part);
        if (!ok() || truthy(value) == (node.op == Op::kOr)) {
          break;
        }
      }
      return value;
    }
    case Op::kConcat:
      return eval_concat(node);
    case Op::kArithmetic: {
      Value value = eval(*items[0]);
      for (size_t i = 0; i < node.operators.size() && ok(); ++i) {
        Value right = eval(*items[i + 1]);
        if (ok()) {
          value = binary(node.operators[i], value, right);
        }
      }
      return value;
    }
    case Op::kCompare:
      return eval_compare(node);
    case Op::kCondition:
      if (truthy(eval(*items[0]))) {
        return eval(*items[1]);
      }
      if (items[2] != nullptr) {
        return eval(*items[2]);
      }
      return Value::undefined(Missing::kHint,
                              "the inline if-expression evaluated to false and no else section was defined");
  }
  return {};
}

Value Interpreter::eval_list(const Expression& node, SeqType type) {
  std::vector<Value> values;
  values.reserve(node.items.size());
  for (const ExpressionPtr& part : node.items) {
    values.push_back(eval(*part));
  }
  return ok() ? list(std::move(values), type) : Value();
}

Value Interpreter::eval_dict(const Expression& node) {
  Dict* dict = arena_.make<Dict>();
  for (size_t i = 0; i + 1 < node.items.size(); i += 2) {
    Value key = eval(*node.items[i]);
    Value value = eval(*node.items[i + 1]);
    if (!ok() || !hashable(key)) {
      return {};
    }
    dict->set(key, value);
  }
  return dict_value(dict);
}

Value Interpreter::eval_compare(const Expression& node) {
  Value left = eval(*node.items[0]);
  for (size_t i = 0; i < node.operators.size(); ++i) {
    Value right = eval(*node.items[i + 1]);
    if (!ok()) {
      return {};
    }
    bool holds = compare(node.operators[i], left, right);
    if (!ok() || !holds) {
      return Value::of_bool(false);
    }
    left = right;
  }
  return Value::of_bool(true);
}

Value Interpreter::eval_concat(const Expression& node) {
  std::string joined;
  bool markup = false;
  for (const ExpressionPtr& part : node.items) {
    Value value = eval(*part);
    if (!ok()) {
      return {};
    }
    if (autoescape_) {
      markup = true;
      append_escaped(joined, str(value), value.markup);
    } else if (!append_str(joined, value, max_output_bytes_)) {
      return fail("text grows beyond the limit", ErrorCode::kResourceExhausted);
    }
  }
  return text(std::move(joined), markup);
}

bool Interpreter::eval_arguments(const CallArguments& source, Arguments& out) {
  for (const ExpressionPtr& value : source.positional) {
    out.positional.push_back(eval(*value));
  }
  for (const auto& [name, value] : source.named) {
    out.named.emplace_back(name, eval(*value));
  }
  if (source.star != nullptr) {
    Value more = eval(*source.star);
    if (!ok() || !iterate(more, out.positional)) {
      return false;
    }
  }
  if (source.double_star != nullptr) {
    Value more = eval(*source.double_star);
    if (!ok()) {
      return false;
    }
    if (more.kind != Kind::kDict) {
      fail_type("mapping after **", more);
      return false;
    }
    for (const auto& [key, value] : more.dict()->entries) {
      if (!key.is_string()) {
        fail("keywords must be strings");
        return false;
      }
      out.named.emplace_back(key.str(), value);
    }
  }
  return ok();
}

Value Interpreter::eval_call(const Expression& node) {
  Value callee = eval(*node.items[0]);
  Arguments arguments;
  if (!ok() || !eval_arguments(*node.arguments, arguments)) {
    return {};
  }
  line_ = node.line;
  return call(callee, std::move(arguments));
}

Value Interpreter::eval_native(const Expression& node, const Value& self) {
  Arguments arguments;
  if (!eval_arguments(*node.arguments, arguments)) {
    return {};
  }
  line_ = node.line;
  if (node.native == nullptr) {
    return fail(std::string("no ") + (node.op == Op::kFilter ? "filter" : "test") + " named '" + node.text + "'");
  }
  return call_native(*node.native, self, std::move(arguments));
}

Value Interpreter::apply_filters(const Expression* chain, Value value) {
  std::vector<const Expression*> filters;
  for (; chain != nullptr; chain = chain->items[0].get()) {
    filters.push_back(chain);
  }
  for (auto filter = filters.rbegin(); filter != filters.rend() && ok(); ++filter) {
    value = eval_native(**filter, value);
  }
  return value;
}

Value Interpreter::call_native(const NativeSpec& spec, const Value& self, Arguments arguments) {
  NativeCall call{*this, self, {}, {}, {}};
  if (spec.parameters == "*") {
    call.raw = std::move(arguments);
    Value result = spec.function(call);
    return ok() ? result : Value();
  }
  std::string_view rest = spec.parameters;
  for (size_t index = 0; !rest.empty(); ++index) {
    size_t comma = rest.find(',');
    std::string_view name = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    Value value;
    bool given = index < arguments.positional.size();
    if (given) {
      value = arguments.positional[index];
    }
    for (auto named = arguments.named.begin(); named != arguments.named.end(); ++named) {
      if (named->first == name) {
        if (given) {
          return fail("'" + std::string(spec.name) + "' got multiple values for argument '" + std::string(name) + "'");
        }
        given = true;
        value = named->second;
        arguments.named.erase(named);
        break;
      }
    }
    if (!given && index < spec.required) {
      return fail("'" + std::string(spec.name) + "' lacks the argument '" + std::string(name) + "'");
    }
    call.args.push_back(value);
    call.given.push_back(given);
  }
  if (arguments.positional.size() > call.args.size()) {
    return fail("'" + std::string(spec.name) + "' takes at most " + std::to_string(call.args.size()) + " arguments");
  }
  if (!arguments.named.empty()) {
    return fail("'" + std::string(spec.name) + "' takes no argument '" + std::string(arguments.named[0].first) + "'");
  }
  Value result = spec.function(call);
  return ok() ? result : Value();
}

}  // namespace da::chat::jinja
