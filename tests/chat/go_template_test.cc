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

TEST(GoTemplate, TrimMarkersAndComments) {
  EXPECT_EQ(run_go("a \n {{- 1 -}} \n b"), "a1b");
  EXPECT_EQ(run_go("a {{/* no */}} b{{- /* trims */ -}}  c"), "a  bc");
  EXPECT_EQ(run_go("{{-1}} {{ -1 }}"), "-1 -1");
  EXPECT_EQ(run_go("{{ `raw \\n` }}{{ \"\\u4f60\\x41\\n\" }}{{ 'a' }}"), "raw \\n你A\n97");
}

TEST(GoTemplate, PrintsLikeGo) {
  EXPECT_EQ(run_go("{{ . }}", R"({"b": [1, 2.0, null, "x"], "a": {"t": true}})"), "map[a:map[t:true] b:[1 2 <nil> x]]");
  EXPECT_EQ(run_go("{{ 1e6 }} {{ 100000.0 }} {{ 1e-5 }} {{ 0.0001 }} {{ 1234567.0 }}"),
            "1e+06 100000 1e-05 0.0001 1.234567e+06");
  EXPECT_EQ(run_go("{{ .x }}|{{ .y }}", R"({"x": null})"), "<no value>|<no value>");
  EXPECT_EQ(run_go("{{ json . }}", R"({"b": "<&>\u2028", "a": [1.0, 1e21, 1e-7]})"),
            R"({"a":[1,1e+21,1e-7],"b":"\u003c\u0026\u003e\u2028"})");
}

TEST(GoTemplate, Printf) {
  EXPECT_EQ(run_go(R"({{ printf "%5d|%-5s|%05d|%x|%q|%v|%%|%t" 42 "ab" 7 255 "h\"i" .l true }})", R"({"l": [1, "a"]})"),
            R"(   42|ab   |00007|ff|"h\"i"|[1 a]|%|true)");
  EXPECT_EQ(run_go(R"({{ printf "%d %s" "x" 1 }}|{{ printf "%d" }}|{{ printf "x" 1 }}|{{ printf "%z" 1 }})"),
            "%!d(string=x) %!s(int=1)|%!d(MISSING)|x%!(EXTRA int=1)|%!z(int=1)");
  EXPECT_EQ(
      run_go(
          R"({{ printf "%[2]d %[1]d" 1 2 }}|{{ printf "%6.2f|%e|%g" 3.14159 1234.5 1e-7 }}|{{ printf "%.2s" "你好吗" }})"),
      "2 1|  3.14|1.234500e+03|1e-07|你好");
  EXPECT_EQ(run_go(R"({{ printf "%+v %s %+q" .l .l "é" }})", R"({"l": [1, null]})"),
            R"([1 <nil>] [%!s(int=1) <nil>] "\u00e9")");
  EXPECT_EQ(run_go(R"({{ print 1 2 "a" "b" 3 }}|{{ println "a" 1 }})"), "1 2ab3|a 1\n");
}

TEST(GoTemplate, Variables) {
  EXPECT_EQ(run_go("{{ $x := 1 }}{{ range .l }}{{ $x = . }}{{ end }}{{ $x }}", R"({"l": [4, 5]})"), "5");
  EXPECT_EQ(run_go("{{ range $i, $e := .l }}{{ $i }}{{ $e }}{{ else }}none{{ end }}", R"({"l": []})"), "none");
  EXPECT_EQ(run_go("{{ with $y := .a }}{{ $y }}{{ $.b }}{{ else with .b }}{{ . }}{{ end }}", R"({"b": 2})"), "2");
  EXPECT_EQ(run_go("{{ $x }}"), "!template line 1: undefined variable \"$x\"");
  EXPECT_EQ(run_go("{{ if true }}{{ $x := 1 }}{{ end }}{{ $x }}")[0], '!');
}

TEST(GoTemplate, Control) {
  EXPECT_EQ(
      run_go("{{ range 5 }}{{ if eq . 1 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}"),
      "02");
  EXPECT_EQ(run_go("{{ if .a }}a{{ else if .b }}b{{ else }}c{{ end }}", R"({"b": 1})"), "b");
  EXPECT_EQ(run_go("{{ define \"t\" }}<{{ . }}>{{ end }}{{ template \"t\" 1 }}{{ block \"u\" 2 }}[{{ . }}]{{ end }}"),
            "<1>[2]");
  EXPECT_EQ(run_go("{{ template \"none\" }}"), "!template line 1: template \"none\" not defined");
}

TEST(GoTemplate, Comparisons) {
  EXPECT_EQ(
      run_go(
          "{{ eq .a 2 3 1 }}{{ ne .a 1 }}{{ le 1 1 }}{{ ge \"b\" \"a\" }}{{ and 1 0 2 }}{{ or 0 \"\" 3 }}{{ not 0 }}",
          R"({"a": 1})"),
      "truefalsetruetrue03true");
  EXPECT_EQ(run_go("{{ eq .a 1.0 }}", R"({"a": 1})"),
            "!template line 1: error calling eq: incompatible types for comparison: int and float64");
  EXPECT_EQ(run_go("{{ and false (index .l 9) }}", R"({"l": []})"), "false");
}

TEST(GoTemplate, IndexAndSlice) {
  EXPECT_EQ(run_go("{{ index .l 1 }}{{ index .m \"k\" 0 }}{{ slice .s 1 3 }}{{ len .s }}{{ len (slice .l 1) }}",
                   R"({"l": [1, 2, 3], "m": {"k": [7]}, "s": "你x"})")
                .size(),
            6U);
  EXPECT_EQ(run_go("{{ index .l 3 }}", R"({"l": [1, 2, 3]})")[0], '!');
  EXPECT_EQ(run_go("{{ slice .l 2 1 }}", R"({"l": [1, 2, 3]})")[0], '!');
  EXPECT_EQ(run_go("{{ (index .l 0).a.b }}", R"({"l": [{"a": {"b": 5}}]})"), "5");
}

TEST(GoTemplate, ErrorsNameTheLine) {
  EXPECT_EQ(run_go("a\nb {{ .x.y.z }}", R"({"x": {"y": 1}})"), "!template line 2: can't evaluate field z in type int");
  EXPECT_EQ(run_go("\n{{ nosuch }}"), "!template line 2: function \"nosuch\" not defined");
  EXPECT_EQ(run_go("{{ if .x }}"), "!template line 1: unexpected EOF");
  EXPECT_EQ(run_go("{{ .x"), "!template line 1: unclosed action");
}

TEST(GoTemplate, LimitsEndARendering) {
  EXPECT_EQ(run_go("{{ range 100000000 }}{{ end }}").substr(0, 17), "!template line 1:");
  EXPECT_EQ(run_go("{{ define \"r\" }}{{ template \"r\" }}{{ end }}{{ template \"r\" }}"),
            "!template line 1: exceeded maximum template depth");
  EXPECT_EQ(run_go("{{ range 1000 }}{{ printf \"%1000000d\" 1 }}{{ end }}")[0], '!');
  EXPECT_EQ(run_go("{{ " + repeat("(", 10000) + " }}")[0], '!');
  EXPECT_EQ(run_go(repeat("{{ if 1 }}", 10000))[0], '!');
  EXPECT_EQ(run_go("{{ if 0 }}" + repeat("{{ else if 0 }}", 200) + "{{ else }}x{{ end }}"), "x");
  EXPECT_EQ(run_go("{{ . }}", repeat("[", 100) + repeat("]", 100))[0], '!');
  EXPECT_EQ(run_go("{{ $s := \"aaaaaaaaaa\" }}{{ range 100 }}{{ $s = print $s $s }}{{ end }}")[0], '!');
}

TEST(GoTemplate, ChatOfOlderTemplates) {
  EXPECT_EQ(run_go_chat("[{{ .System }}|{{ .Prompt }}]{{ .Response }};",
                        R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"},
                        {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]})"),
            "[s|a]b;[|c]");
  EXPECT_EQ(run_go_chat("{{ if .Response }}x{{ .Response }}y{{ else }}z{{ end }}{{ .Prompt }}",
                        R"({"messages": [{"role": "user", "content": "a"}]})"),
            "");
}

TEST(GoTemplate, ChatMergesNeighboursAndSortsProperties) {
  EXPECT_EQ(
      run_go_chat(
          "{{ range .Messages }}{{ .Role }}={{ .Content }};{{ end }}{{ .System }}",
          R"({"messages": [{"role": "USER", "content": "a"}, {"role": "user", "content": "b"}, {"role": "system", "content": "s"}]})"),
      "user=a\n\nb;system=s;s");
  EXPECT_EQ(
      run_go_chat(
          "{{ range .Messages }}{{ end }}{{ range .Tools }}{{ .Function.Parameters.Properties }}{{ range $n, $p := "
          ".Function.Parameters.Properties }} {{ toTypeScriptType $p }}{{ end }}{{ end }}",
          R"({"messages": [], "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object",
                        "properties": {"z": {"type": ["string", "null"], "x": 1}, "a": {"type": "array"}}}}}]})"),
      R"({"a":{"type":"array"},"z":{"type":["string","null"]}} any[] string | null)");
}

TEST(GoTemplate, ChatRefusesWrongValues) {
  EXPECT_EQ(run_go_chat("{{ .Messages }}", R"({"messages": 5})")[0], '!');
  EXPECT_EQ(run_go_chat("{{ .Messages }}", R"({"messages": [5]})")[0], '!');
  EXPECT_EQ(run_go_chat("{{ .Messages }}", R"({"messages": [{"role": "user", "content": []}]})")[0], '!');
  EXPECT_EQ(run_go_chat("{{ .Messages }}", R"({"messages": [{"role": "user", "tool_calls": [{}]}]})")[0], '!');
  EXPECT_EQ(run_go_chat("{{ .Messages }}", R"({"messages": [], "tools": 5})")[0], '!');
  EXPECT_EQ(
      run_go_chat("{{ range .Messages }}{{ .Nope }}{{ end }}", R"({"messages": [{"role": "user", "content": "a"}]})"),
      "!template line 1: can't evaluate field Nope in type *template.templateMessage");
}

}  // namespace
}  // namespace da::chat
