#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/cpu_backend.h"
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
  QuantLongBlock* long_row(int64_t row_idx) const {
    return reinterpret_cast<QuantLongBlock*>(long_blocks.data()) + row_idx * long_stride;
  }
  Memory values;                 // [max_rows][stride]
  Memory quantized;              // [max_rows][quantized_stride] blocks, if a reader wants them
  Memory long_blocks;            // [max_rows][long_stride], likewise
  int64_t stride = 0;            // width rounded up to 16
  int64_t quantized_stride = 0;  // width / 32, one more against cache set conflicts; 0: not wanted
  int64_t long_stride = 0;       // width / kLongBlock, likewise
};

class CpuRouting : public Routing {
 public:
  // Assignment (row, choice) is number row * n_used + choice. Expert rows are sorted by expert, then by row.
  std::vector<int32_t> experts;             // [max_rows * n_used] of each assignment
  std::vector<float> weights;               // [max_rows * n_used]
  std::vector<int32_t> expert_rows;         // [max_rows * n_used] where each assignment's expert row lies
  std::vector<int32_t> source_rows;         // [max_rows * n_used] batch row of each expert row
  std::vector<int32_t> expert_begin;        // [n_experts + 1] expert rows of each expert
  std::unique_ptr<CpuActivation> gathered;  // batch rows in expert order
};

// A product ready to run.
struct LinearTask {
  LinearJob job;
  const PackedWeight* weight;
  int64_t part;
};

// What one node has of a task: groups from first_group on, until the next piece begins, in a queue of all nodes'
// shares.
struct LinearPiece {
  const LinearTask* task;
  int64_t first_group, queue_begin;
};

// With this many jobs of attention a thread, their sizes even out, and none is run in pieces.
inline constexpr int kJobsPerThread = 4;
// On 16 threads enough for 32 heads of 128 values at a depth of 500 thousand tokens.
inline constexpr int64_t kAttentionPartFloats = 128 * 1024;

// A job of attention, or one piece of it.
struct AttentionTask {
  AttentionJob job;                // the whole of it
  int32_t* pieces_left = nullptr;  // of a job run in pieces: how many are not done yet
  int32_t piece = 0;
};

// The rotation angles of a batch's rows, shared by all layers with the same frequencies.
struct RopeTable {
  const Vector* frequencies = nullptr;
  float magnitude = 0;
  std::vector<float> cos_sin;  // [n_rows][n_dims/2][2]
};

class CpuBackend : public Backend {
 public:
  CpuBackend(const KernelTable& kernels, int n_threads, const CpuOptions& options);

  std::string description() const override;
  Result<std::unique_ptr<Weight>> load_weight(const gguf::Tensor& tensor, WeightUse use) override;
  Result<std::unique_ptr<Vector>> load_vector(std::span<const float> values) override;
  Result<std::unique_ptr<Activation>> make_activation(int64_t width, int32_t max_rows,
                                                      std::span<const Weight* const> readers) override;
  Result<std::unique_ptr<Routing>> make_routing(int32_t n_experts, int32_t n_used, int32_t max_rows, int64_t in_width,
                                                std::span<const Weight* const> readers) override;
  Result<std::unique_ptr<KvPool>> make_kv_pool(const KvSpec& spec) override;

  void begin(const Batch& batch) override;
  void embed(const EmbedSpec& spec, Activation& out) override;
  void norm(const Activation& in, const NormSpec& spec, Activation& out) override;
  void linear(const Activation& in, std::span<const LinearSpec> products) override;
  void rope_store(const RopeSpec& spec, int32_t kv_layer_idx, Activation& query, Activation* key, Activation* value,
                  KvPool& kv) override;
  void attention(const AttentionSpec& spec, int32_t kv_layer_idx, const Activation& query, const KvPool& kv,
                 Activation& out) override;
  void gate(const GateSpec& spec, const Activation& gate, const Activation* up, Activation& out) override;
  void route(const RouteSpec& spec, const Activation& logits, Routing& routing) override;
  void expert_linear(const Activation& in, ExpertInput rows, const Routing& routing,
                     std::span<const LinearSpec> products) override;
  void expert_combine(const Activation& in, const Routing& routing, float scale, bool accumulate,
                      Activation& out) override;
  void add_gated(const Activation& in, const Activation& gate, Activation& out) override;
  void head_linear(const Activation& in, const Weight& weight, Activation& out) override;
  void latent_store(const LatentSpec& spec, int32_t kv_layer_idx, const Activation& query, Activation& latent,
                    KvPool& kv, Activation& absorbed) override;
  void scale(float factor, Activation& x) override;
  void soft_cap(float cap, Activation& x) override;
  void select_outputs(const Activation& in, Activation& out) override;
  Result<RowsView> read_rows(const Activation& in) override;
  Status write_rows(const RowsView& rows, Activation& out) override;
  Status argmax(const Activation& in, std::span<int32_t> out) override;

 private:
  // Calls body(row) for each row, on all threads if rows times width is worth it.
  template <class Body>
  void for_rows(int32_t n_rows, int64_t width, const Body& body);
  void quantize_row(const CpuActivation& activation, int32_t row_idx);
  void quantize_rows(const CpuActivation& activation);
  void norm_row(const NormSpec& spec, const float* in, int64_t n, float* out) const;
  Status reserve_mapped_scratch(const PackedWeight& weight);
  Status reserve_head_scratch(const PackedWeight& weight);
  void add_task(const LinearJob& job, const PackedWeight& weight, int64_t part);
  void run_groups(LinearJob job, const PackedWeight& weight, int64_t part, int64_t begin, int64_t end, int thread_idx);
  void run_tasks();  // and empties tasks_
  const RopeTable& rope_table(const RopeSpec& spec);
  void store_head(const CpuKvPool& pool, int32_t kv_layer_idx, int32_t head_idx, int32_t row, const float* key,
                  const float* value);

  const KernelTable& kernels_;
  const bool map_weights_;
  const CpuTopology& topology_;
  ThreadPool pool_;
  Batch batch_;
  std::vector<int32_t> row_sequence_, row_position_;  // [n_rows] of the batch
  std::vector<RopeTable> rope_tables_;                // emptied of meaning by begin()
  size_t n_rope_tables_ = 0;
  std::vector<LinearTask> tasks_;
  std::vector<LinearPiece> pieces_;
  uint64_t task_bytes_ = 0;  // weights the tasks read
  void run_attention_task(const AttentionTask& task, float* scratch) const;
  void split_attention_tasks();
  std::vector<AttentionTask> attention_tasks_;
  float* linear_scratch(int thread_idx) const { return linear_scratch_.floats() + thread_idx * kLinearScratchFloats; }

  Arena weights_;
  Memory linear_scratch_;  // [n_threads][kLinearScratchFloats]
  Memory mapped_scratch_;  // [n_threads][mapped_scratch_bytes_]: two groups of the largest mapped weight
  int64_t mapped_scratch_bytes_ = 0;
  Memory head_scratch_;  // [n_threads][head_scratch_bytes_], for head_linear
  int64_t head_scratch_bytes_ = 0;
  Memory attention_scratch_;  // [n_threads][attention_scratch_stride_]
  int64_t attention_scratch_stride_ = 0;
  Memory attention_parts_;                      // what pieces run apart leave: [n_threads][kAttentionPartFloats]
  std::vector<int32_t> attention_pieces_left_;  // [n_threads * kJobsPerThread] of each job run in pieces
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
