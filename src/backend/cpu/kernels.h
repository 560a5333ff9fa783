#pragma once

#include <cstdint>

// The kernels of one instruction set, as plain structs and function pointers. This header goes into sources compiled
// with instruction set flags: it must include nothing but <cstdint> and define no inline functions.
namespace da::backend::cpu {

// How a packed weight keeps its values. Rows are taken in groups of `lanes`, one row to a vector lane. Integer formats
// keep, for each 32 columns of a group, 8 code vectors (vector v, lane r: 4 bytes, the columns 4v .. 4v+3 of row r)
// split into bit planes, and beside them their scales; see packing.h.
enum class PackedFormat : uint8_t {
  // [group][n_in][lanes]
  kF32,
  kF16,
  kBF16,
  // A float16 scale (and minimum) for 32 columns.
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  // float16 d (and d_min) for 256 columns, integer scales for 16 or 32.
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  // 4-bit codes of a table: as Q4_0, as Q4_K without a minimum, and with a bfloat16 scale for 32 columns.
  kIQ4_NL,
  kIQ4_XS,
  kMXFP4,
  // The file's rows as they are, each group's one after the other: unpacked tile by tile at every product.
  kCoded,
};
inline constexpr int kPackedFormats = 17;

// The bits of the float 1.5 * 2^23: an integer of fewer than 22 bits added to them is that float plus the integer. Sums
// of products start from here and become floats, scaled, by one fused multiply-add.
inline constexpr int32_t kSumBias = 0x4B400000;

// 32 activations rounded to 8 bits: value = scale * code. The sums serve weights with a zero point or a minimum.
struct alignas(64) QuantBlock {
  int8_t codes[32];
  float scale;
  float scale_bias;          // -scale * 1.5 * 2^23
  int32_t first_sum;         // kSumBias - 128 * (sum of codes)
  int32_t first_sum16[2];    // the same, of each half
  float negative_value_sum;  // -(sum of scale * codes)
};

// Where sums begin that become floats as they are: the bits of the float 2^23 + 2^21. The bias goes on through all
// sums of kLongBlock columns, each times its weight scale, and is taken off at once; integers of up to 21 bits fit
// beside it.
inline constexpr int32_t kChainBias = 0x4B200000;
inline constexpr float kChainBiasValue = 10485760.0F;

// This many activations rounded to 8 bits with one scale, for weights in blocks of 256: value = scale * code. With 256
// to a scale, as in llama.cpp, results err half as much again for hardly less work. The sums serve weights with
// a zero point (32 bits) or a minimum (16 bits, two to a product).
inline constexpr int kLongBlock = 128;
struct alignas(16) QuantLongBlock {
  int8_t codes[kLongBlock];
  int32_t first_sums16[kLongBlock / 16];  // kChainBias - 128 * (sum of codes), of each 16
  int32_t first_sums32[kLongBlock / 32];  // the same, of each 32
  int16_t sums16[kLongBlock / 16];        // sum of codes, of each 16
  int16_t sums32[kLongBlock / 32];
  float scale;
};

// Some columns of a group of coded rows, to become 8-bit codes in code vectors (as kQ8_0 packs them), `codes_step`
// bytes apart, and float32 scales [lanes] for every 16 columns, `scales_step` floats apart.
struct CodedTile {
  const uint8_t* rows;  // of the group, n_in columns each
  uint32_t type;        // gguf::TensorType
  int64_t n_in;
  int64_t first_column, n_columns;  // whole blocks
  int lanes;
  bool signed_q8;
  uint8_t* codes;
  int64_t codes_step;
  float* scales;
  int64_t scales_step;
};

// A whole group of rows of a block format, to be packed. Every row is read to its end and no further.
struct PackJob {
  const uint8_t* rows;  // `lanes` of them, row_bytes apart
  int64_t row_bytes, n_in;
  uint8_t* codes;
  uint8_t* scales;
};

// What a thread needs to run a LinearJob, 64-byte aligned.
inline constexpr int64_t kLinearScratchFloats = 64 * 1024;

struct LinearJob {
  const uint8_t* codes;  // packed weight
  const uint8_t* scales;
  int64_t codes_stride_bytes;  // from group to group
  int64_t scales_stride_bytes;
  int64_t n_in, n_out;
  const float* input;  // [n_rows][input_stride], float formats
  int64_t input_stride;
  const QuantBlock* quantized;  // [n_rows][quantized_stride], integer formats
  int64_t quantized_stride;
  const QuantLongBlock* long_blocks;  // [n_rows][long_stride], integer formats with blocks of 256 columns
  int64_t long_stride;
  int32_t n_rows;
  float* out;  // [n_rows][out_stride], out_stride >= n_out rounded up to lanes
  int64_t out_stride;
  const float* bias;  // [n_out rounded up to lanes] or null
  bool accumulate;
  float scale;                            // on product and bias
  void (*unpack)(const CodedTile& tile);  // kCoded only
  uint32_t type;                          // of the tensor, for unpack
  float* scratch;                         // [kLinearScratchFloats] of the thread that runs the job
};

// What keys and values are kept as, in the order of backend::KvType.
enum class KvElement : uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0 };

// Attention takes the tokens of each aligned piece of this many, whole pages, with an online soft-max of its own, and
// adds the pieces up in their order: pieces may be run apart, and nothing about a row depends on whether they were.
inline constexpr int kPieceTokens = 1024;
// What a job does with its pieces: run them and add them up; run them and leave each one's sums in its part; add up the
// parts.
enum class AttentionStep : uint8_t { kWhole, kRun, kAdd };

// One key-value head of one sequence against `n_rows` query rows with `heads_per_kv` heads each. Pages: see kv_pool.h.
struct AttentionJob {
  const float* query;  // first row, first head of this group: [n_rows][query_stride]
  int64_t query_stride;
  float* out;  // [n_rows][out_stride]
  int64_t out_stride;
  int32_t n_rows, heads_per_kv, first_position;
  int32_t key_dim, value_dim, value_stride;
  const uint8_t* keys;  // this layer and head in page 0
  const uint8_t* values;
  int64_t page_bytes;
  const int32_t* pages;
  KvElement key_type, value_type;
  float scale, softcap;
  int32_t window;
  const float* sinks;     // [heads_per_kv] or null
  int32_t last_position;  // the last that is kept; causal rows see no further than themselves
  bool causal;
  float* scratch;                  // 64-byte aligned, attention_scratch_floats()
  int32_t piece_begin, piece_end;  // with tokens that some row sees: set_attention_pieces()
  AttentionStep step = AttentionStep::kWhole;
  float* parts = nullptr;  // of its pieces, attention_part_floats() each; unless kWhole
};
// Query vectors (rows times heads) a job may have.
inline constexpr int kMaxQueryVectors = 32;
// Of a piece: for each query vector its output, maximum and sum.
constexpr int64_t attention_part_floats(int64_t n_queries, int64_t value_stride) {
  return n_queries * (value_stride + 2);
}
// Of a job: for each query vector its 8-bit form, itself, its scores, keep, and the sums of a piece and of all.
constexpr int64_t attention_scratch_floats(int64_t key_dim, int64_t value_stride) {
  const int64_t padded = (key_dim + 31) / 32 * 32;
  return kMaxQueryVectors * (padded / 32 * 16 + padded + 32 + 1) +
         2 * attention_part_floats(kMaxQueryVectors, value_stride);
}

enum class GateFunction : uint8_t { kSilu, kGeluTanh, kSwigluOai };

// out = (or +=) norm(in) * weight + bias
struct NormJob {
  const float* in;
  const float* weight;  // null: ones
  const float* bias;    // null: zeros; layer norms only
  float eps;
  int64_t n;
  float* out;
  bool accumulate;
};

struct KernelTable {
  const char* name;
  int lanes;
  bool signed_q8;  // 8-bit codes are packed as signed bytes (no unsigned-by-signed product fits them)
  // Rows of groups [group_begin, group_end) for all n_rows inputs.
  void (*linear[kPackedFormats])(const LinearJob& job, int64_t group_begin, int64_t group_end);
  // Packs a group as packing.cc would row by row; false, and nothing done, if there is no quicker way.
  bool (*pack_group)(PackedFormat format, const PackJob& job);
  void (*attention)(const AttentionJob& job);
  // `n` is a multiple of 32.
  void (*quantize)(const float* values, int64_t n, QuantBlock* out);
  // `n` is a multiple of kLongBlock.
  void (*quantize_long)(const float* values, int64_t n, QuantLongBlock* out);
  void (*rms_norm)(const NormJob& job);
  void (*layer_norm)(const NormJob& job);
  // `up` null: the activation alone.
  void (*gate)(GateFunction function, const float* gate, const float* up, int64_t n, float* out);
  void (*to_half)(const float* values, int64_t n, uint16_t* out);
  float (*dot)(const float* a, const float* b, int64_t n);
};

// Defined where the build has them.
extern const KernelTable kScalarKernels, kAvx2Kernels, kAvxVnniKernels, kAvx512VnniKernels, kNeonKernels,
    kNeonI8mmKernels;

}  // namespace da::backend::cpu
