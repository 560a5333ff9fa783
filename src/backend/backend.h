#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "gguf/gguf.h"

// The operations a language model is made of, as a device offers them. A model file calls them layer by layer on a
// ragged batch: decode rows and prompt chunks of many sequences together.
//
// Promises every backend keeps:
//  - Weights are handed over once and packed into the form its kernels want. All memory is reserved when objects are
//    made; operations neither allocate nor, save for read_rows and argmax, make the host wait for the device.
//  - Operations run in call order (one stream). Those that return nothing may fail later: the first failure sticks and
//    is returned by the next read_rows or argmax.
//  - A row's result depends on its own sequence only, not on the rows beside it: what a request gets does not change,
//    bit by bit, with the company it runs in or the chunks its prompt was cut into.
//  - One thread at a time. Objects must not outlive the backend that made them.
namespace da::backend {

// Opaque objects: each backend derives its own and accepts no other's.

// A matrix [n_out][n_in] of any type in the backend's own layout, or n_parts of them (one for each expert or head).
class Weight {
 public:
  virtual ~Weight() = default;
  int64_t n_out = 0, n_in = 0, n_parts = 1;
  gguf::TensorType type = gguf::TensorType::kF32;
  uint64_t size_bytes = 0;  // of the packed form; a mapped original read in place counts 0
};

// float32 values: norms, biases, rope frequencies.
class Vector {
 public:
  virtual ~Vector() = default;
  int64_t size = 0;
};

// A matrix [n_rows][width] of activations, in float32 and in the forms its readers want. Room for max_rows.
class Activation {
 public:
  virtual ~Activation() = default;
  int64_t width = 0;
  int32_t max_rows = 0;
  int32_t n_rows = 0;  // set by the operation that writes it
  uint64_t size_bytes = 0;
};

// Which experts each row of a batch goes to, and with what weight. Made for one shape, filled by route().
//
// An expert product has n_rows * n_used rows ("expert rows"), in whatever order its backend likes; only the operations
// that take the Routing know which row and expert each belongs to.
class Routing {
 public:
  virtual ~Routing() = default;
  int32_t n_experts = 0, n_used = 0, max_rows = 0;
  int32_t n_rows = 0;  // set by route()
  uint64_t size_bytes = 0;
};

// What keys or values are kept as. Q8_0 and Q4_0 are the file format's blocks of 32 dimensions of a head.
enum class KvType : uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0 };
struct KvTypes {
  KvTypes(KvType both = KvType::kF16) : key(both), value(both) {}  // NOLINT: one type stands for both
  KvTypes(KvType key_type, KvType value_type) : key(key_type), value(value_type) {}
  KvType key, value;
  bool operator==(const KvTypes&) const = default;
};
// "q8_0" for both, or "q8_0/f16": keys, then values. Empty for any other text.
std::optional<KvTypes> kv_types_from_name(std::string_view name);
std::string name_of(KvTypes types);

// Keys and values of one layer. Layers that read another's keys and values have none of their own.
struct KvLayer {
  int32_t n_kv_heads = 0, key_dim = 0, value_dim = 0;  // dims of one head
  bool operator==(const KvLayer&) const = default;
};
struct KvSpec {
  std::vector<KvLayer> layers;
  KvTypes type;
  int32_t max_pages = 0;  // address space is reserved for these, memory committed by grow()
};

// Tokens in a page, the same on every backend.
inline constexpr int32_t kPageTokens = 32;

// Keys and values of all layers, in pages. Which page belongs to whom is the engine's business.
class KvPool {
 public:
  virtual ~KvPool() = default;
  // Makes pages [0, n_pages) usable; pages never shrink or move. kResourceExhausted if memory or max_pages is short.
  virtual Status grow(int32_t n_pages) = 0;
  // Makes all of a page zeros, after what was computed before and before what is computed next.
  virtual Status clear(int32_t page) = 0;
  KvSpec spec;
  int32_t n_pages = 0;
  uint64_t page_bytes = 0;  // one page, all layers
};

// A host view of float32 rows: row i is data[i * stride], width values.
struct RowsView {
  const float* data = nullptr;
  int64_t n_rows = 0, width = 0, stride = 0;
  std::span<const float> row(int64_t row_idx) const { return {data + row_idx * stride, static_cast<size_t>(width)}; }
};

// Consecutive rows of one sequence: row first_row + i is position first_position + i, and attends to 0 .. itself (or,
// in attention that is not causal, to all of 0 .. first_position + n_rows - 1). Position p is kept in page pages[p /
// kPageTokens] at p % kPageTokens.
struct SequenceRows {
  int32_t first_row = 0, n_rows = 0, first_position = 0;
  std::span<const int32_t> pages;
  bool is_far = false;  // rotated with the second set of frequencies, where a rotation has two
};

struct Batch {
  std::span<const int32_t> token_ids;       // [n_rows]
  std::span<const SequenceRows> sequences;  // cover the rows in order
  std::span<const int32_t> output_rows;     // ascending: rows whose logits or hidden states are wanted
};

// Which row of a table a batch row gets: that of its token, of its position, or row 0 (the token type of plain text).
enum class EmbedIndex : uint8_t { kToken, kPosition, kFirst };
struct EmbedSpec {
  const Weight* weight = nullptr;  // loaded with use.rows
  EmbedIndex index = EmbedIndex::kToken;
  float scale = 1.0F;
  bool accumulate = false;
};

enum class NormKind : uint8_t { kNone, kRms, kLayer };
struct NormSpec {
  NormKind kind = NormKind::kNone;  // kNone only where a norm is optional (heads)
  const Vector* weight = nullptr;   // [dim], or [width]: each piece has its own; null: ones
  const Vector* bias = nullptr;     // as weight, or null
  float eps = 0;
  int32_t dim = 0;          // rows are normed in pieces of this width; 0: whole
  bool accumulate = false;  // add to what is in `out` (norms after a sub-layer)
};

// One product of a group that shares its input: out = (input * weight^T + bias) * scale, or added onto `out`.
struct LinearSpec {
  const Weight* weight = nullptr;
  Activation* out = nullptr;     // [n_rows][weight->n_out]
  const Vector* bias = nullptr;  // [n_out] or null; of experts [n_experts][n_out]
  bool accumulate = false;
  float scale = 1.0F;
};

// kInterleaved rotates the pairs (2i, 2i+1), kNeox (i, i + n_dims/2).
enum class RopeKind : uint8_t { kNone, kInterleaved, kNeox };
struct RopeSpec {
  RopeKind kind = RopeKind::kNone;
  int32_t n_dims = 0;                         // of each head, from its front; the rest passes through
  const Vector* frequencies = nullptr;        // [n_dims/2] radians per position, or two such sets; scaling worked in
  float magnitude = 1.0F;                     // YaRN's factor on sine and cosine
  NormSpec query_norm, key_norm, value_norm;  // of each head, before the rotation; `dim` is the head's
  // Queries times 1 + temperature * ln(1 + floor(position / temperature_tokens)), after the rotation; 0: off.
  float temperature = 0.0F;
  int32_t temperature_tokens = 1;
};

struct AttentionSpec {
  int32_t n_heads = 0;            // query heads; head h reads kv head h / (n_heads / n_kv_heads)
  float scale = 1.0F;             // on query * key
  float softcap = 0.0F;           // 0: off; otherwise softcap * tanh(score / softcap)
  int32_t window = 0;             // 0: off; otherwise a query sees itself and the window-1 positions before it
  const Vector* sinks = nullptr;  // [n_heads] a score beside each head's others whose value is 0; null: none
  bool causal = true;             // false: also sees the rows after it; then without a window
};

// Multi-head latent attention: one key-value head of latent_dim + rope.n_dims for all query heads; the value is the
// key's first latent_dim.
struct LatentSpec {
  int32_t n_heads = 0, latent_dim = 0;
  int32_t plain_dim = 0;  // of a query head, not rotated; its last rope.n_dims are
  NormSpec latent_norm;
  RopeSpec rope;  // its norms are not used
};

// kSwigluOai: g = min(gate, 7), u = clamp(up, -7, 7): g * sigmoid(1.702 g) * (u + 1).
enum class GateKind : uint8_t { kSilu, kGeluTanh, kSwigluOai };
struct GateSpec {
  GateKind kind = GateKind::kSilu;
  int64_t up_column = 0;  // `up` may be wider: the columns from here on are taken
};

// How expert weights come from the router's logits. kSoftmaxOfChosen: the choice by logit, then a softmax over the
// chosen alone. Ties go to the lower expert.
enum class RouteKind : uint8_t { kSoftmax, kSigmoid, kSoftmaxOfChosen };
struct RouteSpec {
  RouteKind kind = RouteKind::kSoftmax;
  const Vector* selection_bias = nullptr;  // [n_experts] added to the scores for the choice only; null: none
  // Only experts of the n_groups_used best groups are chosen; a group is as good as the sum of its group_best best.
  int32_t n_groups = 1, n_groups_used = 1, group_best = 2;
  bool normalize = false;                // chosen weights are divided by their sum
  float scale = 1.0F;                    // on the weights
  const Vector* expert_scale = nullptr;  // [n_experts] on the weights, each expert's own; null: none
};

// Rows an expert product reads: those of the batch (each goes to its experts), or expert rows.
enum class ExpertInput : uint8_t { kBatchRows, kExpertRows };

// What a matrix is for: rows are looked up (embeddings), or it is multiplied with, or both (tied embeddings). `stays`:
// its data outlives the Weight (a mapped file), so that a backend may leave it where it is.
struct WeightUse {
  bool rows = false, product = true, stays = false;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string description() const = 0;  // "CPU avx512vnni, 2 threads"
  // Bytes of a memory of its own (a GPU's) that this backend holds now, as the device hands them out: weights, buffers,
  // tables, pages. 0 where that is the host's memory. From any thread.
  virtual uint64_t device_bytes() const { return 0; }

  // --- made at load; errors: kUnsupported names the type, kResourceExhausted the bytes -------------------------------
  // `tensor` is [n_out][n_in] or [n_parts][n_out][n_in]. With use.rows its data must stay mapped as long as the Weight
  // lives; otherwise for the call only.
  virtual Result<std::unique_ptr<Weight>> load_weight(const gguf::Tensor& tensor, WeightUse use) = 0;
  virtual Result<std::unique_ptr<Vector>> load_vector(std::span<const float> values) = 0;
  // `readers`: the weights that will be multiplied with it; they decide its forms.
  virtual Result<std::unique_ptr<Activation>> make_activation(int64_t width, int32_t max_rows,
                                                              std::span<const Weight* const> readers) = 0;
  // `in_width`, `readers`: of the expert products from batch rows.
  virtual Result<std::unique_ptr<Routing>> make_routing(int32_t n_experts, int32_t n_used, int32_t max_rows,
                                                        int64_t in_width, std::span<const Weight* const> readers) = 0;
  virtual Result<std::unique_ptr<KvPool>> make_kv_pool(const KvSpec& spec) = 0;
  // What a run would otherwise have to allocate: for batches of up to `max_rows` rows rotated with `frequencies`, and
  // for read_rows of an activation.
  virtual Status reserve_rotation(const Vector& frequencies, int32_t max_rows);
  virtual Status reserve_reading(const Activation& activation);

  // --- operations of every layer -------------------------------------------------------------------------------------
  // Announces the batch of the operations that follow; the spans must live until the next begin().
  virtual void begin(const Batch& batch) = 0;
  virtual void embed(const EmbedSpec& spec, Activation& out) = 0;
  // out = norm(in), in the forms out's readers want. in and out may be the same.
  virtual void norm(const Activation& in, const NormSpec& spec, Activation& out) = 0;
  virtual void linear(const Activation& in, std::span<const LinearSpec> products) = 0;
  // Norms and rotates query [n_rows][n_heads * key_dim] and key in place, then puts key and value in the batch's pages.
  // key and value null: the query only, for a layer that reads what an earlier one stored. `kv_layer_idx` counts the
  // pool's layers.
  virtual void rope_store(const RopeSpec& spec, int32_t kv_layer_idx, Activation& query, Activation* key,
                          Activation* value, KvPool& kv) = 0;
  // out [n_rows][n_heads * value_dim]
  virtual void attention(const AttentionSpec& spec, int32_t kv_layer_idx, const Activation& query, const KvPool& kv,
                         Activation& out) = 0;
  // out = act(gate) * up; up null: act(gate). out may be gate.
  virtual void gate(const GateSpec& spec, const Activation& gate, const Activation* up, Activation& out) = 0;

  // --- mixtures of experts -------------------------------------------------------------------------------------------
  // `logits` [n_rows][n_experts]
  virtual void route(const RouteSpec& spec, const Activation& logits, Routing& routing) = 0;
  // Each expert row times its expert's part of the weights; out: expert rows.
  virtual void expert_linear(const Activation& in, ExpertInput rows, const Routing& routing,
                             std::span<const LinearSpec> products) = 0;
  // out[row] = (or +=) scale * sum over its experts, in order of choice, of weight * expert row
  virtual void expert_combine(const Activation& in, const Routing& routing, float scale, bool accumulate,
                              Activation& out) = 0;
  // out[row] += sigmoid(gate[row][0]) * in[row]
  virtual void add_gated(const Activation& in, const Activation& gate, Activation& out) = 0;

  // --- latent attention ----------------------------------------------------------------------------------------------
  // A product for each head (a part of the weight): the first n_in columns of its piece of `in` into the first n_out of
  // its piece of `out`; pieces are width / n_parts wide.
  virtual void head_linear(const Activation& in, const Weight& weight, Activation& out) = 0;
  // `query` [n_rows][n_heads * (plain_dim + n_dims)], `latent` [n_rows][latent_dim + n_dims]. Norms the latent's front
  // and rotates its rest in place, puts it in the batch's pages, and rotates the last n_dims of each query head into
  // those of `absorbed` [n_rows][n_heads * (latent_dim + n_dims)], whose fronts head_linear writes.
  virtual void latent_store(const LatentSpec& spec, int32_t kv_layer_idx, const Activation& query, Activation& latent,
                            KvPool& kv, Activation& absorbed) = 0;

  // --- the rest ------------------------------------------------------------------------------------------------------
  // x = x * factor
  virtual void scale(float factor, Activation& x) = 0;
  // x = cap * tanh(x / cap)
  virtual void soft_cap(float cap, Activation& x) = 0;
  // out = the batch's output rows of `in`
  virtual void select_outputs(const Activation& in, Activation& out) = 0;
  // Waits; a host view [n_rows][width] of the float32 values, valid until the next operation that writes them.
  virtual Result<RowsView> read_rows(const Activation& in) = 0;
  // Rows from the host, which may change once this returns; in the forms out's readers want.
  virtual Status write_rows(const RowsView& rows, Activation& out) = 0;
  // `in`, an activation of `source` (another backend, or this), into `out`: how rows cross a border between devices.
  // Waits for `source`. Backends with a shorter way than through the host override this.
  virtual Status receive(Backend& source, const Activation& in, Activation& out);
  // Waits; for each row the index of its largest value (the lowest of equals), -1 if one is not finite.
  virtual Status argmax(const Activation& in, std::span<int32_t> out) = 0;
};

}  // namespace da::backend
