#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/kernels.h"
#include "backend/cuda/kv_pool.h"
#include "backend/cuda/launcher.h"
#include "backend/cuda/memory.h"
#include "backend/cuda/packing.h"
#include "backend/cuda/staging.h"
#include "backend/device_backend.h"
#include "base/thread_pool.h"

namespace da::backend::cuda {

class CudaVector : public Vector {
 public:
  DeviceMemory memory;
  const float* data() const { return memory.as<float>(); }
};

class CudaActivation : public Activation {
 public:
  ActivationArgs args() const { return {values, codes, meta, stride, width}; }
  DeviceMemory memory;
  float* values = nullptr;    // [max_rows][stride]
  int8_t* codes = nullptr;    // [max_rows][width], if a reader wants them
  QuantMeta* meta = nullptr;  // [max_rows][width / 32]
  int64_t stride = 0;         // width rounded up to 4
  mutable PinnedMemory host;  // what read_rows returned last
};

class CudaRouting : public Routing {
 public:
  DeviceMemory memory;
  int32_t* experts = nullptr;  // [max_rows][n_used]
  float* weights = nullptr;    // [max_rows][n_used]
  // Expert rows by expert, if there are many; see is_grouped().
  int32_t* order = nullptr;     // [max_rows * n_used]
  ExpertTile* tiles = nullptr;  // [most_tiles(max_rows * n_used)]
  // From two rows an expert on, reading an expert's weights once for its rows is worth more than spreading its rows.
  bool is_grouped() const { return n_rows * n_used >= 2 * n_experts && n_rows > kMaxVectorRows; }
  int32_t most_tiles(int32_t n_expert_rows) const {
    return (n_expert_rows + kExpertTileRows - 1) / kExpertTileRows + n_experts;
  }
};

// Angles of the batch's rows for one kind of rotation, in memory reserved at load.
struct RopeTable {
  const Vector* frequencies = nullptr;
  float magnitude = 1.0F;
  int32_t max_rows = 0;
  DeviceMemory memory;  // [max_rows][n_dims / 2][2]
  bool filled = false;  // for this batch
};

// Where a batch's description lies on the device: regions of fixed places, so that kernels' arguments stay the same
// from step to step.
struct BatchLayout {
  static constexpr int kTileKinds = 5;  // tiles of up to 1, 2, 4, 8, 16 rows
  int64_t max_rows = 0, max_pages = 0;
  // In int32 from the beginning of the region.
  int64_t position = 0, sequence = 0, far = 0, outputs = 0, first_page = 0, tiles[kTileKinds] = {}, pages = 0, size = 0;

  BatchLayout() = default;
  BatchLayout(int64_t rows, int64_t pages);
};

class CudaBackend : public Backend, public DeviceBackend {
 public:
  explicit CudaBackend(const CudaOptions& options);
  ~CudaBackend() override;
  Status open();

  std::string description() const override { return description_; }
  uint64_t device_bytes() const override { return ledger_.bytes(); }
  DeviceBytes bytes_by_kind() const override;
  Status fault() const override;
  void on_chunk(OnChunk on_chunk) override { on_chunk_ = std::move(on_chunk); }
  Result<std::unique_ptr<Weight>> load_weight(const gguf::Tensor& tensor, WeightUse use) override;
  Result<std::unique_ptr<Vector>> load_vector(std::span<const float> values) override;
  Result<std::unique_ptr<Activation>> make_activation(int64_t width, int32_t max_rows,
                                                      std::span<const Weight* const> readers) override;
  Result<std::unique_ptr<Routing>> make_routing(int32_t n_experts, int32_t n_used, int32_t max_rows, int64_t in_width,
                                                std::span<const Weight* const> readers) override;
  Result<std::unique_ptr<KvPool>> make_kv_pool(const KvSpec& spec) override;
  Status reserve_rotation(const Vector& frequencies, int32_t max_rows) override;
  Status reserve_reading(const Activation& activation) override;

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
  Status receive(Backend& source, const Activation& in, Activation& out) override;
  Status argmax(const Activation& in, std::span<int32_t> out) override;
  Status top_k(const Activation& in, int32_t k, std::span<Candidate> out) override;

 private:
  Status open_device();
  Status self_test();
  Status upload_planes(const gguf::Tensor& tensor, const CudaWeight& weight);
  Status reserve_batch(int64_t rows, int64_t pages);
  void describe_batch(const Batch& batch, int32_t* out) const;
  BatchArgs batch_args() const;
  Status upload_rows(const CudaActivation& out, const float* rows, int32_t n_rows, int64_t stride);
  void quantize(const CudaActivation& activation);
  void norm_pieces(const NormSpec& spec, const CudaActivation& in, const ActivationArgs& out, int64_t width,
                   int32_t n_rows);
  const float* rope_angles(const RopeSpec& spec);
  void product(const CudaActivation& in, const LinearSpec& spec, const CudaRouting* routing, int32_t rows_per_input,
               int32_t n_rows);
  Status wait();
  Result<bool> peer_works(CudaBackend& source);

  CudaOptions options_;
  std::string description_;
  Ledger ledger_;  // before all that is booked in it
  ThreadPool threads_;
  cudaStream_t stream_ = nullptr;
  Event done_;  // of the last read
  Launcher launcher_;
  Staging staging_;  // uploads, of weights and of batches
  OnChunk on_chunk_;
  int32_t max_shared_bytes_ = 0, n_processors_ = 0;

  Batch batch_;
  std::vector<int32_t> row_position_;  // [n_rows] of the batch
  BatchLayout layout_;
  DeviceMemory batch_memory_;
  std::array<int32_t, BatchLayout::kTileKinds> n_tiles_{};
  int32_t longest_tokens_ = 0;  // of the batch's sequences
  std::vector<std::unique_ptr<RopeTable>> rope_tables_;
  std::vector<float> embedded_;  // [n_rows][stride] what embed() has put into embed_target_ in this batch
  const Activation* embed_target_ = nullptr;
  DeviceMemory partial_;  // attention's parts
  // Runs what was launched and brings what it left in `choices_` to the host.
  Status fetch_choices(std::span<std::byte> out);
  DeviceMemory choices_;  // of argmax() and top_k(): [max_rows][kMaxTopK] candidates
  PinnedMemory choices_host_;
  std::vector<std::pair<int32_t, bool>> peers_;  // devices tried, and whether copies from them come out right
};

// What the operations' files share.
inline const CudaActivation& mine(const Activation& activation) {
  return static_cast<const CudaActivation&>(activation);
}
inline const CudaWeight& mine(const Weight& weight) { return static_cast<const CudaWeight&>(weight); }
inline const float* data_of(const Vector* vector) {
  return vector == nullptr ? nullptr : static_cast<const CudaVector*>(vector)->data();
}

}  // namespace da::backend::cuda
