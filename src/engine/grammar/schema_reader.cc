#include "engine/grammar/schema_reader.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace da::grammar {
namespace {

// First pass: counts, and builds nothing, so that a hostile schema costs no more than its own bytes.
class LimitCounter : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::string fault;    // what was exceeded
  bool broken = false;  // not JSON

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t&) override {
    if (++members_.back() > SchemaLimits::kMaxMembers) return stop("more than 1000 members in one object");
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    broken = true;
    return false;
  }

 private:
  bool stop(const char* what) {
    fault = what;
    return false;
  }
  bool value() { return ++n_values_ <= SchemaLimits::kMaxValues || stop("more than 50000 values"); }
  bool open() {
    members_.push_back(0);
    if (members_.size() > SchemaLimits::kMaxDepth) return stop("nested deeper than 128 levels");
    return value();
  }
  bool close() {
    members_.pop_back();
    return true;
  }
  size_t n_values_ = 0;
  std::vector<size_t> members_;
};

constexpr std::array kAnnotations = {
    "title", "description", "$schema", "$id", "id", "$comment", "default", "examples", "example", "deprecated", "readOnly",
    "writeOnly", "contentEncoding", "contentMediaType", "$defs", "definitions", "discriminator", "externalDocs", "xml",
    "x-property-order", "propertyOrdering"};
// Those we compile, or refuse by their value.
constexpr std::array kAssertions = {
    "type", "enum", "const", "properties", "required", "additionalProperties", "unevaluatedProperties", "minProperties",
    "maxProperties", "items", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "anyOf", "oneOf", "allOf", "$ref", "format", "nullable",
    "strict", "x-source", "x-allow-empty", "x-unique", "pattern"};
constexpr std::array kTypes = {"object", "array", "string", "integer", "number", "boolean", "null"};

template <size_t n>
bool contains(const std::array<const char*, n>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Result<Json> read_schema(std::string_view text) {
  if (text.size() > SchemaLimits::kMaxBytes) {
    return Status(ErrorCode::kResourceExhausted, "schema: " + std::to_string(text.size()) + " bytes, at most " +
                                                     std::to_string(SchemaLimits::kMaxBytes));
  }
  LimitCounter counter;
  const bool sound = nlohmann::json::sax_parse(text, &counter);
  if (!counter.fault.empty()) return Status(ErrorCode::kResourceExhausted, "schema: " + counter.fault);
  if (!sound || counter.broken) return Status(ErrorCode::kInvalidArgument, "schema: not JSON");
  Json schema = Json::parse(text, nullptr, false);
  if (schema.is_discarded()) return Status(ErrorCode::kInvalidArgument, "schema: not JSON");
  return schema;
}

std::string pointer_to(const std::string& pointer, std::string_view step) {
  std::string out = pointer + "/";
  for (const char c : step) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

Status schema_error(ErrorCode code, const std::string& pointer, std::string_view message) {
  return {code, "schema at \"" + pointer + "\": " + std::string(message)};
}

Keyword keyword_class(std::string_view name) {
  if (contains(kAssertions, name)) return Keyword::kAssertion;
  if (contains(kAnnotations, name) || name.starts_with("x-")) return Keyword::kAnnotation;
  return Keyword::kUnknown;
}

Result<uint32_t> read_count(const Json& schema, const char* key, uint32_t absent, const std::string& pointer) {
  const auto found = schema.find(key);
  if (found == schema.end()) return absent;
  double value = -1;
  if (found->is_number()) value = found->get<double>();
  if (!(value >= 0) || value != std::floor(value)) {
    return schema_error(ErrorCode::kInvalidArgument, pointer_to(pointer, key), "expected a whole number of at least 0");
  }
  return static_cast<uint32_t>(std::min(value, 4294967294.0));
}

Result<bool> read_flag(const Json& schema, const char* key, const std::string& pointer) {
  const auto found = schema.find(key);
  if (found == schema.end()) return false;
  if (!found->is_boolean()) return schema_error(ErrorCode::kInvalidArgument, pointer_to(pointer, key), "expected true or false");
  return found->get<bool>();
}

Result<Bounds> read_bounds(const Json& schema, const std::string& pointer) {
  Bounds bounds;
  const auto read = [&](const char* key, double& bound, bool& exclude, bool exclusive, bool lower) -> Status {
    const auto found = schema.find(key);
    if (found == schema.end()) return Status::ok();
    if (exclusive && found->is_boolean()) {
      exclude = exclude || found->get<bool>();
      return Status::ok();
    }
    if (!found->is_number()) return schema_error(ErrorCode::kInvalidArgument, pointer_to(pointer, key), "expected a number");
    const auto value = found->get<double>();
    bounds.given = true;
    const bool tighter = lower ? value > bound : value < bound;
    if (tighter || value == bound) {
      exclude = exclusive || (!tighter && exclude);
      bound = value;
    }
    return Status::ok();
  };
  DA_RETURN_IF_ERROR(read("minimum", bounds.low, bounds.exclude_low, false, true));
  DA_RETURN_IF_ERROR(read("exclusiveMinimum", bounds.low, bounds.exclude_low, true, true));
  DA_RETURN_IF_ERROR(read("maximum", bounds.high, bounds.exclude_high, false, false));
  DA_RETURN_IF_ERROR(read("exclusiveMaximum", bounds.high, bounds.exclude_high, true, false));
  return bounds;
}

Result<std::vector<std::string>> read_types(const Json& schema, const std::string& pointer) {
  std::vector<std::string> types;
  const auto found = schema.find("type");
  if (found != schema.end()) {
    const std::string here = pointer_to(pointer, "type");
    const Json list = found->is_array() ? *found : Json::array({*found});
    for (const Json& type : list) {
      if (!type.is_string() || !contains(kTypes, type.get_ref<const std::string&>())) {
        return schema_error(ErrorCode::kInvalidArgument, here, "expected the name of a JSON type");
      }
      const auto& name = type.get_ref<const std::string&>();
      if (std::find(types.begin(), types.end(), name) == types.end()) types.push_back(name);
    }
    if (types.empty()) return schema_error(ErrorCode::kInvalidArgument, here, "an empty list allows no value");
    // Every integer is a number: naming both would let one value be written in two ways.
    if (std::find(types.begin(), types.end(), "number") != types.end()) std::erase(types, "integer");
    return types;
  }
  const auto has = [&](std::initializer_list<const char*> keys) {
    return std::any_of(keys.begin(), keys.end(), [&](const char* key) { return schema.contains(key); });
  };
  if (has({"properties", "required", "additionalProperties", "unevaluatedProperties", "minProperties", "maxProperties"})) types.push_back("object");
  if (has({"items", "minItems", "maxItems", "uniqueItems", "x-unique"})) types.push_back("array");
  if (has({"minLength", "maxLength", "pattern", "x-source", "x-allow-empty"})) types.push_back("string");
  if (has({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})) types.push_back("number");
  return types;
}

}  // namespace da::grammar
