#include <algorithm>
#include <set>
#include <utility>

#include "engine/grammar/machine.h"
#include "engine/grammar/schema_compiler.h"

// The second half of the compiler: objects, and what can be said once everything is compiled.
namespace da::grammar {
namespace {

constexpr ErrorCode kInvalid = ErrorCode::kInvalidArgument;
constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;

std::string key_text(const std::string& name) { return Json(name).dump(-1, ' ', false, Json::error_handler_t::replace) + ":"; }

}  // namespace

// The declared names in the order they are written: as listed, or as an order keyword says (JSON libraries that sort
// members lose the first); then required names without a schema.
Result<std::vector<std::string>> SchemaCompiler::property_names(const Json& schema, const std::string& pointer) const {
  std::vector<std::string> names;
  std::set<std::string> known;
  const auto add = [&](const std::string& name) {
    if (known.insert(name).second) names.push_back(name);
  };
  const auto properties = schema.find("properties");
  if (properties != schema.end() && !properties->is_object()) return schema_error(kInvalid, pointer_to(pointer, "properties"), "expected an object");
  for (const char* keyword : {"x-property-order", "propertyOrdering", "required"}) {
    const auto list = schema.find(keyword);
    if (list == schema.end()) continue;
    const bool strings = list->is_array() && std::all_of(list->begin(), list->end(), [](const Json& v) { return v.is_string(); });
    if (!strings) return schema_error(kInvalid, pointer_to(pointer, keyword), "expected a list of strings");
    if (std::string_view(keyword) == "required") {
      if (properties != schema.end()) {
        for (const auto& [name, value] : properties->items()) add(name);
      }
      for (const Json& name : *list) add(name.get_ref<const std::string&>());
    } else {
      for (const Json& name : *list) {
        if (properties != schema.end() && properties->contains(name.get_ref<const std::string&>())) add(name.get_ref<const std::string&>());
      }
    }
  }
  if (properties != schema.end()) {
    for (const auto& [name, value] : properties->items()) add(name);
  }
  return names;
}

Status SchemaCompiler::fill_object(uint32_t choice, const Json& schema, const std::string& pointer) {
  DA_ASSIGN_OR_RETURN(const std::vector<std::string> names, property_names(schema, pointer));
  ObjectRule rule;
  const auto properties = schema.find("properties");
  const auto required = schema.find("required");
  const auto additional = schema.find("additionalProperties");
  const auto unevaluated = schema.find("unevaluatedProperties");
  if (unevaluated != schema.end() && *unevaluated != Json(false)) {
    return schema_error(kUnsupported, pointer_to(pointer, "unevaluatedProperties"), "only false is enforced");
  }
  rule.closed = (additional != schema.end() && *additional == Json(false)) || unevaluated != schema.end();
  const bool open = additional != schema.end() && *additional != Json(false) && unevaluated == schema.end();
  if (open) {
    DA_ASSIGN_OR_RETURN(rule.extra_value, compile(*additional, pointer_to(pointer, "additionalProperties")));
  } else {
    rule.extra_value = any_value(false);
  }
  std::set<std::string> required_names;
  if (required != schema.end()) {
    for (const Json& name : *required) required_names.insert(name.get_ref<const std::string&>());
  }
  for (const std::string& name : names) {
    Property property{0, required_names.contains(name)};
    if (properties != schema.end() && properties->contains(name)) {
      DA_ASSIGN_OR_RETURN(property.value, compile((*properties)[name], pointer_to(pointer_to(pointer, "properties"), name)));
    } else if (rule.closed) {
      return schema_error(kInvalid, pointer_to(pointer, "required"), "asks for a property that additionalProperties forbids");
    } else {
      property.value = rule.extra_value;
    }
    rule.properties.push_back(property);
  }
  DA_RETURN_IF_ERROR(check_property_counts(schema, rule, pointer));
  // An object of which nothing is said may have any members; one with properties has those and no others.
  const bool free = names.empty() && additional == schema.end() && unevaluated == schema.end();
  if (open || free) {
    p_.strings.push_back({});
    rule.extra_key = static_cast<int32_t>(new_node(NodeKind::kString, p_.strings.size() - 1));
  }
  add_object(choice, std::move(rule), names);
  return Status::ok();
}

// The number of members is not tracked: only bounds that hold by themselves are accepted.
Status SchemaCompiler::check_property_counts(const Json& schema, const ObjectRule& rule, const std::string& pointer) const {
  DA_ASSIGN_OR_RETURN(const uint32_t min, read_count(schema, "minProperties", 0, pointer));
  DA_ASSIGN_OR_RETURN(const uint32_t max, read_count(schema, "maxProperties", kUnbounded, pointer));
  const auto n_required = std::count_if(rule.properties.begin(), rule.properties.end(), [](const Property& p) { return p.required; });
  if (min > n_required) return schema_error(kUnsupported, pointer_to(pointer, "minProperties"), "more than the required properties is not enforced");
  const auto additional = schema.find("additionalProperties");
  const bool may_grow = rule.properties.empty() || (additional != schema.end() && *additional != Json(false));
  if (max < rule.properties.size() || (may_grow && max != kUnbounded)) {
    return schema_error(kUnsupported, pointer_to(pointer, "maxProperties"), "fewer than the declared properties is not enforced");
  }
  return Status::ok();
}

uint32_t SchemaCompiler::new_choice(const std::string& pointer) {
  p_.choices.push_back({.pointer = pointer});
  return static_cast<uint32_t>(p_.choices.size() - 1);
}

uint32_t SchemaCompiler::new_node(NodeKind kind, size_t rule) {
  p_.nodes.push_back({kind, static_cast<uint32_t>(rule)});
  return static_cast<uint32_t>(p_.nodes.size() - 1);
}

void SchemaCompiler::add_literals(uint32_t choice, const std::vector<std::string>& texts) {
  p_.literals.push_back({LiteralSet(texts)});
  add_node(choice, NodeKind::kLiteral, p_.literals.size() - 1);
}

void SchemaCompiler::add_object(uint32_t choice, ObjectRule rule, const std::vector<std::string>& names) {
  const size_t n = rule.properties.size();
  rule.next_required.assign(n + 1, kUnbounded);
  for (size_t i = n; i-- > 0;) rule.next_required[i] = rule.properties[i].required ? static_cast<uint32_t>(i) : rule.next_required[i + 1];
  if (n > 0) {
    std::vector<std::string> keys;
    for (const std::string& name : names) keys.push_back(key_text(name));
    p_.literals.push_back({LiteralSet(keys), static_cast<int32_t>(p_.objects.size())});
    rule.keys = static_cast<int32_t>(new_node(NodeKind::kLiteral, p_.literals.size() - 1));
    if (rule.extra_key >= 0) {
      StringRule& extra = p_.strings[p_.nodes[static_cast<size_t>(rule.extra_key)].rule];
      extra.excluded = static_cast<int32_t>(p_.literals.size() - 1);
    }
  }
  p_.objects.push_back(std::move(rule));
  add_node(choice, NodeKind::kObject, p_.objects.size() - 1);
}

uint32_t SchemaCompiler::any_value(bool spaces) {
  int64_t& known = any_[spaces ? 1 : 0];
  if (known >= 0) return static_cast<uint32_t>(known);
  const uint32_t choice = new_choice("");
  known = choice;
  add_literals(choice, {"false", "null", "true"});
  p_.strings.push_back({});
  add_node(choice, NodeKind::kString, p_.strings.size() - 1);
  p_.numbers.push_back({});
  add_node(choice, NodeKind::kNumber, p_.numbers.size() - 1);
  p_.arrays.push_back({.items = choice, .spaces = spaces});
  add_node(choice, NodeKind::kArray, p_.arrays.size() - 1);
  ObjectRule object;
  object.extra_value = choice;
  object.extra_key = static_cast<int32_t>(new_node(NodeKind::kString, p_.strings.size() - 1));
  object.spaces = spaces;
  add_object(choice, std::move(object), {});
  return choice;
}

// Choices made of choices (references, alternatives) become lists of nodes, so that the machine never chases them and a
// reference to itself adds nothing.
Status SchemaCompiler::fold_includes() {
  constexpr size_t kMaxFolded = 200000;
  size_t n_folded = 0;
  std::vector<std::vector<uint32_t>> folded(p_.choices.size());
  std::vector<uint32_t> seen(p_.choices.size(), UINT32_MAX);
  for (uint32_t i = 0; i < p_.choices.size(); ++i) {
    std::vector<uint32_t> open{i};
    seen[i] = i;
    while (!open.empty()) {
      const Choice& c = p_.choices[open.back()];
      open.pop_back();
      folded[i].insert(folded[i].end(), c.nodes.begin(), c.nodes.end());
      for (auto it = c.includes.rbegin(); it != c.includes.rend(); ++it) {
        if (std::exchange(seen[*it], i) != i) open.push_back(*it);
      }
      if (++n_folded > kMaxFolded) return schema_error(ErrorCode::kResourceExhausted, p_.choices[i].pointer, "too many alternatives");
    }
    n_folded += folded[i].size();
    if (folded[i].size() > Machine::kMaxConfigs / 2) {
      return schema_error(ErrorCode::kResourceExhausted, p_.choices[i].pointer, "more than 512 alternatives in one place");
    }
  }
  for (size_t i = 0; i < folded.size(); ++i) p_.choices[i].nodes = std::move(folded[i]);
  return Status::ok();
}

// Once the items of each list are known: what must not repeat is quotes, or literals; and there are enough of them.
Status SchemaCompiler::check_unique() {
  for (const auto& [index, pointer] : unique_arrays_) {
    ArrayRule& rule = p_.arrays[index];
    const bool member = rule.unique == Unique::kMember;
    const std::string here = pointer_to(pointer, member ? "x-unique" : "uniqueItems");
    const auto only_node = [&](uint32_t choice) { return p_.choices[choice].nodes.size() == 1 ? &p_.nodes[p_.choices[choice].nodes[0]] : nullptr; };
    Node* value = only_node(rule.items);
    if (member) {
      if (value == nullptr || value->kind != NodeKind::kObject) return schema_error(kUnsupported, here, "the items must be objects of one kind");
      const ObjectRule& object = p_.objects[value->rule];
      const std::vector<std::string> keys = object.keys < 0 ? std::vector<std::string>() : p_.literals[p_.nodes[static_cast<size_t>(object.keys)].rule].set.texts();
      const auto found = std::find(keys.begin(), keys.end(), key_text(rule.unique_name));
      const auto place = static_cast<size_t>(found - keys.begin());
      if (found == keys.end() || !object.properties[place].required || object.extra_key >= 0) {
        return schema_error(kUnsupported, here, "enforced only of a required member of closed objects");
      }
      rule.unique_property = static_cast<uint32_t>(place);
      value = only_node(object.properties[place].value);
    }
    const bool quote = value != nullptr && value->kind == NodeKind::kSource && !p_.sources[value->rule].allow_empty;
    const bool literal = !member && value != nullptr && value->kind == NodeKind::kLiteral;
    if (!quote && !literal) return schema_error(kUnsupported, here, "enforced only of quotes that are not empty, and of the values of one enum");
    constexpr uint32_t kMaxMin = 1000;  // they are compared with each other
    if (rule.min > kMaxMin) return schema_error(ErrorCode::kResourceExhausted, here, "of more than 1000 items");
    const size_t there = literal ? p_.literals[value->rule].set.texts().size() : count_quotes(p_, p_.sources[value->rule], rule.min);
    if (there < rule.min) return schema_error(kInvalid, here, "only " + std::to_string(there) + " different values are there, minItems asks for more");
    rule.max = std::min(rule.max, literal ? static_cast<uint32_t>(there) : kMaxMin);
  }
  return Status::ok();
}

uint32_t SchemaCompiler::node_depth(const Node& node) const {
  const auto above = [&](uint32_t choice) { return p_.choices[choice].min_depth == kNever ? kNever : p_.choices[choice].min_depth + 1; };
  if (node.kind == NodeKind::kArray) {
    const ArrayRule& rule = p_.arrays[node.rule];
    return rule.min == 0 ? 1 : above(rule.items);
  }
  if (node.kind == NodeKind::kObject) {
    uint32_t depth = 1;
    for (const Property& property : p_.objects[node.rule].properties) {
      if (property.required) depth = std::max(depth, above(property.value));
    }
    return depth;
  }
  return node.min_depth;
}

// From "never" downwards until nothing changes; a pass settles at least one more level, and deeper than kMaxDepth is never.
void SchemaCompiler::find_depths() {
  for (Node& node : p_.nodes) {
    if (node.kind == NodeKind::kArray || node.kind == NodeKind::kObject) node.min_depth = kNever;
  }
  for (uint32_t pass = 0; pass <= kMaxDepth; ++pass) {
    bool changed = false;
    for (Choice& choice : p_.choices) {
      uint32_t least = kNever;
      for (const uint32_t node : choice.nodes) least = std::min(least, p_.nodes[node].min_depth);
      changed = changed || least != choice.min_depth;
      choice.min_depth = least;
    }
    for (Node& node : p_.nodes) node.min_depth = node_depth(node);
    if (!changed && pass > 0) break;
  }
}

bool SchemaCompiler::objects_disjoint(const ObjectRule& a, const ObjectRule& b) const {
  const auto names = [&](const ObjectRule& o) {
    return o.keys < 0 ? std::vector<std::string>{} : p_.literals[p_.nodes[static_cast<size_t>(o.keys)].rule].set.texts();
  };
  const std::vector<std::string> names_a = names(a), names_b = names(b);
  const auto find = [](const std::vector<std::string>& list, const std::string& name) {
    return static_cast<size_t>(std::find(list.begin(), list.end(), name) - list.begin());
  };
  for (size_t i = 0; i < names_a.size(); ++i) {
    const size_t j = find(names_b, names_a[i]);
    if (j == names_b.size()) {
      if (b.closed && a.properties[i].required) return true;
      continue;
    }
    if (!a.properties[i].required || !b.properties[j].required) continue;
    const auto literal = [&](uint32_t choice) {
      const auto& nodes = p_.choices[choice].nodes;
      return !nodes.empty() && std::all_of(nodes.begin(), nodes.end(), [&](uint32_t n) { return p_.nodes[n].kind == NodeKind::kLiteral; });
    };
    const uint32_t value_a = a.properties[i].value, value_b = b.properties[j].value;
    if (literal(value_a) && literal(value_b) && disjoint(value_a, value_b)) return true;
  }
  for (size_t j = 0; j < names_b.size(); ++j) {
    if (a.closed && b.properties[j].required && find(names_a, names_b[j]) == names_a.size()) return true;
  }
  return false;
}

bool SchemaCompiler::nodes_disjoint(const Node& a, const Node& b) const {
  if (a.kind == NodeKind::kLiteral && b.kind == NodeKind::kLiteral) {
    const auto &texts_a = p_.literals[a.rule].set.texts(), &texts_b = p_.literals[b.rule].set.texts();
    // Values of an enum are sorted.
    return std::none_of(texts_a.begin(), texts_a.end(), [&](const std::string& t) { return std::binary_search(texts_b.begin(), texts_b.end(), t); });
  }
  if (b.kind == NodeKind::kLiteral) return nodes_disjoint(b, a);
  // The type of a value shows in its first byte; 0 stands for all numbers.
  const auto first = [](char c) { return c == '-' || (c >= '0' && c <= '9') ? '0' : c; };
  const auto type = [](NodeKind kind) {
    switch (kind) {
      case NodeKind::kString:
      case NodeKind::kPattern:
      case NodeKind::kSource: return '"';
      case NodeKind::kNumber: return '0';
      case NodeKind::kObject: return '{';
      case NodeKind::kArray: return '[';
      case NodeKind::kLiteral: break;
    }
    return '\0';
  };
  if (a.kind == NodeKind::kLiteral) {
    const auto& texts = p_.literals[a.rule].set.texts();
    return std::none_of(texts.begin(), texts.end(), [&](const std::string& t) { return first(t[0]) == type(b.kind); });
  }
  if (type(a.kind) != type(b.kind)) return true;
  return a.kind == NodeKind::kObject && objects_disjoint(p_.objects[a.rule], p_.objects[b.rule]);
}

bool SchemaCompiler::disjoint(uint32_t a, uint32_t b) const {
  for (const uint32_t i : p_.choices[a].nodes) {
    for (const uint32_t j : p_.choices[b].nodes) {
      if (!nodes_disjoint(p_.nodes[i], p_.nodes[j])) return false;
    }
  }
  return true;
}

// Of a oneOf exactly one must hold, so its alternatives must exclude each other by what we can see of them.
Status SchemaCompiler::check_one_of() const {
  constexpr size_t kMaxAlternatives = 64, kMaxProperties = 2000;
  for (const OneOf& one_of : one_ofs_) {
    if (one_of.choices.size() > kMaxAlternatives) return schema_error(ErrorCode::kResourceExhausted, one_of.pointer, "more than 64 alternatives");
    size_t n_properties = 0;  // they are compared with each other
    for (const uint32_t choice : one_of.choices) {
      for (const uint32_t id : p_.choices[choice].nodes) {
        if (p_.nodes[id].kind == NodeKind::kObject) n_properties += p_.objects[p_.nodes[id].rule].properties.size();
      }
    }
    if (n_properties > kMaxProperties) return schema_error(ErrorCode::kResourceExhausted, one_of.pointer, "more than 2000 properties in all alternatives");
    for (size_t i = 0; i < one_of.choices.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (!disjoint(one_of.choices[i], one_of.choices[j])) {
          return schema_error(kUnsupported, one_of.pointer,
                              "alternatives " + std::to_string(j) + " and " + std::to_string(i) + " may hold at once; anyOf is enforced");
        }
      }
    }
  }
  return Status::ok();
}

// Names the innermost place without any value that the root needs.
Status SchemaCompiler::check_satisfiable() const {
  uint32_t at = p_.root;
  if (p_.choices[at].min_depth != kNever && p_.choices[at].min_depth <= kMaxDepth) return Status::ok();
  std::vector<bool> seen(p_.choices.size(), false);
  for (bool moved = true; moved;) {
    moved = false;
    seen[at] = true;
    const auto needs = [&](uint32_t choice) {
      if (moved || seen[choice] || p_.choices[choice].min_depth != kNever) return;
      at = choice;
      moved = true;
    };
    const std::vector<uint32_t> nodes = p_.choices[at].nodes;
    for (const uint32_t id : nodes) {
      const Node& node = p_.nodes[id];
      if (node.kind == NodeKind::kArray) needs(p_.arrays[node.rule].items);
      if (node.kind != NodeKind::kObject) continue;
      for (const Property& property : p_.objects[node.rule].properties) {
        if (property.required) needs(property.value);
      }
    }
  }
  return schema_error(kInvalid, p_.choices[at].pointer, "no value can satisfy this (within 64 levels, and with this source)");
}

}  // namespace da::grammar
