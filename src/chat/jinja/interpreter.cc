#include "chat/jinja/interpreter.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/utf8.h"
#include "chat/jinja/loop.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {

Interpreter::Interpreter(const Program& program, const RenderOptions& options, size_t input_bytes)
    : program_(program),
      options_(options),
      arena_(options.limits.memory_factor * input_bytes + options.limits.memory_extra_bytes),
      max_output_bytes_(options.limits.output_factor * input_bytes + options.limits.output_extra_bytes),
      loop_name_(name_id("loop")),
      caller_name_(name_id("caller")),
      varargs_name_(name_id("varargs")),
      kwargs_name_(name_id("kwargs")),
      self_name_(name_id("self")) {
  context_ = push_scope(nullptr);
  NativeTable globals = global_natives();
  for (size_t i = 0; i < globals.count; ++i) {
    NameId id = name_id(globals.specs[i].name);
    if (id == Program::kNotFound) {
      continue;
    }
    Callable* callable = arena_.make<Callable>();
    callable->name = globals.specs[i].name;
    callable->native = &globals.specs[i];
    context_->variables.emplace_back(id, Value::of_object(Kind::kCallable, callable));
  }
  if (self_name_ != Program::kNotFound) {
    Dict* blocks = arena_.make<Dict>();
    for (const Statement* block : program_.blocks) {
      Callable* callable = arena_.make<Callable>();
      callable->type = CallableType::kBlock;
      callable->name = block->text;
      callable->definition = block;
      blocks->set(Value::of_text(block->text), Value::of_object(Kind::kCallable, callable));
    }
    context_->variables.emplace_back(self_name_, Value::of_object(Kind::kNamespace, blocks));
  }
  root_ = push_scope(context_);
  scope_ = root_;
}

void Interpreter::set_variable(std::string_view name, const nlohmann::ordered_json& value) {
  NameId id = name_id(name);
  if (id == Program::kNotFound || id == self_name_) {
    return;
  }
  Value converted = from_json(value, false);
  for (auto& [known, old] : context_->variables) {
    if (known == id) {
      old = converted;
      return;
    }
  }
  context_->variables.emplace_back(id, converted);
}

Value Interpreter::fail(std::string message, ErrorCode code) {
  if (ok()) {
    status_ = Status(code, "template line " + std::to_string(line_) + ": " + std::move(message));
  }
  return {};
}

Value Interpreter::fail_type(std::string_view expected, const Value& found) {
  return fail("expected a " + std::string(expected) + ", found '" + std::string(type_name(found)) + "'");
}

Value Interpreter::fail_undefined(const Value& value) { return fail(undefined_message(value)); }

bool Interpreter::step(uint64_t count) {
  steps_ += count;
  if (steps_ > options_.limits.max_steps) {
    fail("rendering takes more than " + std::to_string(options_.limits.max_steps) + " steps",
         ErrorCode::kResourceExhausted);
    return false;
  }
  if (arena_.exhausted()) {
    fail("rendering takes too much memory", ErrorCode::kResourceExhausted);
    return false;
  }
  return ok();
}

bool Interpreter::reserve(size_t bytes) {
  if (!arena_.charge(bytes)) {
    fail("rendering takes too much memory", ErrorCode::kResourceExhausted);
  }
  return ok();
}

Value Interpreter::text(std::string value, bool markup) {
  if (value.size() > max_output_bytes_) {
    return fail("text grows beyond the limit", ErrorCode::kResourceExhausted);
  }
  return Value::of_text(arena_.keep(std::move(value)), markup);
}

Value Interpreter::list(std::vector<Value> items, SeqType type) {
  if (!reserve(items.size() * sizeof(Value))) {
    return {};
  }
  Seq* seq = arena_.make<Seq>();
  seq->type = type;
  for (const Value& value : items) {
    seq->depth = std::max(seq->depth, depth_of(value) + 1);
  }
  if (seq->depth > options_.limits.max_depth) {
    return fail("values nest too deeply", ErrorCode::kResourceExhausted);
  }
  seq->items = std::move(items);
  return Value::of_seq(seq);
}

Value Interpreter::dict_value(Dict* dict) {
  if (!reserve(dict->entries.size() * 2 * sizeof(Value))) {
    return {};
  }
  if (dict->depth > options_.limits.max_depth) {
    return fail("values nest too deeply", ErrorCode::kResourceExhausted);
  }
  return Value::of_dict(dict);
}

Value Interpreter::from_json(const nlohmann::ordered_json& json, bool copy_text) {
  using Type = nlohmann::ordered_json::value_t;
  if (++depth_ > options_.limits.max_depth) {
    --depth_;
    return fail("input nests deeper than " + std::to_string(options_.limits.max_depth), ErrorCode::kResourceExhausted);
  }
  auto as_text = [&](const std::string& s) { return Value::of_text(copy_text ? arena_.copy(s) : std::string_view(s)); };
  Value result;
  switch (json.type()) {
    case Type::null:
    case Type::discarded:
    case Type::binary:
      result = Value::none();
      break;
    case Type::boolean:
      result = Value::of_bool(*json.get_ptr<const bool*>());
      break;
    case Type::number_integer:
      result = Value::of_int(*json.get_ptr<const int64_t*>());
      break;
    case Type::number_unsigned:
      result = Value::of_int(*json.get_ptr<const uint64_t*>());
      break;
    case Type::number_float:
      result = Value::of_float(*json.get_ptr<const double*>());
      break;
    case Type::string:
      result = as_text(json.get_ref<const std::string&>());
      break;
    case Type::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const auto& element : json) {
        items.push_back(from_json(element, copy_text));
      }
      result = list(std::move(items));
      break;
    }
    case Type::object: {
      Dict* dict = arena_.make<Dict>();
      dict->entries.reserve(json.size());
      for (const auto& [key, element] : json.items()) {
        dict->set(as_text(key), from_json(element, copy_text));
      }
      result = dict_value(dict);
      break;
    }
  }
  --depth_;
  return result;
}

std::string_view Interpreter::str(const Value& value) {
  if (value.is_string()) {
    return value.str();
  }
  std::string out;
  if (!append_str(out, value, max_output_bytes_)) {
    fail("text grows beyond the limit", ErrorCode::kResourceExhausted);
    return {};
  }
  return arena_.keep(std::move(out));
}

// The sequence behind a value, for loops and functions that walk one; a new list for strings and dicts.
Seq* Interpreter::to_seq(const Value& value) {
  switch (value.kind) {
    case Kind::kSeq:
      return value.seq();
    case Kind::kUndefined:
      return value.missing == Missing::kUnsafe ? (fail_undefined(value), nullptr) : arena_.make<Seq>();
    case Kind::kString: {
      if (!reserve(value.text.size * sizeof(Value))) {
        return nullptr;
      }
      Seq* seq = arena_.make<Seq>();
      std::string_view rest = value.str();
      while (!rest.empty()) {
        size_t size = utf8::decode_one(rest).length;
        seq->items.push_back(Value::of_text(rest.substr(0, size)));
        rest.remove_prefix(size);
      }
      return seq;
    }
    case Kind::kDict: {
      if (!reserve(value.dict()->entries.size() * sizeof(Value))) {
        return nullptr;
      }
      Seq* seq = arena_.make<Seq>();
      for (const auto& entry : value.dict()->entries) {
        seq->items.push_back(entry.first);
      }
      return seq;
    }
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kNamespace:
    case Kind::kCallable:
    case Kind::kLoop:
      break;
  }
  fail("'" + std::string(type_name(value)) + "' object is not iterable");
  return nullptr;
}

bool Interpreter::iterate(const Value& value, std::vector<Value>& out) {
  Seq* seq = to_seq(value);
  if (seq == nullptr || !step(seq->items.size() / 8)) {
    return false;
  }
  out.insert(out.end(), seq->items.begin() + static_cast<std::ptrdiff_t>(seq->next), seq->items.end());
  if (seq->type == SeqType::kIterator) {
    seq->next = seq->items.size();
    if (!seq->failure.empty()) {
      fail(seq->failure);
      return false;
    }
  }
  return true;
}

std::optional<size_t> Interpreter::length(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      scan(value.text.size);
      return unicode::length(value.str());
    case Kind::kDict:
      return value.dict()->entries.size();
    case Kind::kSeq:
      if (value.seq()->type != SeqType::kIterator) {
        return value.seq()->items.size();
      }
      break;
    case Kind::kLoop:
      return value.loop()->count();
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kNamespace:
    case Kind::kCallable:
      break;
  }
  return std::nullopt;
}

bool Interpreter::hashable(const Value& key) {
  bool fits = key.kind != Kind::kDict && (key.kind != Kind::kSeq || key.seq()->type == SeqType::kRange);
  if (key.kind == Kind::kSeq && key.seq()->type == SeqType::kTuple) {
    fits = std::all_of(key.seq()->items.begin(), key.seq()->items.end(),
                       [&](const Value& part) { return hashable(part); });
  }
  if (!fits) {
    fail("unhashable type: '" + std::string(type_name(key)) + "'");
  }
  return fits;
}

Result<std::string> Interpreter::run() {
  if (ok()) {
    exec(program_.body);
  }
  if (!ok()) {
    return status_;
  }
  return std::move(output_);
}

Scope* Interpreter::push_scope(Scope* parent) {
  Scope* scope;
  if (free_scopes_.empty()) {
    scopes_.emplace_back();
    scope = &scopes_.back();
    arena_.charge(sizeof(Scope));
  } else {
    scope = free_scopes_.back();
    free_scopes_.pop_back();
  }
  scope->parent = parent;
  return scope;
}

void Interpreter::pop_scope(Scope* scope) {
  if (!scope->captured) {
    scope->variables.clear();
    free_scopes_.push_back(scope);
  }
}

}  // namespace da::chat::jinja
