#include <gtest/gtest.h>

#include <set>

#include "engine/grammar/support.h"

namespace da::grammar::testing {
namespace {

std::string quoted(const char* text) { return std::string(1, '"').append(text).append(1, '"'); }
Json parse(const char* text) { return Json::parse(text); }

TEST(Schema, RandomSchemasWriteOnlyValidDocuments) {
  Random random(1);
  for (int i = 0; i < 300; ++i) {
    const Json schema = random_schema(random, 3);
    const auto grammar = compile(schema);
    ASSERT_TRUE(grammar);
    for (int walk = 0; walk < 6; ++walk) {
      const std::string text = random_text(grammar, random, 60);
      const Json value = Json::parse(text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << text << "\n" << schema;
      ASSERT_TRUE(valid(schema, value, schema)) << text << "\n" << schema;
      // Spoil it: what is still taken must still be valid.
      std::string spoilt = text;
      for (int k = 0; k < 30 && !spoilt.empty(); ++k) {
        const size_t at = pick(random, spoilt.size());
        switch (pick(random, 3)) {
          case 0: spoilt[at] = "\"{}[],:0123456789-.eE\\aub nt\xC3\xA9"[pick(random, 30)]; break;
          case 1: spoilt.erase(at, 1); break;
          default: spoilt.insert(at, 1, "\"{}[],:01-\\a"[pick(random, 12)]);
        }
        if (!accepts(grammar, spoilt)) {
          spoilt = text;
          continue;
        }
        const Json other = Json::parse(spoilt, nullptr, false);
        ASSERT_FALSE(other.is_discarded()) << spoilt << "\n" << schema;
        ASSERT_TRUE(valid(schema, other, schema)) << spoilt << "\n" << schema;
      }
    }
  }
}

TEST(Schema, RandomInstancesAreAccepted) {
  Random random(2);
  for (int i = 0; i < 2000; ++i) {
    const Json schema = random_schema(random, 3);
    const auto grammar = compile(schema);
    ASSERT_TRUE(grammar);
    const Json instance = random_instance(schema, random);
    ASSERT_TRUE(valid(schema, instance, schema)) << instance << schema;
    ASSERT_TRUE(accepts(grammar, instance.dump())) << instance << "\n" << schema;
  }
}

TEST(Schema, IntegersAreBoundedExactly) {
  for (const auto& [low, high] : std::vector<std::pair<int, int>>{{1, 5}, {-3, 120}, {0, 0}, {-250, -17}, {99, 1001}, {-1, 0}}) {
    const auto grammar = compile({{"type", "integer"}, {"minimum", low}, {"maximum", high}});
    for (int i = -1300; i <= 1300; ++i) EXPECT_EQ(accepts(grammar, std::to_string(i)), i >= low && i <= high) << i << " in " << low << ".." << high;
    for (const char* text : {"-0", "01", "1.0", "1e1", "+1", "", "-", " 1"}) EXPECT_FALSE(accepts(grammar, text)) << text;
    // No dead end: every beginning of a number that is taken leads to one in the range.
    for (int i = -130; i <= 130; ++i) {
      Matcher matcher(grammar);
      const bool begun = matcher.accept(std::to_string(i));
      EXPECT_TRUE(!begun || matcher.can_end() || !next_bytes(matcher).empty()) << i;
    }
  }
  const auto all = compile({{"type", "integer"}});
  EXPECT_TRUE(accepts(all, "9223372036854775807"));
  EXPECT_TRUE(accepts(all, "-9223372036854775808"));
  EXPECT_FALSE(accepts(all, "9223372036854775808"));
  EXPECT_FALSE(accepts(all, "-9223372036854775809"));
  EXPECT_TRUE(accepts(compile(parse(R"({"type":"integer","exclusiveMinimum":1,"exclusiveMaximum":3})")), "2"));
  EXPECT_FALSE(accepts(compile(parse(R"({"type":"integer","minimum":1,"exclusiveMinimum":true,"maximum":3})")), "1"));
  EXPECT_TRUE(accepts(compile(parse(R"({"type":"integer","minimum":0.5,"maximum":1.5})")), "1"));
}

TEST(Schema, NumbersAreBounded) {
  const auto grammar = compile(parse(R"({"type":"number","minimum":-0.25,"exclusiveMaximum":1})"));
  for (const char* text : {"0", "-0.25", "-0.1", "0.999999", "0.5", "0.000000"}) EXPECT_TRUE(accepts(grammar, text)) << text;
  for (const char* text : {"1", "-0.250001", "-0.3", "-1", "1.0", "0.9999999", "-0", "00.5", ".5", "0.", "5e-1"}) EXPECT_FALSE(accepts(grammar, text)) << text;
  const auto free = compile(parse(R"({"type":"number"})"));
  for (const char* text : {"0", "-0", "1.5", "-12.25e-7", "1E+10", "123456789012345.5"}) EXPECT_TRUE(accepts(free, text)) << text;
  for (const char* text : {"01", "1.", "1e", "1e999", "--1", "1e+", "Infinity", "1234567890123456"}) EXPECT_FALSE(accepts(free, text)) << text;
  EXPECT_EQ(refusal(parse(R"({"type":"number","minimum":1e-9,"maximum":2e-9})")).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal(parse(R"({"type":"integer","minimum":3,"maximum":2})")).code(), ErrorCode::kInvalidArgument);
  Random random(3);
  for (const Json& s : {parse(R"({"type":"number","minimum":0.1,"maximum":0.3})"), parse(R"({"type":"number","exclusiveMinimum":1e11})"),
                        parse(R"({"type":"number","minimum":-1e300,"maximum":-7.3})")}) {
    const auto g = compile(s);
    for (int i = 0; i < 200; ++i) {
      const std::string text = random_text(g, random, 10);
      EXPECT_TRUE(valid(s, Json::parse(text), s)) << text << s;
    }
  }
}

TEST(Schema, StringsAreUtf8WithJsonEscapes) {
  const auto grammar = compile(parse(R"({"type":"string","minLength":1,"maxLength":2})"));
  for (const char* text : {"\"a\"", "\"中文\"", "\"😀\"", "\"\\ud83d\\ude00a\"", "\"\\n\\/\"", "\"\\u00e9\\uABCD\"", "\"\x7F\""}) EXPECT_TRUE(accepts(grammar, text)) << text;
  for (const char* text : {"\"\"", "\"abc\"", "\"\n\"", "\"\x01\"", "\"\\x\"", "\"\\ud83d\"", "\"\\ude00\"", "\"\\ud83d\\u0041\"", "\"\\u0000\"", "\"\xFF\"",
                           "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xE0\x80\x80\"", "'a'", "\"a"}) {
    EXPECT_FALSE(accepts(grammar, text)) << text;
  }
  Matcher matcher(grammar);
  EXPECT_TRUE(matcher.accept("\"\xE4"));
  EXPECT_FALSE(matcher.accept("a"));
  EXPECT_TRUE(matcher.accept("\xB8\xAD"));
}

TEST(Schema, ObjectsKeepTheirOrder) {
  const auto grammar = compile(parse(R"({"type":"object","properties":{"b":{"const":1},"a":{"const":2},"c":{"const":3},"d":{"const":4}},"required":["a","d"]})"));
  const std::set<std::string> good = {R"({"a":2,"d":4})", R"({"b":1,"a":2,"d":4})", R"({"a":2,"c":3,"d":4})", R"({"b":1,"a":2,"c":3,"d":4})"};
  for (const std::string& text : good) EXPECT_TRUE(accepts(grammar, text)) << text;
  for (const char* text : {R"({})", R"({"a":2})", R"({"d":4,"a":2})", R"({"a":2,"b":1,"d":4})", R"({"b":1,"d":4})", R"({"a":2,"d":4,})",
                           R"({,"a":2,"d":4})", R"({"a":2,"a":2,"d":4})", R"({"a": 2,"d":4})", R"({"a":2,"d":4,"e":5})"}) {
    EXPECT_FALSE(accepts(grammar, text)) << text;
  }
  Random random(4);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(good.contains(random_text(grammar, random, 100)));
  const Json sorted = parse(R"({"type":"object","x-property-order":["b","a"],"properties":{"a":{"const":1},"b":{"const":2}},"required":["a","b"]})");
  EXPECT_TRUE(accepts(compile(sorted), R"({"b":2,"a":1})"));
  EXPECT_FALSE(accepts(compile(sorted), R"({"a":1,"b":2})"));
  // A required property without a schema takes any value.
  EXPECT_TRUE(accepts(compile(parse(R"({"type":"object","required":["k"]})")), R"({"k":[1,{"x":null}]})"));
}

TEST(Schema, OtherKeysNeverRepeatDeclaredOnes) {
  const auto grammar = compile(parse(R"({"type":"object","properties":{"a":{"const":1},"a\n":{"const":1},"é":{"const":1}},"required":["a"],"additionalProperties":{"type":"null"}})"));
  for (const char* text : {R"({"a":1})", R"({"a":1,"b":null})", R"({"a":1,"aa":null,"":null})", R"({"a":1,"a\t":null})", R"({"a":1,"b\u0061":null})"}) EXPECT_TRUE(accepts(grammar, text)) << text;
  for (const char* text : {R"({"a":1,"a":null})", R"({"a":1,"\u0061":null})", R"({"a":1,"a\u000a":null})", R"({"a":1,"é":null})", R"({"a":1,"\u00e9":null})",
                           R"({"b":null})", R"({"b":null,"a":1})", R"({"a":1,"b":2})", R"({"a":1,"a\n":null})"}) {
    EXPECT_FALSE(accepts(grammar, text)) << text;
  }
}

TEST(Schema, AlternativesAreToldApart) {
  const Json shapes = parse(R"({"oneOf":[
    {"type":"object","properties":{"kind":{"const":"circle"},"r":{"type":"integer"}},"required":["kind","r"]},
    {"type":"object","properties":{"kind":{"const":"square"},"side":{"type":"integer"}},"required":["kind","side"]},
    {"type":"null"},{"enum":["x","y"]}]})");
  const auto grammar = compile(shapes);
  for (const char* text : {R"({"kind":"circle","r":1})", R"({"kind":"square","side":-7})", "null", R"("x")"}) EXPECT_TRUE(accepts(grammar, text)) << text;
  EXPECT_FALSE(accepts(grammar, R"({"kind":"circle","side":1})"));
  // Alternatives that begin alike stay open until they differ.
  const auto alike = compile(parse(R"({"anyOf":[{"type":"object","properties":{"n":{"type":"string"},"a":{"type":"integer"}},"required":["n"],"additionalProperties":false},
                                                {"type":"object","properties":{"n":{"enum":["x"]},"b":{"type":"integer"}},"required":["n","b"]}]})"));
  for (const char* text : {R"({"n":"x"})", R"({"n":"x","a":1})", R"({"n":"x","b":1})", R"({"n":"y","a":1})"}) EXPECT_TRUE(accepts(alike, text)) << text;
  EXPECT_FALSE(accepts(alike, R"({"n":"y","b":1})"));
  const Status overlap = refusal(parse(R"({"properties":{"v":{"oneOf":[{"type":"integer"},{"type":"number"}]}}})"));
  EXPECT_EQ(overlap.code(), ErrorCode::kUnsupported);
  EXPECT_NE(overlap.message().find("\"/properties/v/oneOf\""), std::string::npos) << overlap.message();
  EXPECT_EQ(refusal(parse(R"({"oneOf":[{"type":"object","properties":{"a":{}}},{"type":"object","properties":{"b":{}}}]})")).code(), ErrorCode::kUnsupported);
}

TEST(Schema, RecursionIsBoundedInDepth) {
  const Json tree = parse(R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["v","kids"]}}})");
  const auto grammar = compile(tree);
  EXPECT_TRUE(accepts(grammar, R"({"v":1,"kids":[{"v":2,"kids":[]},{"v":3,"kids":[{"v":4,"kids":[]}]}]})"));
  std::string deep;
  Matcher matcher(grammar);
  int levels = 0;
  while (matcher.accept(R"({"v":1,"kids":[)")) ++levels;
  EXPECT_EQ(levels, 32);  // an object and an array each
  while (matcher.accept("]}")) {
  }
  EXPECT_TRUE(matcher.must_end());
  Random random(5);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(valid(tree, Json::parse(random_text(grammar, random, 300)), tree));
  // References that lead back without a byte between add nothing, or nothing at all.
  EXPECT_TRUE(accepts(compile(parse(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})")), "null"));
  for (const char* text : {R"({"$ref":"#"})", R"({"type":"object","properties":{"next":{"$ref":"#"}},"required":["next"]})",
                           R"({"type":"array","items":{"$ref":"#"},"minItems":1})", R"({"type":"object","properties":{"a":false},"required":["a"]})"}) {
    EXPECT_EQ(refusal(parse(text)).code(), ErrorCode::kInvalidArgument) << text;
  }
  EXPECT_TRUE(accepts(compile(parse(R"({"type":"object","properties":{"a":false,"b":{"const":1}}})")), R"({"b":1})"));
}

TEST(Schema, AnyJsonObject) {
  const auto grammar = *Grammar::any_json_object();
  for (const char* text : {"{}", R"({"a": 1, "b":[1, 2,{"c": null}]})", R"({"":"","":-1.5e3})"}) EXPECT_TRUE(accepts(grammar, text)) << text;
  for (const char* text : {"[]", "1", " {}", "{ }", R"({"a":  1})", R"({"a":1 })", R"({"a":1,})", R"({"a":01})"}) EXPECT_FALSE(accepts(grammar, text)) << text;
  Matcher matcher(grammar);
  ASSERT_TRUE(matcher.accept("{\"a\":"));
  int levels = 1;
  while (matcher.accept("[")) ++levels;
  EXPECT_EQ(levels, 64);
  EXPECT_TRUE(matcher.accept("1"));
  Random random(6);
  for (int i = 0; i < 100; ++i) {
    const std::string text = random_text(grammar, random, 200);
    EXPECT_TRUE(Json::accept(text)) << text;
  }
}

TEST(Schema, EnforcesOrRefusesByPointer) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"x({"type":"string","pattern":"a(?=b)"})x", "/pattern"},
      {R"x({"type":"string","pattern":"(a)\\1"})x", "/pattern"},
      {R"({"type":"string","pattern":"a","format":"date"})", "/pattern"},
      {R"({"type":"string","format":"iri"})", "/format"},
      {R"({"properties":{"a/b":{"not":{}}}})", "/properties/a~1b/not"},
      {R"({"type":"array","items":{"if":{},"then":{}}})", "/items/if"},
      {R"({"type":"object","patternProperties":{}})", "/patternProperties"},
      {R"({"type":"array","items":{"type":"string"},"uniqueItems":true})", "/uniqueItems"},
      {R"({"type":"array","prefixItems":[]})", "/prefixItems"},
      {R"({"type":"object","minProperties":1})", "/minProperties"},
      {R"({"type":"integer","multipleOf":0.5})", "/multipleOf"},
      {R"({"type":"number","multipleOf":0.3333333333})", "/multipleOf"},
      {R"({"$ref":"other.json#/a"})", "/$ref"},
      {R"({"allOf":[{"not":{}},{}]})", "/allOf/not"},
      {R"({"allOf":[{"pattern":"a"},{"pattern":"b"}]})", "/allOf/1/pattern"},
      {R"({"oneOf":[{"const":1}],"anyOf":[{"const":1}]})", "/oneOf"},
      {R"({"enum":[[1]],"minItems":1})", "/minItems"},
  };
  for (const auto& [text, pointer] : cases) {
    const Status status = refusal(parse(text));
    EXPECT_EQ(status.code(), ErrorCode::kUnsupported) << text;
    EXPECT_NE(status.message().find(quoted(pointer)), std::string::npos) << status.message();
  }
  const std::vector<std::pair<const char*, const char*>> faults = {
      {R"({"type":"text"})", "/type"}, {R"({"$ref":"#/$defs/x"})", "/$ref"}, {R"({"minLength":-1})", "/minLength"},
      {R"({"minItems":2,"maxItems":1})", "/minItems"}, {R"({"enum":[]})", "/enum"}, {R"({"properties":[]})", "/properties"},
      {R"({"required":[1]})", "/required"}, {R"({"anyOf":[]})", "/anyOf"}, {R"({"items":{"minimum":"x"}})", "/items/minimum"},
      {R"({"type":"string","x-source":true})", "/x-source"}, {R"({"properties":{"a":3}})", "/properties/a"},
      {R"({"enum":["a"],"type":"integer"})", "/enum"},
      {R"({"type":"object","required":["a"],"additionalProperties":false})", "/required"},
  };
  for (const auto& [text, pointer] : faults) {
    const Status status = refusal(parse(text));
    EXPECT_EQ(status.code(), ErrorCode::kInvalidArgument) << text;
    EXPECT_NE(status.message().find(quoted(pointer)), std::string::npos) << status.message();
  }
  EXPECT_EQ(Grammar::from_json_schema("{").code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Grammar::from_json_schema("").code(), ErrorCode::kInvalidArgument);
  // Annotations and what Pydantic and Zod write pass.
  EXPECT_TRUE(compile(parse(R"({"$schema":"x","title":"T","type":"object","properties":{"a":{"title":"A","default":null,"anyOf":[{"type":"integer"},{"type":"null"}]},
    "b":{"allOf":[{"$ref":"#/definitions/B"}],"description":"d"},"c":{"type":["string","null"],"examples":[1]},"e":{"type":"integer","format":"int32","nullable":true}},
    "additionalProperties":false,"definitions":{"B":{"enum":["p","q"],"type":"string"}}})")));
}

TEST(Schema, LimitsHold) {
  std::string deep, close;
  for (int i = 0; i < 5000; ++i) {
    deep += R"({"items":)";
    close += "}";
  }
  EXPECT_EQ(Grammar::from_json_schema(deep + "{}" + close).code(), ErrorCode::kResourceExhausted);
  std::string values = "{\"enum\":[0";
  for (int i = 1; i < 100000; ++i) values.append(",").append(std::to_string(i));
  EXPECT_EQ(Grammar::from_json_schema(values + "]}").code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(Grammar::from_json_schema(std::string(2 << 20, ' ') + "{}").code(), ErrorCode::kResourceExhausted);
  Json members = {{"type", "object"}, {"properties", Json::object()}};
  for (int i = 0; i < 1001; ++i) members["properties"][std::to_string(i)] = true;
  EXPECT_EQ(refusal(members).code(), ErrorCode::kResourceExhausted);
  Json chain = {{"$ref", "#/$defs/0"}, {"$defs", Json::object()}};
  for (int i = 0; i < 900; ++i) chain["$defs"][std::to_string(i)] = {{"$ref", std::string("#/$defs/").append(std::to_string(i + 1))}};
  chain["$defs"]["900"] = true;
  EXPECT_EQ(refusal(chain).code(), ErrorCode::kResourceExhausted);
  EXPECT_TRUE(accepts(compile(parse(R"({"type":"array","maxItems":1000000000,"items":{"type":"string","maxLength":1e15}})")), R"(["a"])"));
  // Alternatives that can never be told apart, deep in each other: the number of places kept is bounded.
  const auto twins = compile(parse(R"({"$ref":"#/$defs/t","$defs":{"t":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":1},
      {"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":2},{"type":"array","items":{"$ref":"#/$defs/t"},"maxItems":3}]}}})"));
  Matcher matcher(twins);
  EXPECT_TRUE(matcher.accept(std::string(60, '[') + std::string(60, ']')));
  EXPECT_TRUE(matcher.can_end());
}

TEST(Matcher, AcceptIsAtomicAndForcedIsForced) {
  const auto grammar = compile(parse(R"({"type":"object","properties":{"name":{"const":"abc"},"kind":{"enum":["sun","sum"]}},"required":["name","kind"]})"));
  Matcher matcher(grammar);
  EXPECT_EQ(matcher.forced(), R"({"name":"abc","kind":"su)");
  EXPECT_EQ(matcher.forced(3), R"({"n)");
  EXPECT_FALSE(matcher.accept(R"({"name":"abd)"));
  EXPECT_EQ(matcher.forced(), R"({"name":"abc","kind":"su)");
  Matcher copy(matcher);
  EXPECT_TRUE(copy.accept(copy.forced()));
  EXPECT_EQ(copy.forced(), "");
  EXPECT_FALSE(copy.can_end());
  EXPECT_TRUE(copy.accept("n\""));
  EXPECT_EQ(copy.forced(), "}");
  EXPECT_TRUE(copy.accept("}"));
  EXPECT_TRUE(copy.must_end());
  EXPECT_FALSE(copy.accept("}"));
  EXPECT_EQ(copy.forced(), "");
  Matcher number(compile(parse(R"({"type":"integer"})")));
  EXPECT_TRUE(number.accept("12"));
  EXPECT_TRUE(number.can_end());
  EXPECT_FALSE(number.must_end());
  EXPECT_TRUE(number.accept(""));
}

}  // namespace
}  // namespace da::grammar::testing
