#include <gtest/gtest.h>

#include <algorithm>
#include <regex>

#include "engine/grammar/pattern.h"
#include "engine/grammar/support.h"

namespace da::grammar::testing {
namespace {

Json parse(const char* text) { return Json::parse(text); }
Json of_pattern(const std::string& pattern) { return {{"type", "string"}, {"pattern", pattern}}; }
bool takes(const Json& schema, const std::string& value) { return accepts(compile(schema), Json(value).dump()); }

// Any string the pattern lets be written, ended as soon as may be after a while.
std::string random_string(const std::shared_ptr<const Grammar>& grammar, Random& random) {
  Matcher matcher(grammar);
  std::string text;
  while (!matcher.can_end() && text.size() < 1000) {
    std::vector<uint8_t> bytes = next_bytes(matcher);
    // Of a million characters few are those the pattern waits for.
    const auto is_plain = [](uint8_t byte) {
      return byte < 0x80 && std::string_view("ab1 \"").find(static_cast<char>(byte)) != std::string_view::npos;
    };
    if (text.size() > 12 && std::any_of(bytes.begin(), bytes.end(), is_plain))
      std::erase_if(bytes, [&](uint8_t byte) { return !is_plain(byte); });
    EXPECT_FALSE(bytes.empty()) << "dead end after " << text;
    if (bytes.empty()) break;
    const bool closes =
        std::find(bytes.begin(), bytes.end(), '"') != bytes.end() && (text.size() > 12 || pick(random, 4) == 0);
    const char byte = closes ? '"' : static_cast<char>(bytes[pick(random, bytes.size())]);
    EXPECT_TRUE(matcher.accept({&byte, 1}));
    text.push_back(byte);
  }
  return text;
}

TEST(Pattern, MatchesAsEcmaScriptDoes) {
  const std::vector<std::string> patterns = {"^a+$",
                                             "^(ab|a)*b?$",
                                             "b",
                                             "^b",
                                             "b$",
                                             "^a{2,3}$",
                                             "^a{2,}b$",
                                             "^[ab]{0,2}[^a]$",
                                             "^(?:a|b|)$",
                                             "a|^b",
                                             "(a|b$)",
                                             "^\\w\\d?$",
                                             "^\\D+$",
                                             "^a.b$",
                                             "^(a(b(a)?)?)+$",
                                             "",
                                             "^$",
                                             "^a*?b$",
                                             "^[^b-]+$",
                                             "^[\\w-]+$",
                                             "^(?<x>a)b$",
                                             "^\\x61\\u0062$",
                                             "^[a\\]]$",
                                             "^((a{2}){2}){2}$"};
  Random random(51);
  for (const std::string& pattern : patterns) {
    const auto grammar = compile(of_pattern(pattern));
    std::string plain = pattern;
    if (const size_t name = plain.find("?<x>"); name != std::string::npos) plain.replace(name, 4, "?:");
    const std::regex regex(plain, std::regex::ECMAScript);
    for (int i = 0; i < 300; ++i) {
      std::string text;
      for (size_t n = pick(random, 8); n > 0; --n) text += "aabb1 -]"[pick(random, 8)];
      ASSERT_EQ(accepts(grammar, Json(text).dump()), std::regex_search(text, regex)) << pattern << " on " << text;
    }
    for (int i = 0; i < 10; ++i) {
      const Json value = Json::parse(random_string(grammar, random));
      const auto text = value.get<std::string>();
      // The reference sees bytes, and no line ends in what "." goes by.
      const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' '; });
      if (!is_plain) continue;
      ASSERT_TRUE(std::regex_search(text, regex)) << pattern << " on " << text;
    }
  }
}

TEST(Pattern, CharactersOfEveryLength) {
  EXPECT_TRUE(takes(of_pattern("^[一-龥]{2}$"), "中文"));
  EXPECT_FALSE(takes(of_pattern("^[一-龥]{2}$"), "中a"));
  EXPECT_TRUE(takes(of_pattern("^.😀\\n$"), "é😀\n"));
  EXPECT_TRUE(takes(of_pattern("^[\\u{1F600}-\\u{1F610}]$"), "😀"));
  EXPECT_FALSE(takes(of_pattern("^[^x]$"), "\x01")) << "controls only where they are named";
  EXPECT_TRUE(takes(of_pattern("^\\x01$"), "\x01"));
  // One way to write each character.
  EXPECT_FALSE(accepts(compile(of_pattern("^a$")), "\"\\u0061\""));
}

TEST(Pattern, WithLengths) {
  Json schema = of_pattern("^(ab)*$");
  schema["minLength"] = 3;
  schema["maxLength"] = 7;
  const auto grammar = compile(schema);
  for (const char* text : {"\"abab\"", "\"ababab\""}) EXPECT_TRUE(accepts(grammar, text)) << text;
  for (const char* text : {"\"\"", "\"ab\"", "\"abababab\""}) EXPECT_FALSE(accepts(grammar, text)) << text;
  EXPECT_EQ(Matcher(grammar).forced(), "\"abab");
  schema["minLength"] = 7;
  EXPECT_EQ(refusal(schema).code(), ErrorCode::kInvalidArgument);
}

TEST(Pattern, Formats) {
  const std::vector<std::tuple<const char*, const char*, bool>> cases = {
      {"date", "2024-02-29", true},
      {"date", "2023-02-29", false},
      {"date", "1900-02-29", false},
      {"date", "2000-02-29", true},
      {"date", "2024-04-31", false},
      {"date-time", "2024-01-31T23:59:59.5Z", true},
      {"date-time", "2024-01-31T24:00:00Z", false},
      {"date-time", "2024-01-31", false},
      {"time", "09:30:00+08:00", true},
      {"duration", "P1Y2M3DT4H5M6S", true},
      {"duration", "P", false},
      {"duration", "PT", false},
      {"duration", "PT5M", true},
      {"duration", "P2W", true},
      {"email", "a.b+c@example.org", true},
      {"email", "a@b", false},
      {"email", "@b.c", false},
      {"uuid", "123e4567-e89b-12d3-a456-426614174000", true},
      {"uuid", "123e4567e89b12d3a456426614174000", false},
      {"ipv4", "192.168.0.255", true},
      {"ipv4", "256.1.1.1", false},
      {"ipv4", "01.1.1.1", false},
      {"ipv6", "2001:db8::1", true},
      {"ipv6", "::", true},
      {"ipv6", "1:2:3:4:5:6:7:8", true},
      {"ipv6", "1:2:3:4:5:6:7:8:9", false},
      {"ipv6", "1::2::3", false},
      {"uri", "https://example.org:8080/a/b%20c?x=1#y", true},
      {"uri", "example.org", false},
      {"hostname", "a-b.example", true},
      {"hostname", "-a", false},
      {"json-pointer", "/a~1b/~0", true},
      {"json-pointer", "a", false},
      {"byte", "TWE=", true},
      {"byte", "TWE", false}};
  for (const auto& [format, text, good] : cases)
    EXPECT_EQ(takes({{"type", "string"}, {"format", format}}, text), good) << format << " " << text;
  Random random(52);
  const auto date = compile({{"type", "string"}, {"format", "date-time"}});
  for (int i = 0; i < 20; ++i) EXPECT_NE(random_text(date, random, 5).find('T'), std::string::npos);
}

// J09 of the list of faults: hostile patterns cost bounded time and are refused by pointer.
TEST(Pattern, J09HostilePatternsAreRefusedInTime) {
  std::string groups;
  for (int i = 0; i < 60000; ++i) groups += "(a)";
  std::string nested;
  for (int i = 0; i < 60; ++i) nested += "(";
  nested += "a";
  for (int i = 0; i < 60; ++i) nested += "{2})";
  const std::vector<std::pair<std::string, ErrorCode>> cases = {
      {"a{1,1000000000}", ErrorCode::kResourceExhausted},
      {"((a{1000}){1000}){1000}", ErrorCode::kResourceExhausted},
      {"^(a|b)*a(a|b){60}$", ErrorCode::kResourceExhausted},
      {groups, ErrorCode::kResourceExhausted},
      {std::string(100000, '('), ErrorCode::kResourceExhausted},
      {"(a", ErrorCode::kInvalidArgument},
      {"a)", ErrorCode::kInvalidArgument},
      {"[a", ErrorCode::kInvalidArgument},
      {"*a", ErrorCode::kInvalidArgument},
      {"a{3,2}", ErrorCode::kInvalidArgument},
      {"[b-a]", ErrorCode::kInvalidArgument},
      {"a\\", ErrorCode::kInvalidArgument},
      {"a$b", ErrorCode::kInvalidArgument},
      {"[]", ErrorCode::kInvalidArgument},
      {"(?<!a)b", ErrorCode::kUnsupported},
      {"\\bword\\b", ErrorCode::kUnsupported},
      {"\\p{L}", ErrorCode::kUnsupported},
  };
  for (const auto& [pattern, code] : cases) {
    const clock_t begin = clock();
    const Status status = refusal({{"properties", {{"p", of_pattern(pattern)}}}});
    EXPECT_EQ(status.code(), code) << pattern.substr(0, 40) << ": " << status.message();
    EXPECT_NE(status.message().find("\"/properties/p/pattern\""), std::string::npos) << status.message();
    EXPECT_LT(static_cast<double>(clock() - begin) / CLOCKS_PER_SEC, 2.0) << pattern.substr(0, 40);
  }
}

TEST(Schema, SeveralSchemasAtOnce) {
  const auto both = compile(
      parse(R"({"allOf":[{"$ref":"#/$defs/base"},{"properties":{"b":{"type":"integer","maximum":5}},"required":["b"]}],
      "$defs":{"base":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number","minimum":3}},"required":["a"]}}})"));
  EXPECT_TRUE(accepts(both, R"({"a":"x","b":4})"));
  for (const char* text :
       {R"({"a":"x"})", R"({"a":"x","b":6})", R"({"a":"x","b":2})", R"({"a":"x","b":3.5})", R"({"b":4})"})
    EXPECT_FALSE(accepts(both, text)) << text;
  const auto beside = compile(parse(
      R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"anyOf":[{"required":["a"]},{"required":["b"]}]})"));
  for (const char* text : {R"({"a":1})", R"({"b":1})", R"({"a":1,"b":1})"}) EXPECT_TRUE(accepts(beside, text)) << text;
  EXPECT_FALSE(accepts(beside, "{}"));
  const auto reference =
      compile(parse(R"({"$ref":"#/$defs/s","maxLength":2,"$defs":{"s":{"type":"string","minLength":2}}})"));
  EXPECT_TRUE(accepts(reference, "\"ab\""));
  EXPECT_FALSE(accepts(reference, "\"abc\""));
  EXPECT_EQ(refusal(parse(R"({"allOf":[{"type":"string"},{"type":"integer"}]})")).code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(accepts(
      compile(parse(R"({"allOf":[{"properties":{"a":{}},"additionalProperties":false},{"properties":{"b":{}}}]})")),
      R"({"b":1})"));
  EXPECT_TRUE(accepts(compile(parse(R"({"allOf":[{"enum":[1,2,3]},{"enum":[2,3,4]},{"minimum":3}]})")), "3"));
  const Status circle = refusal(parse(R"({"$ref":"#","maxLength":3})"));
  EXPECT_EQ(circle.code(), ErrorCode::kUnsupported) << circle.message();
}

TEST(Schema, Multiples) {
  const auto threes = compile(parse(R"({"type":"integer","multipleOf":3,"minimum":-7,"maximum":20})"));
  for (int i = -30; i <= 30; ++i) EXPECT_EQ(accepts(threes, std::to_string(i)), i % 3 == 0 && i >= -7 && i <= 20) << i;
  const auto quarters = compile(parse(R"({"type":"number","multipleOf":0.25})"));
  for (const char* text : {"0", "1.5", "-0.75", "2.250", "100"}) EXPECT_TRUE(accepts(quarters, text)) << text;
  for (const char* text : {"0.3", "1.1", "-0.26", "0.2500001"}) EXPECT_FALSE(accepts(quarters, text)) << text;
  EXPECT_EQ(refusal(parse(R"({"type":"integer","multipleOf":7,"minimum":1,"maximum":6})")).code(),
            ErrorCode::kInvalidArgument);
  Random random(53);
  for (int i = 0; i < 50; ++i) {
    const double value = Json::parse(random_text(quarters, random, 6)).get<double>();
    EXPECT_EQ(value * 4, std::floor(value * 4));
  }
}

}  // namespace
}  // namespace da::grammar::testing
