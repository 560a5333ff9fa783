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

EmbedQueue::EmbedQueue(model::Model& model, KvPages& pages)
    : model_(model), pages_(pages), pooling_(pooling_of(model.hyper())) {}

void EmbedQueue::add(Engine::RequestId id, EmbedInput input, EmbedCallback callback) {
  const auto n_tokens = static_cast<int32_t>(input.tokens.size());
  EmbedText text{.id = id, .client = std::move(input.client), .priority = input.priority, .n_tokens = n_tokens};
  auto job =
      std::make_unique<Job>(Job{std::move(text), std::move(input.tokens), std::move(callback), Pooler(pooling_), {}});
  turns_.add(job.get());
  jobs_.emplace(id, std::move(job));
}

void EmbedQueue::release_pages(Job& job) {
  pages_.release(job.pages);
  begun_.erase(&job);
}

void EmbedQueue::finish(Job& job, Result<std::vector<float>> result) {
  release_pages(job);
  turns_.remove(&job);
  const auto done = jobs_.extract(job.id);
  done.mapped()->callback(std::move(result));
}

void EmbedQueue::end(Engine::RequestId id, const Status& status) {
  if (const auto found = jobs_.find(id); found != jobs_.end()) finish(*found->second, status);
}

void EmbedQueue::end_all(const Status& status) {
  while (!jobs_.empty()) finish(*jobs_.begin()->second, status);
}

void EmbedQueue::list_pages(std::vector<int32_t>& owned) const {
  for (const Job* job : begun_) owned.insert(owned.end(), job->pages.begin(), job->pages.end());
}

bool EmbedQueue::wants_row(const Job& job, int32_t position) const {
  if (pooling_ == model::Pooling::kMean) return true;
  return pooling_ == model::Pooling::kCls ? position == 0 : position + 1 == job.n_tokens;
}

// One that begins leaves those that have begun what they still need: or they would take it from each other for ever.
bool EmbedQueue::has_room_for(const Job& job) const {
  int32_t n_wanted = pages_for(job.n_tokens);
  for (const Job* other : begun_) n_wanted += pages_for(other->n_tokens) - static_cast<int32_t>(other->pages.size());
  return begun_.empty() || n_wanted <= pages_.n_available();
}

bool EmbedQueue::take_pages(Job& job, int32_t n_rows) {
  if (job.pages.empty() && !has_room_for(job)) return false;
  begun_.insert(&job);
  const Status status = pages_.give(name_space_of(job.id), job.pages, job.n_done + n_rows);
  if (status.is_ok()) return true;
  // Whatever it holds may be what others wait for: it begins again later.
  short_of_pages_ = status;
  release_pages(job);
  job.n_done = 0;
  job.pooler = Pooler(pooling_);
  return false;
}

const std::vector<EmbedTurns::Part>& EmbedQueue::plan(int32_t most_rows, const ClientShares& shares, bool others_run) {
  short_of_pages_ = Status::ok();
  EmbedText* lacking = nullptr;
  parts_ = turns_.plan(most_rows, !model_.hyper().causal, shares, [&](EmbedText& text, int32_t n_rows) {
    const bool taken = take_pages(static_cast<Job&>(text), n_rows);
    if (!taken && lacking == nullptr && !short_of_pages_.is_ok()) lacking = &text;
    return taken;
  });
  // Nobody has pages that may come free.
  if (parts_.empty() && lacking != nullptr && !others_run) finish(static_cast<Job&>(*lacking), short_of_pages_);
  return parts_;
}

Status EmbedQueue::compute(const std::atomic<bool>* stop) {
  tokens_.clear();
  outputs_.clear();
  sequences_.clear();
  std::vector<int32_t> first_outputs;
  for (const EmbedTurns::Part& part : parts_) {
    const Job& job = static_cast<const Job&>(*part.text);
    const auto first_row = static_cast<int32_t>(tokens_.size());
    const auto first = job.tokens.begin() + job.n_done;
    tokens_.insert(tokens_.end(), first, first + part.n_rows);
    sequences_.push_back({first_row, part.n_rows, job.n_done, job.pages, model_.is_far(job.n_tokens)});
    first_outputs.push_back(static_cast<int32_t>(outputs_.size()));
    for (int32_t i = 0; i < part.n_rows; ++i) {
      if (wants_row(job, job.n_done + i)) outputs_.push_back(first_row + i);
    }
  }
  const auto hidden = model_.forward({.token_ids = tokens_, .sequences = sequences_, .output_rows = outputs_},
                                     pages_.pool(), model::Output::kHidden, stop);
  if (hidden.code() == ErrorCode::kCancelled) return hidden.status();
  const Result<backend::RowsView> rows = hidden.is_ok() ? model_.output_backend().read_rows(**hidden) : hidden.status();
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (rows.is_ok()) {
      take_rows(parts_[i], first_outputs[i], *rows);
    } else {
      finish(static_cast<Job&>(*parts_[i].text), rows.status());
    }
  }
  return rows.status();
}

void EmbedQueue::take_rows(const EmbedTurns::Part& part, int32_t first_output, const backend::RowsView& rows) {
  Job& job = static_cast<Job&>(*part.text);
  int32_t output_idx = first_output;
  for (int32_t i = 0; i < part.n_rows; ++i) {
    if (wants_row(job, job.n_done + i)) job.pooler.add(rows.row(output_idx++));
  }
  job.n_done += part.n_rows;
  if (job.n_left() > 0) return;
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

}  // namespace da::engine
