#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
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

// A matrix [n_out][n_in] of any type in the backend's own layout.
class Weight {
 public:
  virtual ~Weight() = default;
  int64_t n_out = 0, n_in = 0;
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

enum class KvType : uint8_t { kF32, kF16 };

// Shape of the keys and values a model keeps.
struct KvSpec {
  int32_t n_layers = 0, n_kv_heads = 0, key_dim = 0, value_dim = 0;  // dims of one head
  KvType type = KvType::kF16;
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

// Consecutive rows of one sequence: row first_row + i is position first_position + i, and attends to 0 .. itself.
// Position p is kept in page pages[p / kPageTokens] at p % kPageTokens.
struct SequenceRows {
  int32_t first_row = 0, n_rows = 0, first_position = 0;
  std::span<const int32_t> pages;
};

struct Batch {
  std::span<const int32_t> token_ids;       // [n_rows]
  std::span<const SequenceRows> sequences;  // cover the rows in order
  std::span<const int32_t> output_rows;     // ascending: rows whose logits are wanted
};

enum class NormKind : uint8_t { kRms, kLayer };
struct NormSpec {
  NormKind kind = NormKind::kRms;
  const Vector* weight = nullptr;  // [width]
  const Vector* bias = nullptr;    // [width] or null
  float eps = 0;
};

// One product of a group that shares its input: out = input * weight^T (+ bias), or added onto `out`.
struct LinearSpec {
  const Weight* weight = nullptr;
  Activation* out = nullptr;     // [n_rows][weight->n_out]
  const Vector* bias = nullptr;  // [n_out] or null
  bool accumulate = false;
};

// kInterleaved rotates the pairs (2i, 2i+1), kNeox (i, i + n_dims/2).
enum class RopeKind : uint8_t { kNone, kInterleaved, kNeox };
struct RopeSpec {
  RopeKind kind = RopeKind::kNone;
  int32_t n_dims = 0;                   // of each head, from its front; the rest passes through
  const Vector* frequencies = nullptr;  // [n_dims/2] radians per position, scaling and factors worked in
  float magnitude = 1.0F;               // YaRN's factor on sine and cosine
  NormSpec query_norm, key_norm;        // per head, before the rotation; weight null: none
};

struct AttentionSpec {
  int32_t n_heads = 0;   // query heads; head h reads kv head h / (n_heads / n_kv_heads)
  float scale = 1.0F;    // on query * key
  float softcap = 0.0F;  // 0: off; otherwise softcap * tanh(score / softcap)
  int32_t window = 0;    // 0: off; otherwise a query sees itself and the window-1 positions before it
};

enum class GateKind : uint8_t { kSilu, kGeluTanh };

// What a matrix is for: rows are looked up (embeddings), or it is multiplied with, or both (tied embeddings).
struct WeightUse {
  bool rows = false, product = true;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string description() const = 0;  // "CPU avx512vnni, 2 threads"

  // --- made at load; errors: kUnsupported names the type, kResourceExhausted the bytes -------------------------------
  // `tensor` is [n_out][n_in]. With use.rows its data must stay mapped as long as the Weight lives.
  virtual Result<std::unique_ptr<Weight>> load_weight(const gguf::Tensor& tensor, WeightUse use) = 0;
  virtual Result<std::unique_ptr<Vector>> load_vector(std::span<const float> values) = 0;
  // `readers`: the weights that will be multiplied with it; they decide its forms.
  virtual Result<std::unique_ptr<Activation>> make_activation(int64_t width, int32_t max_rows,
                                                              std::span<const Weight* const> readers) = 0;
  virtual Result<std::unique_ptr<KvPool>> make_kv_pool(const KvSpec& spec) = 0;

  // --- operations ----------------------------------------------------------------------------------------------------
  // Announces the batch of the operations that follow; the spans must live until the next begin().
  virtual void begin(const Batch& batch) = 0;
  // out[row] = weight[token of row] * scale
  virtual void embed(const Weight& weight, float scale, Activation& out) = 0;
  // out = norm(in), in the forms out's readers want. in and out may be the same.
  virtual void norm(const Activation& in, const NormSpec& spec, Activation& out) = 0;
  virtual void linear(const Activation& in, std::span<const LinearSpec> products) = 0;
  // Norms and rotates query [n_rows][n_heads * key_dim] and key in place, then puts key and value in the batch's pages.
  virtual void rope_store(const RopeSpec& spec, int32_t layer_idx, Activation& query, Activation& key,
                          const Activation& value, KvPool& kv) = 0;
  // out [n_rows][n_heads * value_dim]
  virtual void attention(const AttentionSpec& spec, int32_t layer_idx, const Activation& query, const KvPool& kv,
                         Activation& out) = 0;
  // out = act(gate) * up
  virtual void gate(GateKind kind, const Activation& gate, const Activation& up, Activation& out) = 0;
  // out = the batch's output rows of `in`
  virtual void select_outputs(const Activation& in, Activation& out) = 0;
  // Waits; a host view [n_rows][width] of the float32 values, valid until the next operation that writes them.
  virtual Result<RowsView> read_rows(const Activation& in) = 0;
  // Waits; for each row the index of its largest value (the lowest of equals), -1 if one is not finite.
  virtual Status argmax(const Activation& in, std::span<int32_t> out) = 0;
};

}  // namespace da::backend
