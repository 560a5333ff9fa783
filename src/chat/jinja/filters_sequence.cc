// Filters over lists, dicts and anything that iterates.
#include <algorithm>
#include <functional>

#include "chat/jinja/interpreter.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {
namespace {

// What an `attribute` argument means: "a.b" walks, numbers are indices; none is the item itself.
struct AttributePath {
  std::vector<Value> parts;
  bool fold_case = false;
  bool has_default = false;
  Value otherwise;

  Value get(Interpreter& in, Value value) const {
    for (const Value& part : parts) {
      value = in.item(value, part);
      if (!in.ok()) {
        return {};
      }
      if (has_default && value.is_undefined()) {
        value = otherwise;
      }
    }
    if (fold_case && value.is_string()) {
      return in.text(unicode::lower(value.str()));
    }
    return value;
  }
};

AttributePath parse_path(Interpreter& in, const Value& attribute, bool fold_case = false) {
  AttributePath path;
  path.fold_case = fold_case;
  if (attribute.is_none() || attribute.is_undefined()) {
    return path;
  }
  if (!attribute.is_string()) {
    path.parts.push_back(attribute);
    return path;
  }
  std::string_view rest = attribute.str();
  while (true) {
    size_t dot = rest.find('.');
    std::string_view part = rest.substr(0, dot);
    bool number = !part.empty() && part.size() < 10 &&
                  std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number) {
      path.parts.push_back(Value::of_int(std::stoi(std::string(part))));
    } else {
      path.parts.push_back(Value::of_text(part));
    }
    if (dot == std::string_view::npos) {
      return path;
    }
    rest = rest.substr(dot + 1);
    in.step();
  }
}

bool all_items(NativeCall& call, std::vector<Value>& items) {
  return call.in.iterate(call.self, items) && call.in.step(items.size());
}

bool flag(const NativeCall& call, size_t i) { return call.has(i) && truthy(call.arg(i)); }

// Sorts by keys computed beforehand; equal keys keep their order, also when reversed.
bool sort_by(Interpreter& in, std::vector<Value>& items, const std::function<std::vector<Value>(const Value&)>& key_of,
             bool reverse) {
  std::vector<std::pair<std::vector<Value>, Value>> keyed;
  keyed.reserve(items.size());
  for (const Value& value : items) {
    keyed.emplace_back(key_of(value), value);
    if (!in.ok()) {
      return false;
    }
  }
  auto key_less = [&](const auto& a, const auto& b) {
    if (!in.ok() || !in.step()) {
      return false;
    }
    for (size_t i = 0; i < a.first.size(); ++i) {
      if (!equal(a.first[i], b.first[i])) {
        return in.less(a.first[i], b.first[i]);
      }
    }
    return false;
  };
  if (reverse) {
    std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) { return key_less(b, a); });
  } else {
    std::stable_sort(keyed.begin(), keyed.end(), key_less);
  }
  for (size_t i = 0; i < items.size(); ++i) {
    items[i] = keyed[i].second;
  }
  return in.ok();
}

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

Value filter_dictsort(NativeCall& call) {
  if (call.self.is_undefined()) {
    return call.in.fail_undefined(call.self);
  }
  if (call.self.kind != Kind::kDict) {
    return call.in.fail_type("mapping", call.self);
  }
  std::string_view by = call.has(1) ? call.in.str(call.arg(1)) : "key";
  if (by != "key" && by != "value") {
    return call.in.fail("You can only sort by either \"key\" or \"value\"");
  }
  std::vector<Value> pairs;
  for (const auto& [key, value] : call.self.dict()->entries) {
    pairs.push_back(call.in.list({key, value}, SeqType::kTuple));
  }
  AttributePath path = parse_path(call.in, Value::of_int(by == "key" ? 0 : 1), !flag(call, 0));
  bool sorted = call.in.ok() &&
                sort_by(
                    call.in, pairs, [&](const Value& pair) { return std::vector<Value>{path.get(call.in, pair)}; },
                    flag(call, 2));
  return sorted ? call.in.list(std::move(pairs)) : Value();
}

Value filter_sort(NativeCall& call) {
  std::vector<Value> items;
  if (!all_items(call, items)) {
    return {};
  }
  // Several attributes stand separated by commas.
  std::vector<AttributePath> paths;
  Value attribute = call.has(2) ? call.arg(2) : Value::none();
  if (attribute.is_string()) {
    std::string_view rest = attribute.str();
    for (size_t comma = 0; comma != std::string_view::npos;
         rest = comma == std::string_view::npos ? rest : rest.substr(comma + 1)) {
      comma = rest.find(',');
      paths.push_back(parse_path(call.in, Value::of_text(rest.substr(0, comma)), !flag(call, 1)));
    }
  } else {
    paths.push_back(parse_path(call.in, attribute, !flag(call, 1)));
  }
  auto key_of = [&](const Value& value) {
    std::vector<Value> keys;
    for (const AttributePath& path : paths) {
      keys.push_back(path.get(call.in, value));
    }
    return keys;
  };
  return sort_by(call.in, items, key_of, flag(call, 0)) ? call.in.list(std::move(items)) : Value();
}

Value filter_unique(NativeCall& call) {
  std::vector<Value> items;
  if (!all_items(call, items)) {
    return {};
  }
  AttributePath path = parse_path(call.in, call.has(1) ? call.arg(1) : Value::none(), !flag(call, 0));
  Dict* seen = call.in.arena().make<Dict>();
  std::vector<Value> unique;
  for (const Value& value : items) {
    Value key = path.get(call.in, value);
    if (!call.in.ok() || !call.in.hashable(key) || !call.in.step(key.is_string() ? 1 : seen->entries.size() / 8)) {
      return {};
    }
    if (seen->find(key) == nullptr) {
      seen->set(key, Value::none());
      unique.push_back(value);
    }
  }
  return call.in.list(std::move(unique), SeqType::kIterator);
}

Value min_or_max(NativeCall& call, bool want_min) {
  std::vector<Value> items;
  if (!all_items(call, items)) {
    return {};
  }
  if (items.empty()) {
    return Value::undefined(Missing::kHint, "No aggregated item, sequence was empty.");
  }
  AttributePath path = parse_path(call.in, call.has(1) ? call.arg(1) : Value::none(), !flag(call, 0));
  Value best = items[0];
  Value best_key = path.get(call.in, best);
  for (size_t i = 1; i < items.size() && call.in.ok(); ++i) {
    Value key = path.get(call.in, items[i]);
    if (call.in.ok() && (want_min ? call.in.less(key, best_key) : call.in.less(best_key, key))) {
      best = items[i];
      best_key = key;
    }
  }
  return best;
}
Value filter_min(NativeCall& call) { return min_or_max(call, true); }
Value filter_max(NativeCall& call) { return min_or_max(call, false); }

Value filter_sum(NativeCall& call) {
  std::vector<Value> items;
  if (!all_items(call, items)) {
    return {};
  }
  AttributePath path = parse_path(call.in, call.has(0) ? call.arg(0) : Value::none());
  Value total = call.has(1) ? call.arg(1) : Value::of_int(0);
  if (total.is_string()) {
    return call.in.fail("sum() can't sum strings");
  }
  for (size_t i = 0; i < items.size() && call.in.ok(); ++i) {
    Value value = path.get(call.in, items[i]);
    if (call.in.ok()) {
      total = call.in.add(total, value);
    }
  }
  return total;
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

Value filter_map(NativeCall& call) {
  Arguments& raw = call.raw;
  std::vector<Value> mapped;
  if (!truthy(call.self)) {
    return call.in.list({}, SeqType::kIterator);
  }
  std::vector<Value> items;
  if (!all_items(call, items)) {
    return {};
  }
  auto attribute =
      std::find_if(raw.named.begin(), raw.named.end(), [](const auto& entry) { return entry.first == "attribute"; });
  if (raw.positional.empty() && attribute != raw.named.end()) {
    AttributePath path = parse_path(call.in, attribute->second);
    for (const auto& [name, value] : raw.named) {
      if (name == "default") {
        path.has_default = !value.is_none();
        path.otherwise = value;
      } else if (name != "attribute") {
        return call.in.fail("Unexpected keyword argument '" + std::string(name) + "'");
      }
    }
    for (const Value& value : items) {
      mapped.push_back(path.get(call.in, value));
      if (!call.in.ok()) {
        return {};
      }
    }
    return call.in.list(std::move(mapped), SeqType::kIterator);
  }
  if (raw.positional.empty() || !raw.positional[0].is_string()) {
    return call.in.fail("map requires a filter argument");
  }
  const NativeSpec* filter = find_filter(raw.positional[0].str());
  if (filter == nullptr) {
    return call.in.fail("no filter named '" + std::string(raw.positional[0].str()) + "'");
  }
  Arguments arguments{{raw.positional.begin() + 1, raw.positional.end()}, raw.named};
  for (const Value& value : items) {
    mapped.push_back(call.in.call_native(*filter, value, arguments));
    if (!call.in.ok()) {
      return {};
    }
  }
  return call.in.list(std::move(mapped), SeqType::kIterator);
}

Value select_or_reject(NativeCall& call, bool keep, bool by_attribute) {
  Arguments& raw = call.raw;
  if (!truthy(call.self)) {
    return call.in.list({}, SeqType::kIterator);
  }
  std::vector<Value> items;
  if (!all_items(call, items)) {
    return {};
  }
  AttributePath path;
  size_t offset = 0;
  if (by_attribute) {
    if (raw.positional.empty()) {
      return call.in.fail("Missing parameter for attribute name");
    }
    path = parse_path(call.in, raw.positional[0]);
    offset = 1;
  }
  const NativeSpec* test = nullptr;
  Arguments arguments;
  if (raw.positional.size() > offset) {
    const Value& name = raw.positional[offset];
    test = name.is_string() ? find_test(name.str()) : nullptr;
    if (test == nullptr) {
      return call.in.fail("no test named '" + std::string(call.in.str(name)) + "'");
    }
    arguments.positional.assign(raw.positional.begin() + static_cast<std::ptrdiff_t>(offset) + 1, raw.positional.end());
    arguments.named = raw.named;
  }
  std::vector<Value> selected;
  for (const Value& value : items) {
    Value subject = path.get(call.in, value);
    if (!call.in.ok()) {
      return {};
    }
    Value verdict = test == nullptr ? subject : call.in.call_native(*test, subject, arguments);
    if (!call.in.ok()) {
      return {};
    }
    if (truthy(verdict) == keep) {
      selected.push_back(value);
    }
  }
  return call.in.list(std::move(selected), SeqType::kIterator);
}
Value filter_select(NativeCall& call) { return select_or_reject(call, true, false); }
Value filter_reject(NativeCall& call) { return select_or_reject(call, false, false); }
Value filter_selectattr(NativeCall& call) { return select_or_reject(call, true, true); }
Value filter_rejectattr(NativeCall& call) { return select_or_reject(call, false, true); }

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

Value filter_groupby(NativeCall& call) {
  std::vector<Value> items;
  if (!all_items(call, items)) {
    return {};
  }
  AttributePath path = parse_path(call.in, call.arg(0), !flag(call, 2));
  path.has_default = call.has(1) && !call.arg(1).is_none();
  path.otherwise = call.has(1) ? call.arg(1) : Value::none();
  AttributePath shown = path;
  shown.fold_case = false;
  if (!sort_by(
          call.in, items, [&](const Value& value) { return std::vector<Value>{path.get(call.in, value)}; }, false)) {
    return {};
  }
  std::vector<Value> groups;
  for (size_t begin = 0; begin < items.size() && call.in.ok();) {
    Value key = path.get(call.in, items[begin]);
    size_t end = begin + 1;
    while (end < items.size() && equal(path.get(call.in, items[end]), key)) {
      ++end;
    }
    Value members = call.in.list(
        {items.begin() + static_cast<std::ptrdiff_t>(begin), items.begin() + static_cast<std::ptrdiff_t>(end)});
    Value group = call.in.list({shown.get(call.in, items[begin]), members}, SeqType::kTuple);
    if (call.in.ok()) {
      group.seq()->is_group = true;
    }
    groups.push_back(group);
    begin = end;
  }
  return call.in.ok() ? call.in.list(std::move(groups)) : Value();
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
    {"dictsort", "case_sensitive,by,reverse", 0, filter_dictsort},
    {"sort", "reverse,case_sensitive,attribute", 0, filter_sort},
    {"unique", "case_sensitive,attribute", 0, filter_unique},
    {"min", "case_sensitive,attribute", 0, filter_min},
    {"max", "case_sensitive,attribute", 0, filter_max},
    {"sum", "attribute,start", 0, filter_sum},
    {"reverse", "", 0, filter_reverse},
    {"map", "*", 0, filter_map},
    {"select", "*", 0, filter_select},
    {"reject", "*", 0, filter_reject},
    {"selectattr", "*", 0, filter_selectattr},
    {"rejectattr", "*", 0, filter_rejectattr},
    {"batch", "linecount,fill_with", 1, filter_batch},
    {"slice", "slices,fill_with", 1, filter_slice},
    {"groupby", "attribute,default,case_sensitive", 1, filter_groupby},
    {"default", "default_value,boolean", 0, filter_default},
    {"d", "default_value,boolean", 0, filter_default},
    {"attr", "name", 1, filter_attr},
    {"random", "", 0, filter_random},
};

}  // namespace

NativeTable sequence_filters() { return {kFilters, std::size(kFilters)}; }

}  // namespace da::chat::jinja
