#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace da::chat {

// What stands between a family's tags for calls, as a list of {"name": …, "arguments": {…}}:
// - JSON: one such object, or a list; names may be under "tool_name", arguments under "parameters";
// - DeepSeek: <｜tool▁call▁begin｜>function<｜tool▁sep｜>name, a fenced JSON block, <｜tool▁call▁end｜>; or, later,
//   <｜tool▁call▁begin｜>name<｜tool▁sep｜>{…}<｜tool▁call▁end｜>;
//   from V3.2 on: <｜DSML｜invoke name="name"><｜DSML｜parameter name="key" string="true">value</｜DSML｜parameter>
//   </｜DSML｜invoke>, where string="false" says that the value is JSON;
// - Qwen3-Coder: <function=name><parameter=key>value</parameter></function>;
// - MiniMax M2: <invoke name="name"><parameter name="key">value</parameter></invoke>;
// - Functionary: name>{…};
// - GLM: name, then <arg_key>key</arg_key><arg_value>value</arg_value>.
// - Kimi K2: <|tool_call_begin|>functions.name:0<|tool_call_argument_begin|>{…}<|tool_call_end|>;
// - Gemma 4 and FunctionGemma: call:name{key:value,…}, texts between two <|"|> or two <escape>.
// Discarded if it is none of them.
nlohmann::ordered_json read_tool_calls(std::string_view text);

}  // namespace da::chat
