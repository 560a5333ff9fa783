#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/kv_pool.h"
#include "backend/cpu/memory.h"
#include "backend/cpu/packing.h"
#include "base/thread_pool.h"

namespace da::backend::cpu {

class CpuVector : public Vector {
 public:
  Memory memory;  // [size rounded up to 16], zeros behind
  const float* data() const { return memory.floats(); }
};

class CpuActivation : public Activation {
 public:
  float* row(int64_t row_idx) const { return values.floats() + row_idx * stride; }
  QuantBlock* quantized_row(int64_t row_idx) const {
    return reinterpret_cast<QuantBlock*>(quantized.data()) + row_idx * quantized_stride;
  }
  Memory values;                 // [max_rows][stride]
  Memory quantized;              // [max_rows][quantized_stride] blocks, if a reader wants them
  int64_t stride = 0;            // width rounded up to 16
  int64_t quantized_stride = 0;  // width / 32, one more against cache set conflicts; 0: not wanted
};

// The rotation angles of a batch's rows, shared by all layers with the same frequencies.
struct RopeTable {
  const Vector* frequencies = nullptr;
  float magnitude = 0;
  std::vector<float> cos_sin;  // [n_rows][n_dims/2][2]
};

class CpuBackend : public Backend {
 public:
  CpuBackend(const KernelTable& kernels, int n_threads) : kernels_(kernels), pool_(n_threads) {}

  std::string description() const override;
  Result<std::unique_ptr<Weight>> load_weight(const gguf::Tensor& tensor, WeightUse use) override;
  Result<std::unique_ptr<Vector>> load_vector(std::span<const float> values) override;
  Result<std::unique_ptr<Activation>> make_activation(int64_t width, int32_t max_rows,
                                                      std::span<const Weight* const> readers) override;
  Result<std::unique_ptr<KvPool>> make_kv_pool(const KvSpec& spec) override;

  void begin(const Batch& batch) override;
  void embed(const Weight& weight, float scale, Activation& out) override;
  void norm(const Activation& in, const NormSpec& spec, Activation& out) override;
  void linear(const Activation& in, std::span<const LinearSpec> products) override;
  void rope_store(const RopeSpec& spec, int32_t layer_idx, Activation& query, Activation& key, const Activation& value,
                  KvPool& kv) override;
  void attention(const AttentionSpec& spec, int32_t layer_idx, const Activation& query, const KvPool& kv,
                 Activation& out) override;
  void gate(GateKind kind, const Activation& gate, const Activation& up, Activation& out) override;
  void select_outputs(const Activation& in, Activation& out) override;
  Result<RowsView> read_rows(const Activation& in) override;
  Status argmax(const Activation& in, std::span<int32_t> out) override;

 private:
  // Calls body(row) for each row, on all threads if rows times width is worth it.
  template <class Body>
  void for_rows(int32_t n_rows, int64_t width, const Body& body);
  void quantize_row(const CpuActivation& activation, int32_t row_idx);
  void norm_row(const NormSpec& spec, const float* in, int64_t n, float* out) const;
  const RopeTable& rope_table(const RopeSpec& spec);

  const KernelTable& kernels_;
  ThreadPool pool_;
  Batch batch_;
  std::vector<int32_t> row_sequence_, row_position_;  // [n_rows] of the batch
  std::vector<RopeTable> rope_tables_;                // emptied of meaning by begin()
  size_t n_rope_tables_ = 0;
  std::vector<AttentionJob> attention_jobs_;
  Memory attention_scratch_;  // [n_threads][attention_scratch_stride_]
  int64_t attention_scratch_stride_ = 0;
};

template <class Body>
void CpuBackend::for_rows(int32_t n_rows, int64_t width, const Body& body) {
  // Below this many values, waking the team costs more than it saves.
  constexpr int64_t kWorthThreads = 32 * 1024;
  if (n_rows < 2 || n_rows * width < kWorthThreads) {
    for (int32_t row = 0; row < n_rows; ++row) body(row);
    return;
  }
  const int64_t chunk = std::max<int64_t>(1, n_rows / (4 * pool_.n_threads()));
  pool_.parallel_for(n_rows, chunk, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) body(static_cast<int32_t>(row));
  });
}

}  // namespace da::backend::cpu
