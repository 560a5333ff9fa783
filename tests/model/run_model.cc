#include "model/run_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace da::model::test {

Result<std::vector<float>> run_model(const std::shared_ptr<const gguf::File>& file, std::span<const int32_t> tokens,
                                     Output output, size_t chunk, const std::vector<int32_t>* wanted) {
  DA_ASSIGN_OR_RETURN(auto model, Model::load(file, on_one(make_backend())));
  const auto n_tokens = static_cast<int32_t>(tokens.size());
  const int32_t n_pages = n_tokens / backend::kPageTokens + 1;
  DA_RETURN_IF_ERROR(model->reserve(n_tokens, n_tokens));
  DA_ASSIGN_OR_RETURN(const auto kv, model->make_kv_cache(backend::KvType::kF32, n_pages));
  DA_RETURN_IF_ERROR(kv->grow(n_pages));
  std::vector<int32_t> pages(static_cast<size_t>(n_pages));
  std::iota(pages.begin(), pages.end(), 0);
  std::vector<float> all;
  if (chunk == 0) chunk = tokens.size();
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const auto part = tokens.subspan(begin, std::min(chunk, tokens.size() - begin));
    const backend::SequenceRows sequence{.first_row = 0,
                                         .n_rows = static_cast<int32_t>(part.size()),
                                         .first_position = static_cast<int32_t>(begin),
                                         .pages = pages,
                                         .is_far = model->is_far(n_tokens)};
    std::vector<int32_t> outputs;
    for (int32_t i = 0; i < sequence.n_rows; ++i) {
      const int32_t position = sequence.first_position + i;
      if (wanted == nullptr || std::find(wanted->begin(), wanted->end(), position) != wanted->end())
        outputs.push_back(i);
    }
    DA_ASSIGN_OR_RETURN(
        const backend::Activation* rows,
        model->forward({.token_ids = part, .sequences = {&sequence, 1}, .output_rows = outputs}, *kv, output));
    DA_ASSIGN_OR_RETURN(const backend::RowsView view, model->output_backend().read_rows(*rows));
    for (int64_t i = 0; i < view.n_rows; ++i) all.insert(all.end(), view.row(i).begin(), view.row(i).end());
  }
  return all;
}

double nmse(std::span<const float> found, std::span<const float> expected) {
  if (found.size() != expected.size()) return INFINITY;
  double error = 0, power = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    const double difference = static_cast<double>(found[i]) - static_cast<double>(expected[i]);
    error += difference * difference;
    power += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
  }
  return std::isnan(error) ? INFINITY : error / power;
}

}  // namespace da::model::test
