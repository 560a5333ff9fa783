#include <algorithm>
#include <numeric>
#include <string>

#include "engine/grammar/schema_compiler.h"

// Several schemas that must hold at once (allOf, and what stands beside $ref, anyOf or oneOf) as one.
namespace da::grammar {
namespace {

constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;
constexpr int kMaxFlattened = 64;

bool contains(std::initializer_list<const char*> names, std::string_view name) {
  return std::any_of(names.begin(), names.end(), [&](const char* n) { return name == n; });
}

// What both lists have; of number and integer the narrower.
Json common_types(const Json& a, const Json& b) {
  const auto list = [](const Json& t) { return t.is_array() ? t : Json::array({t}); };
  const auto has = [](const Json& types, const char* type) {
    return std::find(types.begin(), types.end(), Json(type)) != types.end();
  };
  Json out = Json::array();
  for (const Json& type : list(a)) {
    if (has(list(b), type.is_string() ? type.get_ref<const std::string&>().c_str() : "")) {
      out.push_back(type);
    } else if ((type == "integer" && has(list(b), "number")) || (type == "number" && has(list(b), "integer"))) {
      out.push_back("integer");
    }
  }
  return out;
}

Json united(const Json& a, const Json& b) {
  Json out = a;
  for (const Json& item : b) {
    if (std::find(out.begin(), out.end(), item) == out.end()) out.push_back(item);
  }
  return out;
}

Json with_null_in_type(Json schema) {
  if (schema.value("nullable", Json(false)) == Json(true) && schema.contains("type")) {
    if (!schema["type"].is_array()) schema["type"] = Json::array({schema["type"]});
    schema["type"].push_back("null");
  }
  schema.erase("nullable");
  return schema;
}

}  // namespace

const char* SchemaCompiler::standing_for_all(const Json& schema) {
  for (const char* keyword : {"$ref", "allOf", "anyOf", "oneOf"}) {
    if (schema.contains(keyword)) return keyword;
  }
  return nullptr;
}

// Whether only annotations stand beside the keyword, and it is no allOf of several.
bool SchemaCompiler::is_alone(const Json& schema, std::string_view keyword) {
  for (const auto& [key, member] : schema.items()) {
    if (key == keyword ? key == "allOf" && member.is_array() && member.size() > 1
                       : keyword_class(key) != Keyword::kAnnotation)
      return false;
  }
  return true;
}

// Without $ref and allOf; of anyOf or oneOf with the rest folded into each alternative.
Result<Json> SchemaCompiler::combined(const Json& schema, const std::string& pointer) const {
  DA_ASSIGN_OR_RETURN(Json flat, flattened(schema, pointer, 0));
  if (!flat.is_object()) return flat;
  const char* keyword = flat.contains("anyOf") ? "anyOf" : flat.contains("oneOf") ? "oneOf" : nullptr;
  if (keyword == nullptr || is_alone(flat, keyword)) return flat;
  const Json list = flat[keyword];
  flat.erase(keyword);
  if (flat.contains("oneOf"))
    return schema_error(kUnsupported, pointer_to(pointer, "oneOf"), "not enforced beside \"anyOf\"");
  if (!list.is_array() || list.empty())
    return schema_error(ErrorCode::kInvalidArgument, pointer_to(pointer, keyword), "expected a list of schemas");
  Json alternatives = Json::array();
  for (size_t i = 0; i < list.size(); ++i) {
    DA_ASSIGN_OR_RETURN(Json one, both(list[i], flat, pointer_to(pointer_to(pointer, keyword), std::to_string(i)), 0));
    alternatives.push_back(std::move(one));
  }
  return Json{{keyword, std::move(alternatives)}};
}

Result<Json> SchemaCompiler::flattened(const Json& schema, const std::string& pointer, int depth) const {
  if (depth > kMaxFlattened)
    return schema_error(kUnsupported, pointer,
                        "schemas that hold at once refer to each other in a circle, or too deep");
  if (!schema.is_object() || (!schema.contains("$ref") && !schema.contains("allOf"))) return schema;
  DA_RETURN_IF_ERROR(check_keywords(schema, pointer));
  Json rest = schema;
  if (schema.contains("$ref")) {
    DA_ASSIGN_OR_RETURN(const auto target, find_reference(schema, pointer));
    rest.erase("$ref");
    DA_ASSIGN_OR_RETURN(rest, both(*target.first, rest, pointer_to(pointer, "$ref"), depth + 1));
  }
  if (!rest.is_object() || !rest.contains("allOf")) return rest;
  const Json list = rest["allOf"];
  const std::string here = pointer_to(pointer, "allOf");
  if (!list.is_array() || list.empty())
    return schema_error(ErrorCode::kInvalidArgument, here, "expected a list of schemas");
  rest.erase("allOf");
  Json all = true;
  for (size_t i = 0; i < list.size(); ++i) {
    DA_ASSIGN_OR_RETURN(all, both(all, list[i], pointer_to(here, std::to_string(i)), depth + 1));
  }
  return both(all, rest, pointer, depth + 1);
}

Result<Json> SchemaCompiler::both(const Json& a, const Json& b, const std::string& pointer, int depth) const {
  for (const Json* schema : {&a, &b}) {
    if (!schema->is_object() && !schema->is_boolean())
      return schema_error(ErrorCode::kInvalidArgument, pointer, "expected a schema: an object, true or false");
  }
  DA_ASSIGN_OR_RETURN(const Json flat_a, flattened(a, pointer, depth + 1));
  DA_ASSIGN_OR_RETURN(const Json flat_b, flattened(b, pointer, depth + 1));
  if (flat_a == Json(false) || flat_b == Json(false)) return Json(false);
  if (!flat_a.is_object() || flat_a.empty()) return flat_b;
  if (!flat_b.is_object() || flat_b.empty()) return flat_a;
  return both_objects(with_null_in_type(flat_a), with_null_in_type(flat_b), pointer, depth);
}

Result<Json> SchemaCompiler::both_objects(const Json& a, const Json& b, const std::string& pointer, int depth) const {
  Json out = a;
  // A property of one is bound by the other's additionalProperties where that does not declare it.
  const Json none = Json::object();
  const auto member = [&](const Json& s, const char* key) -> const Json& {
    const auto found = s.find(key);
    return found == s.end() || !found->is_object() ? none : *found;
  };
  const auto& properties_a = member(a, "properties");
  const auto& properties_b = member(b, "properties");
  const auto others = [](const Json& s) {
    return s.contains("additionalProperties") ? s["additionalProperties"] : Json(true);
  };
  Json properties = Json::object();
  for (const auto& [name, value] : properties_a.items()) {
    const Json other = properties_b.contains(name) ? properties_b[name] : others(b);
    DA_ASSIGN_OR_RETURN(properties[name],
                        both(value, other, pointer_to(pointer_to(pointer, "properties"), name), depth + 1));
  }
  for (const auto& [name, value] : properties_b.items()) {
    if (properties_a.contains(name)) continue;
    DA_ASSIGN_OR_RETURN(properties[name],
                        both(value, others(a), pointer_to(pointer_to(pointer, "properties"), name), depth + 1));
  }
  if (!properties.empty()) out["properties"] = std::move(properties);
  for (const auto& [key, value] : b.items()) {
    if (key == "properties") continue;
    const std::string here = pointer_to(pointer, key);
    if (!out.contains(key) || out[key] == value || keyword_class(key) == Keyword::kAnnotation) {
      const bool is_order =
          contains({"x-property-order", "propertyOrdering"}, key) && out.contains(key) && out[key].is_array();
      out[key] = is_order ? united(out[key], value) : value;
    } else if (key == "type") {
      out[key] = common_types(out[key], value);
      if (out[key].empty()) return Json(false);
    } else if (key == "required" && value.is_array() && out[key].is_array()) {
      out[key] = united(out[key], value);
    } else if (key == "enum" && value.is_array() && out[key].is_array()) {
      Json kept = Json::array();
      for (const Json& v : out[key]) {
        if (std::find(value.begin(), value.end(), v) != value.end()) kept.push_back(v);
      }
      if (kept.empty()) return Json(false);
      out[key] = std::move(kept);
    } else if (key == "const") {
      return Json(false);
    } else if (contains({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}, key) &&
               value.is_number() && out[key].is_number()) {
      if (value.get<double>() > out[key].get<double>()) out[key] = value;
    } else if (contains({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}, key) &&
               value.is_number() && out[key].is_number()) {
      if (value.get<double>() < out[key].get<double>()) out[key] = value;
    } else if (key == "multipleOf" && value.is_number_integer() && out[key].is_number_integer() && value > 0 &&
               value < 1000000 && out[key] > 0 && out[key] < 1000000) {
      out[key] = std::lcm(value.get<int64_t>(), out[key].get<int64_t>());
    } else if (key == "uniqueItems" && value.is_boolean() && out[key].is_boolean()) {
      out[key] = true;
    } else if (key == "items" || key == "additionalProperties") {
      DA_ASSIGN_OR_RETURN(out[key], both(out[key], value, here, depth + 1));
    } else {
      return schema_error(kUnsupported, here, "two of this keyword that must hold at once are not enforced");
    }
  }
  return out;
}

}  // namespace da::grammar
