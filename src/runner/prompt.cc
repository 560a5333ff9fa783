#include "runner/prompt.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

namespace da::runner {
namespace {

using Json = nlohmann::ordered_json;
using tokenizer::TokenId;

const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

bool is_true(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_boolean() && value.get<bool>();
}

std::string text_of(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

Status wrong(std::string_view what) { return {ErrorCode::kInvalidArgument, "generate: " + std::string(what)}; }

Result<std::vector<TokenId>> token_list(const Json& list, const tokenizer::Tokenizer& tokenizer) {
  std::vector<TokenId> tokens;
  if (!list.is_array()) return wrong("tokens must be an array of token ids");
  for (const Json& id : list) {
    if (!id.is_number_integer() || id < 0 || id >= tokenizer.n_tokens()) return wrong("a token id is out of range");
    tokens.push_back(id.get<TokenId>());
  }
  return tokens;
}

}  // namespace

Json list_of(const Json& value) {
  Json list = value.is_string() ? Json::parse(value.get_ref<const std::string&>(), nullptr, false) : value;
  return list.is_array() ? list : Json();
}

namespace {

// Messages of a request: role and content checked, `system` in front where the first message is none.
Result<Json> conversation_of(const Json& request) {
  Json messages = member(request, "messages");
  const std::string system = text_of(request, "system");
  if (messages.is_null()) {
    messages = Json::array();
    messages.push_back({{"role", "user"}, {"content", text_of(request, "prompt")}});
  }
  if (!messages.is_array() || messages.empty()) return wrong("messages must be a non-empty array");
  for (Json& message : messages) {
    if (!message.is_object() || !member(message, "role").is_string()) return wrong("a message must be an object with a role");
    if (member(message, "content").is_null()) message["content"] = "";
    if (!message["content"].is_string()) return wrong("a message's content must be a string");
    if (const auto calls = message.find("tool_calls"); calls != message.end() && calls->is_string()) *calls = list_of(*calls);
  }
  if (!system.empty() && messages.front()["role"] != "system") {
    messages.insert(messages.begin(), Json{{"role", "system"}, {"content", system}});
  }
  return messages;
}

// Without a template: the text as it is; several turns are told apart by their names.
Result<std::string> render_plain(const Conversation& conversation) {
  const auto n_turns = std::count_if(conversation.messages.begin(), conversation.messages.end(),
                                     [](const Json& message) { return message["role"] != "system"; });
  std::string text;
  for (const Json& message : conversation.messages) {
    if (!text.empty()) text += "\n\n";
    const auto& role = message["role"].get_ref<const std::string&>();
    if (n_turns > 1 && role == "user") text += "User: ";
    if (n_turns > 1 && role == "assistant") text += "Assistant: ";
    text += message["content"].get_ref<const std::string&>();
  }
  if (n_turns > 1) text += "\n\nAssistant:";
  return text;
}

// The messages without `n_dropped` of the oldest that are neither a system message nor the last.
Json without_oldest(const Json& messages, size_t n_dropped) {
  Json kept = Json::array();
  for (size_t i = 0; i < messages.size(); ++i) {
    const bool droppable = i + 1 < messages.size() && messages[i]["role"] != "system";
    if (droppable && n_dropped > 0) {
      --n_dropped;
    } else {
      kept.push_back(messages[i]);
    }
  }
  return kept;
}

}  // namespace

PromptBuilder::PromptBuilder(std::shared_ptr<const tokenizer::Tokenizer> tokenizer, Render render, CompileGo compile_go)
    : tokenizer_(std::move(tokenizer)), render_(std::move(render)), compile_go_(std::move(compile_go)), control_(*tokenizer_) {}

void PromptBuilder::put_bos(std::vector<TokenId>& tokens) const {
  const bool wanted = tokenizer_->adds_bos() && tokenizer_->bos() >= 0;
  if (wanted && (tokens.empty() || tokens.front() != tokenizer_->bos())) tokens.insert(tokens.begin(), tokenizer_->bos());
}

std::vector<TokenId> PromptBuilder::encode(const std::vector<Piece>& pieces) const {
  std::vector<TokenId> tokens;
  for (const Piece& piece : pieces) {
    const auto part = tokenizer_->encode(piece.text, {.add_special = false, .parse_special = piece.parse_special});
    tokens.insert(tokens.end(), part.begin(), part.end());
  }
  return tokens;
}

Result<Render> PromptBuilder::choose_template(const Json& request) {
  const std::string go_text = text_of(request, "template");
  if (go_text.empty()) return render_ ? render_ : Render(render_plain);
  if (go_text != last_go_text_ || !last_go_) {
    if (!compile_go_) return {ErrorCode::kUnsupported, "generate: Go templates are not built in"};
    DA_ASSIGN_OR_RETURN(last_go_, compile_go_(go_text));
    last_go_text_ = go_text;
  }
  return last_go_;
}

Result<Prompt> PromptBuilder::render_tokens(const Render& render, const Json& request, const Json& messages) const {
  ControlTextMask mask(control_);
  Json masked = Json::array();
  for (const Json& message : messages) {
    Json copy = message;
    // A model's own earlier turn may carry its thinking; templates cut it out by these tags.
    const bool own = message["role"] == "assistant";
    mask.mask_strings(copy, own ? std::vector<std::string_view>{"<think>", "</think>"} : std::vector<std::string_view>{});
    masked.push_back(std::move(copy));
  }
  const bool has_tools = !member(request, "tools").is_null();
  Json tools = has_tools ? list_of(member(request, "tools")) : Json::array();
  if (!tools.is_array()) return wrong("tools must be an array");
  mask.mask_strings(tools);
  const std::string suffix = mask.mask(text_of(request, "suffix"));
  const bool plain = !render_ && text_of(request, "template").empty();
  DA_ASSIGN_OR_RETURN(const std::string rendered, render({masked, tools, member(request, "think"), suffix}));
  std::vector<Piece> pieces = mask.unmask(rendered);
  if (plain) {
    // No template wrote any of it: one text, no control tokens.
    std::string text;
    for (Piece& piece : pieces) text += piece.text;
    pieces = {{std::move(text), false}};
  }
  Prompt prompt;
  prompt.tokens = encode(pieces);
  put_bos(prompt.tokens);
  prompt.tail = rendered.substr(rendered.size() - std::min<size_t>(rendered.size(), 64));
  return prompt;
}

Result<Prompt> PromptBuilder::build_conversation(const Json& request, size_t max_tokens) {
  DA_ASSIGN_OR_RETURN(const Json messages, conversation_of(request));
  DA_ASSIGN_OR_RETURN(const Render render, choose_template(request));
  DA_ASSIGN_OR_RETURN(Prompt whole, render_tokens(render, request, messages));
  if (whole.tokens.size() <= max_tokens || !is_true(request, "truncate")) return whole;
  // The fewest messages to drop, by bisection: each try renders and tokenizes the rest.
  size_t droppable = 0;
  for (size_t i = 0; i + 1 < messages.size(); ++i) droppable += messages[i]["role"] != "system" ? 1 : 0;
  size_t too_few = 0;
  std::optional<Prompt> best;
  for (size_t enough = droppable + 1; enough - too_few > 1;) {
    const size_t n_dropped = too_few + (enough - too_few) / 2;
    DA_ASSIGN_OR_RETURN(Prompt shorter, render_tokens(render, request, without_oldest(messages, n_dropped)));
    shorter.dropped_messages = n_dropped;
    shorter.dropped_tokens = whole.tokens.size() - std::min(whole.tokens.size(), shorter.tokens.size());
    if (shorter.tokens.size() <= max_tokens) {
      enough = n_dropped;
      best = std::move(shorter);
    } else {
      too_few = n_dropped;
      if (n_dropped == droppable) best = std::move(shorter);   // what is left must be cut elsewhere
    }
  }
  return best ? std::move(*best) : std::move(whole);
}

// Asked to by `shift`, or by `truncate` where `shift` does not forbid it: a hole behind the head.
void PromptBuilder::cut_middle(const Json& request, const Room& room, Prompt& prompt) {
  const Json& shift = member(request, "shift");
  const bool forbidden = shift.is_boolean() && !shift.get<bool>();
  if (prompt.tokens.size() <= room.max_tokens || forbidden || (!is_true(request, "shift") && !is_true(request, "truncate"))) return;
  const size_t target = std::max<size_t>(room.max_tokens - std::min(room.answer_tokens, room.max_tokens / 2), 1);
  const size_t keep = std::min(room.keep_tokens, target / 2), n_cut = prompt.tokens.size() - target;
  prompt.tokens.erase(prompt.tokens.begin() + static_cast<std::ptrdiff_t>(keep), prompt.tokens.begin() + static_cast<std::ptrdiff_t>(keep + n_cut));
  prompt.dropped_tokens += n_cut;
  prompt.cut_from = keep;
}

Result<Prompt> PromptBuilder::build(const Json& request, const Room& room) {
  Prompt prompt;
  if (!member(request, "suffix").is_null() && !text_of(request, "suffix").empty() && text_of(request, "template").empty()) {
    return {ErrorCode::kUnsupported, "generate: the model does not support insert"};
  }
  if (const Json& tokens = member(request, "tokens"); !tokens.is_null()) {
    DA_ASSIGN_OR_RETURN(prompt.tokens, token_list(tokens, *tokenizer_));
  } else if (const Json& raw = member(request, "raw"); raw.is_boolean() && raw.get<bool>()) {
    // The client did the template's work: control tokens in its text are meant.
    prompt.tokens = encode({{text_of(request, "prompt"), true}});
    put_bos(prompt.tokens);
  } else {
    DA_ASSIGN_OR_RETURN(prompt, build_conversation(request, room.max_tokens));
  }
  if (const Json& context = member(request, "context"); context.is_array() && !context.empty()) {
    DA_ASSIGN_OR_RETURN(std::vector<TokenId> earlier, token_list(context, *tokenizer_));
    const bool starts_again = tokenizer_->adds_bos() && !prompt.tokens.empty() && prompt.tokens.front() == tokenizer_->bos();
    earlier.insert(earlier.end(), prompt.tokens.begin() + (starts_again ? 1 : 0), prompt.tokens.end());
    prompt.tokens = std::move(earlier);
  }
  cut_middle(request, room, prompt);
  if (prompt.tokens.size() > room.max_tokens) {
    return {ErrorCode::kResourceExhausted,
            "the prompt is longer than the context length currently available to the model: " +
                std::to_string(prompt.tokens.size()) + " tokens, at most " + std::to_string(room.max_tokens) +
                (prompt.dropped_messages > 0 ? ", without " + std::to_string(prompt.dropped_messages) + " messages that were to be left out" : "")};
  }
  if (prompt.tokens.empty()) return wrong("the prompt is empty");
  return prompt;
}

}  // namespace da::runner
