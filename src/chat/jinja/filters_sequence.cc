// Filters over lists, dicts and anything that iterates.
#include <algorithm>
#include <iterator>

#include "chat/jinja/attribute_path.h"
#include "chat/jinja/interpreter.h"

namespace da::chat::jinja {
namespace {

Value filter_length(NativeCall& call) {
  std::optional<size_t> length = call.in.length(call.self);
  return length ? Value::of_int(static_cast<BigInt>(*length))
                : call.in.fail("object of type '" + std::string(type_name(call.self)) + "' has no len()");
}

Value filter_first(NativeCall& call) {
  if (call.self.kind == Kind::kSeq && call.self.seq()->type == SeqType::kIterator) {
    Seq& seq = *call.self.seq();
    if (seq.next < seq.items.size()) {
      return seq.items[seq.next++];
    }
    return seq.failure.empty() ? Value::undefined(Missing::kHint, "No first item, sequence was empty.")
                               : call.in.fail(seq.failure);
  }
  Seq* seq = call.in.to_seq(call.self);
  if (seq == nullptr) {
    return {};
  }
  return seq->items.empty() ? Value::undefined(Missing::kHint, "No first item, sequence was empty.")
                            : seq->items.front();
}

Value filter_last(NativeCall& call) {
  if (call.self.kind == Kind::kSeq && call.self.seq()->type == SeqType::kIterator) {
    return call.in.fail("'generator' object is not reversible");
  }
  Seq* seq = call.in.to_seq(call.self);
  if (seq == nullptr) {
    return {};
  }
  return seq->items.empty() ? Value::undefined(Missing::kHint, "No last item, sequence was empty.") : seq->items.back();
}

Value filter_join(NativeCall& call) {
  std::vector<Value> items;
  if (!all_items(call, items)) {
    return {};
  }
  AttributePath path = parse_path(call.in, call.has(1) ? call.arg(1) : Value::none());
  std::string_view separator = call.has(0) ? call.in.str(call.arg(0)) : std::string_view();
  std::string joined;
  for (size_t i = 0; i < items.size() && call.in.ok(); ++i) {
    if (i > 0) {
      joined += separator;
    }
    if (!append_str(joined, path.get(call.in, items[i]), call.in.max_text_bytes())) {
      return call.in.fail("text grows beyond the limit", ErrorCode::kResourceExhausted);
    }
  }
  return call.in.text(std::move(joined));
}

Value filter_list(NativeCall& call) {
  std::vector<Value> items;
  return all_items(call, items) ? call.in.list(std::move(items)) : Value();
}

Value filter_items(NativeCall& call) {
  if (call.self.is_undefined()) {
    return call.in.list({}, SeqType::kIterator);
  }
  if (call.self.kind != Kind::kDict) {
    Value empty = call.in.list({}, SeqType::kIterator);
    empty.seq()->failure = "Can only get item pairs from a mapping.";
    return empty;
  }
  std::vector<Value> pairs;
  call.in.step(call.self.dict()->entries.size());
  for (const auto& [key, value] : call.self.dict()->entries) {
    pairs.push_back(call.in.list({key, value}, SeqType::kTuple));
  }
  return call.in.ok() ? call.in.list(std::move(pairs), SeqType::kIterator) : Value();
}

Value filter_reverse(NativeCall& call) {
  if (call.self.is_string()) {
    return call.in.slice(call.self, Value::none(), Value::none(), Value::of_int(-1));
  }
  std::vector<Value> items;
  if (!all_items(call, items)) {
    return {};
  }
  std::reverse(items.begin(), items.end());
  bool lazy = call.self.kind != Kind::kSeq || call.self.seq()->type != SeqType::kIterator;
  return call.in.list(std::move(items), lazy ? SeqType::kIterator : SeqType::kList);
}

Value filter_batch(NativeCall& call) {
  std::vector<Value> items;
  if (!all_items(call, items) || !call.arg(0).is_integral()) {
    return call.in.ok() ? call.in.fail_type("number", call.arg(0)) : Value();
  }
  BigInt size = call.arg(0).as_int();
  std::vector<Value> batches;
  std::vector<Value> batch;
  for (const Value& value : items) {
    if (static_cast<BigInt>(batch.size()) == size) {
      batches.push_back(call.in.list(std::move(batch)));
      batch.clear();
    }
    batch.push_back(value);
  }
  if (!batch.empty()) {
    BigInt missing = call.has(1) && !call.arg(1).is_none() ? size - static_cast<BigInt>(batch.size()) : 0;
    if (missing > 100'000 || !call.in.step(missing > 0 ? static_cast<uint64_t>(missing) : 0)) {
      return call.in.fail("batch grows beyond the limit", ErrorCode::kResourceExhausted);
    }
    for (BigInt i = 0; i < missing; ++i) {
      batch.push_back(call.arg(1));
    }
    batches.push_back(call.in.list(std::move(batch)));
  }
  return call.in.ok() ? call.in.list(std::move(batches), SeqType::kIterator) : Value();
}

Value filter_slice(NativeCall& call) {
  std::vector<Value> items;
  if (!all_items(call, items) || !call.arg(0).is_integral()) {
    return call.in.ok() ? call.in.fail_type("number", call.arg(0)) : Value();
  }
  BigInt count = call.arg(0).as_int();
  if (count <= 0 || count > 100'000 || !call.in.step(static_cast<uint64_t>(count))) {
    return call.in.fail(count == 0 ? "division by zero" : "bad number of slices");
  }
  auto slices = static_cast<size_t>(count);
  size_t each = items.size() / slices;
  size_t longer = items.size() % slices;
  std::vector<Value> result;
  auto begin = items.begin();
  for (size_t i = 0; i < slices; ++i) {
    auto end = begin + static_cast<std::ptrdiff_t>(each + (i < longer ? 1 : 0));
    std::vector<Value> part(begin, end);
    begin = end;
    if (call.has(1) && !call.arg(1).is_none() && i >= longer) {
      part.push_back(call.arg(1));
    }
    result.push_back(call.in.list(std::move(part)));
  }
  return call.in.ok() ? call.in.list(std::move(result), SeqType::kIterator) : Value();
}

Value filter_default(NativeCall& call) {
  if (call.self.is_undefined() || (flag(call, 1) && !truthy(call.self))) {
    return call.has(0) ? call.arg(0) : Value::of_text({});
  }
  return call.self;
}

Value filter_attr(NativeCall& call) {
  // Only attributes, never items; of the values here, those that have any are namespaces, loops and callables.
  if (call.self.is_undefined()) {
    return call.in.fail_undefined(call.self);
  }
  std::string_view name = call.in.str(call.arg(0));
  if (call.self.kind == Kind::kDict && find_method(call.self, name) == nullptr) {
    return Value::undefined(Missing::kAttribute, name, Kind::kDict);
  }
  return call.in.attribute(call.self, name);
}

Value filter_random(NativeCall& call) {
  // Rendering is a function of its inputs; the first item is as random as any.
  return filter_first(call);
}

constexpr NativeSpec kFilters[] = {
    {"length", "", 0, filter_length},
    {"count", "", 0, filter_length},
    {"first", "", 0, filter_first},
    {"last", "", 0, filter_last},
    {"join", "d,attribute", 0, filter_join},
    {"list", "", 0, filter_list},
    {"items", "", 0, filter_items},
    {"reverse", "", 0, filter_reverse},
    {"batch", "linecount,fill_with", 1, filter_batch},
    {"slice", "slices,fill_with", 1, filter_slice},
    {"default", "default_value,boolean", 0, filter_default},
    {"d", "default_value,boolean", 0, filter_default},
    {"attr", "name", 1, filter_attr},
    {"random", "", 0, filter_random},
};

}  // namespace

NativeTable sequence_filters() { return {kFilters, std::size(kFilters)}; }

}  // namespace da::chat::jinja
