#include "engine/eval.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "backend/cpu/cpu_backend.h"
#include "engine/pooling.h"
#include "model/model.h"

namespace da::engine {
namespace {

constexpr int32_t kDefaultChunkTokens = 512;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

Status io_error(const std::string& path) { return {ErrorCode::kIo, "write " + path + ": " + std::strerror(errno)}; }

Result<std::unique_ptr<model::Model>> load_model(std::shared_ptr<const gguf::File> file, const EvalOptions& options) {
  model::Placement placement;
  if (options.place) {
    DA_ASSIGN_OR_RETURN(placement, options.place(*file));
    return model::Model::load(std::move(file), std::move(placement));
  }
  for (const int32_t n_layers : options.stage_layers.empty() ? std::vector<int32_t>{0} : options.stage_layers) {
    DA_ASSIGN_OR_RETURN(auto backend, backend::make_cpu_backend({.n_threads = options.n_threads, .isa = options.isa}));
    placement.push_back({std::move(backend), n_layers});
  }
  return model::Model::load(std::move(file), std::move(placement));
}

}  // namespace

Status eval_rows(std::shared_ptr<const gguf::File> file, std::span<const int32_t> tokens, model::Output output,
                 const EvalOptions& options, const std::function<Status(std::span<const float> row)>& row) {
  if (tokens.empty()) return {ErrorCode::kInvalidArgument, "eval: no tokens"};
  DA_ASSIGN_OR_RETURN(auto model, load_model(std::move(file), options));
  if (options.warn) {
    for (const std::string& warning : model->warnings()) options.warn(warning);
  }
  const bool wants_logits = output == model::Output::kLogits;
  if (wants_logits && !model->has_logits())
    return {ErrorCode::kUnsupported, "eval: the model has no output head, its hidden states are all it gives"};
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= model->hyper().n_vocab) {
      return {ErrorCode::kInvalidArgument, "eval: token " + std::to_string(tokens[i]) + " at " + std::to_string(i) +
                                               " is outside the vocabulary of " +
                                               std::to_string(model->hyper().n_vocab)};
    }
  }
  const auto n_tokens = static_cast<int32_t>(tokens.size());
  const int32_t wanted = options.chunk_tokens > 0 ? options.chunk_tokens : kDefaultChunkTokens;
  const int32_t chunk = model->hyper().causal ? std::min(n_tokens, wanted) : n_tokens;
  if (n_tokens > model->hyper().context_tokens) {
    return {ErrorCode::kInvalidArgument, "eval: " + std::to_string(n_tokens) + " tokens, the model's context holds " +
                                             std::to_string(model->hyper().context_tokens)};
  }
  std::vector<int32_t> pages(static_cast<size_t>((n_tokens + backend::kPageTokens - 1) / backend::kPageTokens));
  std::iota(pages.begin(), pages.end(), 0);
  std::vector<int32_t> all_rows(static_cast<size_t>(chunk));
  std::iota(all_rows.begin(), all_rows.end(), 0);
  DA_RETURN_IF_ERROR(model->reserve(chunk, wants_logits ? chunk : 1));
  DA_ASSIGN_OR_RETURN(auto kv, model->make_kv_cache(backend::KvType::kF32, static_cast<int32_t>(pages.size())));
  DA_RETURN_IF_ERROR(kv->grow(static_cast<int32_t>(pages.size())));

  for (int32_t begin = 0; begin < n_tokens; begin += chunk) {
    const int32_t n_rows = std::min(chunk, n_tokens - begin);
    const backend::SequenceRows sequence{
        .first_row = 0, .n_rows = n_rows, .first_position = begin, .pages = pages, .is_far = model->is_far(n_tokens)};
    DA_ASSIGN_OR_RETURN(
        const backend::Activation* result,
        model->forward({.token_ids = tokens.subspan(static_cast<size_t>(begin), static_cast<size_t>(n_rows)),
                        .sequences = {&sequence, 1},
                        .output_rows = std::span(all_rows).first(static_cast<size_t>(n_rows))},
                       *kv, output));
    DA_ASSIGN_OR_RETURN(const backend::RowsView view, model->output_backend().read_rows(*result));
    for (int32_t i = 0; i < n_rows; ++i) DA_RETURN_IF_ERROR(row(view.row(i)));
  }
  return Status::ok();
}

Status eval_to_file(const EvalToFile& what, std::span<const int32_t> tokens, const EvalOptions& options) {
  DA_ASSIGN_OR_RETURN(std::unique_ptr<gguf::File> opened, gguf::File::open(what.model_path));
  const std::shared_ptr<const gguf::File> file = std::move(opened);
  std::unique_ptr<std::FILE, CloseFile> out(std::fopen(what.out_path.c_str(), "wb"));
  if (!out) return io_error(what.out_path);
  const auto write = [&](std::span<const float> row) {
    return std::fwrite(row.data(), sizeof(float), row.size(), out.get()) == row.size() ? Status::ok()
                                                                                       : io_error(what.out_path);
  };
  Pooler pooler(what.pooling);
  DA_RETURN_IF_ERROR(eval_rows(file, tokens, what.output, options, [&](std::span<const float> row) {
    if (what.pooling == model::Pooling::kNone) return write(row);
    pooler.add(row);
    return Status::ok();
  }));
  if (what.pooling != model::Pooling::kNone) DA_RETURN_IF_ERROR(write(pooler.take()));
  return std::fclose(out.release()) == 0 ? Status::ok() : io_error(what.out_path);
}

}  // namespace da::engine
