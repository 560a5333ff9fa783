#include "engine/grammar/schema_compiler.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/utf8.h"
#include "engine/grammar/machine.h"

namespace da::grammar {
namespace {

constexpr ErrorCode kInvalid = ErrorCode::kInvalidArgument;
constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;

// Formats that say nothing about the text of a value.
constexpr std::array kIgnoredFormats = {"int32", "int64", "uint32", "uint64", "float", "double", "text", "markdown", "password"};

std::string literal_text(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

bool has_type(const Json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  return value.is_number_integer() || (value.is_number_float() && value.get<double>() == std::floor(value.get<double>()));
}

bool within(const Bounds& b, double v) {
  return (b.exclude_low ? v > b.low : v >= b.low) && (b.exclude_high ? v < b.high : v <= b.high);
}

}  // namespace

Status SchemaCompiler::run() {
  DA_ASSIGN_OR_RETURN(p_.root, compile(root_, ""));
  DA_RETURN_IF_ERROR(fold_includes());
  DA_RETURN_IF_ERROR(check_unique());
  find_depths();
  find_lengths();
  DA_RETURN_IF_ERROR(check_one_of());
  return check_satisfiable();
}

Status SchemaCompiler::run_any_object() {
  const uint32_t value = any_value(true);
  p_.root = new_choice("");
  const auto is_object = [&](uint32_t node) { return p_.nodes[node].kind == NodeKind::kObject; };
  const std::vector<uint32_t>& nodes = p_.choices[value].nodes;
  std::copy_if(nodes.begin(), nodes.end(), std::back_inserter(p_.choices[p_.root].nodes), is_object);
  DA_RETURN_IF_ERROR(fold_includes());
  find_depths();
  find_lengths();
  return check_satisfiable();
}

Result<uint32_t> SchemaCompiler::compile(const Json& schema, const std::string& pointer) {
  if (const auto found = compiled_.find(pointer); found != compiled_.end()) return found->second;
  // A chain of references costs our stack, not the schema's nesting.
  constexpr int kMaxChain = 400;
  if (chain_ >= kMaxChain) return schema_error(ErrorCode::kResourceExhausted, pointer, "a chain of more than 400 references and levels");
  const uint32_t choice = new_choice(pointer);
  compiled_.emplace(pointer, choice);
  ++chain_;
  const Status status = fill(choice, schema, pointer);
  --chain_;
  DA_RETURN_IF_ERROR(status);
  return choice;
}

Status SchemaCompiler::fill(uint32_t choice, const Json& schema, const std::string& pointer) {
  if (schema.is_boolean()) {
    if (schema.get<bool>()) include(choice, any_value(false));
    return Status::ok();
  }
  if (!schema.is_object()) return schema_error(kInvalid, pointer, "expected a schema: an object, true or false");
  DA_RETURN_IF_ERROR(check_keywords(schema, pointer));
  if (const char* keyword = standing_for_all(schema)) {
    if (is_alone(schema, keyword)) {
      if (std::string_view(keyword) == "$ref") return fill_reference(choice, schema, pointer);
      return fill_alternatives(choice, schema, keyword, pointer);
    }
    // What stands beside it holds as well: one schema is made of all.
    DA_ASSIGN_OR_RETURN(Json merged, combined(schema, pointer));
    merged_.push_back(std::move(merged));
    return fill(choice, merged_.back(), pointer_to(pointer, "allOf"));
  }
  DA_ASSIGN_OR_RETURN(Types types, read_types(schema, pointer));
  DA_ASSIGN_OR_RETURN(const bool nullable, read_flag(schema, "nullable", pointer));
  if (nullable && !types.empty() && std::find(types.begin(), types.end(), "null") == types.end()) types.push_back("null");
  if (schema.contains("enum") || schema.contains("const")) return fill_literals(choice, schema, types, pointer);
  if (types.empty()) include(choice, any_value(false));
  for (const std::string& type : types) DA_RETURN_IF_ERROR(fill_type(choice, type, schema, pointer));
  return Status::ok();
}

Status SchemaCompiler::check_keywords(const Json& schema, const std::string& pointer) const {
  for (const auto& [key, value] : schema.items()) {
    if (keyword_class(key) == Keyword::kUnknown) return schema_error(kUnsupported, pointer_to(pointer, key), "this keyword is not enforced");
    if (key == "format") {
      const std::string_view name = value.is_string() ? std::string_view(value.get_ref<const std::string&>()) : std::string_view();
      const bool known = std::find(kIgnoredFormats.begin(), kIgnoredFormats.end(), name) != kIgnoredFormats.end() || !Pattern::of_format(name).empty();
      if (!known) return schema_error(kUnsupported, pointer_to(pointer, key), "this format is not enforced");
    }
  }
  return Status::ok();
}

Result<std::pair<const Json*, std::string>> SchemaCompiler::find_reference(const Json& schema, const std::string& pointer) const {
  const std::string here = pointer_to(pointer, "$ref");
  const Json& reference = schema["$ref"];
  if (!reference.is_string()) return schema_error(kInvalid, here, "expected a string");
  const auto& text = reference.get_ref<const std::string&>();
  if (text.empty() || text[0] != '#') return schema_error(kUnsupported, here, "only references into this schema (\"#/…\") are followed");
  const Json* target = &root_;
  std::string target_pointer;
  for (size_t at = 1; at < text.size();) {
    if (text[at] != '/') return schema_error(kUnsupported, here, "expected a JSON pointer after '#'");
    const size_t end = std::min(text.find('/', at + 1), text.size());
    std::string step;
    for (size_t i = at + 1; i < end; ++i) {
      const bool escaped = text[i] == '~' && i + 1 < end && (text[i + 1] == '0' || text[i + 1] == '1');
      step.push_back(escaped ? (text[++i] == '0' ? '~' : '/') : text[i]);
    }
    const bool index = target->is_array() && !step.empty() && step.size() < 9 && step.find_first_not_of("0123456789") == std::string::npos;
    if (target->is_object() && target->contains(step)) {
      target = &(*target)[step];
    } else if (index && std::stoul(step) < target->size()) {
      target = &(*target)[std::stoul(step)];
    } else {
      return schema_error(kInvalid, here, "there is no such place in the schema");
    }
    target_pointer = pointer_to(target_pointer, step);
    at = end;
  }
  return std::pair(target, target_pointer);
}

Status SchemaCompiler::fill_reference(uint32_t choice, const Json& schema, const std::string& pointer) {
  DA_ASSIGN_OR_RETURN(const auto target, find_reference(schema, pointer));
  DA_ASSIGN_OR_RETURN(const uint32_t included, compile(*target.first, target.second));
  include(choice, included);
  return Status::ok();
}

Status SchemaCompiler::fill_alternatives(uint32_t choice, const Json& schema, const char* keyword, const std::string& pointer) {
  const std::string here = pointer_to(pointer, keyword);
  const Json& list = schema[keyword];
  if (!list.is_array() || list.empty()) return schema_error(kInvalid, here, "expected a list of schemas");
  OneOf alternatives{{}, here};
  for (size_t i = 0; i < list.size(); ++i) {
    DA_ASSIGN_OR_RETURN(const uint32_t included, compile(list[i], pointer_to(here, std::to_string(i))));
    include(choice, included);
    alternatives.choices.push_back(included);
  }
  if (std::string_view(keyword) == "oneOf") one_ofs_.push_back(std::move(alternatives));
  return Status::ok();
}

Result<bool> SchemaCompiler::literal_allowed(const Json& value, const Json& schema, const Types& types, const std::string& pointer) const {
  if (!types.empty() && std::none_of(types.begin(), types.end(), [&](const std::string& t) { return has_type(value, t); })) return false;
  if (schema.contains("enum") && schema.contains("const") && value != schema["const"]) return false;
  DA_ASSIGN_OR_RETURN(const Bounds bounds, read_bounds(schema, pointer));
  DA_ASSIGN_OR_RETURN(const uint32_t min, read_count(schema, "minLength", 0, pointer));
  DA_ASSIGN_OR_RETURN(const uint32_t max, read_count(schema, "maxLength", kUnbounded, pointer));
  if (value.is_number() && !within(bounds, value.get<double>())) return false;
  if (value.is_string()) {
    const size_t length = utf8::count_code_points(value.get_ref<const std::string&>());
    return length >= min && length <= max;
  }
  return true;
}

Status SchemaCompiler::fill_literals(uint32_t choice, const Json& schema, const Types& types, const std::string& pointer) {
  const char* keyword = schema.contains("enum") ? "enum" : "const";
  for (const auto& [key, value] : schema.items()) {
    const bool enforced = key == "enum" || key == "const" || key == "type" || key == "nullable" || key == "minLength" || key == "maxLength" ||
                          key == "minimum" || key == "maximum" || key == "exclusiveMinimum" || key == "exclusiveMaximum" || key == "format";
    if (!enforced && keyword_class(key) != Keyword::kAnnotation) {
      return schema_error(kUnsupported, pointer_to(pointer, key), "not enforced beside \"" + std::string(keyword) + "\"");
    }
  }
  const Json list = schema.contains("enum") ? schema["enum"] : Json::array({schema["const"]});
  if (!list.is_array()) return schema_error(kInvalid, pointer_to(pointer, keyword), "expected a list of values");
  std::vector<std::string> texts;
  for (const Json& value : list) {
    DA_ASSIGN_OR_RETURN(const bool allowed, literal_allowed(value, schema, types, pointer));
    if (allowed) texts.push_back(literal_text(value));
  }
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  if (texts.empty()) return schema_error(kInvalid, pointer_to(pointer, keyword), "none of the values is allowed by the other keywords");
  add_literals(choice, texts);
  return Status::ok();
}

Status SchemaCompiler::fill_type(uint32_t choice, const std::string& type, const Json& schema, const std::string& pointer) {
  if (type == "object") return fill_object(choice, schema, pointer);
  if (type == "array") return fill_array(choice, schema, pointer);
  if (type == "string") return fill_string(choice, schema, pointer);
  if (type == "integer" || type == "number") return fill_number(choice, type == "integer", schema, pointer);
  add_literals(choice, type == "null" ? std::vector<std::string>{"null"} : std::vector<std::string>{"false", "true"});
  return Status::ok();
}

Status SchemaCompiler::fill_string(uint32_t choice, const Json& schema, const std::string& pointer) {
  DA_ASSIGN_OR_RETURN(const uint32_t min, read_count(schema, "minLength", 0, pointer));
  DA_ASSIGN_OR_RETURN(const uint32_t max, read_count(schema, "maxLength", kUnbounded, pointer));
  if (min > max) return schema_error(kInvalid, pointer_to(pointer, "minLength"), "larger than maxLength");
  DA_ASSIGN_OR_RETURN(const bool from_source, read_flag(schema, "x-source", pointer));
  DA_ASSIGN_OR_RETURN(const bool allow_empty, read_flag(schema, "x-allow-empty", pointer));
  const bool has_format = schema.contains("format") && !Pattern::of_format(schema["format"].get_ref<const std::string&>()).empty();
  if (schema.contains("pattern") || has_format) {
    const char* keyword = schema.contains("pattern") ? "pattern" : "format";
    const std::string here = pointer_to(pointer, keyword);
    if (!schema[keyword].is_string()) return schema_error(kInvalid, here, "expected a string");
    if (from_source || (schema.contains("pattern") && has_format)) return schema_error(kUnsupported, here, "not enforced beside other bounds of the text");
    const auto& text = schema[keyword].get_ref<const std::string&>();
    auto pattern = Pattern::compile(has_format ? Pattern::of_format(text) : std::string_view(text), min, max);
    if (!pattern.is_ok()) return schema_error(pattern.code(), here, pattern.status().message());
    p_.patterns.push_back(std::move(*pattern));
    add_node(choice, NodeKind::kPattern, p_.patterns.size() - 1);
    return Status::ok();
  }
  if (!from_source) {
    p_.strings.push_back({.min = min, .max = max});
    add_node(choice, NodeKind::kString, p_.strings.size() - 1);
    return Status::ok();
  }
  if (!p_.source) return schema_error(kInvalid, pointer_to(pointer, "x-source"), "the request has no source text");
  SourceRule rule{.min = std::max(min, 1u), .max = max, .allow_empty = allow_empty && min == 0};
  if (max == 0 && !rule.allow_empty) return schema_error(kInvalid, pointer_to(pointer, "maxLength"), "a quote has at least one character");
  p_.sources.push_back(rule);
  add_node(choice, NodeKind::kSource, p_.sources.size() - 1);
  p_.nodes.back().min_bytes = std::min(shortest_quote_bytes(p_, rule), kFar);
  if (p_.nodes.back().min_bytes == kFar) p_.nodes.back().min_depth = kNever;
  return Status::ok();
}

Status SchemaCompiler::fill_number(uint32_t choice, bool integer, const Json& schema, const std::string& pointer) {
  DA_ASSIGN_OR_RETURN(const Bounds bounds, read_bounds(schema, pointer));
  NumberRule rule;
  int64_t step = 1;  // in units of the last digit
  if (const auto multiple = schema.find("multipleOf"); multiple != schema.end()) {
    const std::string here = pointer_to(pointer, "multipleOf");
    const double unit = integer ? 1 : DecimalRange::kScale;
    const double scaled = multiple->is_number() ? multiple->get<double>() * unit : 0;
    if (!(scaled > 0)) return schema_error(kInvalid, here, "expected a number above 0");
    if (std::abs(scaled - std::round(scaled)) > 1e-6 || scaled < 0.5 || scaled > 1e15) {
      return schema_error(kUnsupported, here, integer ? "only whole numbers are enforced, of integers" : "only multiples of 0.000001 are enforced");
    }
    step = std::llround(scaled);
  }
  std::optional<DecimalRange> range = rule.range;
  if (integer) {
    // Doubles from 2^63 on do not fit; whole bounds below that are exact.
    constexpr double kEdge = 9223372036854775808.0;
    double low = std::ceil(bounds.low), high = std::floor(bounds.high);
    if (bounds.exclude_low && low == bounds.low) low = std::abs(low) < 9007199254740992.0 ? low + 1 : std::nextafter(low, kEdge);
    if (bounds.exclude_high && high == bounds.high) high = std::abs(high) < 9007199254740992.0 ? high - 1 : std::nextafter(high, -kEdge);
    rule.bounded = true;
    range = low >= kEdge || high < -kEdge
                ? std::nullopt
                : DecimalRange::integers(low < -kEdge ? INT64_MIN : static_cast<int64_t>(low), high >= kEdge ? INT64_MAX : static_cast<int64_t>(high));
  } else if (bounds.given || step > 1) {
    rule.bounded = true;
    range = DecimalRange::decimals(bounds.low, bounds.exclude_low, bounds.high, bounds.exclude_high);
  }
  if (range && !range->set_step(step)) range = std::nullopt;
  if (!range) {
    // Between the bounds of a plain number there may be one, but none within the six fraction digits we write.
    const ErrorCode code = integer || bounds.low > bounds.high ? kInvalid : kUnsupported;
    return schema_error(code, pointer, integer ? "no integer lies between the bounds" : "no number of six decimals lies between the bounds");
  }
  rule.range = *range;
  p_.numbers.push_back(rule);
  add_node(choice, NodeKind::kNumber, p_.numbers.size() - 1);
  return Status::ok();
}

Status SchemaCompiler::fill_array(uint32_t choice, const Json& schema, const std::string& pointer) {
  ArrayRule rule;
  DA_ASSIGN_OR_RETURN(rule.min, read_count(schema, "minItems", 0, pointer));
  DA_ASSIGN_OR_RETURN(rule.max, read_count(schema, "maxItems", kUnbounded, pointer));
  if (rule.min > rule.max) return schema_error(kInvalid, pointer_to(pointer, "minItems"), "larger than maxItems");
  DA_ASSIGN_OR_RETURN(const bool unique, read_flag(schema, "uniqueItems", pointer));
  if (unique && rule.max > 1) rule.unique = Unique::kItems;
  if (const auto member = schema.find("x-unique"); member != schema.end()) {
    if (!member->is_string()) return schema_error(kInvalid, pointer_to(pointer, "x-unique"), "expected the name of a member of the items");
    if (unique) return schema_error(kUnsupported, pointer_to(pointer, "x-unique"), "not enforced beside \"uniqueItems\"");
    if (rule.max > 1) rule.unique = Unique::kMember;
    rule.unique_name = *member;
  }
  if (const auto items = schema.find("items"); items == schema.end()) {
    rule.items = any_value(false);
  } else if (items->is_array()) {
    return schema_error(kUnsupported, pointer_to(pointer, "items"), "a list of schemas is not enforced");
  } else {
    DA_ASSIGN_OR_RETURN(rule.items, compile(*items, pointer_to(pointer, "items")));
  }
  if (rule.unique != Unique::kNothing) unique_arrays_.emplace_back(p_.arrays.size(), pointer);
  p_.arrays.push_back(rule);
  add_node(choice, NodeKind::kArray, p_.arrays.size() - 1);
  return Status::ok();
}

}  // namespace da::grammar
