// Statements.
#include <algorithm>
#include <utility>

#include "chat/jinja/interpreter.h"
#include "chat/jinja/loop.h"
#include "chat/jinja/markup.h"

namespace da::chat::jinja {
namespace {

void set_in(Scope& scope, NameId name, const Value& value) {
  for (auto& [id, old] : scope.variables) {
    if (id == name) {
      old = value;
      return;
    }
  }
  scope.variables.emplace_back(name, value);
}

}  // namespace

void Interpreter::write(std::string_view text) {
  if (out_->size() + text.size() > max_output_bytes_) {
    fail("output grows beyond " + std::to_string(max_output_bytes_) + " bytes", ErrorCode::kResourceExhausted);
    return;
  }
  *out_ += text;
}

void Interpreter::print(const Value& value) {
  if (value.is_undefined()) {
    return;
  }
  if (autoescape_ && !value.markup) {
    std::string escaped;
    append_escaped(escaped, str(value));
    write(escaped);
  } else if (value.is_string()) {
    write(value.str());
  } else if (!append_str(*out_, value, max_output_bytes_)) {
    fail("output grows beyond " + std::to_string(max_output_bytes_) + " bytes", ErrorCode::kResourceExhausted);
  }
}

Interpreter::Flow Interpreter::exec(const Block& block) {
  for (const StatementPtr& part : block) {
    Flow flow = exec(*part);
    if (flow != Flow::kNormal || !ok()) {
      return flow;
    }
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::exec(const Statement& node) {
  if (!step()) {
    return Flow::kNormal;
  }
  line_ = node.line;
  switch (node.verb) {
    case Verb::kText:
      write(node.text);
      break;
    case Verb::kPrint: {
      Value value = eval(*node.value);
      if (ok()) {
        print(value);
      }
      break;
    }
    case Verb::kIf:
      return exec_if(node);
    case Verb::kFor: {
      Value iterable = eval(*node.value);
      if (ok()) {
        render_loop(node, iterable, scope_, 0);
      }
      break;
    }
    case Verb::kSet: {
      Value value = eval(*node.value);
      if (ok()) {
        assign(*node.target, value, *scope_);
      }
      break;
    }
    case Verb::kSetBlock:
      exec_set_block(node);
      break;
    case Verb::kMacro:
      exec_macro(node);
      break;
    case Verb::kCallBlock:
      exec_call_block(node);
      break;
    case Verb::kFilterBlock:
    case Verb::kScope:
      exec_scoped(node);
      break;
    case Verb::kWith:
      return exec_with(node);
    case Verb::kBlock:
      exec_block(node);
      break;
    case Verb::kAutoescape: {
      bool escape = truthy(eval(*node.value));
      bool outer = std::exchange(autoescape_, escape);
      Scope* outer_scope = scope_;
      scope_ = push_scope(outer_scope);
      Flow flow = exec(node.body);
      pop_scope(std::exchange(scope_, outer_scope));
      autoescape_ = outer;
      return flow;
    }
    case Verb::kBreak:
      return Flow::kBreak;
    case Verb::kContinue:
      return Flow::kContinue;
    case Verb::kNoLoader:
      fail("no loader for this environment specified");
      break;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::exec_if(const Statement& node) {
  for (const auto& [test, body] : node.branches) {
    bool holds = truthy(eval(*test));
    if (!ok()) {
      return Flow::kNormal;
    }
    if (holds) {
      return exec(body);
    }
  }
  return exec(node.otherwise);
}

bool Interpreter::assign(const Expression& target, const Value& value, Scope& scope) {
  if (target.op == Op::kName) {
    set_in(scope, target.name, value);
    return true;
  }
  if (target.op == Op::kNamespaceRef) {
    Value owner = lookup(target.name);
    if (owner.kind != Kind::kNamespace || target.name == self_name_) {
      fail("cannot assign attribute on non-namespace object");
      return false;
    }
    owner.dict()->set(Value::of_text(target.text), value);
    if (owner.dict()->depth > options_.limits.max_depth) {
      fail("values nest too deeply", ErrorCode::kResourceExhausted);
    }
    return reserve(2 * sizeof(Value));
  }
  std::vector<Value> parts;
  if (value.is_undefined()) {
    fail_undefined(value);
    return false;
  }
  if (!iterate(value, parts)) {
    return false;
  }
  if (parts.size() != target.items.size()) {
    fail("cannot unpack " + std::to_string(parts.size()) + " values into " + std::to_string(target.items.size()) +
         " names");
    return false;
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!assign(*target.items[i], parts[i], scope)) {
      return false;
    }
  }
  return true;
}

// Renders a block into text of its own.
std::string Interpreter::capture(const Block& block) {
  std::string text;
  std::string* outer = std::exchange(out_, &text);
  exec(block);
  out_ = outer;
  return text;
}

void Interpreter::exec_set_block(const Statement& node) {
  Scope* outer = scope_;
  scope_ = push_scope(outer);
  std::string body = capture(node.body);
  pop_scope(std::exchange(scope_, outer));
  if (!ok()) {
    return;
  }
  Value value = apply_filters(node.value.get(), text(std::move(body), autoescape_));
  if (ok()) {
    assign(*node.target, value, *scope_);
  }
}

void Interpreter::exec_scoped(const Statement& node) {
  Scope* outer = scope_;
  scope_ = push_scope(outer);
  if (node.verb == Verb::kScope) {
    exec(node.body);
  } else {
    std::string body = capture(node.body);
    if (ok()) {
      Value value = apply_filters(node.value.get(), text(std::move(body), autoescape_));
      if (ok()) {
        print(value);
      }
    }
  }
  pop_scope(std::exchange(scope_, outer));
}

Value Interpreter::make_macro(const Statement& node) {
  Callable* macro = arena_.make<Callable>();
  macro->type = CallableType::kMacro;
  macro->name = node.text;
  macro->definition = &node;
  macro->scope = scope_;
  for (Scope* scope = scope_; scope != nullptr && !scope->captured; scope = scope->parent) {
    scope->captured = true;
  }
  return Value::of_object(Kind::kCallable, macro);
}

void Interpreter::exec_macro(const Statement& node) { set_in(*scope_, node.name, make_macro(node)); }

void Interpreter::exec_call_block(const Statement& node) {
  Value caller = make_macro(node);
  Value callee = eval(*node.value->items[0]);
  Arguments arguments;
  if (!ok() || !eval_arguments(*node.value->arguments, arguments)) {
    return;
  }
  arguments.named.emplace_back("caller", caller);
  Value result = call(callee, std::move(arguments));
  if (ok()) {
    print(result);
  }
}

Interpreter::Flow Interpreter::exec_with(const Statement& node) {
  std::vector<Value> values;
  for (const ExpressionPtr& value : node.values) {
    values.push_back(eval(*value));
  }
  if (!ok()) {
    return Flow::kNormal;
  }
  Scope* outer = scope_;
  scope_ = push_scope(outer);
  Flow flow = Flow::kNormal;
  bool assigned = true;
  for (size_t i = 0; i < values.size() && assigned; ++i) {
    assigned = assign(*node.targets[i], values[i], *scope_);
  }
  if (assigned) {
    flow = exec(node.body);
  }
  pop_scope(std::exchange(scope_, outer));
  return flow;
}

// A block sees the template's own variables, not those of the loops around it, unless it is scoped.
void Interpreter::exec_block(const Statement& node) {
  if (node.required) {
    fail("required block '" + node.text + "' not found");
    return;
  }
  Value body = render_block(node, node.scoped ? scope_ : root_);
  if (ok()) {
    write(body.str());
  }
}

Value Interpreter::render_block(const Statement& node, Scope* scope) {
  if (++macro_depth_ > options_.limits.max_macro_depth) {
    --macro_depth_;
    return fail("maximum recursion depth exceeded", ErrorCode::kResourceExhausted);
  }
  Scope* outer = std::exchange(scope_, push_scope(scope));
  std::string body = capture(node.body);
  pop_scope(std::exchange(scope_, outer));
  --macro_depth_;
  return ok() ? text(std::move(body), autoescape_) : Value();
}

Value Interpreter::call_macro(const Callable& macro, Arguments arguments) {
  const Statement& node = *macro.definition;
  if (++macro_depth_ > options_.limits.max_macro_depth) {
    --macro_depth_;
    return fail("maximum recursion depth exceeded", ErrorCode::kResourceExhausted);
  }
  auto take_named = [&](std::string_view name) -> std::optional<Value> {
    auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                              [&](const auto& entry) { return entry.first == name; });
    if (found == arguments.named.end()) {
      return std::nullopt;
    }
    Value value = found->second;
    arguments.named.erase(found);
    return value;
  };
  Scope* outer = std::exchange(scope_, push_scope(macro.scope));
  size_t without_default = node.parameters.size() - node.defaults.size();
  for (size_t i = 0; i < node.parameters.size() && ok(); ++i) {
    NameId parameter = node.parameters[i];
    std::optional<Value> value;
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else {
      value = take_named(program_.names[parameter]);
    }
    if (!value && i >= without_default) {
      value = eval(*node.defaults[i - without_default]);
    }
    set_in(*scope_, parameter, value ? *value : Value::undefined(Missing::kName, program_.names[parameter]));
  }
  if (node.uses_caller) {
    std::optional<Value> caller = take_named("caller");
    set_in(*scope_, caller_name_, caller ? *caller : Value::undefined(Missing::kHint, "No caller defined"));
  }
  if (node.uses_kwargs && ok()) {
    Dict* named = arena_.make<Dict>();
    for (const auto& [name, value] : arguments.named) {
      named->set(Value::of_text(name), value);
    }
    set_in(*scope_, kwargs_name_, dict_value(named));
  } else if (!arguments.named.empty()) {
    fail("macro '" + std::string(macro.name) + "' takes no keyword argument '" + std::string(arguments.named[0].first) +
         "'");
  }
  if (node.uses_varargs && ok()) {
    std::vector<Value> rest;
    for (size_t i = node.parameters.size(); i < arguments.positional.size(); ++i) {
      rest.push_back(arguments.positional[i]);
    }
    set_in(*scope_, varargs_name_, list(std::move(rest), SeqType::kTuple));
  } else if (arguments.positional.size() > node.parameters.size()) {
    fail("macro '" + std::string(macro.name) + "' takes not more than " + std::to_string(node.parameters.size()) +
         " argument(s)");
  }
  std::string body;
  if (ok()) {
    body = capture(node.body);
  }
  pop_scope(std::exchange(scope_, outer));
  --macro_depth_;
  return ok() ? text(std::move(body), autoescape_) : Value();
}

Value Interpreter::call(const Value& callee, Arguments arguments) {
  if (!step()) {
    return {};
  }
  if (callee.is_undefined()) {
    return fail_undefined(callee);
  }
  if (callee.kind == Kind::kLoop) {
    if (arguments.positional.size() != 1) {
      return fail("loop() takes one argument");
    }
    return render_recursive(*callee.loop(), arguments.positional[0]);
  }
  if (callee.kind != Kind::kCallable) {
    return fail("'" + std::string(type_name(callee)) + "' object is not callable");
  }
  Callable& callable = *callee.callable();
  switch (callable.type) {
    case CallableType::kNative:
    case CallableType::kMethod:
      return call_native(*callable.native, callable.self, std::move(arguments));
    case CallableType::kMacro:
      return call_macro(callable, std::move(arguments));
    case CallableType::kBlock:
      return render_block(*callable.definition, root_);
    case CallableType::kCycler:
      return fail("'Cycler' object is not callable");
    case CallableType::kJoiner: {
      bool first = callable.position == 0;
      callable.position = 1;
      return first ? Value::of_text({}) : callable.self;
    }
    case CallableType::kLoopMethod: {
      Loop& loop = *callable.self.loop();
      if (callable.name == "cycle") {
        if (arguments.positional.empty()) {
          return fail("no items for cycling given");
        }
        return arguments.positional[static_cast<size_t>(loop.index0) % arguments.positional.size()];
      }
      Value now = list(std::move(arguments.positional), SeqType::kTuple);
      bool changed = ok() && (loop.last_changed == nullptr || !equal(Value::of_seq(loop.last_changed), now));
      if (changed) {
        loop.last_changed = now.seq();
      }
      return Value::of_bool(changed);
    }
  }
  return {};
}

}  // namespace da::chat::jinja
