// M01, M02: templates come from strangers: every bound ends a rendering with an error, none with a crash.
#include <gtest/gtest.h>

#include "chat/chat_test_util.h"

namespace da::chat {
namespace {

std::string repeat(std::string_view text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) {
    out += text;
  }
  return out;
}

void expect_exhausted(const std::string& source, const std::string& variables = "{}") {
  EXPECT_EQ(jinja_code(source, variables), ErrorCode::kResourceExhausted) << source.substr(0, 100);
}

TEST(JinjaLimits, RangesAndRepetitionsAreBounded) {
  expect_exhausted("{{ range(10**9) }}");
  expect_exhausted("{{ range(100001) }}");
  EXPECT_EQ(run_jinja("{{ range(100000)|length }}"), "100000");
  expect_exhausted("{{ 'a' * 10**12 }}");
  expect_exhausted("{{ [0] * 10**12 }}");
  expect_exhausted("{{ 'a'.ljust(10**12) }}");
  expect_exhausted("{{ '%1000000000d' % 1 }}");
  expect_exhausted("{{ '{:1000000000}'.format(1) }}");
}

TEST(JinjaLimits, StepsAreBounded) {
  expect_exhausted("{% for a in range(2000) %}{% for b in range(2000) %}{% endfor %}{% endfor %}");
  RenderOptions options = fixed_options();
  options.limits.max_steps = 10;
  EXPECT_EQ(jinja_code("{% for a in range(20) %}{% endfor %}", "{}", options), ErrorCode::kResourceExhausted);
}

TEST(JinjaLimits, OutputIsBoundedByTheInput) {
  expect_exhausted("{% set x = 'a' * 1000000 %}{% for i in range(100) %}{{ x }}{% endfor %}");
  RenderOptions options = fixed_options();
  options.limits.output_factor = 1;
  options.limits.output_extra_bytes = 0;
  EXPECT_EQ(jinja_code("{{ x }}{{ x }}{{ x }}", R"({"x": "aaaaaaaaaaaaaaaaaaaaaaaaa"})", options),
            ErrorCode::kResourceExhausted);
}

TEST(JinjaLimits, MemoryIsBounded) {
  expect_exhausted(
      "{% set ns = namespace(l=[]) %}{% for i in range(100000) %}{% set ns.l = ns.l + ['a' * 1000000] %}{% endfor %}");
  expect_exhausted("{% set ns = namespace(s='a') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}");
}

TEST(JinjaLimits, NestingOfTheTemplateIsBounded) {
  for (const char* open : {"(", "[", "{'a':", "-", "not ", "f("}) {
    EXPECT_EQ(run_jinja("{{ " + repeat(open, 10000) + " }}")[0], '!') << open;
  }
  EXPECT_EQ(run_jinja("{{ x" + repeat("|trim", 10000) + " }}")[0], '!');
  EXPECT_EQ(run_jinja("{{ x" + repeat(".a", 10000) + " }}")[0], '!');
  EXPECT_EQ(run_jinja("{{ 1" + repeat(" if 1 else 2", 10000) + " }}")[0], '!');
  EXPECT_EQ(run_jinja(repeat("{% if true %}", 10000))[0], '!');
  EXPECT_EQ(run_jinja("{{ 1" + repeat(" + 1", 10000) + " }}"), "10001");
  EXPECT_EQ(run_jinja(repeat("{% if true %}", 60) + "x" + repeat("{% endif %}", 60)), "x");
}

TEST(JinjaLimits, NestingOfTheInputIsBounded) {
  expect_exhausted("{{ x }}", R"({"x": )" + repeat("[", 70) + repeat("]", 70) + "}");
  EXPECT_EQ(run_jinja("{{ y }}", R"({"x": )" + repeat("[", 70) + repeat("]", 70) + R"(, "y": 1})"), "1");
  EXPECT_EQ(run_jinja("{{ x|tojson|length }}", R"({"x": )" + repeat("[", 60) + repeat("]", 60) + "}"), "120");
}

TEST(JinjaLimits, NestingOfBuiltValuesIsBounded) {
  expect_exhausted("{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}");
  expect_exhausted("{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = {'a': ns.x} %}{% endfor %}");
  expect_exhausted("{% set ns = namespace() %}{% for i in range(1000) %}{% set ns.x = ns %}{% endfor %}");
  // Lists that hold themselves.
  std::string loop = "{% set l = [] %}{% set _ = l.append(l) %}";
  EXPECT_EQ(run_jinja(loop + "{{ l }}")[0], '!');
  EXPECT_EQ(run_jinja(loop + "{{ l|tojson }}")[0], '!');
  EXPECT_EQ(run_jinja(loop + "{% set m = [] %}{% set _ = m.append(m) %}{{ l == m }}"), "False");
  EXPECT_EQ(run_jinja(loop + "{% set m = [] %}{% set _ = m.append(m) %}{{ l < m }}")[0], '!');
  EXPECT_EQ(run_jinja(loop + "{{ l|pprint|length > 0 }}")[0] == 'T' || run_jinja(loop + "{{ l|pprint }}")[0] == '!',
            true);
  expect_exhausted("{% set l = [1] %}{% for x in l %}{% set _ = l.append(x) %}{% endfor %}");
}

TEST(JinjaLimits, RecursionIsBounded) {
  expect_exhausted("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
  expect_exhausted("{% macro f(x) %}{% for y in [x] %}{{ f([f, x]) }}{% endfor %}{% endmacro %}{{ f(1) }}");
  expect_exhausted("{% block a %}{{ self.a() }}{% endblock %}");
  expect_exhausted("{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}");
  EXPECT_EQ(run_jinja("{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{% else %}end{% endif %}{% endmacro %}{{ f(150) }}"),
            "end");
}

TEST(JinjaLimits, BrokenTextIsNoTrouble) {
  EXPECT_EQ(run_jinja("{{ '\xFF\xC3'|length }}{{ '\xFF'.upper()|length }}"), "21");
  EXPECT_EQ(run_jinja(std::string("a\0b{{ 1 }}", 10)), std::string("a\0b1", 4));
  for (const char* source :
       {"{", "{{", "{%", "{#", "{{ '", "{%- raw", "{{ x[", "{% set", "{{ 1.", "{{ 0x }}", "{{ \"\\u12\" }}"}) {
    (void)run_jinja(source);
  }
}

}  // namespace
}  // namespace da::chat
