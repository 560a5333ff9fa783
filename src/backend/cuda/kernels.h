#pragma once

#include "backend/cuda/arguments.h"
#include "backend/cuda/launcher.h"

// What the kernels' sources offer the host: each launches on the launcher's stream and returns at once.
namespace da::backend::cuda {

// How a weight lies on the device; see packing.h.
enum class PackedFormat : uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K
};

inline constexpr int32_t kMaxExperts = 1024;
inline constexpr int32_t kMaxHeadDim = 576;
// Rows up to which the vector kernels take them all at once.
inline constexpr int32_t kMaxVectorRows = 8;

void launch_norm(Launcher& launcher, const NormArgs& args, int32_t n_pieces, int32_t n_rows);
void launch_quantize(Launcher& launcher, const QuantizeArgs& args, int32_t n_rows);
void launch_elementwise(Launcher& launcher, const ElementwiseArgs& args, int32_t n_rows);
void launch_add_gated(Launcher& launcher, const AddGatedArgs& args, int32_t n_rows);
void launch_select(Launcher& launcher, const SelectArgs& args, int32_t n_rows);
void launch_combine(Launcher& launcher, const CombineArgs& args, int32_t n_rows);
void launch_argmax(Launcher& launcher, const ArgmaxArgs& args, int32_t n_rows);
void launch_top_k(Launcher& launcher, const TopKArgs& args, int32_t n_rows);
void launch_route(Launcher& launcher, const RouteArgs& args, int32_t n_rows);
void launch_group(Launcher& launcher, const GroupArgs& args);
void launch_rope_table(Launcher& launcher, const RopeTableArgs& args, int32_t n_rows);
void launch_rope_store(Launcher& launcher, const RopeStoreArgs& args, int32_t n_rows);

// Query vectors a block takes; 0: heads of these sizes are not supported.
int32_t attention_queries_per_tile(int32_t key_dim, int32_t value_dim);
void launch_attention(Launcher& launcher, const AttentionArgs& args, int32_t n_tiles);

// Vector: up to kMaxVectorRows rows, or any number of expert rows. Matrix: any number of rows; of experts `n_tiles`
// tiles as launch_group lists them, otherwise 0.
void float_vector(Launcher& launcher, PackedFormat format, const LinearArgs& args);
void float_matrix(Launcher& launcher, PackedFormat format, const LinearArgs& args, int32_t n_tiles);
void float_heads(Launcher& launcher, PackedFormat format, const HeadLinearArgs& args, int32_t n_heads);
void legacy_vector(Launcher& launcher, PackedFormat format, const LinearArgs& args);
void legacy_matrix(Launcher& launcher, PackedFormat format, const LinearArgs& args, int32_t n_tiles);
void legacy_heads(Launcher& launcher, PackedFormat format, const HeadLinearArgs& args, int32_t n_heads);
void k_vector(Launcher& launcher, PackedFormat format, const LinearArgs& args);
void k_matrix(Launcher& launcher, PackedFormat format, const LinearArgs& args, int32_t n_tiles);
void k_heads(Launcher& launcher, PackedFormat format, const HeadLinearArgs& args, int32_t n_heads);

}  // namespace da::backend::cuda
