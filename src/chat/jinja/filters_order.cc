// Filters that order, rank and group items.
#include <algorithm>
#include <functional>
#include <iterator>

#include "chat/jinja/attribute_path.h"
#include "chat/jinja/interpreter.h"

namespace da::chat::jinja {
namespace {

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

constexpr NativeSpec kFilters[] = {
    {"dictsort", "case_sensitive,by,reverse", 0, filter_dictsort},
    {"sort", "reverse,case_sensitive,attribute", 0, filter_sort},
    {"unique", "case_sensitive,attribute", 0, filter_unique},
    {"min", "case_sensitive,attribute", 0, filter_min},
    {"max", "case_sensitive,attribute", 0, filter_max},
    {"groupby", "attribute,default,case_sensitive", 1, filter_groupby},
};

}  // namespace

NativeTable order_filters() { return {kFilters, std::size(kFilters)}; }

}  // namespace da::chat::jinja
