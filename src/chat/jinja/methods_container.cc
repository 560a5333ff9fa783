// Methods of lists, tuples, dicts and numbers.
#include <algorithm>
#include <cmath>

#include "chat/jinja/interpreter.h"

namespace da::chat::jinja {
namespace {

Value list_count(NativeCall& call) {
  const auto& items = call.self.seq()->items;
  call.in.step(items.size());
  auto count = std::count_if(items.begin(), items.end(), [&](const Value& value) { return equal(value, call.arg(0)); });
  return Value::of_int(count);
}

Value list_index(NativeCall& call) {
  const auto& items = call.self.seq()->items;
  call.in.step(items.size());
  auto bound = [&](size_t i, BigInt otherwise) {
    BigInt value = call.has(i) && call.arg(i).is_integral() ? call.arg(i).as_int() : otherwise;
    auto size = static_cast<BigInt>(items.size());
    return static_cast<size_t>(std::clamp<BigInt>(value < 0 ? value + size : value, 0, size));
  };
  size_t end = bound(2, static_cast<BigInt>(items.size()));
  for (size_t i = bound(1, 0); i < end; ++i) {
    if (equal(items[i], call.arg(0))) {
      return Value::of_int(static_cast<BigInt>(i));
    }
  }
  return call.in.fail("value is not in list");
}

Value list_copy(NativeCall& call) {
  call.in.step(call.self.seq()->items.size());
  return call.in.list(call.self.seq()->items);
}

Value list_append(NativeCall& call) {
  Seq& seq = *call.self.seq();
  uint32_t depth = std::max(seq.depth, depth_of(call.arg(0)) + 1);
  if (depth > 64) {
    return call.in.fail("values nest too deeply", ErrorCode::kResourceExhausted);
  }
  if (!call.in.reserve(sizeof(Value) * 2)) {
    return {};
  }
  seq.depth = depth;
  seq.items.push_back(call.arg(0));
  return Value::none();
}

Value list_pop(NativeCall& call) {
  Seq& seq = *call.self.seq();
  auto size = static_cast<BigInt>(seq.items.size());
  if (call.has(0) && !call.arg(0).is_integral()) {
    return call.in.fail_type("integer", call.arg(0));
  }
  BigInt index = call.has(0) ? call.arg(0).as_int() : -1;
  index = index < 0 ? index + size : index;
  if (index < 0 || index >= size) {
    return call.in.fail(size == 0 ? "pop from empty list" : "pop index out of range");
  }
  call.in.step(seq.items.size() / 64);
  Value value = seq.items[static_cast<size_t>(index)];
  seq.items.erase(seq.items.begin() + static_cast<std::ptrdiff_t>(index));
  return value;
}

Value dict_get(NativeCall& call) {
  if (!call.in.hashable(call.arg(0))) {
    return {};
  }
  const Value* found = call.self.dict()->find(call.arg(0));
  return found != nullptr ? *found : call.has(1) ? call.arg(1) : Value::none();
}

Value dict_view(NativeCall& call, SeqType type) {
  std::vector<Value> items;
  call.in.step(call.self.dict()->entries.size() / 4);
  for (const auto& [key, value] : call.self.dict()->entries) {
    items.push_back(type == SeqType::kKeys     ? key
                    : type == SeqType::kValues ? value
                                               : call.in.list({key, value}, SeqType::kTuple));
  }
  return call.in.ok() ? call.in.list(std::move(items), type) : Value();
}
Value dict_keys(NativeCall& call) { return dict_view(call, SeqType::kKeys); }
Value dict_values(NativeCall& call) { return dict_view(call, SeqType::kValues); }
Value dict_items(NativeCall& call) { return dict_view(call, SeqType::kItems); }

Value dict_copy(NativeCall& call) {
  Dict* copy = call.in.arena().make<Dict>();
  copy->entries = call.self.dict()->entries;
  copy->depth = call.self.dict()->depth;
  return call.in.dict_value(copy);
}

Value float_is_integer(NativeCall& call) {
  return Value::of_bool(call.self.kind != Kind::kFloat ||
                        (std::isfinite(call.self.real) && std::floor(call.self.real) == call.self.real));
}

Value int_bit_length(NativeCall& call) {
  if (!call.self.is_integral()) {
    return call.in.fail_type("integer", call.self);
  }
  BigInt value = call.self.as_int();
  int bits = 0;
  for (value = value < 0 ? -value : value; value > 0; value >>= 1) {
    ++bits;
  }
  return Value::of_int(bits);
}

Value number_conjugate(NativeCall& call) { return call.self; }

constexpr NativeSpec kListMethods[] = {
    {"count", "value", 1, list_count}, {"index", "value,start,stop", 1, list_index},
    {"copy", "", 0, list_copy},        {"append", "object", 1, list_append},
    {"pop", "index", 0, list_pop},
};
constexpr NativeSpec kTupleMethods[] = {
    {"count", "value", 1, list_count},
    {"index", "value,start,stop", 1, list_index},
};
constexpr NativeSpec kDictMethods[] = {
    {"get", "key,default", 1, dict_get}, {"keys", "", 0, dict_keys}, {"values", "", 0, dict_values},
    {"items", "", 0, dict_items},        {"copy", "", 0, dict_copy},
};
constexpr NativeSpec kNumberMethods[] = {
    {"is_integer", "", 0, float_is_integer},
    {"bit_length", "", 0, int_bit_length},
    {"conjugate", "", 0, number_conjugate},
};

}  // namespace

NativeTable list_methods() { return {kListMethods, std::size(kListMethods)}; }
NativeTable tuple_methods() { return {kTupleMethods, std::size(kTupleMethods)}; }
NativeTable dict_methods() { return {kDictMethods, std::size(kDictMethods)}; }
NativeTable number_methods() { return {kNumberMethods, std::size(kNumberMethods)}; }

}  // namespace da::chat::jinja
