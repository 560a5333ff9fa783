#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/support.h"

namespace da::backend::test {

// One layer of a model with 8-bit weights, made and run through the interface: enough to touch every kind of memory and
// kernel that a load and a step need.
class SmallModel {
 public:
  static constexpr int32_t kWidth = 64, kVocabulary = 40;

  SmallModel() {
    for (uint32_t i = 0; i < 5; ++i) {
      const uint64_t n_out = i == 0 ? kVocabulary : (i == 2 || i == 3 ? 32 : kWidth);
      blocks_.push_back(cpu::test::random_rows(gguf::TensorType::kQ8_0, static_cast<int64_t>(n_out) * kWidth, 50 + i));
      gguf::Tensor tensor;
      tensor.name = "w" + std::to_string(i);
      tensor.type = gguf::TensorType::kQ8_0;
      tensor.n_dims = 2;
      tensor.dims = {kWidth, n_out, 1, 1};
      tensors_.push_back(tensor);
    }
    for (size_t i = 0; i < tensors_.size(); ++i) {
      tensors_[i].size_bytes = blocks_[i].size();
      tensors_[i].data = blocks_[i];
    }
  }

  Status load(std::unique_ptr<Backend> backend, int32_t max_rows = 16, int32_t max_pages = 8) {
    backend_ = std::move(backend);
    DA_ASSIGN_OR_RETURN(table_, backend_->load_weight(tensors_[0], {.rows = true, .product = true}));
    DA_ASSIGN_OR_RETURN(wq_, backend_->load_weight(tensors_[1], {}));
    DA_ASSIGN_OR_RETURN(wk_, backend_->load_weight(tensors_[2], {}));
    DA_ASSIGN_OR_RETURN(wv_, backend_->load_weight(tensors_[3], {}));
    DA_ASSIGN_OR_RETURN(wo_, backend_->load_weight(tensors_[4], {}));
    DA_ASSIGN_OR_RETURN(norm_, backend_->load_vector(std::vector<float>(kWidth, 1.0F)));
    DA_ASSIGN_OR_RETURN(frequencies_, backend_->load_vector(std::vector<float>(8, 0.1F)));
    const std::vector<const Weight*> readers = {wq_.get(), wk_.get(), wv_.get(), wo_.get(), table_.get()};
    DA_ASSIGN_OR_RETURN(x_, backend_->make_activation(kWidth, max_rows, {}));
    DA_ASSIGN_OR_RETURN(h_, backend_->make_activation(kWidth, max_rows, readers));
    DA_ASSIGN_OR_RETURN(q_, backend_->make_activation(kWidth, max_rows, {}));
    DA_ASSIGN_OR_RETURN(k_, backend_->make_activation(32, max_rows, {}));
    DA_ASSIGN_OR_RETURN(v_, backend_->make_activation(32, max_rows, {}));
    DA_ASSIGN_OR_RETURN(attended_, backend_->make_activation(kWidth, max_rows, readers));
    DA_ASSIGN_OR_RETURN(out_, backend_->make_activation(kWidth, max_rows, readers));
    DA_ASSIGN_OR_RETURN(logits_, backend_->make_activation(kVocabulary, max_rows, {}));
    DA_ASSIGN_OR_RETURN(
        kv_, backend_->make_kv_pool({.layers = {{2, 16, 16}}, .type = KvType::kF16, .max_pages = max_pages}));
    DA_RETURN_IF_ERROR(backend_->reserve_rotation(*frequencies_, max_rows));
    DA_RETURN_IF_ERROR(backend_->reserve_reading(*logits_));
    return kv_->grow(max_pages);
  }

  // Logits of the last row of each sequence; sequence s begins at its own page s.
  const Activation& forward(const std::vector<int32_t>& n_rows_each, const std::vector<int32_t>& first_positions) {
    sequences_.clear();
    outputs_.clear();
    pages_.assign(n_rows_each.size(), {});
    int32_t n_rows = 0;
    for (size_t s = 0; s < n_rows_each.size(); ++s) {
      pages_[s] = {static_cast<int32_t>(s)};
      sequences_.push_back({n_rows, n_rows_each[s], first_positions[s], pages_[s]});
      n_rows += n_rows_each[s];
      outputs_.push_back(n_rows - 1);
    }
    tokens_.clear();  // each position has its token
    for (const SequenceRows& sequence : sequences_) {
      for (int32_t i = 0; i < sequence.n_rows; ++i) tokens_.push_back((sequence.first_position + i) * 13 % kVocabulary);
    }
    Backend& be = *backend_;
    const NormSpec rms{.kind = NormKind::kRms, .weight = norm_.get(), .eps = 1e-5F};
    be.begin({.token_ids = tokens_, .sequences = sequences_, .output_rows = outputs_});
    be.embed({.weight = table_.get()}, *x_);
    be.norm(*x_, rms, *h_);
    be.linear(*h_, {{{wq_.get(), q_.get()}, {wk_.get(), k_.get()}, {wv_.get(), v_.get()}}});
    be.rope_store({.kind = RopeKind::kNeox, .n_dims = 16, .frequencies = frequencies_.get()}, 0, *q_, k_.get(),
                  v_.get(), *kv_);
    be.attention({.n_heads = 4, .scale = 0.25F}, 0, *q_, *kv_, *attended_);
    be.linear(*attended_, {{{wo_.get(), x_.get(), nullptr, true}}});
    be.select_outputs(*x_, *out_);
    be.linear(*out_, {{{table_.get(), logits_.get()}}});
    return *logits_;
  }

  Backend& backend() { return *backend_; }

 private:
  std::vector<std::vector<std::byte>> blocks_;
  std::vector<gguf::Tensor> tensors_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Weight> table_, wq_, wk_, wv_, wo_;
  std::unique_ptr<Vector> norm_, frequencies_;
  std::unique_ptr<Activation> x_, h_, q_, k_, v_, attended_, out_, logits_;
  std::unique_ptr<KvPool> kv_;
  std::vector<int32_t> tokens_, outputs_;
  std::vector<std::vector<int32_t>> pages_;
  std::vector<SequenceRows> sequences_;
};

}  // namespace da::backend::test
