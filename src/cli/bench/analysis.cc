#include "cli/bench/analysis.h"

#include <algorithm>
#include <cstdio>
#include <future>
#include <utility>

#include "analysis/analysis.h"
#include "cli/bench/measure.h"
#include "cli/terminal.h"
#include "engine/grammar/grammar.h"
#include "engine/load.h"
#include "runner/chat_format.h"
#include "runner/options.h"
#include "runner/prompt.h"
#include "tokenizer/tokenizer.h"

namespace da::cli::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr int32_t kContextTokens = 8192;

// What the server and the runner make of a document before the engine sees it.
class Preparer {
 public:
  static Result<Preparer> make(const gguf::File& file, std::shared_ptr<const tokenizer::Tokenizer> tokenizer) {
    const auto written = [&](tokenizer::TokenId id) {
      return id >= 0 && id < tokenizer->n_tokens() ? std::string(tokenizer->written(id)) : std::string();
    };
    runner::Render render;
    if (const auto source = file.get_string("tokenizer.chat_template"); source.is_ok()) {
      DA_ASSIGN_OR_RETURN(render, runner::compile_jinja(*source, written(tokenizer->bos()), written(tokenizer->eos())));
    }
    const auto protocol = file.get_string("deepanalyze.protocol");
    return Preparer(protocol.is_ok() ? std::string(*protocol) : "",
                    runner::PromptBuilder(std::move(tokenizer), std::move(render), runner::compile_go));
  }

  Result<engine::GenerateRequest> request_of(const std::string& path) {
    DA_ASSIGN_OR_RETURN(std::string text, read_input(path));
    DA_ASSIGN_OR_RETURN(const analysis::Prepared prepared,
                        analysis::prepare({.text = std::move(text)}, protocol_, nlohmann::json::object()));
    const Json request = Json(prepared.runner_request);
    engine::GenerateRequest generate;
    DA_ASSIGN_OR_RETURN(runner::Prompt prompt, prompts_.build(request, {.max_tokens = kContextTokens - 1}));
    generate.prompt = std::move(prompt.tokens);
    DA_ASSIGN_OR_RETURN(const runner::RequestOptions options,
                        runner::parse_request_options(request.value("options", Json::object())));
    generate.sampling = options.sampling;
    if (generate.sampling.seed < 0) generate.sampling.seed = 1;
    generate.max_tokens = kContextTokens - static_cast<int32_t>(generate.prompt.size());
    if (options.num_predict > 0) generate.max_tokens = std::min(generate.max_tokens, options.num_predict);
    const Json& format = request.at("format");
    DA_ASSIGN_OR_RETURN(generate.grammar, grammar::Grammar::from_json_schema(
                                              format.is_string() ? format.get<std::string>() : format.dump(),
                                              request.value("source", std::string())));
    return generate;
  }

 private:
  Preparer(std::string protocol, runner::PromptBuilder prompts)
      : protocol_(std::move(protocol)), prompts_(std::move(prompts)) {}
  std::string protocol_;
  runner::PromptBuilder prompts_;
};

struct Run {
  std::vector<int32_t> tokens;
  double decode_seconds = 0, forward_share = 0;
  int64_t n_steps = 0, n_drafted = 0, n_accepted = 0;
};

Result<Run> run(engine::Engine& engine, engine::GenerateRequest request, bool speculates) {
  request.speculates = speculates;
  const engine::EngineStats before = engine.stats();
  request.name_space = std::to_string(before.steps);  // each on its own: nothing is found computed
  Run result;
  std::promise<engine::Update> promise;
  const auto id = engine.submit(std::move(request), [&](const engine::Update& update) {
    result.tokens.insert(result.tokens.end(), update.tokens.begin(), update.tokens.end());
    if (update.kind == engine::Update::Kind::kFinished) promise.set_value(update);
  });
  DA_RETURN_IF_ERROR(id.status());
  const engine::Update last = promise.get_future().get();
  DA_RETURN_IF_ERROR(last.error);
  result.decode_seconds = static_cast<double>(last.decode_ns) * 1e-9;
  const engine::EngineStats after = engine.stats();
  result.n_steps = after.steps - before.steps;
  result.n_drafted = after.drafted_tokens - before.drafted_tokens;
  result.n_accepted = after.accepted_tokens - before.accepted_tokens;
  result.forward_share = static_cast<double>(after.forward_ns - before.forward_ns) /
                         static_cast<double>(std::max<int64_t>(1, after.step_ns - before.step_ns));
  return result;
}

Result<AnalysisRow> measure(engine::Engine& engine, const std::string& path, const engine::GenerateRequest& request,
                            int repeat) {
  AnalysisRow row{.file = path};
  DA_ASSIGN_OR_RETURN(const Run first, run(engine, request, false));  // untimed
  row.n_tokens = static_cast<int64_t>(first.tokens.size());
  for (int i = 0; i < repeat; ++i) {
    DA_ASSIGN_OR_RETURN(const Run plain, run(engine, request, false));
    DA_ASSIGN_OR_RETURN(const Run speculative, run(engine, request, true));
    if (plain.tokens != first.tokens || speculative.tokens != first.tokens)
      return {ErrorCode::kInternal, "bench " + path + ": the answer is not the same each time"};
    row.plain_seconds.push_back(plain.decode_seconds);
    row.speculative_seconds.push_back(speculative.decode_seconds);
    row.n_drafted = speculative.n_drafted;
    row.n_accepted = speculative.n_accepted;
    row.plain_steps = plain.n_steps;
    row.speculative_steps = speculative.n_steps;
    row.plain_forward = plain.forward_share;
    row.speculative_forward = speculative.forward_share;
  }
  return row;
}

}  // namespace

double AnalysisRow::ratio() const { return median(plain_seconds) / median(speculative_seconds); }

Result<std::vector<AnalysisRow>> measure_analysis(std::shared_ptr<const gguf::File> file,
                                                  const AnalysisOptions& options) {
  DA_ASSIGN_OR_RETURN(const auto engine, engine::load_engine(file, {.context_tokens = kContextTokens,
                                                                    .max_sequences = 1,
                                                                    .n_threads = options.n_threads,
                                                                    .isa = options.isa}));
  DA_ASSIGN_OR_RETURN(Preparer preparer, Preparer::make(*file, engine->tokenizer()));
  std::vector<AnalysisRow> rows;
  for (const std::string& path : options.files) {
    DA_ASSIGN_OR_RETURN(const engine::GenerateRequest request, preparer.request_of(path));
    DA_ASSIGN_OR_RETURN(AnalysisRow row, measure(*engine, path, request, options.repeat));
    rows.push_back(std::move(row));
  }
  return rows;
}

Json to_json(const std::vector<AnalysisRow>& rows) {
  Json list = Json::array();
  for (const AnalysisRow& row : rows) {
    list.push_back({{"file", row.file},
                    {"tokens", row.n_tokens},
                    {"drafted", row.n_drafted},
                    {"accepted", row.n_accepted},
                    {"plain_steps", row.plain_steps},
                    {"speculative_steps", row.speculative_steps},
                    {"plain_forward_share", row.plain_forward},
                    {"speculative_forward_share", row.speculative_forward},
                    {"plain_seconds", row.plain_seconds},
                    {"speculative_seconds", row.speculative_seconds},
                    {"ratio", row.ratio()}});
  }
  return {{"analysis", std::move(list)}};
}

void print(const std::vector<AnalysisRow>& rows) {
  std::vector<std::vector<std::string>> table;
  const auto number = [](const char* format, double value) {
    char text[32];
    std::snprintf(text, sizeof text, format, value);
    return std::string(text);
  };
  for (const AnalysisRow& row : rows) {
    const auto n = static_cast<double>(row.n_tokens);
    table.push_back(
        {row.file, std::to_string(row.n_tokens), number("%.0f", n / median(row.plain_seconds)),
         number("%.0f", n / median(row.speculative_seconds)), number("%.2f", row.ratio()),
         std::to_string(row.n_accepted) + " of " + std::to_string(row.n_drafted),
         std::to_string(row.plain_steps) + " to " + std::to_string(row.speculative_steps),
         number("%.0f %%", 100 * row.plain_forward) + number(" to %.0f %%", 100 * row.speculative_forward)});
  }
  print_table({"DOCUMENT", "TOKENS", "PLAIN/S", "WITH GUESSES/S", "RATIO", "GUESSES RIGHT", "STEPS", "IN THE MODEL"},
              table);
}

}  // namespace da::cli::bench
