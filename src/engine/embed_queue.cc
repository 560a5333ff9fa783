#include "engine/embed_queue.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace da::engine {
namespace {

// Every text is a namespace of its own: its pages are never shared, and are zeros before another has them.
std::string name_space_of(Engine::RequestId id) { return "\x1E" + std::to_string(id); }

// Generative models that do not say end their thought at the last token.
model::Pooling pooling_of(const model::Hyperparameters& hyper) {
  const bool unsaid = hyper.pooling == model::Pooling::kUnspecified || hyper.pooling == model::Pooling::kNone;
  if (!unsaid) return hyper.pooling;
  return hyper.causal ? model::Pooling::kLast : model::Pooling::kMean;
}

}  // namespace

EmbedQueue::EmbedQueue(model::Model& model, KvPages& pages, int32_t batch_tokens)
    : model_(model), pages_(pages), batch_tokens_(batch_tokens), pooling_(pooling_of(model.hyper())) {}

void EmbedQueue::add(Engine::RequestId id, std::vector<int32_t> tokens, EmbedCallback callback) {
  jobs_.push_back(std::make_unique<Job>(Job{id, std::move(tokens), std::move(callback), Pooler(pooling_), {}, 0}));
}

void EmbedQueue::finish(Job& job, Result<std::vector<float>> result) {
  pages_.release(job.pages);
  job.pages.clear();
  std::exchange(job.callback, nullptr)(std::move(result));
}

void EmbedQueue::erase_finished() {
  std::erase_if(jobs_, [](const std::unique_ptr<Job>& job) { return job->callback == nullptr; });
}

void EmbedQueue::end(Engine::RequestId id, const Status& status) {
  for (const auto& job : jobs_) {
    if (job->id == id) finish(*job, status);
  }
  erase_finished();
}

void EmbedQueue::end_all(const Status& status) {
  for (const auto& job : jobs_) finish(*job, status);
  jobs_.clear();
}

void EmbedQueue::list_pages(std::vector<int32_t>& owned) const {
  for (const auto& job : jobs_) owned.insert(owned.end(), job->pages.begin(), job->pages.end());
}

bool EmbedQueue::wants_row(const Job& job, int32_t position) const {
  if (pooling_ == model::Pooling::kMean) return true;
  return pooling_ == model::Pooling::kCls ? position == 0 : position + 1 == static_cast<int32_t>(job.tokens.size());
}

std::vector<EmbedQueue::Part> EmbedQueue::build_batch(bool others_run) {
  std::vector<Part> parts;
  tokens_.clear();
  outputs_.clear();
  sequences_.clear();
  for (const auto& job : jobs_) {
    const int32_t room = batch_tokens_ - static_cast<int32_t>(tokens_.size());
    const int32_t n_rows = model_.hyper().causal ? std::min(job->n_left(), room) : job->n_left();
    if (n_rows > room || n_rows == 0) break;
    if (const Status status = pages_.give(name_space_of(job->id), job->pages, job->n_done + n_rows); !status.is_ok()) {
      // Whatever it holds may be what others wait for: it begins again later.
      pages_.release(job->pages);
      job->pages.clear();
      job->n_done = 0;
      job->pooler = Pooler(pooling_);
      if (parts.empty() && !others_run) finish(*job, status);
      break;
    }
    const auto first_row = static_cast<int32_t>(tokens_.size());
    const auto first = job->tokens.begin() + job->n_done;
    tokens_.insert(tokens_.end(), first, first + n_rows);
    const bool is_far = model_.is_far(static_cast<int32_t>(job->tokens.size()));
    sequences_.push_back({first_row, n_rows, job->n_done, job->pages, is_far});
    Part part{job.get(), n_rows, static_cast<int32_t>(outputs_.size()), 0};
    for (int32_t i = 0; i < n_rows; ++i) {
      if (wants_row(*job, job->n_done + i)) outputs_.push_back(first_row + i);
    }
    part.n_outputs = static_cast<int32_t>(outputs_.size()) - part.first_output;
    parts.push_back(part);
  }
  return parts;
}

Status EmbedQueue::step(bool others_run) {
  const std::vector<Part> parts = build_batch(others_run);
  Status status;
  if (!parts.empty()) {
    const auto hidden = model_.forward({.token_ids = tokens_, .sequences = sequences_, .output_rows = outputs_},
                                       pages_.pool(), model::Output::kHidden);
    Result<backend::RowsView> rows = hidden.is_ok() ? model_.output_backend().read_rows(**hidden) : hidden.status();
    status = rows.status();
    for (const Part& part : parts) {
      Job& job = *part.job;
      if (!rows.is_ok()) {
        finish(job, rows.status());
        continue;
      }
      for (int32_t i = 0; i < part.n_outputs; ++i) job.pooler.add(rows->row(part.first_output + i));
      job.n_done += part.n_rows;
      if (job.n_left() > 0) continue;
      std::vector<float> vector = job.pooler.take();
      const bool finite = std::all_of(vector.begin(), vector.end(), [](float value) { return std::isfinite(value); });
      normalize(vector);
      if (finite) {
        finish(job, std::move(vector));
      } else {
        ++n_not_finite_;
        finish(job, Status(ErrorCode::kInternal, "embedding contains NaN or Inf values"));
      }
    }
  }
  erase_finished();
  return status;
}

}  // namespace da::engine
