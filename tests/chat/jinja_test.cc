#include <gtest/gtest.h>

#include "chat/chat_test_util.h"

namespace da::chat {
namespace {

TEST(Jinja, WhitespaceControl) {
  EXPECT_EQ(run_jinja("  {% if true %}  \n  x  \n  {% endif %}  \ny"), "  \n  x  \n  \ny");
  EXPECT_EQ(run_jinja("a\n  {%+ if true %}x{% endif +%}\nz\n"), "a\n  x\nz");
  EXPECT_EQ(run_jinja("  {{ 'v' }}  \n  {{- 'w' -}}  \n q"), "  vwq");
  EXPECT_EQ(run_jinja("x\n\xC2\xA0 {% if true %}b{% endif %}"), "x\nb");
  EXPECT_EQ(run_jinja("\r\na\r\n{% if true %}\r\nb\r{% endif %}\r\n"), "\na\nb\n");
  EXPECT_EQ(run_jinja("{% raw %}\n  a\n{% endraw %}\nb"), "\n  a\nb");
  EXPECT_EQ(run_jinja("a{# c #}\nb\n\n"), "ab\n");
}

TEST(Jinja, ErrorsNameTheLineAndCarryTheTemplatesMessage) {
  EXPECT_EQ(run_jinja("a\nb\n{{ raise_exception('roles must alternate') }}"), "!template line 3: roles must alternate");
  EXPECT_EQ(jinja_code("{{ raise_exception('no') }}"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(run_jinja("\n{{ missing.x }}"), "!template line 2: 'missing' is undefined");
  EXPECT_EQ(run_jinja("{{ d.x.y }}", R"({"d":{}})"), "!template line 1: 'dict object' has no attribute 'x'");
  EXPECT_EQ(run_jinja("\n\n{% if %}"), "!template line 3: expected an expression");
  EXPECT_EQ(run_jinja("{{ x|nosuch }}"), "!template line 1: no filter named 'nosuch'");
  EXPECT_EQ(run_jinja("{% if x %}"), "!template line 1: unexpected end of template, expected 'endif'");
  EXPECT_EQ(jinja_code("{{ 1 + }}"), ErrorCode::kCorruptData);
}

TEST(Jinja, UnknownFilterMattersOnlyWhenReachedInsideIf) {
  EXPECT_EQ(run_jinja("{% if false %}{{ 1|nosuch }}{% endif %}ok"), "ok");
  EXPECT_EQ(run_jinja("{% if true %}{{ 1|nosuch }}{% endif %}")[0], '!');
  EXPECT_EQ(run_jinja("{% if false %}{% for x in [1] %}{{ x|nosuch }}{% endfor %}{% endif %}")[0], '!');
}

TEST(Jinja, ScopesOfSet) {
  EXPECT_EQ(run_jinja("{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{{ x }},{% endfor %}{{ x }}"), "2,3,1");
  EXPECT_EQ(run_jinja("{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}"), "2");
  EXPECT_EQ(
      run_jinja("{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}"),
      "3");
  EXPECT_EQ(run_jinja("{% macro m() %}{{ q }}{% endmacro %}{% set q = 5 %}{{ m() }}"), "5");
  EXPECT_EQ(run_jinja("{% set x = {} %}{% set x.y = 1 %}"),
            "!template line 1: cannot assign attribute on non-namespace object");
  EXPECT_EQ(run_jinja("{% for i in [1] %}{% block b %}[{{ i }}]{% endblock %}{% endfor %}"), "[]");
}

TEST(Jinja, LoopFiltersAreLazy) {
  EXPECT_EQ(run_jinja("{% set ns = namespace(stop=false) %}{% for i in [1, 2, 3] if not ns.stop %}{{ i }}{% set "
                      "ns.stop = i == 2 %}{% endfor %}"),
            "12");
  EXPECT_EQ(
      run_jinja(
          "{% for i in [1, 2, 3, 4] if i is even %}{{ loop.index }}/{{ loop.length }}{{ loop.last }} {% endfor %}"),
      "1/2False 2/2True ");
}

TEST(Jinja, IteratorsAreConsumedOnce) {
  EXPECT_EQ(run_jinja("{% set it = [1, 2]|map('string') %}{{ it|join(',') }}|{{ it|join(',') }}"), "1,2|");
  EXPECT_EQ(run_jinja("{{ [1]|select|length }}"), "!template line 1: object of type 'generator' has no len()");
}

TEST(Jinja, PrintsLikePython) {
  EXPECT_EQ(run_jinja("{{ [1.0, 1e16, 1e-5, none, true, 'a\\'b', \"c\\\"d'\"] }}"),
            R"([1.0, 1e+16, 1e-05, None, True, "a'b", 'c"d\''])");
  EXPECT_EQ(run_jinja("{{ {'k': (1,)} }}{{ '\\x00\\u200b'|list }}"), "{'k': (1,)}['\\x00', '\\u200b']");
  EXPECT_EQ(run_jinja("{{ x }}", R"({"x": 18446744073709551615})"), "18446744073709551615");
  EXPECT_EQ(run_jinja("{{ 2 ** 100 }}"), "1267650600228229401496703205376");
  EXPECT_EQ(run_jinja("{{ 2 ** 200 }}"), "!template line 1: integer overflow");
}

TEST(Jinja, ToJsonIsPythonsJsonDumps) {
  EXPECT_EQ(run_jinja("{{ x|tojson }}", R"({"x": {"b": [1, 1.0, null], "a": "<é\u2028\u007f>"}})"),
            "{\"b\": [1, 1.0, null], \"a\": \"<é\xE2\x80\xA8\x7F>\"}");
  EXPECT_EQ(run_jinja("{{ {'a': [1, {}]}|tojson(indent=2) }}"), "{\n  \"a\": [\n    1,\n    {}\n  ]\n}");
  EXPECT_EQ(run_jinja("{{ 'é😀'|tojson(ensure_ascii=true) }}"), R"("\u00e9\ud83d\ude00")");
  EXPECT_EQ(run_jinja("{{ {'b': 1, 'a': 2}|tojson(sort_keys=true, separators=(',', ':')) }}"), R"({"a":2,"b":1})");
  EXPECT_EQ(run_jinja("{{ missing|tojson }}"), "!template line 1: Object of type Undefined is not JSON serializable");
}

TEST(Jinja, MarkupEscapesWhatItMeets) {
  EXPECT_EQ(run_jinja("{{ ('<b>'|safe) + '<i>' }}{{ ('<b>'|safe) ~ '<i>' }}{{ '<b>'|safe|e }}"),
            "<b>&lt;i&gt;<b><i><b>");
  EXPECT_EQ(run_jinja("{{ ('%s'|safe) % '<' }}{{ ('{}'|safe).format('<') }}"), "&lt;&lt;");
}

TEST(Jinja, StringsAreCodePoints) {
  EXPECT_EQ(run_jinja("{{ s|length }}{{ s[1] }}{{ s[::-1] }}{{ s.find('c') }}{{ s.upper() }}", R"({"s": "ß你c"})"),
            "3你c你ß2SS你C");
  EXPECT_EQ(run_jinja("{{ 'ΑΣ'.lower() }}{{ 'aSß x'.title() }}{{ 'ǆ'.capitalize() }}"), "αςAsß Xǅ");
}

TEST(Jinja, FormatsNumbersAndText) {
  EXPECT_EQ(run_jinja("{{ '%s|%5.2f|%-4d|%04d|%x' % ('a', 3.14159, 7, 7, 255) }}"), "a| 3.14|7   |0007|ff");
  EXPECT_EQ(run_jinja("{{ '{:>5}|{:<5}|{:^5}|{:,}|{:.1%}'.format('a', 'b', 'c', 1234567, 0.256) }}"),
            "    a|b    |  c  |1,234,567|25.6%");
  EXPECT_EQ(run_jinja("{{ '%d' % 'x' }}")[0], '!');
  EXPECT_EQ(run_jinja("{{ 2.675|round(2) }}|{{ 2.5|round }}|{{ 1250|round(-2) }}"), "2.67|2.0|1200");
}

TEST(Jinja, SandboxGivesNothingAway) {
  EXPECT_EQ(run_jinja("[{{ ''.__class__ }}{{ x._y is defined }}]", R"({"x": {"a": 1}})"), "[False]");
  EXPECT_EQ(run_jinja("{{ x.update({}) }}", R"({"x": {}})")[0], '!');
  EXPECT_EQ(run_jinja("{{ [].sort() }}")[0], '!');
  EXPECT_EQ(run_jinja("{% include 'passwd' %}"), "!template line 1: no loader for this environment specified");
}

TEST(Jinja, ListsMayBeAppendedTo) {
  EXPECT_EQ(run_jinja("{% set l = [] %}{% for i in range(3) %}{% set _ = l.append(i) %}{% endfor %}{{ l }}{{ l.pop() "
                      "}}{{ l.pop(0) }}{{ l }}"),
            "[0, 1, 2]20[1]");
}

TEST(Jinja, ClockIsAnArgument) {
  EXPECT_EQ(run_jinja("{{ strftime_now('%d %b %Y, %H:%M %j %U %V') }}"), "15 Jan 2026, 12:00 015 02 03");
  EXPECT_EQ(CivilTime({2024, 2, 28, 0, 0, 0}).plus_days(2).month, 3);
}

TEST(Jinja, VariablesReplaceGlobals) {
  EXPECT_EQ(run_jinja("{{ range }}", R"({"range": 5})"), "5");
  EXPECT_TRUE((*JinjaTemplate::parse("{% if enable_thinking %}{% endif %}"))->mentions("enable_thinking"));
  EXPECT_EQ(jinja_code("x", "[]"), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace da::chat
