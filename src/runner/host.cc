#include "runner/host.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "runner/embedding.h"
#include "runner/gpu_report.h"

namespace da::runner {
namespace {

using Json = nlohmann::ordered_json;
using tokenizer::TokenId;

const Json& member(const Json& object, const char* key) {
  static const Json kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

bool flag(const Json& object, const char* key, bool fallback) {
  const Json& value = member(object, key);
  return value.is_boolean() ? value.get<bool>() : fallback;
}

// Names of the tools a request offers.
std::vector<std::string> tool_names(const Json& tools) {
  std::vector<std::string> names;
  for (const Json& tool : list_of(tools)) {
    if (!tool.is_object()) continue;
    const Json& function = member(tool, "function");
    if (function.is_object() && member(function, "name").is_string()) names.push_back(function["name"].get<std::string>());
  }
  return names;
}

}  // namespace

Json error_message(uint64_t id, const Status& status) {
  return {{"id", id}, {"type", "error"}, {"code", error_code_name(status.code())}, {"message", status.message()}};
}

struct Host::Running {
  std::optional<engine::Engine::RequestId> engine_id;   // under mutex_
  std::vector<TokenId> context;   // prompt and answer, if wanted; on the engine's thread once it runs
  bool wants_context = true;
  size_t prompt_tokens = 0;
  Json dropped;   // what the prompt lacks; null: nothing
  std::optional<chat::OutputParser> parser;   // on the engine's thread; none: the text is all content
  std::shared_ptr<const grammar::Grammar> grammar;
  std::string document;                       // what the grammar bound so far, to be checked once more at its end
};

namespace {

// The document against its grammar, from the first byte: what is told to be finished is sound.
Status check_document(const std::shared_ptr<const grammar::Grammar>& grammar, const std::string& document) {
  grammar::Matcher matcher(grammar);
  if (matcher.accept(document) && matcher.can_end() && Json::accept(document)) return Status::ok();
  return {ErrorCode::kCorruptData, "structured output: the answer ended before it was a complete document (a stop string in it?)"};
}

// Those of the texts that are control tokens of the vocabulary.
std::vector<TokenId> control_tokens(const tokenizer::Tokenizer& tokenizer, const std::vector<std::string>& texts) {
  std::vector<TokenId> found;
  for (const std::string& text : texts) {
    const std::vector<TokenId> ids = tokenizer.encode(text, {.add_special = false, .parse_special = true});
    if (ids.size() == 1 && tokenizer.kind(ids[0]) == tokenizer::TokenKind::kControl) found.push_back(ids[0]);
  }
  std::sort(found.begin(), found.end());
  return found;
}

// What the prompt lacks, in words of the reply; null: nothing.
Json dropped_json(const Prompt& prompt) {
  if (prompt.dropped_tokens == 0 && prompt.dropped_messages == 0) return nullptr;
  Json dropped = {{"tokens", prompt.dropped_tokens}, {"messages", prompt.dropped_messages}};
  if (prompt.cut_from > 0) dropped["from_token"] = prompt.cut_from;
  dropped["where"] = prompt.dropped_messages > 0 ? (prompt.cut_from > 0 ? "oldest messages and middle" : "oldest messages") : "middle";
  return dropped;
}

// Contexts' worth of tokens a request may write that shifts and names no limit.
constexpr int32_t kMostContextsWritten = 10;

PromptBuilder::Room room_of(const RequestOptions& options, int32_t context_tokens, bool adds_bos) {
  const auto keep = static_cast<size_t>(options.num_keep < 0 ? context_tokens : options.num_keep);
  const int32_t answer = options.num_predict > 0 ? options.num_predict : context_tokens / 4;
  return {.max_tokens = static_cast<size_t>(context_tokens) - 1, .answer_tokens = static_cast<size_t>(answer), .keep_tokens = keep + (adds_bos ? 1 : 0)};
}

}  // namespace

Host::Host(LoadedModel model, Send send, Logger log)
    : send_(std::move(send)),
      log_(std::move(log)),
      prompts_(model.tokenizer, model.render, model.compile_go),
      context_tokens_(model.context_tokens > 0 ? std::min(model.context_tokens, model.engine->context_tokens()) : model.engine->context_tokens()),
      model_(std::move(model)) {
  // The last word before a rest, so that nobody sees for minutes what was true a moment before it.
  model_.engine->set_on_rest([this] {
    send_stats(true);
    stats_sent_ = {};  // the next request's first news come with counts
  });
}

Host::~Host() { model_.engine.reset(); }

Result<std::shared_ptr<const grammar::Grammar>> Host::grammar_of(const Json& request) {
  const Json& format = member(request, "format");
  const Json& source = member(request, "source");
  const std::string_view source_text = source.is_string() ? std::string_view(source.get_ref<const std::string&>()) : "";
  if (format.is_null() || format == "") return std::shared_ptr<const grammar::Grammar>();
  if (format == "json") {
    if (any_object_ == nullptr) {
      DA_ASSIGN_OR_RETURN(any_object_, grammar::Grammar::any_json_object());
    }
    return any_object_;
  }
  if (format.is_object()) return grammar::Grammar::from_json_schema(format.dump(), source_text);
  // A schema as text keeps the order of its properties on the way through libraries that sort members.
  if (format.is_string() && format.get_ref<const std::string&>().starts_with('{')) {
    return grammar::Grammar::from_json_schema(format.get_ref<const std::string&>(), source_text);
  }
  return {ErrorCode::kInvalidArgument, R"(invalid format; expected "json" or a valid JSON Schema object)"};
}

Status Host::start(uint64_t id, const Json& request) {
  DA_ASSIGN_OR_RETURN(const RequestOptions options, parse_request_options(member(request, "options")));
  if (options.n_unknown > 0) log_.warn("options ignored", {{"request", id}, {"unknown", options.n_unknown}});
  // The pool is shared: a longer context than the others' is a matter of pages, not of a new load.
  int32_t context_tokens = context_tokens_;
  if (options.num_ctx > 0) context_tokens = std::min(model_.engine->context_tokens(), std::max(options.num_ctx, 4));
  if (options.num_ctx > context_tokens) {
    log_.warn("num_ctx is more than there is", {{"request", id}, {"num_ctx", options.num_ctx}, {"context_tokens", context_tokens}});
  }

  engine::GenerateRequest generate;
  DA_ASSIGN_OR_RETURN(generate.grammar, grammar_of(request));
  DA_ASSIGN_OR_RETURN(Prompt prompt, prompts_.build(request, room_of(options, context_tokens, model_.tokenizer->adds_bos())));
  const auto n_prompt = static_cast<int32_t>(prompt.tokens.size());
  generate.context_tokens = context_tokens;
  generate.shift = flag(request, "shift", false);
  generate.keep_tokens = options.num_keep < 0 ? n_prompt : options.num_keep + (model_.tokenizer->adds_bos() ? 1 : 0);
  // One that shifts would never end by itself.
  generate.max_tokens = generate.shift ? static_cast<int32_t>(std::min<int64_t>(kMostContextsWritten * int64_t{context_tokens}, INT32_MAX)) : context_tokens - n_prompt;
  if (options.num_predict > 0) generate.max_tokens = std::min(generate.max_tokens, options.num_predict);
  if (const Json& priority = member(request, "priority"); priority.is_number_integer()) generate.priority = std::clamp(priority.get<int32_t>(), -1, 1);
  generate.sampling = options.sampling;
  generate.stop = options.stop;
  if (const Json& name_space = member(request, "namespace"); name_space.is_string()) generate.name_space = name_space.get<std::string>();

  auto running = std::make_shared<Running>();
  running->wants_context = flag(request, "return_context", true);
  running->prompt_tokens = prompt.tokens.size();
  running->dropped = dropped_json(prompt);
  if (running->wants_context) running->context = prompt.tokens;
  // What a grammar binds is content from its first byte; raw text and models without a template have no markers.
  const Json& own_template = member(request, "template");
  const std::string& source = own_template.is_string() ? own_template.get_ref<const std::string&>() : model_.template_source;
  if (!source.empty() && generate.grammar == nullptr && !flag(request, "raw", false)) {
    chat::OutputFormat format = chat::detect_output_format(source, prompt.tail);
    std::vector<std::string> tools = tool_names(member(request, "tools"));
    if (tools.empty()) format.forget_tools();
    generate.written_tokens = control_tokens(*model_.tokenizer, format.markers());
    if (format.is_marked()) running->parser.emplace(std::move(format), std::move(tools), flag(request, "tool_call_pieces", false));
  }
  running->grammar = generate.grammar;
  generate.prompt = std::move(prompt.tokens);
  {
    const std::lock_guard lock(mutex_);
    if (!running_.emplace(id, running).second) return {ErrorCode::kInvalidArgument, "generate: the id is in use"};
  }
  log_.debug("generate", {{"request", id}, {"prompt_tokens", n_prompt}, {"max_tokens", generate.max_tokens},
                          {"dropped_tokens", prompt.dropped_tokens}});
  const auto submitted = model_.engine->submit(
      std::move(generate), [this, id, running](const engine::Update& update) { on_update(id, *running, update); });
  const std::lock_guard lock(mutex_);
  if (!submitted.is_ok()) {
    running_.erase(id);
    return submitted.status();
  }
  running->engine_id = *submitted;
  return Status::ok();
}

void Host::generate(uint64_t id, const Json& request) {
  const Status status = start(id, request);
  if (!status.is_ok()) send_(error_message(id, status));
}

void Host::send_text(uint64_t id, const engine::Update& update, chat::OutputDelta delta) {
  if (delta.empty()) return;
  Json message = {{"id", id}, {"type", "text"}, {"text", std::move(delta.content)}, {"tokens", update.tokens}, {"generated", update.generated_tokens}};
  if (!delta.thinking.empty()) message["thinking"] = std::move(delta.thinking);
  if (!delta.tool_calls.empty()) {
    Json calls = chat::message_to_json({.role = "assistant", .tool_calls = std::move(delta.tool_calls)})["tool_calls"];
    // As text: an object's members would be sorted on the other side.
    for (Json& call : calls) call["function"]["arguments"] = call["function"]["arguments"].dump(-1, ' ', false, Json::error_handler_t::replace);
    message["tool_calls"] = std::move(calls);
  }
  for (chat::ToolCallDelta& piece : delta.call_pieces) {
    Json json = {{"index", piece.index}, {"arguments", std::move(piece.arguments)}};
    if (!piece.name.empty()) json["name"] = std::move(piece.name);
    if (!piece.id.empty()) json["id"] = std::move(piece.id);
    message["tool_call_pieces"].push_back(std::move(json));
  }
  send_(message);
}

void Host::on_update(uint64_t id, Running& running, const engine::Update& update) {
  switch (update.kind) {
    case engine::Update::Kind::kPrefill:
      send_({{"id", id}, {"type", "prefill"}, {"done", update.prompt_tokens_done}, {"total", update.prompt_tokens_total}});
      send_stats(false);
      return;
    case engine::Update::Kind::kText:
      if (running.grammar != nullptr) running.document += update.text;
      if (running.wants_context) running.context.insert(running.context.end(), update.tokens.begin(), update.tokens.end());
      send_text(id, update, running.parser ? running.parser->push(update.text) : chat::OutputDelta{.content = update.text});
      send_stats(false);
      return;
    case engine::Update::Kind::kFinished:
      break;
  }
  {
    const std::lock_guard lock(mutex_);
    running_.erase(id);
  }
  send_stats(true);   // before the last message: who has its answer finds it counted
  if (update.reason == engine::FinishReason::kError) {
    send_(with_lost_gpus(error_message(id, update.error)));
    return;
  }
  if (running.grammar != nullptr && update.reason == engine::FinishReason::kStop) {
    if (const Status status = check_document(running.grammar, running.document); !status.is_ok()) {
      send_(error_message(id, status));
      return;
    }
  }
  if (running.parser) send_text(id, update, running.parser->finish());
  std::string_view reason = "stop";
  if (update.reason == engine::FinishReason::kLength) reason = "length";
  if (update.reason == engine::FinishReason::kCancelled) reason = "cancelled";
  Json done = {{"id", id},
               {"type", "done"},
               {"reason", reason},
               {"prompt_tokens", running.prompt_tokens},
               {"generated_tokens", update.generated_tokens},
               {"cached_tokens", update.cached_tokens},
               {"prefill_ns", update.prefill_ns},
               {"decode_ns", update.decode_ns}};
  if (!running.dropped.is_null()) done["dropped"] = running.dropped;
  if (update.shifted_tokens > 0) done["shifted_tokens"] = update.shifted_tokens;
  if (running.wants_context) done["context"] = running.context;
  send_(done);
}

Json Host::stats() const {
  const engine::EngineStats stats = model_.engine->stats();
  Json message = {{"id", 0},
          {"type", "stats"},
          {"memory_bytes", model_.engine->memory_bytes()},
          {"device_bytes", model_.engine->device_bytes()},
          {"running", stats.running},
          {"waiting", stats.waiting},
          {"kv_pages_in_use", stats.pages_in_use},
          {"kv_pages_retained", stats.pages_retained},
          {"kv_pages_committed", stats.pages_committed},
          {"kv_pages_max", stats.pages_max},
          {"prompt_tokens", stats.prompt_tokens},
          {"cached_tokens", stats.cached_tokens},
          {"generated_tokens", stats.generated_tokens},
          {"drafted_tokens", stats.drafted_tokens},
          {"accepted_tokens", stats.accepted_tokens},
          {"preemptions", stats.preemptions},
          {"not_finite", stats.not_finite},
          {"evicted_pages", stats.evicted_pages},
          {"held", stats.held},
          {"steps", stats.steps},
          {"step_ns", stats.step_ns},
          {"forward_ns", stats.forward_ns},
          {"host_weight_bytes", stats.host_weight_bytes},
          {"host_buffer_bytes", stats.host_buffer_bytes},
          {"host_kv_bytes", stats.host_kv_bytes}};
  size_t gpu_idx = 0;   // as the ready message lists them
  for (const placement::PlannedGpu& gpu : model_.gpus) {
    const std::string prefix = "gpu" + std::to_string(gpu_idx++);
    const auto bytes = gpu.backend != nullptr ? gpu.backend->bytes_by_kind() : backend::DeviceBytes();
    message[prefix + "_weight_bytes"] = bytes.weights;
    message[prefix + "_kv_bytes"] = bytes.kv;
    message[prefix + "_buffer_bytes"] = bytes.buffers;
  }
  return message;
}

// An error's message, on the engine's thread: which GPUs are to blame, if any.
Json Host::with_lost_gpus(Json message) const {
  if (message["type"] != "error" || message["code"] != error_code_name(ErrorCode::kUnavailable)) return message;
  std::vector<placement::UnusableGpu> lost;
  for (const placement::PlannedGpu& gpu : model_.gpus) {
    const Status fault = gpu.backend != nullptr ? gpu.backend->fault() : Status::ok();
    if (!fault.is_ok()) lost.push_back({gpu.gpu, fault});
  }
  if (!lost.empty()) message["lost_gpus"] = gpu_faults_json(lost);
  return message;
}

Json Host::gpus() const {
  Json gpus = Json::array();
  for (const placement::PlannedGpu& gpu : model_.gpus)
    gpus.push_back({{"uuid", gpu.gpu.uuid}, {"free_bytes", gpu.gpu.memory_free_bytes}});
  return gpus;
}

void Host::send_stats(bool now) {
  const auto time = std::chrono::steady_clock::now();
  if (!now && time - stats_sent_ < std::chrono::milliseconds(500)) return;
  stats_sent_ = time;
  send_(stats());
}

Status Host::start_embedding(uint64_t id, const Json& request) {
  DA_ASSIGN_OR_RETURN(const RequestOptions options, parse_request_options(member(request, "options")));
  int32_t context_tokens = model_.engine->context_tokens();
  if (options.num_ctx > 0) context_tokens = std::min(context_tokens, std::max(options.num_ctx, 4));
  DA_ASSIGN_OR_RETURN(auto inputs, embed_inputs(request, *model_.tokenizer, static_cast<size_t>(context_tokens)));
  log_.debug("embed", {{"request", id}, {"texts", inputs.tokens.size()}});
  auto run = std::make_shared<EmbedRun>(id, *model_.engine, [this, id](const Json& message) {
    {
      const std::lock_guard lock(mutex_);
      embedding_.erase(id);
    }
    send_(with_lost_gpus(message));
  });
  {
    const std::lock_guard lock(mutex_);
    if (!embedding_.emplace(id, run).second) return {ErrorCode::kInvalidArgument, "embed: the id is in use"};
  }
  run->start(std::move(inputs));
  return Status::ok();
}

void Host::embed(uint64_t id, const Json& request) {
  const Status status = start_embedding(id, request);
  if (!status.is_ok()) send_(error_message(id, status));
}

void Host::hold(uint64_t id, bool held) {
  std::optional<engine::Engine::RequestId> engine_id;
  {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(id);
    if (found != running_.end()) engine_id = found->second->engine_id;
  }
  if (engine_id) model_.engine->hold(*engine_id, held);
}

void Host::configure(const Json& request) {
  const Json& target = member(request, "latency_target_ms");
  if (target.is_number_integer()) model_.engine->set_latency_target(std::chrono::milliseconds(std::max<int64_t>(target.get<int64_t>(), 0)));
}

void Host::tokenize(uint64_t id, const Json& request) {
  const Json& text = member(request, "text");
  if (!text.is_string()) {
    send_(error_message(id, {ErrorCode::kInvalidArgument, "tokenize: text must be a string"}));
    return;
  }
  const tokenizer::EncodeOptions options{.add_special = flag(request, "bos", false), .parse_special = flag(request, "special", false)};
  send_({{"id", id}, {"type", "tokens"}, {"tokens", model_.tokenizer->encode(text.get_ref<const std::string&>(), options)}});
}

void Host::cancel(uint64_t id) {
  std::optional<engine::Engine::RequestId> engine_id;
  std::shared_ptr<EmbedRun> embedding;
  {
    const std::lock_guard lock(mutex_);
    const auto embedding_found = embedding_.find(id);
    if (embedding_found != embedding_.end()) embedding = embedding_found->second;
    const auto found = running_.find(id);
    if (found != running_.end()) engine_id = found->second->engine_id;
  }
  if (engine_id) model_.engine->cancel(*engine_id);
  if (embedding) embedding->cancel();
}

}  // namespace da::runner
