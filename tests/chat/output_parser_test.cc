#include "chat/output_parser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>

namespace da::chat {
namespace {

// Feeds `text` in pieces of `size` bytes and writes down what came out.
std::string parse(OutputFormat format, std::string_view text, size_t size, std::vector<std::string> tools = {}) {
  OutputParser parser(std::move(format), std::move(tools));
  OutputDelta all;
  auto add = [&](OutputDelta delta) {
    all.content += delta.content;
    all.thinking += delta.thinking;
    for (ToolCall& call : delta.tool_calls) {
      all.tool_calls.push_back(std::move(call));
    }
  };
  for (size_t i = 0; i < text.size(); i += size) {
    add(parser.push(text.substr(i, size)));
  }
  add(parser.finish());
  std::string out = "T(" + all.thinking + ")C(" + all.content + ")";
  for (const ToolCall& call : all.tool_calls) {
    out += "#" + std::to_string(call.index) + call.name + call.arguments.dump();
  }
  return out;
}

// The result must not depend on how the stream is cut.
void expect_parse(const OutputFormat& format, std::string_view text, const std::string& expected,
                  const std::vector<std::string>& tools = {}) {
  for (size_t size : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{1000}}) {
    EXPECT_EQ(parse(format, text, size, tools), expected) << "pieces of " << size;
  }
}

OutputFormat thinking(ToolFormat tools = ToolFormat::kNone, bool starts = false) {
  return {.think_open = "<think>", .think_close = "</think>", .starts_thinking = starts, .tools = tools};
}

OutputFormat tagged(std::string open, std::string close) {
  return {.tools = ToolFormat::kTagged, .call_open = std::move(open), .call_close = std::move(close)};
}

TEST(OutputParser, Thinking) {
  expect_parse(thinking(), "\n<think>\nSo, 1 < 2.\n</think>\n\nYes.", "T(So, 1 < 2.)C(Yes.)");
  expect_parse(thinking(), "No <think>x</think>", "T()C(No <think>x</think>)");
  expect_parse(thinking(ToolFormat::kNone, true), "So.</think>Yes", "T(So.)C(Yes)");
  expect_parse(thinking(), "<think>never closed </thi", "T(never closed </thi)C()");
  expect_parse(thinking(), "<thin", "T()C(<thin)");
  expect_parse({}, "<think>a</think>", "T()C(<think>a</think>)");
}

TEST(OutputParser, Hermes) {
  OutputFormat format = thinking(ToolFormat::kTagged);
  format.call_open = "<tool_call>";
  format.call_close = "</tool_call>";
  expect_parse(format,
               "<think>t</think>Let me.<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": "
               "\"</x>\"}}\n</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>",
               R"(T(t)C(Let me.)#0f{"a":"</x>"}#1g{})");
  expect_parse(format, "<tool_call>{\"name\": \"f\", \"arguments\": {}}", "T()C()#0f{}");
  expect_parse(format, "<tool_call>oops</tool_call>", "T()C(<tool_call>oops</tool_call>)");
  expect_parse(format, "<tool_call>{\"name\": \"other\"}</tool_call>",
               "T()C(<tool_call>{\"name\": \"other\"}</tool_call>)", {"f"});
  expect_parse(format, "a <tool", "T()C(a <tool)");
}

TEST(OutputParser, Llama) {
  OutputFormat format{.tools = ToolFormat::kLlama};
  expect_parse(format, " {\"name\": \"f\", \"parameters\": {\"a\": 1}}", R"(T()C()#0f{"a":1})");
  expect_parse(format, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}",
               "T()C()#0f{}#1g{}");
  expect_parse(format, "{\"a\": 1} is JSON", "T()C({\"a\": 1} is JSON)");
  expect_parse(format, "Say {\"name\": \"f\"}", "T()C(Say {\"name\": \"f\"})");
}

TEST(OutputParser, Mistral) {
  OutputFormat format{.tools = ToolFormat::kMistral};
  expect_parse(format,
               "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": \"]\"}}, {\"name\": \"g\", \"arguments\": {}}]",
               R"(T()C()#0f{"a":"]"}#1g{})");
  expect_parse(format, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g{\"b\": 2}", R"(T()C()#0f{"a":1}#1g{"b":2})");
  expect_parse(format, "[TOOL_CALLS] nothing", "T()C([TOOL_CALLS] nothing)");
}

TEST(OutputParser, MistralWithCallIds) {
  expect_parse({.tools = ToolFormat::kMistral}, "[TOOL_CALLS]f[CALL_ID]123456789[ARGS]{\"a\": 1}",
               R"(T()C()#0f{"a":1})");
}

TEST(OutputParser, GraniteAndPhi) {
  expect_parse(tagged("<|tool_call|>", ""), "<|tool_call|>[{\"name\": \"f\", \"arguments\": {\"a\": [1]}}]",
               R"(T()C()#0f{"a":[1]})");
  expect_parse(tagged("<|tool_call|>", ""), "<|tool_call|>nothing", "T()C(<|tool_call|>nothing)");
  expect_parse(tagged("<|tool_call|>", "<|/tool_call|>"),
               "Yes.<|tool_call|>[{\"name\": \"f\", \"parameters\": {}}]<|/tool_call|>", "T()C(Yes.)#0f{}");
  OutputFormat granite = thinking();
  granite.dropped = {"<response>", "</response>"};
  expect_parse(granite, "<think>hm</think>\n<response>Yes, <b>.</response>", "T(hm)C(Yes, <b>.)");
}

TEST(OutputParser, CommandR) {
  OutputFormat format = tagged("<|START_ACTION|>", "<|END_ACTION|>");
  format.think_open = "<|START_THINKING|>";
  format.think_close = "<|END_THINKING|>";
  format.dropped = {"<|START_RESPONSE|>", "<|END_RESPONSE|>"};
  expect_parse(
      format,
      "<|START_THINKING|>I look.<|END_THINKING|><|START_ACTION|>[\n{\"tool_call_id\": \"0\", \"tool_name\": \"f\", "
      "\"parameters\": {\"q\": 1}}\n]<|END_ACTION|>",
      R"(T(I look.)C()#0f{"q":1})");
  expect_parse(format, "<|START_RESPONSE|>Hello.<|END_RESPONSE|>", "T()C(Hello.)");
  expect_parse(tagged("Action: ```json", "```"), "Action: ```json\n[{\"tool_name\": \"f\", \"parameters\": {}}]\n```",
               "T()C()#0f{}");
}

TEST(OutputParser, DeepSeek) {
  const OutputFormat format = tagged("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>");
  expect_parse(format,
               "Wait.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": "
               "1}\n```<｜tool▁call▁end｜>\n"
               "<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
               R"(T()C(Wait.)#0f{"a":1}#1g{})");
  expect_parse(
      format,
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": {}}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
      R"(T()C()#0f{"a":{}})");
  expect_parse(format, "<｜tool▁calls▁begin｜>no", "T()C(<｜tool▁calls▁begin｜>no)");
}

TEST(OutputParser, CallsInTags) {
  const OutputFormat format = tagged("<tool_call>", "</tool_call>");
  expect_parse(format,
               "<tool_call>\n<function=f>\n<parameter=city>\nSan "
               "José\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
               R"(T()C()#0f{"city":"San José","days":3})");
  expect_parse(format,
               "<tool_call>f\n<arg_key>city</arg_key>\n<arg_value>Bonn</arg_value>\n<arg_key>l</"
               "arg_key><arg_value>[1]</arg_value>\n</tool_call>",
               R"(T()C()#0f{"city":"Bonn","l":[1]})");
  expect_parse(format, "<tool_call><function=f</tool_call>", "T()C(<tool_call><function=f</tool_call>)");
}

TEST(OutputParser, Gemma) {
  OutputFormat format = tagged("<|tool_call>", "<tool_call|>");
  format.think_open = "<|channel>thought";
  format.think_close = "<channel|>";
  expect_parse(format,
               "<|channel>thought\nA city.<channel|><|tool_call>call:f{city:<|\"|>San, "
               "{José}<|\"|>,days:3,deep:{a:[true,<|\"|>x<|\"|>],b:"
               "null}}<tool_call|><|tool_call>call:g{}<tool_call|>",
               R"(T(A city.)C()#0f{"city":"San, {José}","days":3,"deep":{"a":[true,"x"],"b":null}}#1g{})");
  expect_parse(format, "<|tool_call>call:f{a:<|\"|>never closed}<tool_call|>",
               "T()C(<|tool_call>call:f{a:<|\"|>never closed}<tool_call|>)");
  expect_parse(format, "<|tool_call>call:f{a:[1,2}<tool_call|>", "T()C(<|tool_call>call:f{a:[1,2}<tool_call|>)");
  expect_parse(tagged("<start_function_call>", "<end_function_call>"),
               "<start_function_call>call:f{city:<escape>Bonn<escape>}<end_function_call>",
               R"(T()C()#0f{"city":"Bonn"})");
}

TEST(OutputParser, Functionary) {
  const OutputFormat format = detect_output_format("<|start_header_id|> <|python_tag|> <function= </function>", "");
  expect_parse(format, "Hm <function=f>{\"a\": 1}</function><function=g>{}</function>", R"(T()C(Hm )#0f{"a":1}#1g{})");
  expect_parse(format, "<function=f>no</function>", "T()C(<function=f>no</function>)");
  EXPECT_EQ(detect_output_format("<tool_calls> </tool_calls> <tool_call>", "").call_open, "<tool_calls>");
  EXPECT_EQ(detect_output_format("<seed:tool_call> </seed:tool_call> <function= </seed:think>", "").call_open,
            "<seed:tool_call>");
}

TEST(OutputParser, Kimi) {
  expect_parse(tagged("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
               "Wait.<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\": "
               "1}<|tool_call_end|><|tool_call_begin|>functions.g:1<|tool_call_argument_begin|>{}<|tool_call_end|><|"
               "tool_calls_section_end|>",
               R"(T()C(Wait.)#0f{"a":1}#1g{})");
}

TEST(OutputParser, SpaceAroundCallsGoesHoweverTheStreamIsCut) {
  const OutputFormat format{.tools = ToolFormat::kMistral};
  expect_parse(format, " [TOOL_CALLS][", "T()C([TOOL_CALLS][)");
  expect_parse(format, " \n[TOOL_CALLS][{\"name\": \"f\"}] \n[TOOL_CALLS][{\"name\": \"g\"}]\n", "T()C()#0f{}#1g{}");
  expect_parse(format, "Hi\n[TOOL_CALLS][{\"name\": \"f\"}]", "T()C(Hi\n)#0f{}");
  expect_parse(format, " \n ", "T()C( \n )");
  expect_parse(format, "[TOOL_CALLS]f[ARGS]{\"a\":^}", "T()C([TOOL_CALLS]f[ARGS]{\"a\":^})");  // no JSON: no call
}

// The pieces of each call, joined; "!" where the first piece came before the call was complete.
std::string pieces(OutputFormat format, std::string_view text, size_t size, std::vector<std::string> tools = {}) {
  OutputParser parser(std::move(format), std::move(tools), true);
  std::vector<std::string> calls;
  size_t n_complete = 0;
  std::string content, early;
  const auto add = [&](OutputDelta delta) {
    content += delta.content;
    for (const ToolCallDelta& piece : delta.call_pieces) {
      if (static_cast<size_t>(piece.index) >= calls.size()) {
        EXPECT_FALSE(piece.name.empty());
        calls.resize(static_cast<size_t>(piece.index) + 1);
        if (delta.tool_calls.empty()) early += "!";
      } else {
        EXPECT_TRUE(piece.name.empty());
      }
      calls[static_cast<size_t>(piece.index)] += piece.name + piece.arguments;
    }
    n_complete += delta.tool_calls.size();
  };
  for (size_t i = 0; i < text.size(); i += size) add(parser.push(text.substr(i, size)));
  add(parser.finish());
  std::string out = "C(" + content + ")" + std::to_string(n_complete);
  for (const std::string& call : calls) out += "#" + call;
  return size == 1 ? early + out : out;
}

TEST(OutputParser, ArgumentsInPieces) {
  const OutputFormat hermes = tagged("<tool_call>", "</tool_call>");
  const std::string_view two =
      "Hi<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"}\\\"{\", \"b\": [1, "
      "{}]}}\n</tool_call><tool_call>[{\"arguments\": "
      "{\"x\": 1}, \"name\": \"g\"}]</tool_call> bye";
  EXPECT_EQ(pieces(hermes, two, 1), R"(!!C(Hibye)2#f{"a": "}\"{", "b": [1, {}]}#g{"x": 1})");
  for (size_t size : {2, 3, 5, 1000}) {
    EXPECT_EQ(pieces(hermes, two, size), R"(C(Hibye)2#f{"a": "}\"{", "b": [1, {}]}#g{"x": 1})") << size;
  }
  // A tool that is not offered is content, and nothing of it came out before.
  EXPECT_EQ(pieces(hermes, R"(<tool_call>{"name": "h", "arguments": {"a": 1}}</tool_call>)", 1, {"f"}),
            R"(C(<tool_call>{"name": "h", "arguments": {"a": 1}}</tool_call>)0)");
  // Cut off: what is out stays a call.
  EXPECT_EQ(pieces(hermes, R"(<tool_call>{"name": "f", "arguments": {"a": "xy)", 1), R"(!C()0#f{"a": "xy)");
  // Other forms.
  EXPECT_EQ(pieces({.tools = ToolFormat::kLlama},
                   R"({"name": "f", "parameters": {"a": 1}}; {"name": "g", "parameters": {}})", 1),
            R"(!!C()2#f{"a": 1}#g{})");
  EXPECT_EQ(pieces({.tools = ToolFormat::kMistral},
                   R"([TOOL_CALLS][{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {"b": 2}}])", 1),
            R"(!!C()2#f{"a": 1}#g{"b": 2})");
  EXPECT_EQ(pieces({.tools = ToolFormat::kMistral}, R"([TOOL_CALLS]f[ARGS]{"a": 1})", 1), R"(!C()1#f{"a": 1})");
  EXPECT_EQ(pieces({.tools = ToolFormat::kHarmony, .harmony = true},
                   "<|channel|>commentary to=functions.f<|message|>{\"a\": 1}<|call|>", 1),
            R"(!C()1#f{"a": 1})");
  EXPECT_EQ(pieces(tagged("<|tool_call>", "<tool_call|>"), "<|tool_call>call:f{a:1}<tool_call|>", 1),
            R"(!C()1#f{"a":1})");
}

// Every family's arguments come out as JSON while they are written, the same however the stream is cut.
TEST(OutputParser, EveryFamilysArgumentsInPieces) {
  const auto expect = [](const OutputFormat& format, std::string_view text, const std::string& expected) {
    const size_t n_calls = static_cast<size_t>(std::count(expected.begin(), expected.end(), '#'));
    EXPECT_EQ(pieces(format, text, 1, {"f", "g"}), std::string(n_calls, '!') + expected);
    for (size_t size : {2, 3, 7, 1000}) EXPECT_EQ(pieces(format, text, size, {"f", "g"}), expected) << size;
  };
  const OutputFormat deepseek = tagged("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>");
  expect(deepseek,
         "Hm<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": "
         "\"}\\\"\"}\n```<｜tool▁call▁end｜>"
         "\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
         R"(C(Hm)2#f{"a": "}\""}#g{})");
  expect(deepseek,
         "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{\"a\": {}}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
         R"(C()1#f{"a": {}})");
  expect(detect_output_format("｜DSML｜ function_calls", ""),
         "<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"true\">12\n</"
         "｜DSML｜parameter>\n<｜DSML｜parameter name=\"b\" string=\"false\">[1, "
         "2]</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
         "<｜DSML｜invoke name=\"g\">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>",
         R"(C()2#f{"a":"12\n","b":[1, 2]}#g{})");
  expect(tagged("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
         "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\": 1}"
         "<|tool_call_end|><|tool_call_begin|>functions.g:1<|tool_call_argument_begin|>{}<|tool_call_end|>"
         "<|tool_calls_section_end|>",
         R"(C()2#f{"a": 1}#g{})");
  expect(tagged("<tool_call>", "</tool_call>"),
         "<tool_call>\n<function=f>\n<parameter=city>\nSan\n\"José\"\n</parameter>\n<parameter=days>\n3\n</parameter>\n"
         "<parameter=t>\ntrue story</parameter><parameter=l>{\"x\": [1]}</parameter><parameter=e></parameter>\n"
         "</function>\n</tool_call>",
         R"(C()1#f{"city":"San\n\"José\"","days":3,"t":"true story","l":{"x": [1]},"e":""})");
  expect(tagged("<tool_call>", "</tool_call>"),
         "<tool_call>f\n<arg_key>city</arg_key>\n<arg_value>Bonn < Köln</arg_value>\n<arg_key>l</arg_key><arg_value>[1]"
         "</arg_value>\n</tool_call>",
         R"(C()1#f{"city":"Bonn < Köln","l":[1]})");
  expect(
      tagged("<minimax:tool_call>", "</minimax:tool_call>"),
      "<minimax:tool_call>\n<invoke name=\"f\">\n<parameter name=\"a\">x</parameter>\n</invoke>\n</minimax:tool_call>",
      R"(C()1#f{"a":"x"})");
  expect(tagged("<|tool_call>", "<tool_call|>"),
         "<|tool_call>call:f{city:<|\"|>San, {José}\n<|\"|>,days:3,deep:{a:[true,<|\"|>x<|\"|>,[]],b:null,c:{},w:word}}"
         "<tool_call|>",
         R"(C()1#f{"city":"San, {José}\n","days":3,"deep":{"a":[true,"x",[]],"b":null,"c":{},"w":"word"}})");
  expect(tagged("<start_function_call>", "<end_function_call>"),
         "<start_function_call>call:f{city:<escape>Bonn<escape>}<end_function_call>", R"(C()1#f{"city":"Bonn"})");
  expect(tagged("<function=", "</function>"), "<function=f>{\"a\": 1}</function><function=g>{}</function>",
         R"(C()2#f{"a": 1}#g{})");
  expect({.tools = ToolFormat::kMistral}, R"([TOOL_CALLS]f[CALL_ID]12[ARGS]{"a": 1}[TOOL_CALLS]g[ARGS]{})",
         R"(C()2#f{"a": 1}#g{})");
  expect(tagged("Action: ```json", "```"), "Action: ```json\n[{\"tool_name\": \"f\", \"parameters\": {\"a\": 1}}]\n```",
         R"(C()1#f{"a": 1})");
  // Not one byte of a call that is for no tool on offer.
  for (const std::string_view text : {"<tool_call><function=h><parameter=a>x</parameter></function></tool_call>",
                                      "<tool_call>h<arg_key>a</arg_key><arg_value>b</arg_value></tool_call>"}) {
    EXPECT_EQ(pieces(tagged("<tool_call>", "</tool_call>"), text, 1, {"f"}), "C(" + std::string(text) + ")0");
  }
  // A name alone.
  EXPECT_EQ(pieces(tagged("<tool_call>", "</tool_call>"), "<tool_call>f\n</tool_call>", 3, {"f"}), "C()1#f{}");
}

// Arguments written twice: what came out first is what counts.
TEST(OutputParser, PiecesAndCallsAgree) {
  OutputParser parser({.tools = ToolFormat::kLlama}, {}, true);
  std::string joined;
  const OutputDelta delta = parser.push(
      R"({"name": "f", "parameters": {"a": 1}, "arguments": {}}; {"name": "g", "arguments": {"b": 1}, "arguments": {}})");
  for (const ToolCallDelta& piece : delta.call_pieces) joined += piece.name + piece.arguments;
  EXPECT_EQ(joined, R"(f{"a": 1}g{"b": 1})");
  ASSERT_EQ(delta.tool_calls.size(), 2u);
  EXPECT_EQ(delta.tool_calls[0].arguments.dump(), R"({"a":1})");
  EXPECT_EQ(delta.tool_calls[1].arguments.dump(), R"({"b":1})");
}

TEST(OutputParser, PiecesCarryTheIdOfTheirCall) {
  OutputParser parser(tagged("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"), {}, true);
  const OutputDelta delta =
      parser.push("<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{\"a\": ");
  ASSERT_EQ(delta.call_pieces.size(), 1u);
  EXPECT_EQ(delta.call_pieces[0].id, "functions.f:0");
  EXPECT_EQ(delta.call_pieces[0].arguments, "{\"a\": ");
}

// A long call costs its length, not its square.
TEST(OutputParser, LongCallsAreLinear) {
  OutputParser parser(tagged("<tool_call>", "</tool_call>"), {});
  (void)parser.push(R"(<tool_call>{"name": "f", "arguments": {"a": ")");
  const auto begin = std::clock();
  for (int i = 0; i < 200'000; ++i) (void)parser.push("wxyz");
  const OutputDelta end = parser.push(R"("}}</tool_call>)");
  ASSERT_EQ(end.tool_calls.size(), 1u);
  EXPECT_EQ(end.tool_calls[0].arguments["a"].get_ref<const std::string&>().size(), 800'000u);
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 5.0);  // searching anew each time: minutes
}

TEST(OutputParser, LongArgumentsInPiecesAreLinear) {
  for (const std::string_view open :
       {"<tool_call><function=f><parameter=a>", "<tool_call>call:f{a:<|\"|>", "<tool_call>",
        "<tool_call>f<arg_key>a</arg_key><arg_value>{", "<tool_call>call:f{a:"}) {
    for (const std::string_view part : {"wxyz", "1111", "    ", "\n\n\n\n"}) {
      OutputParser parser(tagged("<tool_call>", "</tool_call>"), {}, true);
      const auto begin = std::clock();
      (void)parser.push(open);
      for (int i = 0; i < 50'000; ++i) (void)parser.push(part);
      (void)parser.finish();
      EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 4.0) << open << part;
    }
  }
}

TEST(OutputParser, Harmony) {
  const OutputFormat format{.tools = ToolFormat::kHarmony, .harmony = true};
  expect_parse(format,
               "<|channel|>analysis<|message|>Simple, 1 < 2.<|end|><|start|>assistant<|channel|>final<|message|>Yes "
               "<|x|>.<|return|>",
               "T(Simple, 1 < 2.)C(Yes <|x|>.)");
  expect_parse(format,
               "<|channel|>analysis<|message|>Call.<|end|><|start|>assistant<|channel|>commentary to=functions.f "
               "<|constrain|>json<|message|>{\"a\": \"<|\"}<|call|>",
               R"(T(Call.)C()#0f{"a":"<|"})", {"f"});
  expect_parse(format, " to=functions.f<|channel|>commentary json<|message|>{}", "T()C()#0f{}");
  expect_parse(format, "<|channel|>commentary to=functions.other<|message|>{}", "T()C({})", {"f"});
  expect_parse({.harmony = true}, "<|channel|>commentary to=functions.f<|message|>{}", "T()C({})");
  expect_parse({.harmony = true},
               "<|channel|>commentary<|message|>First this.<|end|><|start|>assistant<|channel|>final<|message|>Then.",
               "T()C(First this.Then.)");
  expect_parse(format, "Just text <|end", "T()C(Just text <|end)");
  expect_parse({.harmony = true, .harmony_header = "<|channel|>final<|message|>"}, "Yes", "T()C(Yes)");
  expect_parse({.harmony = true, .harmony_header = "<|channel|>"}, "analysis<|message|>Hm", "T(Hm)C()");
}

TEST(OutputParser, DetectsTheFormat) {
  OutputFormat format =
      detect_output_format("<think></think><tool_call></tool_call>", "<|im_start|>assistant\n<think>\n");
  EXPECT_TRUE(format.starts_thinking);
  EXPECT_EQ(format.call_open, "<tool_call>");
  EXPECT_EQ(format.call_close, "</tool_call>");
  EXPECT_EQ(detect_output_format("[TOOL_CALLS]", "").tools, ToolFormat::kMistral);
  EXPECT_EQ(detect_output_format("plain", "<think>").think_open, "");
  EXPECT_EQ(detect_output_format("<|start_header_id|> \"parameters\"", "").tools, ToolFormat::kLlama);
  EXPECT_EQ(detect_output_format("<|tool_call|>", "").call_close, "");
  EXPECT_EQ(detect_output_format("<|tool_call|> <|/tool_call|>", "").call_close, "<|/tool_call|>");
  EXPECT_EQ(detect_output_format("<｜tool▁calls▁begin｜> </think>", "").call_open, "<｜tool▁calls▁begin｜>");
  EXPECT_EQ(detect_output_format("Action: ```json tool_name", "").call_open, "Action: ```json");
  const OutputFormat harmony =
      detect_output_format("<|channel|> <|message|>", "<|message|>hi<|end|><|start|>assistant");
  EXPECT_TRUE(harmony.harmony);
  EXPECT_EQ(harmony.harmony_header, "");
  EXPECT_EQ(
      detect_output_format("<|channel|> <|message|>", "<|start|>assistant<|channel|>final<|message|>").harmony_header,
      "<|channel|>final<|message|>");
  EXPECT_FALSE(detect_output_format("plain", "").is_marked());
}

}  // namespace
}  // namespace da::chat
