#include "chat/go/evaluator.h"

#include <algorithm>

#include "chat/go/functions.h"

namespace da::chat::go {

Value Evaluator::fail(std::string message, ErrorCode code) {
  if (ok()) {
    status_ = Status(code, "template line " + std::to_string(line_) + ": " + std::move(message));
  }
  return {};
}

bool Evaluator::step(uint64_t count) {
  steps_ += count;
  if (steps_ > options_.limits.max_steps) {
    fail("rendering takes more than " + std::to_string(options_.limits.max_steps) + " steps",
         ErrorCode::kResourceExhausted);
  } else if (heap_.exhausted()) {
    fail("rendering takes too much memory", ErrorCode::kResourceExhausted);
  }
  return ok();
}

Value Evaluator::text(std::string value) {
  if (value.size() > max_output_bytes_) {
    return fail("text grows beyond the limit", ErrorCode::kResourceExhausted);
  }
  return Value::of_text(heap_.keep(std::move(value)));
}

void Evaluator::write(std::string_view text) {
  if (out_->size() + text.size() > max_output_bytes_) {
    fail("output grows beyond " + std::to_string(max_output_bytes_) + " bytes", ErrorCode::kResourceExhausted);
    return;
  }
  *out_ += text;
}

Status Evaluator::execute(const Node& root, const Value& data, std::string& out) {
  out_ = &out;
  variables_.assign(1, {"$", data});
  walk_list(&root, data);
  return status_;
}

Evaluator::Flow Evaluator::walk_list(const Node* list, const Value& dot) {
  if (list == nullptr) {
    return Flow::kNormal;
  }
  for (const NodePtr& child : list->children) {
    Flow flow = walk(*child, dot);
    if (flow != Flow::kNormal || !ok()) {
      return flow;
    }
  }
  return Flow::kNormal;
}

Evaluator::Flow Evaluator::walk(const Node& node, const Value& dot) {
  if (!step()) {
    return Flow::kNormal;
  }
  line_ = node.line;
  switch (node.type) {
    case NodeType::kText:
      write(node.text);
      break;
    case NodeType::kAction: {
      Value value = eval_pipeline(*node.pipe, dot);
      if (ok() && node.pipe->names.empty()) {
        if (value.kind == Kind::kText) {
          write(value.str());
        } else {
          std::string printed;
          append_printed(printed, value, true);
          write(printed);
        }
      }
      break;
    }
    case NodeType::kIf:
    case NodeType::kWith:
      return walk_branch(node, dot);
    case NodeType::kRange:
      return walk_range(node, dot);
    case NodeType::kTemplate:
      walk_template(node, dot);
      break;
    case NodeType::kBreak:
      return Flow::kBreak;
    case NodeType::kContinue:
      return Flow::kContinue;
    default:
      fail("unknown node", ErrorCode::kInternal);
  }
  return Flow::kNormal;
}

Evaluator::Flow Evaluator::walk_branch(const Node& node, const Value& dot) {
  size_t mark = variables_.size();
  Value value = eval_pipeline(*node.pipe, dot);
  Flow flow = Flow::kNormal;
  if (ok()) {
    if (is_true(value)) {
      flow = walk_list(node.list.get(), node.type == NodeType::kWith ? value : dot);
    } else {
      flow = walk_list(node.otherwise.get(), dot);
    }
  }
  variables_.resize(mark);
  return flow;
}

Evaluator::Flow Evaluator::walk_range(const Node& node, const Value& dot) {
  size_t outer = variables_.size();
  Value value = eval_pipeline(*node.pipe, dot);
  const std::vector<std::string>& names = node.pipe->names;
  size_t mark = variables_.size();
  bool any = false;
  Flow result = Flow::kNormal;
  // One turn; false ends the loop.
  auto turn = [&](const Value& index, const Value& element) {
    any = true;
    if (!step()) {
      return false;
    }
    if (node.pipe->assigns) {
      *find_variable(names[0]) = names.size() > 1 ? index : element;
      if (names.size() > 1) {
        *find_variable(names[1]) = element;
      }
    } else if (!names.empty()) {
      // The pipeline declared the variables and gave them its own value.
      variables_[mark - names.size()].second = names.size() > 1 ? index : element;
      variables_[mark - 1].second = element;
    }
    Flow flow = walk_list(node.list.get(), element);
    variables_.resize(mark);
    return flow != Flow::kBreak && ok();
  };
  if (ok()) {
    switch (value.kind) {
      case Kind::kInvalid:
      case Kind::kNil:
        break;
      case Kind::kList:
        for (size_t i = 0; i < value.list->items.size(); ++i) {
          if (!turn(Value::of_int(static_cast<int64_t>(i)), value.list->items[i])) {
            break;
          }
        }
        break;
      case Kind::kMap:
        for (const auto& [key, element] : value.map->entries) {
          if (!turn(Value::of_text(key), element)) {
            break;
          }
        }
        break;
      case Kind::kInt:
        if (names.size() > 1) {
          fail("can't use an int to iterate over more than one variable");
          break;
        }
        for (int64_t i = 0; i < value.integer; ++i) {
          if (!turn(Value(), Value::of_int(i))) {
            break;
          }
        }
        break;
      case Kind::kBool:
      case Kind::kFloat:
      case Kind::kText:
      case Kind::kRecord:
        fail("range can't iterate over a value of type " + type_name(value));
        break;
    }
  }
  if (ok() && !any) {
    result = walk_list(node.otherwise.get(), dot);
  }
  variables_.resize(outer);
  return result;
}

void Evaluator::walk_template(const Node& node, const Value& dot) {
  auto found = program_.defined.find(node.text);
  if (found == program_.defined.end()) {
    fail("template \"" + node.text + "\" not defined");
    return;
  }
  Value argument = node.pipe == nullptr ? Value() : eval_pipeline(*node.pipe, dot);
  if (!ok()) {
    return;
  }
  if (++template_depth_ > options_.limits.max_macro_depth) {
    fail("exceeded maximum template depth", ErrorCode::kResourceExhausted);
  } else {
    std::vector<std::pair<std::string_view, Value>> outer = std::exchange(variables_, {{"$", argument}});
    walk_list(found->second.get(), argument);
    variables_ = std::move(outer);
  }
  --template_depth_;
}

Value* Evaluator::find_variable(const std::string& name) {
  for (auto variable = variables_.rbegin(); variable != variables_.rend(); ++variable) {
    if (variable->first == name) {
      return &variable->second;
    }
  }
  fail("undefined variable: " + name);
  return &variables_.front().second;
}

Value Evaluator::eval_pipeline(const Node& pipe, const Value& dot) {
  std::optional<Value> value;
  for (const NodePtr& command : pipe.children) {
    value = eval_command(*command, dot, value);
    if (!ok()) {
      return {};
    }
    // Go unpacks the interface here: nil becomes "no value".
    if (value->kind == Kind::kNil) {
      value = Value();
    }
  }
  for (const std::string& name : pipe.names) {
    if (pipe.assigns) {
      *find_variable(name) = *value;
    } else {
      variables_.emplace_back(name, *value);
    }
  }
  return value.value_or(Value());
}

Value Evaluator::eval_command(const Node& command, const Value& dot, const std::optional<Value>& final_arg) {
  if (!step()) {
    return {};
  }
  const Node& first = *command.children[0];
  line_ = first.line;
  bool has_args = command.children.size() > 1 || final_arg.has_value();
  switch (first.type) {
    case NodeType::kIdentifier:
      return eval_function(command, dot, final_arg);
    case NodeType::kField:
      return eval_fields(first, dot, 0, has_args);
    case NodeType::kVariable:
      if (first.names.size() > 1) {
        return eval_fields(first, *find_variable(first.names[0]), 1, has_args);
      }
      break;
    case NodeType::kChain: {
      if (first.children[0]->type == NodeType::kNil) {
        return fail("indirection through explicit nil");
      }
      Value receiver = eval_operand(*first.children[0], dot);
      return ok() ? eval_fields(first, receiver, 0, has_args) : Value();
    }
    case NodeType::kNil:
      return fail("nil is not a command");
    default:
      break;
  }
  if (has_args) {
    return fail("can't give argument to non-function");
  }
  return eval_operand(first, dot);
}

// A node that stands as an argument, or alone.
Value Evaluator::eval_operand(const Node& node, const Value& dot) {
  if (!step()) {
    return {};
  }
  switch (node.type) {
    case NodeType::kDot:
      return dot;
    case NodeType::kNil:
      return Value::nil();
    case NodeType::kConstant:
      return node.constant.kind == Kind::kInvalid ? fail(node.text) : node.constant;
    case NodeType::kField:
      return eval_fields(node, dot, 0, false);
    case NodeType::kVariable:
      return eval_fields(node, *find_variable(node.names[0]), 1, false);
    case NodeType::kPipe:
      return eval_pipeline(node, dot);
    case NodeType::kChain: {
      Value receiver = eval_operand(*node.children[0], dot);
      return ok() ? eval_fields(node, receiver, 0, false) : Value();
    }
    case NodeType::kIdentifier: {
      const Function* function = find_function(node.text);
      if (function == nullptr || function->min_args > 0 || function->call == nullptr) {
        return fail("wrong number of args for " + node.text);
      }
      return function->call(*this, {});
    }
    default:
      return fail("can't handle this node as an argument", ErrorCode::kInternal);
  }
}

Value Evaluator::eval_function(const Node& command, const Value& dot, const std::optional<Value>& final_arg) {
  const std::string& name = command.children[0]->text;
  const Function* function = find_function(name);
  if (function == nullptr) {
    return fail("\"" + name + "\" is not a defined function");
  }
  size_t count = command.children.size() - 1 + (final_arg ? 1 : 0);
  if (count < function->min_args || count > function->max_args) {
    return fail("wrong number of args for " + name + ": got " + std::to_string(count));
  }
  bool lazy = function->call == nullptr;
  std::vector<Value> args;
  Value value;
  for (size_t i = 1; i <= count && ok(); ++i) {
    value = i < command.children.size() ? eval_operand(*command.children[i], dot) : *final_arg;
    if (lazy && ok() && is_true(value) == (name == "or")) {
      return value;
    }
    args.push_back(value);
  }
  if (!ok() || lazy) {
    return value;
  }
  line_ = command.line;
  Value result = function->call(*this, args);
  return ok() ? result : Value();
}

Value Evaluator::eval_fields(const Node& node, Value receiver, size_t first, bool has_args) {
  for (size_t i = first; i < node.names.size() && ok(); ++i) {
    receiver = eval_field(receiver, node.names[i], has_args && i + 1 == node.names.size());
  }
  return receiver;
}

Value Evaluator::eval_field(const Value& receiver, const std::string& name, bool has_args) {
  switch (receiver.kind) {
    case Kind::kInvalid:
      return {};
    case Kind::kNil:
      return fail("nil pointer evaluating interface {}." + name);
    case Kind::kRecord: {
      const RecordType& type = *receiver.record->type;
      for (size_t i = 0; i < type.fields.size(); ++i) {
        if (type.fields[i].name == name) {
          return has_args ? fail(name + " has arguments but cannot be invoked as function")
                          : receiver.record->fields[i];
        }
      }
      if (name == "String" && type.prints_json && !has_args) {
        return text(stringer_text(receiver));
      }
      if (name == "ToTypeScriptType" && !has_args && typescript_type(receiver) != "any") {
        return text(typescript_type(receiver));
      }
      break;
    }
    case Kind::kMap: {
      if (receiver.map->shape != Shape::kPlain && name == "String" && !has_args) {
        return text(stringer_text(receiver));
      }
      if (has_args) {
        return fail(name + " is not a method but has arguments");
      }
      const Value* found = receiver.map->find(name);
      return found == nullptr ? Value::nil() : *found;
    }
    case Kind::kList:
      if (receiver.list->shape != Shape::kPlain && name == "String" && !has_args) {
        return text(stringer_text(receiver));
      }
      break;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kText:
      break;
  }
  return fail("can't evaluate field " + name + " in type " + type_name(receiver));
}

}  // namespace da::chat::go
