// The starter model: a llama-architecture decoder with hand-written forward and backward passes, in fp32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct Config {
  int n_vocab = 0;
  int dim = 256;
  int n_layers = 6;
  int n_heads = 8;
  int n_kv_heads = 4;
  int head_dim = 32;
  int n_ff = 512;
  int n_ctx = 1024;
  float rope_base = 10000.0f;
  float eps = 1e-5f;
};

// A view into the flat parameter vector. Matrices are [rows = outputs, cols = inputs], row-major, as in GGUF.
struct Tensor {
  std::string name;  // the GGUF name
  int rows = 1;
  int cols = 0;
  size_t offset = 0;
  bool is_norm() const { return rows == 1; }
  size_t size() const { return size_t(rows) * size_t(cols); }
};

struct Model {
  explicit Model(const Config& config);
  void init_random(uint64_t seed);
  const Tensor& tensor(const std::string& name) const;
  float* at(int tensor_idx) { return params.data() + tensors[size_t(tensor_idx)].offset; }
  const float* at(int tensor_idx) const { return params.data() + tensors[size_t(tensor_idx)].offset; }

  Config config;
  std::vector<Tensor> tensors;  // 0 token_embd, then 9 a layer, last output_norm
  std::vector<float> params;
};

// Index of a layer's tensors within Model::tensors.
enum LayerTensor { kAttnNorm, kWq, kWk, kWv, kWo, kFfnNorm, kGate, kUp, kDown, kPerLayer };
inline int layer_tensor(int layer_idx, LayerTensor t) { return 1 + layer_idx * kPerLayer + t; }

// One training example: the prompt (text) and what follows it (report), loss on the report only.
struct Example {
  std::vector<int> tokens;
  int n_prompt = 0;
  int sentiment_at = 1 << 30;  // from this token on the report is about sentiment: few tokens, so each counts more
};
inline constexpr float kSentimentWeight = 4;

// Forward and backward over a few examples laid end to end; each attends to itself only. Owns its activations,
// so one worker thread keeps one Pass.
class Pass {
 public:
  explicit Pass(const Config& config);
  // Adds the gradient of sum(loss * scale) to grad (same layout as params); returns the summed, unscaled loss of
  // the report tokens. Text tokens add text_weight times their loss to the gradient, nothing to the returned sum.
  double loss_and_grad(const Model& model, const std::vector<const Example*>& batch, float scale, float text_weight,
                       float* grad);

 private:
  struct Layer {
    std::vector<float> x, inv, xn, q, k, v, probs, att, x2, inv2, xn2, gate, up, act;
  };
  void forward_layer(const Model& model, int layer_idx, const float* x_in, float* x_out);
  void backward_layer(const Model& model, int layer_idx, float* dx, float* grad);
  void attention(Layer& l);
  void attention_backward(Layer& l, const float* datt, float* dq, float* dk, float* dv);
  void rope(float* x, int n_heads, float sign) const;
  double loss_backward(const Model& model, float scale, float text_weight, float* dx, float* grad);

  Config c_;
  int n_ = 0;                          // tokens in the batch
  std::vector<int> tokens_, pos_, target_;
  std::vector<float> report_weight_;   // of the target of a position; 0: not a report token
  std::vector<std::pair<int, int>> segments_;
  std::vector<size_t> prob_offset_;    // a segment's place within Layer::probs
  std::vector<float> rope_cos_, rope_sin_;  // [n_ctx, head_dim / 2]
  std::vector<Layer> layers_;
  std::vector<float> x_out_, dx_, d1_, d2_, d3_, d4_, dq_, dk_, dv_, dp_;
};

// Greedy decoding, one token at a time with a key/value cache.
class Decoder {
 public:
  explicit Decoder(const Model& model);
  void reset() { n_past_ = 0; }
  // Returns the logits [n_vocab] after the token.
  const std::vector<float>& step(int token);

 private:
  const Model& m_;
  int n_past_ = 0;
  std::vector<std::vector<float>> keys_, values_;  // per layer [n_ctx, n_kv_heads * head_dim]
  std::vector<float> logits_;
};
