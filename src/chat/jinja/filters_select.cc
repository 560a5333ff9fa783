// Filters that make something of each item, or choose among them.
#include <algorithm>
#include <iterator>

#include "chat/jinja/attribute_path.h"
#include "chat/jinja/interpreter.h"

namespace da::chat::jinja {
namespace {

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

constexpr NativeSpec kFilters[] = {
    {"sum", "attribute,start", 0, filter_sum}, {"map", "*", 0, filter_map},
    {"select", "*", 0, filter_select},         {"reject", "*", 0, filter_reject},
    {"selectattr", "*", 0, filter_selectattr}, {"rejectattr", "*", 0, filter_rejectattr},
};

}  // namespace

NativeTable select_filters() { return {kFilters, std::size(kFilters)}; }

}  // namespace da::chat::jinja
