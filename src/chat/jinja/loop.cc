#include "chat/jinja/loop.h"

#include <utility>

#include "chat/jinja/interpreter.h"

namespace da::chat::jinja {

std::optional<Value> Loop::pull() {
  if (buffered_position < buffered.size()) {
    return buffered[buffered_position++];
  }
  while (in->ok()) {
    bool iterator = source->type == SeqType::kIterator;
    size_t& position = iterator ? source->next : source_position;
    if (position >= source->items.size()) {
      if (iterator && !source->failure.empty()) {
        in->fail(source->failure);
      }
      return std::nullopt;
    }
    Value value = source->items[position++];
    if (!in->step()) {
      return std::nullopt;
    }
    if (definition->filter == nullptr) {
      return value;
    }
    Scope* test_scope = in->push_scope(scope);
    bool passes =
        in->assign(*definition->target, value, *test_scope) && truthy(in->eval_in(*definition->filter, test_scope));
    in->pop_scope(test_scope);
    if (passes && in->ok()) {
      return value;
    }
  }
  return std::nullopt;
}

const std::optional<Value>& Loop::peek() {
  if (!after && !at_end) {
    after = pull();
    at_end = !after;
  }
  return after;
}

bool Loop::advance() {
  std::optional<Value> value = peek();
  after.reset();
  if (!value) {
    return false;
  }
  ++index0;
  before = current;
  current = *value;
  return true;
}

size_t Loop::count() {
  if (length_known) {
    return length;
  }
  length_known = true;
  if (definition->filter == nullptr && source->type != SeqType::kIterator) {
    length = source->items.size();
    return length;
  }
  std::vector<Value> rest;
  while (std::optional<Value> value = pull()) {
    rest.push_back(*value);
  }
  length = rest.size() + static_cast<size_t>(index0 + 1) + (after ? 1 : 0);
  buffered = std::move(rest);
  buffered_position = 0;
  return length;
}

Value Loop::attribute(std::string_view name) {
  auto number = [](long long value) { return Value::of_int(value); };
  if (name == "index") {
    return number(index0 + 1);
  }
  if (name == "index0") {
    return number(index0);
  }
  if (name == "first") {
    return Value::of_bool(index0 == 0);
  }
  if (name == "last") {
    return Value::of_bool(!peek());
  }
  if (name == "length") {
    return number(static_cast<long long>(count()));
  }
  if (name == "revindex") {
    return number(static_cast<long long>(count()) - index0);
  }
  if (name == "revindex0") {
    return number(static_cast<long long>(count()) - index0 - 1);
  }
  if (name == "depth") {
    return number(static_cast<long long>(depth0) + 1);
  }
  if (name == "depth0") {
    return number(static_cast<long long>(depth0));
  }
  if (name == "previtem") {
    return index0 == 0 ? Value::undefined(Missing::kHint, "there is no previous item") : before;
  }
  if (name == "nextitem") {
    const std::optional<Value>& next = peek();
    return next ? *next : Value::undefined(Missing::kHint, "there is no next item");
  }
  if (name == "cycle" || name == "changed") {
    Callable* method = in->arena().make<Callable>();
    method->type = CallableType::kLoopMethod;
    method->name = name == "cycle" ? "cycle" : "changed";
    method->self = Value::of_object(Kind::kLoop, this);
    return Value::of_object(Kind::kCallable, method);
  }
  return Value::undefined(Missing::kAttribute, name, Kind::kLoop);
}

std::string Loop::describe() const {
  return "<LoopContext " + std::to_string(index0 + 1) + "/" +
         std::to_string(length_known ? length : source->items.size()) + ">";
}

// Runs a for statement; `scope` is where it stands (for a recursive call, where the outermost one stands).
void Interpreter::render_loop(const Statement& node, const Value& iterable, Scope* scope, size_t depth0) {
  Seq* source = to_seq(iterable);
  if (source == nullptr) {
    return;
  }
  Loop* loop = arena_.make<Loop>();
  loop->in = this;
  loop->definition = &node;
  loop->scope = scope;
  loop->source = source;
  loop->depth0 = depth0;
  Scope* outer = scope_;
  bool any = false;
  while (ok() && loop->advance()) {
    any = true;
    Scope* body = push_scope(scope);
    if (loop_name_ != Program::kNotFound) {
      body->variables.emplace_back(loop_name_, Value::of_object(Kind::kLoop, loop));
    }
    scope_ = body;
    Flow flow = Flow::kNormal;
    if (assign(*node.target, loop->current, *body)) {
      flow = exec(node.body);
    }
    scope_ = outer;
    pop_scope(body);
    if (flow == Flow::kBreak) {
      break;
    }
  }
  if (!any && ok() && !node.otherwise.empty()) {
    Scope* body = push_scope(scope);
    scope_ = body;
    exec(node.otherwise);
    scope_ = outer;
    pop_scope(body);
  }
}

Value Interpreter::render_recursive(const Loop& loop, const Value& iterable) {
  if (!loop.definition->recursive) {
    return fail("the loop must have the 'recursive' marker to be called recursively");
  }
  if (loop.depth0 + 1 > options_.limits.max_depth || ++macro_depth_ > options_.limits.max_macro_depth) {
    return fail("maximum recursion depth exceeded", ErrorCode::kResourceExhausted);
  }
  std::string body;
  std::string* outer = std::exchange(out_, &body);
  render_loop(*loop.definition, iterable, loop.scope, loop.depth0 + 1);
  out_ = outer;
  --macro_depth_;
  return ok() ? text(std::move(body), autoescape_) : Value();
}

}  // namespace da::chat::jinja
