// The pieces of a language model as a textbook has them, in double precision and without a thought for speed: what the
// variants of architectures that the golden data does not have are held against. Weights come to be when they are first
// asked for, random but the same for the same name, so that a forward pass written with these also makes the model
// file.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "gguf/writer.h"

namespace da::model::naive {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

class Weights {
 public:
  // [parts][rows][cols]; every row is multiplied with `cols` values.
  const std::vector<float>& matrix(const std::string& name, size_t cols, size_t rows, size_t parts = 1) {
    std::vector<uint64_t> dims = {cols, rows};
    if (parts > 1) dims.push_back(parts);
    return make(name, dims, 0.0F, 1.0F / std::sqrt(static_cast<float>(cols)));
  }
  const std::vector<float>& around_one(const std::string& name, std::vector<uint64_t> dims) {
    return make(name, dims, 1.0F, 0.2F);
  }
  const std::vector<float>& bias(const std::string& name, std::vector<uint64_t> dims) {
    return make(name, dims, 0.0F, 0.3F);
  }
  void set(const std::string& name, std::vector<float> values) {
    tensors_[name] = {{values.size()}, std::move(values)};
  }
  void write_to(gguf::Writer& writer) const {
    for (const auto& [name, tensor] : tensors_) {
      writer.add_tensor(name, gguf::TensorType::kF32, tensor.dims, std::as_bytes(std::span(tensor.values)));
    }
  }

 private:
  struct Tensor {
    std::vector<uint64_t> dims;
    std::vector<float> values;
  };
  const std::vector<float>& make(const std::string& name, const std::vector<uint64_t>& dims, float mean, float spread) {
    Tensor& tensor = tensors_[name];
    if (tensor.values.empty()) {
      std::mt19937 random(static_cast<uint32_t>(std::accumulate(name.begin(), name.end(), 7ULL, [](uint64_t h, char c) {
        return h * 1000003 + static_cast<unsigned char>(c);
      })));
      std::normal_distribution<float> normal(mean, spread);
      tensor.dims = dims;
      tensor.values.resize(std::accumulate(dims.begin(), dims.end(), size_t{1}, std::multiplies<>()));
      for (float& value : tensor.values) value = normal(random);
    }
    return tensor.values;
  }
  std::map<std::string, Tensor> tensors_;
};

inline Row times(const float* matrix, const Row& x, size_t n_out) {
  Row y(n_out, 0.0);
  for (size_t i = 0; i < n_out; ++i) {
    for (size_t j = 0; j < x.size(); ++j) y[i] += static_cast<double>(matrix[i * x.size() + j]) * x[j];
  }
  return y;
}

inline Row linear(Weights& w, const std::string& name, const Row& x, size_t n_out, bool has_bias = false) {
  Row y = times(w.matrix(name + ".weight", x.size(), n_out).data(), x, n_out);
  if (has_bias) {
    const auto& bias = w.bias(name + ".bias", {n_out});
    for (size_t i = 0; i < n_out; ++i) y[i] += static_cast<double>(bias[i]);
  }
  return y;
}

inline Row embed(Weights& w, const std::string& name, int32_t id, size_t n_embd, size_t n) {
  const auto& table = w.matrix(name, n_embd, n);
  const float* row = table.data() + static_cast<size_t>(id) * n_embd;
  return {row, row + n_embd};
}

inline Row plus(Row a, const Row& b, double scale = 1.0) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += scale * b[i];
  return a;
}
inline Row scaled(Row a, double scale) {
  for (double& value : a) value *= scale;
  return a;
}

inline Row rms(const Row& x, const float* weight, double eps) {
  double sum = 0;
  for (const double value : x) sum += value * value;
  Row y = scaled(x, 1.0 / std::sqrt(sum / static_cast<double>(x.size()) + eps));
  for (size_t i = 0; weight != nullptr && i < y.size(); ++i) y[i] *= static_cast<double>(weight[i]);
  return y;
}
inline Row rms(Weights& w, const std::string& name, const Row& x, double eps) {
  return rms(x, w.around_one(name, {x.size()}).data(), eps);
}

inline Row layer_norm(const Row& x, const float* weight, const float* bias, double eps) {
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
  double variance = 0;
  for (const double value : x) variance += (value - mean) * (value - mean);
  Row y = x;
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] = (x[i] - mean) / std::sqrt(variance / static_cast<double>(x.size()) + eps) * static_cast<double>(weight[i]) +
           (bias != nullptr ? static_cast<double>(bias[i]) : 0.0);
  }
  return y;
}

// Each head's front `n_dims` values are rotated, in pairs (i, i + n_dims/2) or (2i, 2i + 1), by position * rates[i].
inline void rotate(Row& x, size_t head_dim, bool neox, const Row& rates, double magnitude, int32_t position) {
  const size_t n_pairs = rates.size();
  for (size_t head = 0; head < x.size() / head_dim; ++head) {
    for (size_t i = 0; i < n_pairs; ++i) {
      double& a = x[head * head_dim + (neox ? i : 2 * i)];
      double& b = x[head * head_dim + (neox ? i + n_pairs : 2 * i + 1)];
      const double angle = position * rates[i], c = std::cos(angle) * magnitude, s = std::sin(angle) * magnitude;
      const double rotated = a * c - b * s;
      b = a * s + b * c;
      a = rotated;
    }
  }
}

inline Row plain_rates(size_t n_dims, double base) {
  Row rates(n_dims / 2);
  for (size_t i = 0; i < rates.size(); ++i)
    rates[i] = std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(n_dims));
  return rates;
}

inline Row softmax(Row x) {
  const double largest = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (double& value : x) sum += value = std::exp(value - largest);
  return scaled(std::move(x), 1.0 / sum);
}

struct Attention {
  size_t n_heads = 1, n_kv_heads = 1;
  double scale = 1.0;
  int window = 0;  // 0: sees all
  bool causal = true;
};
// Queries, keys and values of all positions -> what each position attended to.
inline Rows attend(const Attention& a, const Rows& q, const Rows& k, const Rows& v) {
  const size_t key_dim = q[0].size() / a.n_heads, value_dim = v[0].size() / a.n_kv_heads;
  Rows out(q.size(), Row(a.n_heads * value_dim, 0.0));
  for (size_t at = 0; at < q.size(); ++at) {
    for (size_t head = 0; head < a.n_heads; ++head) {
      const size_t kv_head = head / (a.n_heads / a.n_kv_heads);
      std::vector<size_t> seen;
      Row scores;
      for (size_t other = 0; other < k.size(); ++other) {
        if (a.causal && other > at) continue;
        if (a.window > 0 && other + static_cast<size_t>(a.window) <= at) continue;
        double score = 0;
        for (size_t i = 0; i < key_dim; ++i) score += q[at][head * key_dim + i] * k[other][kv_head * key_dim + i];
        seen.push_back(other);
        scores.push_back(score * a.scale);
      }
      const Row shares = softmax(scores);
      for (size_t j = 0; j < seen.size(); ++j) {
        for (size_t i = 0; i < value_dim; ++i)
          out[at][head * value_dim + i] += shares[j] * v[seen[j]][kv_head * value_dim + i];
      }
    }
  }
  return out;
}

inline double silu(double x) { return x / (1.0 + std::exp(-x)); }
inline double gelu(double x) { return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x))); }

using Activation = double (*)(double);
inline Row gated(const Row& gate, const Row& up, Activation act) {
  Row y = up;
  for (size_t i = 0; i < y.size(); ++i) y[i] *= act(gate[i]);
  return y;
}
inline Row activated(Row x, Activation act) {
  for (double& value : x) value = act(value);
  return x;
}

// The gated feed-forward PREFIX_gate, _up and _down; `suffix` may be "_shexp".
inline Row feed_forward(Weights& w, const std::string& p, const Row& x, size_t n_ff, Activation act,
                        const std::string& suffix = "") {
  const Row gate = linear(w, p + "ffn_gate" + suffix, x, n_ff), up = linear(w, p + "ffn_up" + suffix, x, n_ff);
  return linear(w, p + "ffn_down" + suffix, gated(gate, up, act), x.size());
}

// The indices of the n largest, the largest first.
inline std::vector<size_t> largest(const Row& x, size_t n) {
  std::vector<size_t> order(x.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return x[a] > x[b]; });
  order.resize(n);
  return order;
}

// sum over the chosen experts of weight * their feed-forward (plain if not `is_gated`).
inline Row experts(Weights& w, const std::string& p, const Row& x, size_t n, size_t n_ff, Activation act, bool is_gated,
                   const std::vector<size_t>& chosen, const Row& weights) {
  Row sum(x.size(), 0.0);
  for (size_t i = 0; i < chosen.size(); ++i) {
    const auto part = [&](const char* name, const Row& in, size_t n_out) {
      const auto& all = w.matrix(p + name + "_exps.weight", in.size(), n_out, n);
      return times(all.data() + chosen[i] * n_out * in.size(), in, n_out);
    };
    const Row up = part("ffn_up", x, n_ff);
    const Row inner = is_gated ? gated(part("ffn_gate", x, n_ff), up, act) : activated(up, act);
    sum = plus(std::move(sum), part("ffn_down", inner, x.size()), weights[i]);
  }
  return sum;
}

}  // namespace da::model::naive
