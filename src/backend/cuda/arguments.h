#pragma once

#include <cstdint>

#include "backend/candidate.h"

// What kernels are called with: plain records of pointers and sizes, nothing else, so that a launch can be recorded,
// compared and replayed. Fields are ordered so that no gaps lie between them.
namespace da::backend::cuda {

// Beside each 32 codes of a quantized activation: value = scale * code; sum[h] is the sum of the codes of half h.
struct QuantMeta {
  float scale;
  int16_t sum[2];
};

struct ActivationArgs {
  float* values;    // [rows][stride]
  int8_t* codes;    // [rows][width] or null
  QuantMeta* meta;  // [rows][width / 32] or null
  int64_t stride;   // width rounded up to 4
  int64_t width;
};

// A batch's rows on the device, written by begin().
struct BatchArgs {
  const int32_t* position;    // [rows]
  const int32_t* sequence;    // [rows]
  const int32_t* first_page;  // [sequences] index into pages
  const int32_t* pages;       // of all sequences, one after the other
};

// A row has n_pieces pieces of `dim` values, each normed alone.
struct NormArgs {
  const float* in;  // [rows][in_stride]
  int64_t in_stride;
  ActivationArgs out;   // codes null where the pieces hold no whole blocks
  const float* weight;  // or null: ones
  const float* bias;    // or null
  int64_t weight_step;  // from piece to piece: dim or 0
  int32_t dim;
  float eps;
  int32_t layer_norm;  // 1: mean and variance; 0: root mean square
  int32_t accumulate;
};

struct QuantizeArgs {
  ActivationArgs activation;
};

enum class Elementwise : int32_t { kSilu, kGeluTanh, kSwigluOai, kScale, kSoftCap };

// out = act(in) * other, or act(in, factor)
struct ElementwiseArgs {
  const float* in;
  const float* other;  // or null: ones
  int64_t in_stride, other_stride;
  ActivationArgs out;
  Elementwise kind;
  float factor;
};

// out += sigmoid(gate) * in
struct AddGatedArgs {
  const float* in;
  const float* gate;
  int64_t in_stride, gate_stride;
  ActivationArgs out;
};

struct SelectArgs {
  const float* in;
  int64_t in_stride;
  ActivationArgs out;
  const int32_t* rows;  // [out rows]
};

struct ArgmaxArgs {
  const float* in;
  int64_t in_stride;
  int64_t width;
  int32_t* out;  // [rows]
};

struct TopKArgs {
  const float* in;
  int64_t in_stride;
  int64_t width;
  int32_t k;       // 1 .. kMaxTopK, width at most
  Candidate* out;  // [rows][k]
};

// Expert rows order[first .. first + n_rows) go to one expert; n_rows 0: none.
struct ExpertTile {
  int32_t expert, first, n_rows;
};
inline constexpr int32_t kExpertTileRows = 32;  // at most

// One product: out[row][o] = (sum over k of in[row][k] * weight[o][k] + bias[o]) * scale, or added onto out. With
// `experts` each row takes its own part of the weights.
struct LinearArgs {
  // Integer formats: planes of the codes, sub-block scales and block scales (see packing.h). Float formats: low only.
  const uint8_t* low;
  const uint8_t* high;
  const uint8_t* scales;
  const uint8_t* d;
  int64_t n_in, n_out;    // of a part
  int64_t weight_stride;  // float formats: elements from row to row
  const float* input;     // [rows][input_stride], float formats
  int64_t input_stride;
  const int8_t* codes;    // [rows][n_in], integer formats
  const QuantMeta* meta;  // [rows][n_in / 32]
  float* out;             // [rows][out_stride]
  int64_t out_stride;
  const float* bias;       // [parts][n_out] or null
  const int32_t* experts;  // [rows] or null
  // With experts and many rows: expert rows by expert, and tiles of them; null otherwise.
  const int32_t* order;
  const ExpertTile* tiles;
  int32_t rows_per_input;  // with experts: output rows that read one input row
  int32_t n_rows;
  float scale;
  int32_t accumulate;
};

// A product of each piece of a row with its own part of the weights.
struct HeadLinearArgs {
  LinearArgs linear;
  int64_t in_step, out_step;  // from piece to piece
};

struct RopeTableArgs {
  const int32_t* position;
  const int32_t* far;        // [rows] 1: the second set of frequencies
  const float* frequencies;  // [n_sets][half_dims]
  float* cos_sin;            // [rows][half_dims][2]
  int32_t half_dims, n_sets;
  float magnitude;
};

// One side of a layer in page 0: [kv heads][kPageTokens] rows of row_bytes (a multiple of 16). Types as
// backend::KvType. A row in blocks of 32 dims: the codes of all blocks (Q4_0: as in the file format, dims i and i + 16
// in a byte), then their float16 scales.
struct KvSide {
  uint8_t* rows;
  int32_t dim, row_bytes, type, unused;
};

struct KvArgs {
  KvSide keys, values;
  int64_t page_bytes;
  int32_t n_kv_heads, unused;
};

// The dims of some heads that are rotated: from `in` into `out`, which may be the same.
struct RotateArgs {
  const float* in;
  float* out;
  int64_t in_stride, out_stride;  // from row to row
  int64_t in_step, out_step;      // from head to head
};

struct RopeStoreArgs {
  BatchArgs batch;
  KvArgs kv;
  const float* cos_sin;  // [rows][half_dims][2] or null: no rotation
  RotateArgs query;
  RotateArgs key;     // one head for each kv head
  const float* keys;  // [rows][key_row_stride] what is stored; null: nothing
  const float* values;
  int64_t key_row_stride, value_row_stride;
  int64_t query_width;  // for the temperature
  int32_t n_heads, half_dims, interleaved;
  float temperature;
  int32_t temperature_tokens, unused;
};

// Query rows [first_row, first_row + n_rows) of one sequence, taken by one block for some heads.
struct AttentionTile {
  int32_t sequence, first_row, n_rows, first_position, last_position;  // last_position: of the sequence
};

struct AttentionArgs {
  BatchArgs batch;
  KvArgs kv;
  const AttentionTile* tiles;
  const float* query;
  float* out;
  float* partial;      // [tiles][head groups][splits][queries][2 + value_dim], if n_splits > 1
  const float* sinks;  // [n_heads] or null
  int64_t query_stride, out_stride;
  float scale, softcap;
  int32_t window, n_heads;
  int32_t group;             // query heads to a kv head
  int32_t heads_per_tile;    // of a group
  int32_t groups_per_kv;     // tiles of heads to a kv head
  int32_t queries_per_tile;  // at most: rows times heads
  int32_t n_splits, causal;
};

struct RouteArgs {
  const float* logits;  // [rows][stride]
  int64_t stride;
  const float* selection_bias;  // or null
  const float* expert_scale;    // [n_experts] or null
  int32_t* experts;             // [rows][n_used]
  float* weights;               // [rows][n_used]
  int32_t kind;                 // backend::RouteKind
  int32_t n_experts, n_used;
  int32_t n_groups, n_groups_used, group_best;
  int32_t normalize;
  float scale;
};

// Lists expert rows by expert, in tiles.
struct GroupArgs {
  const int32_t* experts;  // [n_rows] of expert rows
  int32_t* order;          // [n_rows]
  ExpertTile* tiles;       // [n_tiles], as many as there can be
  int32_t n_rows, n_experts, n_tiles, unused;
};

struct CombineArgs {
  const float* in;  // [rows * n_used][in_stride]
  int64_t in_stride;
  ActivationArgs out;
  const float* weights;
  int32_t n_used, accumulate;
  float scale;
  int32_t unused;
};

}  // namespace da::backend::cuda
