#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/control_text.h"
#include "tokenizer/tokenizer.h"

namespace da::runner {

// A conversation as a template takes it.
struct Conversation {
  const nlohmann::ordered_json& messages;
  const nlohmann::ordered_json& tools;   // an array, perhaps empty
  const nlohmann::ordered_json& think;   // null, bool or "low"…
  const std::string& suffix;             // "" but for fill-in-the-middle
};
using Render = std::function<Result<std::string>(const Conversation&)>;
// Parses a Go template. Errors: kInvalidArgument.
using CompileGo = std::function<Result<Render>(const std::string& text)>;

struct Prompt {
  std::vector<tokenizer::TokenId> tokens;
  // Left out, as was asked for, because the context is too short: messages, the oldest first; tokens in all, and where
  // those begin that were cut from the middle (0: none were).
  size_t dropped_messages = 0, dropped_tokens = 0, cut_from = 0;
  std::string tail;              // end of the rendered text, at most 64 bytes, to see whether it opened a thinking block
};

// A list of a request: itself, or read from its text, which keeps the order of members where JSON libraries sort them.
// Null if it is none.
nlohmann::ordered_json list_of(const nlohmann::ordered_json& value);

// From a generate request to the tokens the model reads.
class PromptBuilder {
 public:
  // `render`: the model's own template; empty: none, then text goes in as it is, turns separated by blank lines.
  PromptBuilder(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, Render render, CompileGo compile_go);

  struct Room {
    size_t max_tokens = 0;      // for the whole prompt
    size_t answer_tokens = 0;   // to be left of these where the middle is cut
    size_t keep_tokens = 0;     // at the head, then
  };
  // Longer prompts are refused, or cut as the request's `truncate` and `shift` ask. Errors: kInvalidArgument (names the
  // field), kUnsupported, kResourceExhausted (both counts). None of them holds text of the request. Not thread-safe.
  Result<Prompt> build(const nlohmann::ordered_json& request, const Room& room);

 private:
  Result<Render> choose_template(const nlohmann::ordered_json& request);
  Result<Prompt> build_conversation(const nlohmann::ordered_json& request, size_t max_tokens);
  Result<Prompt> render_tokens(const Render& render, const nlohmann::ordered_json& request,
                               const nlohmann::ordered_json& messages) const;
  std::vector<tokenizer::TokenId> encode(const std::vector<Piece>& pieces) const;
  static void cut_middle(const nlohmann::ordered_json& request, const Room& room, Prompt& prompt);
  void put_bos(std::vector<tokenizer::TokenId>& tokens) const;

  std::shared_ptr<const tokenizer::Tokenizer> tokenizer_;
  Render render_;
  CompileGo compile_go_;
  std::string last_go_text_;   // clients send the same template with every request
  Render last_go_;
  ControlText control_;
};

}  // namespace da::runner
