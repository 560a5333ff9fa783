// Attributes, items and slices.
#include <algorithm>

#include "base/utf8.h"
#include "chat/jinja/interpreter.h"
#include "chat/jinja/loop.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {
namespace {

Value missing_attribute(const Value& owner, std::string_view name) {
  return Value::undefined(Missing::kAttribute, name, owner.kind);
}

}  // namespace

// What Python's getattr finds; nullopt: no such attribute.
static std::optional<Value> find_attribute(Interpreter& in, const Value& owner, std::string_view name) {
  if (owner.kind == Kind::kNamespace) {
    const Value* found = owner.dict()->find(name);
    return found == nullptr ? std::nullopt : std::optional<Value>(*found);
  }
  if (owner.kind == Kind::kLoop) {
    Value value = owner.loop()->attribute(name);
    return value.is_undefined() && value.missing == Missing::kAttribute ? std::nullopt : std::optional<Value>(value);
  }
  if (owner.kind == Kind::kCallable) {
    const Callable& callable = *owner.callable();
    if (name == "name") {
      return Value::of_text(callable.name);
    }
    if (callable.type == CallableType::kMacro &&
        (name == "catch_kwargs" || name == "catch_varargs" || name == "caller")) {
      const Statement& macro = *callable.definition;
      return Value::of_bool(name == "caller"         ? macro.uses_caller
                            : name == "catch_kwargs" ? macro.uses_kwargs
                                                     : macro.uses_varargs);
    }
    if (callable.type == CallableType::kMacro && name == "arguments") {
      std::vector<Value> names;
      for (NameId id : callable.definition->parameters) {
        names.push_back(Value::of_text(in.program().names[id]));
      }
      return in.list(std::move(names), SeqType::kTuple);
    }
    if (callable.type == CallableType::kCycler && name == "current") {
      return callable.items[callable.position];
    }
  }
  if (owner.kind == Kind::kSeq && owner.seq()->is_group && (name == "grouper" || name == "list")) {
    return owner.seq()->items[name == "list" ? 1 : 0];
  }
  if (owner.is_integral() && (name == "real" || name == "numerator")) {
    return Value::of_int(owner.as_int());
  }
  if (owner.is_integral() && (name == "imag" || name == "denominator")) {
    return Value::of_int(name == "imag" ? 0 : 1);
  }
  if (is_forbidden_method(owner, name)) {
    return Value::undefined(Missing::kUnsafe, name, owner.kind);
  }
  const NativeSpec* method = find_method(owner, name);
  if (method == nullptr) {
    return std::nullopt;
  }
  Callable* bound = in.arena().make<Callable>();
  bound->type = CallableType::kMethod;
  bound->name = method->name;
  bound->native = method;
  bound->self = owner;
  return Value::of_object(Kind::kCallable, bound);
}

static const Value* find_item(Interpreter& in, const Value& owner, const Value& key, Value& storage) {
  if (owner.kind == Kind::kDict) {
    return owner.dict()->find(key);
  }
  if (!key.is_integral()) {
    return nullptr;
  }
  BigInt index = key.as_int();
  if (owner.kind == Kind::kSeq) {
    const Seq& seq = *owner.seq();
    if (seq.type != SeqType::kList && seq.type != SeqType::kTuple && seq.type != SeqType::kRange) {
      return nullptr;
    }
    auto size = static_cast<BigInt>(seq.items.size());
    index = index < 0 ? index + size : index;
    return index < 0 || index >= size ? nullptr : &seq.items[static_cast<size_t>(index)];
  }
  if (owner.is_string()) {
    std::string_view text = owner.str();
    in.scan(text.size());
    std::vector<size_t> offsets = unicode::offsets(text);
    auto size = static_cast<BigInt>(offsets.size() - 1);
    index = index < 0 ? index + size : index;
    if (index < 0 || index >= size) {
      return nullptr;
    }
    size_t begin = offsets[static_cast<size_t>(index)];
    storage = Value::of_text(text.substr(begin, offsets[static_cast<size_t>(index) + 1] - begin), owner.markup);
    return &storage;
  }
  return nullptr;
}

Value Interpreter::attribute(const Value& owner, std::string_view name) {
  if (owner.is_undefined()) {
    return fail_undefined(owner);
  }
  if (std::optional<Value> found = find_attribute(*this, owner, name)) {
    return *found;
  }
  Value storage;
  const Value* found = find_item(*this, owner, Value::of_text(name), storage);
  return found != nullptr ? *found : missing_attribute(owner, name);
}

Value Interpreter::item(const Value& owner, const Value& key) {
  if (owner.is_undefined()) {
    return fail_undefined(owner);
  }
  Value storage;
  if (const Value* found = find_item(*this, owner, key, storage)) {
    return *found;
  }
  if (!key.is_string()) {
    return missing_attribute(owner, "item");
  }
  if (std::optional<Value> found = find_attribute(*this, owner, key.str())) {
    return *found;
  }
  return missing_attribute(owner, key.str());
}

Value Interpreter::slice(const Value& value, const Value& start, const Value& stop, const Value& step_value) {
  if (value.is_undefined()) {
    return fail_undefined(value);
  }
  bool sequence =
      value.kind == Kind::kSeq && (value.seq()->type == SeqType::kList || value.seq()->type == SeqType::kTuple ||
                                   value.seq()->type == SeqType::kRange);
  for (const Value* part : {&start, &stop, &step_value}) {
    sequence = sequence && (part->is_none() || part->is_integral());
  }
  if (!sequence && !(value.is_string() && (start.is_none() || start.is_integral()) &&
                     (stop.is_none() || stop.is_integral()) && (step_value.is_none() || step_value.is_integral()))) {
    return missing_attribute(value, "slice");
  }
  std::vector<size_t> offsets;
  if (value.is_string()) {
    scan(value.text.size);
    offsets = unicode::offsets(value.str());
  }
  BigInt size = static_cast<BigInt>(value.is_string() ? offsets.size() - 1 : value.seq()->items.size());
  BigInt stride = step_value.is_none() ? 1 : step_value.as_int();
  if (stride == 0) {
    return fail("slice step cannot be zero");
  }
  BigInt lowest = stride > 0 ? 0 : -1;
  BigInt highest = stride > 0 ? size : size - 1;
  auto bound = [&](const Value& part, BigInt otherwise) {
    if (part.is_none()) {
      return otherwise;
    }
    BigInt index = part.as_int();
    return std::clamp(index < 0 ? index + size : index, lowest, highest);
  };
  BigInt from = bound(start, stride > 0 ? lowest : highest);
  BigInt to = bound(stop, stride > 0 ? highest : lowest);
  if (value.is_string() && stride == 1) {
    size_t begin = offsets[static_cast<size_t>(from)];
    size_t end = from < to ? offsets[static_cast<size_t>(to)] : begin;
    return Value::of_text(value.str().substr(begin, end - begin), value.markup);
  }
  std::string characters;
  std::vector<Value> items;
  for (BigInt i = from; stride > 0 ? i < to : i > to; i += stride) {
    auto index = static_cast<size_t>(i);
    if (value.is_string()) {
      characters += value.str().substr(offsets[index], offsets[index + 1] - offsets[index]);
    } else {
      items.push_back(value.seq()->items[index]);
    }
  }
  if (value.is_string()) {
    return text(std::move(characters), value.markup);
  }
  if (!step(items.size() / 8)) {
    return {};
  }
  const Seq& source = *value.seq();
  Value part = list(std::move(items), source.type);
  if (ok() && source.type == SeqType::kRange) {
    part.seq()->range[0] = source.range[0] + from * source.range[2];
    part.seq()->range[1] = source.range[0] + to * source.range[2];
    part.seq()->range[2] = source.range[2] * stride;
  }
  return part;
}

}  // namespace da::chat::jinja
