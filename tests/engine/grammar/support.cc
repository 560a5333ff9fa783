#include "engine/grammar/support.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <regex>

#include "base/utf8.h"
#include "base/white_space.h"

namespace da::grammar::testing {

std::shared_ptr<const Grammar> compile(const Json& schema, std::string_view source) {
  auto grammar = Grammar::from_json_schema(schema.dump(), source);
  EXPECT_TRUE(grammar.is_ok()) << grammar.status().message() << "\n" << schema.dump();
  return grammar.is_ok() ? *grammar : nullptr;
}

Status refusal(const Json& schema, std::string_view source) {
  auto grammar = Grammar::from_json_schema(schema.dump(), source);
  EXPECT_FALSE(grammar.is_ok()) << schema.dump();
  return grammar.status();
}

bool accepts(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  Matcher matcher(grammar);
  return matcher.accept(text) && matcher.can_end();
}

std::vector<uint8_t> next_bytes(const Matcher& matcher) {
  std::vector<uint8_t> bytes;
  for (int byte = 0; byte < 256; ++byte) {
    Matcher copy(matcher);
    const char c = static_cast<char>(byte);
    if (copy.accept({&c, 1})) bytes.push_back(static_cast<uint8_t>(byte));
  }
  return bytes;
}

std::string random_text(const std::shared_ptr<const Grammar>& grammar, Random& random, size_t patience) {
  Matcher matcher(grammar);
  std::string text;
  while (text.size() < patience + 20000) {
    const std::vector<uint8_t> bytes = next_bytes(matcher);
    if (matcher.can_end() && (bytes.empty() || text.size() > patience || pick(random, 4) == 0)) return text;
    if (bytes.empty()) {
      ADD_FAILURE() << "dead end after " << text;
      return text;
    }
    uint8_t byte = bytes[pick(random, bytes.size())];
    // Strings would hardly ever end by chance: prefer what closes now and then, and always once patience is over.
    if (text.size() > patience || pick(random, 3) == 0) {
      std::vector<uint8_t> closing;
      for (const uint8_t b : bytes) {
        if (b == '"' || b == '}' || b == ']') closing.push_back(b);
      }
      if (!closing.empty()) byte = closing[pick(random, closing.size())];
    }
    const char c = static_cast<char>(byte);
    EXPECT_TRUE(matcher.accept({&c, 1}));
    text.push_back(c);
  }
  ADD_FAILURE() << "no end after " << text.substr(0, 200);
  return text;
}

namespace {

bool quote_valid(const Json& schema, const std::string& quote, std::string_view source) {
  if (quote.empty()) return schema.value("x-allow-empty", false);
  return quotable(to_u32(quote), to_u32(source));
}

// No two are equal.
bool all_different(std::vector<Json> values) {
  std::sort(values.begin(), values.end());
  return std::adjacent_find(values.begin(), values.end()) == values.end();
}

bool type_valid(const std::string& type, const Json& value) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  return value.is_number_integer();
}

bool object_valid(const Json& schema, const Json& value, const Json& root, std::string_view source) {
  const Json properties = schema.value("properties", Json::object());
  for (const Json& name : schema.value("required", Json::array())) {
    if (!value.contains(name.get<std::string>())) return false;
  }
  for (const auto& [name, member] : value.items()) {
    if (properties.contains(name)) {
      if (!valid(properties[name], member, root, source)) return false;
    } else if (schema.contains("additionalProperties") && !valid(schema["additionalProperties"], member, root, source)) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::u32string to_u32(std::string_view text) {
  const auto code_points = utf8::to_code_points(text);
  return {code_points.begin(), code_points.end()};
}

bool quotable(std::u32string_view quote, std::u32string_view source) {
  const auto is_digit = [](char32_t c) { return c >= '0' && c <= '9'; };
  const auto is_latin = [&](char32_t c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == U'é'; };
  const auto any_word = [&](std::u32string_view text) {
    return std::any_of(text.begin(), text.end(), [&](char32_t c) { return is_latin(c) || (c >= 0x4E00 && c <= 0x9FFF); });
  };
  const auto visible = [](char32_t c) { return !utf8::is_blank(c); };
  const auto first = std::find_if(source.begin(), source.end(), visible), end = std::find_if(source.rbegin(), source.rend(), visible).base();
  if (quote.empty() || first == source.end() || !visible(quote.front()) || !visible(quote.back())) return false;
  source = source.substr(static_cast<size_t>(first - source.begin()), static_cast<size_t>(end - first));
  if (!any_word(quote) && any_word(source)) return false;
  const auto may_cut = [&](size_t at) {  // between the characters at - 1 and at
    if (at == 0 || at == source.size()) return true;
    const char32_t a = source[at - 1], b = source[at];
    if (b == 0x0301 || (is_latin(a) && is_latin(b))) return false;
    const char32_t before = at >= 2 ? source[at - 2] : U' ', after = at + 1 < source.size() ? source[at + 1] : U' ';
    return !(b == '.' && is_digit(a) && is_digit(after)) && !(a == '.' && is_digit(before) && is_digit(b));
  };
  for (size_t at = source.find(quote); at != std::u32string_view::npos; at = source.find(quote, at + 1)) {
    if (may_cut(at) && may_cut(at + quote.size())) return true;
  }
  return false;
}

bool valid(const Json& schema, const Json& value, const Json& root, std::string_view source) {
  if (schema.is_boolean()) return schema.get<bool>();
  if (schema.contains("$ref")) {
    return valid(root[Json::json_pointer(schema["$ref"].get<std::string>().substr(1))], value, root, source);
  }
  const auto holds = [&](const Json& s) { return valid(s, value, root, source); };
  if (schema.contains("anyOf") && std::none_of(schema["anyOf"].begin(), schema["anyOf"].end(), holds)) return false;
  if (schema.contains("oneOf") && std::count_if(schema["oneOf"].begin(), schema["oneOf"].end(), holds) != 1) return false;
  if (schema.contains("allOf") && !std::all_of(schema["allOf"].begin(), schema["allOf"].end(), holds)) return false;
  if (schema.contains("enum") && std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end()) return false;
  if (schema.contains("const") && schema["const"] != value) return false;
  if (schema.contains("type")) {
    const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
    if (std::none_of(types.begin(), types.end(), [&](const Json& t) { return type_valid(t.get<std::string>(), value); })) return false;
  }
  if (value.is_string()) {
    const size_t length = utf8::count_code_points(value.get<std::string>());
    if (schema.contains("pattern") && !std::regex_search(value.get<std::string>(), std::regex(schema["pattern"].get<std::string>()))) return false;
    const bool empty_quote = schema.value("x-source", false) && length == 0;
    if ((length < schema.value("minLength", size_t{0}) && !empty_quote) || length > schema.value("maxLength", SIZE_MAX)) return false;
    if (schema.value("x-source", false) && !quote_valid(schema, value.get<std::string>(), source)) return false;
  }
  if (value.is_number()) {
    const auto number = value.get<double>();
    if (number < schema.value("minimum", -HUGE_VAL) || number > schema.value("maximum", HUGE_VAL)) return false;
    if (schema.contains("multipleOf") && std::remainder(number, schema["multipleOf"].get<double>()) != 0) return false;
    if (number <= schema.value("exclusiveMinimum", -HUGE_VAL) || number >= schema.value("exclusiveMaximum", HUGE_VAL)) return false;
  }
  if (value.is_array()) {
    if (value.size() < schema.value("minItems", size_t{0}) || value.size() > schema.value("maxItems", SIZE_MAX)) return false;
    if (schema.value("uniqueItems", false) && !all_different({value.begin(), value.end()})) return false;
    if (const std::string name = schema.value("x-unique", ""); !name.empty()) {
      std::vector<Json> members;
      for (const Json& item : value) members.push_back(item[name]);
      if (!all_different(members)) return false;
    }
    if (schema.contains("items")) {
      for (const Json& item : value) {
        if (!valid(schema["items"], item, root, source)) return false;
      }
    }
  }
  return !value.is_object() || object_valid(schema, value, root, source);
}

Json random_schema(Random& random, int depth) {
  Json s = Json::object();
  switch (pick(random, depth > 0 ? 10 : 7)) {
    case 0: s["type"] = "null"; break;
    case 1: s["type"] = "boolean"; break;
    case 2: {
      s["type"] = "integer";
      const auto low = static_cast<int64_t>(pick(random, 400)) - 200;
      if (pick(random, 2)) s["minimum"] = low;
      if (pick(random, 2)) s["maximum"] = low + static_cast<int64_t>(pick(random, 150));
      break;
    }
    case 3: {
      s["type"] = "number";
      const double low = static_cast<double>(pick(random, 4000)) / 16 - 100;
      if (pick(random, 2)) s["minimum"] = low;
      if (pick(random, 2)) s[pick(random, 2) ? "maximum" : "exclusiveMaximum"] = low + 1 + static_cast<double>(pick(random, 100)) / 8;
      break;
    }
    case 4: {
      s["type"] = "string";
      const size_t min = pick(random, 4);
      if (min > 0) s["minLength"] = min;
      if (pick(random, 2)) s["maxLength"] = min + pick(random, 6);
      break;
    }
    case 5: s["enum"] = Json::array({"a", "ab", 1, 12, "\"\n", true, nullptr, Json::object({{"x", 1}}), -1.5}); break;
    case 6: s["const"] = pick(random, 2) ? Json("é/\\") : Json::array({1, "2"}); break;
    case 7: {
      s["type"] = "array";
      s["items"] = random_schema(random, depth - 1);
      const size_t min = pick(random, 3);
      if (min > 0) s["minItems"] = min;
      if (pick(random, 2)) s["maxItems"] = min + pick(random, 3);
      break;
    }
    case 8: {
      s["type"] = "object";
      s["properties"] = Json::object();
      s["required"] = Json::array();
      for (const char* name : {"a", "ab", "中\"文", "d", "\n"}) {
        if (pick(random, 2)) continue;
        s["properties"][name] = random_schema(random, depth - 1);
        if (pick(random, 2)) s["required"].push_back(name);
      }
      if (pick(random, 3) == 0) s["additionalProperties"] = random_schema(random, depth - 1);
      break;
    }
    default:
      s["anyOf"] = Json::array({random_schema(random, depth - 1), random_schema(random, depth - 1)});
  }
  return s;
}

Json random_instance(const Json& schema, Random& random) {
  if (schema.contains("anyOf")) return random_instance(schema["anyOf"][pick(random, schema["anyOf"].size())], random);
  if (schema.contains("enum")) return schema["enum"][pick(random, schema["enum"].size())];
  if (schema.contains("const")) return schema["const"];
  const std::string type = schema["type"];
  if (type == "null") return nullptr;
  if (type == "boolean") return pick(random, 2) == 0;
  if (type == "integer") {
    const int64_t low = schema.value("minimum", schema.value("maximum", int64_t{1000}) - 1000);
    return low + static_cast<int64_t>(random() % static_cast<uint64_t>(schema.value("maximum", low + 1000) - low + 1));
  }
  if (type == "number") {
    const double low = schema.value("minimum", schema.value("maximum", schema.value("exclusiveMaximum", 9.0)) - 1);
    return low + static_cast<double>(pick(random, 64)) / 64;
  }
  if (type == "string") {
    const size_t min = schema.value("minLength", size_t{0});
    const size_t length = min + pick(random, schema.value("maxLength", min + 5) - min + 1);
    std::string text;
    for (const char32_t c : random_source(random, length)) utf8::append(text, c);
    return text;
  }
  if (type == "array") {
    Json list = Json::array();
    const size_t min = schema.value("minItems", size_t{0});
    const size_t n = min + pick(random, schema.value("maxItems", min + 3) - min + 1);
    for (size_t i = 0; i < n; ++i) list.push_back(random_instance(schema["items"], random));
    return list;
  }
  Json object = Json::object();
  for (const auto& [name, property] : schema["properties"].items()) {
    const bool required = std::find(schema["required"].begin(), schema["required"].end(), Json(name)) != schema["required"].end();
    if (required || pick(random, 2)) object[name] = random_instance(property, random);
  }
  if (schema.contains("additionalProperties")) {
    for (const char* name : {"b", "a\"", "中"}) {
      if (pick(random, 2)) object[name] = random_instance(schema["additionalProperties"], random);
    }
  }
  return object;
}

std::u32string random_source(Random& random, size_t length) {
  static constexpr std::u32string_view kAlphabet = U"aab  -1.1\n\"\\é中文，\u3000\U0001F600\U0001F601\u0301\u200Bz/\t\x01\x1F\x7F的是";
  std::u32string text;
  for (size_t i = 0; i < length; ++i) text.push_back(kAlphabet[pick(random, kAlphabet.size())]);
  return text;
}

}  // namespace da::grammar::testing
