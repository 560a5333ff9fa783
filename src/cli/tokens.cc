// tokenize, detokenize, eval, render: what scripts and tests rely on; they load the model file themselves.
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "base/utf8.h"
#include "chat/render_command.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "engine/eval.h"
#include "gguf/gguf.h"
#include "placement/place.h"
#include "store/store.h"
#include "tokenizer/tokenizer.h"

namespace da::cli {
namespace {

using Json = nlohmann::ordered_json;

// The GGUF file behind a model name or path.
Result<std::string> model_path(const std::string& model) {
  const store::Store store(store::Store::default_root(), {{"starter", bundled_model_path()}});
  DA_ASSIGN_OR_RETURN(const store::ModelInfo info, store.resolve(model));
  return info.gguf_path;
}

Result<std::unique_ptr<tokenizer::Tokenizer>> load_tokenizer(const std::string& model) {
  DA_ASSIGN_OR_RETURN(const std::string path, model_path(model));
  DA_ASSIGN_OR_RETURN(const auto file, gguf::File::open(path));
  return tokenizer::Tokenizer::from_gguf(*file);
}

Result<std::vector<tokenizer::TokenId>> parse_ids(std::string_view text) {
  std::vector<tokenizer::TokenId> ids;
  while (!text.empty()) {
    tokenizer::TokenId id = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc()) return Status(ErrorCode::kInvalidArgument, "--tokens: expected token ids separated by commas, e.g. 1,2,3");
    ids.push_back(id);
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    if (!text.empty() && text[0] != ',') return Status(ErrorCode::kInvalidArgument, "--tokens: expected token ids separated by commas, e.g. 1,2,3");
    if (!text.empty()) text.remove_prefix(1);
  }
  return ids;
}

Status tokenize_stdin(const TokenizeOptions& options) {
  DA_ASSIGN_OR_RETURN(const auto tokenizer, load_tokenizer(options.model));
  DA_ASSIGN_OR_RETURN(const std::string text, read_input("-", 1U << 30));
  const auto ids = tokenizer->encode(text, {.add_special = options.bos, .parse_special = options.special});
  std::puts(Json(ids).dump().c_str());
  return Status::ok();
}

Status detokenize_stdin(const std::string& model) {
  DA_ASSIGN_OR_RETURN(const auto tokenizer, load_tokenizer(model));
  DA_ASSIGN_OR_RETURN(const std::string text, read_input("-", 1U << 30));
  const Json json = Json::parse(text, nullptr, false);
  std::vector<tokenizer::TokenId> ids;
  if (!json.is_array()) return {ErrorCode::kInvalidArgument, "stdin: expected a JSON array of token ids"};
  for (const Json& id : json) {
    if (!id.is_number_integer()) return {ErrorCode::kInvalidArgument, "stdin: expected a JSON array of token ids"};
    ids.push_back(id.get<tokenizer::TokenId>());
  }
  DA_ASSIGN_OR_RETURN(const std::string bytes, tokenizer->detokenize(ids));
  std::fwrite(bytes.data(), 1, bytes.size(), stdout);
  return Status::ok();
}

Status eval_to_file(const EvalOptions& options) {
  DA_ASSIGN_OR_RETURN(const auto ids, parse_ids(options.tokens));
  DA_ASSIGN_OR_RETURN(const std::string path, model_path(options.model));
  engine::EvalToFile what{.model_path = path, .out_path = options.out};
  if (options.what == "embed") {
    what.output = model::Output::kHidden;
    if (options.pooling == "mean") what.pooling = model::Pooling::kMean;
    if (options.pooling == "cls") what.pooling = model::Pooling::kCls;
    if (options.pooling == "last") what.pooling = model::Pooling::kLast;
  }
  const auto warn = [](const std::string& warning) { std::fprintf(stderr, "warning: %s\n", warning.c_str()); };
  engine::EvalOptions eval{.isa = options.isa, .n_threads = options.threads, .warn = warn};
  if (options.gpu_layers != 0) {
    const auto gpus = std::make_shared<placement::Gpus>(
        placement::open_gpus(backend::GpuPluginSearch::from_environment(), {.n_threads = options.threads}));
    DA_RETURN_IF_ERROR(gpus->fault);
    if (gpus->open.empty()) return {ErrorCode::kUnavailable, gpus->none};
    for (const placement::UnusableGpu& gpu : gpus->unusable) warn(gpu.why.message());
    const auto rows = static_cast<int32_t>(std::min<size_t>(ids.size(), 512));
    const auto pages = static_cast<int32_t>((ids.size() + backend::kPageTokens - 1) / backend::kPageTokens);
    eval.place = [gpus, &options, rows, pages, n_tokens = static_cast<int32_t>(ids.size())](const gguf::File& file) -> Result<model::Placement> {
      DA_ASSIGN_OR_RETURN(auto placed, placement::place(file, gpus.get(),
                                                        {.wishes = {.gpu_layers = options.gpu_layers},
                                                         .meter = {.max_rows = rows,
                                                                   .max_logit_rows = rows,
                                                                   .whole_text_rows = n_tokens,
                                                                   .kv_type = backend::KvType::kF32,
                                                                   .max_pages = pages,
                                                                   .n_pages = pages},
                                                         .cpu = {.n_threads = options.threads, .isa = options.isa}}));
      std::fprintf(stderr, "%s\n", placed.why.c_str());
      return std::move(placed.stages);
    };
  }
  return engine::eval_to_file(what, ids, eval);
}

int finish(const Status& status) { return status.is_ok() ? 0 : fail(status); }

}  // namespace

int tokenize(const TokenizeOptions& options) { return finish(tokenize_stdin(options)); }
int detokenize(const std::string& model) { return finish(detokenize_stdin(model)); }
int eval(const EvalOptions& options) { return finish(eval_to_file(options)); }

int render(const RenderOptions& options) {
  const auto variables = read_input("-");
  if (!variables.is_ok()) return fail(variables.status());
  const auto text = chat::render_file(options.file, options.engine, *variables);
  if (!text.is_ok()) return fail(text.status());
  std::fwrite(text->data(), 1, text->size(), stdout);
  return 0;
}

}  // namespace da::cli
