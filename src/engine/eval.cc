#include "engine/eval.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <numeric>

#include "backend/cpu/cpu_backend.h"
#include "model/model.h"

namespace da::engine {
namespace {

constexpr int32_t kDefaultChunkTokens = 512;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

Status io_error(const std::string& path) { return {ErrorCode::kIo, "write " + path + ": " + std::strerror(errno)}; }

}  // namespace

Status eval_logits(std::shared_ptr<const gguf::File> file, std::span<const int32_t> tokens, const EvalOptions& options,
                   const std::function<Status(std::span<const float> logits)>& row) {
  if (tokens.empty()) return {ErrorCode::kInvalidArgument, "eval: no tokens"};
  DA_ASSIGN_OR_RETURN(auto backend, backend::make_cpu_backend({.n_threads = options.n_threads, .isa = options.isa}));
  DA_ASSIGN_OR_RETURN(auto model, model::Model::load(std::move(file), std::move(backend)));
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= model->hyper().n_vocab) {
      return {ErrorCode::kInvalidArgument, "eval: token " + std::to_string(tokens[i]) + " at " + std::to_string(i) +
                                               " is outside the vocabulary of " +
                                               std::to_string(model->hyper().n_vocab)};
    }
  }
  const auto n_tokens = static_cast<int32_t>(tokens.size());
  const int32_t chunk = std::min(n_tokens, options.chunk_tokens > 0 ? options.chunk_tokens : kDefaultChunkTokens);
  std::vector<int32_t> pages(static_cast<size_t>((n_tokens + backend::kPageTokens - 1) / backend::kPageTokens));
  std::iota(pages.begin(), pages.end(), 0);
  std::vector<int32_t> all_rows(static_cast<size_t>(chunk));
  std::iota(all_rows.begin(), all_rows.end(), 0);
  DA_RETURN_IF_ERROR(model->reserve(chunk, chunk));
  DA_ASSIGN_OR_RETURN(auto kv, model->make_kv_pool(backend::KvType::kF32, static_cast<int32_t>(pages.size())));
  DA_RETURN_IF_ERROR(kv->grow(static_cast<int32_t>(pages.size())));

  for (int32_t begin = 0; begin < n_tokens; begin += chunk) {
    const int32_t n_rows = std::min(chunk, n_tokens - begin);
    const backend::SequenceRows sequence{.first_row = 0, .n_rows = n_rows, .first_position = begin, .pages = pages};
    const backend::Activation& logits =
        model->forward({.token_ids = tokens.subspan(static_cast<size_t>(begin), static_cast<size_t>(n_rows)),
                        .sequences = {&sequence, 1},
                        .output_rows = std::span(all_rows).first(static_cast<size_t>(n_rows))},
                       *kv);
    DA_ASSIGN_OR_RETURN(const backend::RowsView view, model->backend().read_rows(logits));
    for (int32_t i = 0; i < n_rows; ++i) DA_RETURN_IF_ERROR(row(view.row(i)));
  }
  return Status::ok();
}

Status eval_logits(const std::string& model_path, std::span<const int32_t> tokens, const std::string& isa,
                   const std::string& out_path, int32_t n_threads) {
  DA_ASSIGN_OR_RETURN(std::unique_ptr<gguf::File> opened, gguf::File::open(model_path));
  const std::shared_ptr<const gguf::File> file = std::move(opened);
  std::unique_ptr<std::FILE, CloseFile> out(std::fopen(out_path.c_str(), "wb"));
  if (!out) return io_error(out_path);
  DA_RETURN_IF_ERROR(
      eval_logits(file, tokens, {.isa = isa, .n_threads = n_threads}, [&](std::span<const float> logits) {
        return std::fwrite(logits.data(), sizeof(float), logits.size(), out.get()) == logits.size()
                   ? Status::ok()
                   : io_error(out_path);
      }));
  return std::fclose(out.release()) == 0 ? Status::ok() : io_error(out_path);
}

}  // namespace da::engine
