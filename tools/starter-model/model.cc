#include "model.h"

#include <cblas.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>

namespace {

// y[n, out] = beta * y + x[n, in] * w[out, in]^T
void matmul(const float* x, const float* w, float* y, int n, int in, int out, float beta = 0) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, n, out, in, 1, x, in, w, in, beta, y, out);
}

// dx[n, in] = beta * dx + dy[n, out] * w[out, in]
void matmul_dx(const float* dy, const float* w, float* dx, int n, int in, int out, float beta) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, in, out, 1, dy, out, w, in, beta, dx, in);
}

// dw[out, in] += dy[n, out]^T * x[n, in]
void matmul_dw(const float* dy, const float* x, float* dw, int n, int in, int out) {
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, n, 1, dy, out, x, in, 1, dw, in);
}

void rms_norm(const float* x, const float* w, float* y, float* inv, int n, int dim, float eps) {
  for (int i = 0; i < n; i++) {
    const float* row = x + size_t(i) * dim;
    float sum = 0;
    for (int j = 0; j < dim; j++) sum += row[j] * row[j];
    const float s = 1.0f / std::sqrt(sum / float(dim) + eps);
    if (inv) inv[i] = s;
    float* out = y + size_t(i) * dim;
    for (int j = 0; j < dim; j++) out[j] = row[j] * s * w[j];
  }
}

// dx += the gradient through y = x * inv * w.
void rms_norm_backward(const float* x, const float* w, const float* inv, const float* dy, float* dx, float* dw, int n,
                       int dim) {
  for (int i = 0; i < n; i++) {
    const float *xr = x + size_t(i) * dim, *dyr = dy + size_t(i) * dim;
    float* dxr = dx + size_t(i) * dim;
    const float s = inv[i];
    float dot = 0;
    for (int j = 0; j < dim; j++) dot += dyr[j] * w[j] * xr[j];
    const float k = dot * s * s * s / float(dim);
    for (int j = 0; j < dim; j++) {
      dxr[j] += dyr[j] * w[j] * s - xr[j] * k;
      dw[j] += dyr[j] * xr[j] * s;
    }
  }
}

constexpr int kQueryBlock = 64;  // attention rows handled together, so that the causal half is not computed

}  // namespace

Model::Model(const Config& cfg) : config(cfg) {
  size_t offset = 0;
  auto add = [&](const std::string& name, int rows, int cols) {
    tensors.push_back({name, rows, cols, offset});
    offset += tensors.back().size();
  };
  const int d = cfg.dim, kv = cfg.n_kv_heads * cfg.head_dim, qd = cfg.n_heads * cfg.head_dim;
  add("token_embd.weight", cfg.n_vocab, d);
  for (int i = 0; i < cfg.n_layers; i++) {
    const std::string p = "blk." + std::to_string(i) + ".";
    add(p + "attn_norm.weight", 1, d);
    add(p + "attn_q.weight", qd, d);
    add(p + "attn_k.weight", kv, d);
    add(p + "attn_v.weight", kv, d);
    add(p + "attn_output.weight", d, qd);
    add(p + "ffn_norm.weight", 1, d);
    add(p + "ffn_gate.weight", cfg.n_ff, d);
    add(p + "ffn_up.weight", cfg.n_ff, d);
    add(p + "ffn_down.weight", d, cfg.n_ff);
  }
  add("output_norm.weight", 1, d);
  params.assign(offset, 0.0f);
}

void Model::init_random(uint64_t seed) {
  std::mt19937_64 rng(seed);
  std::normal_distribution<float> normal(0, 1);
  for (const Tensor& t : tensors) {
    const bool residual = t.name.find("attn_output") != std::string::npos || t.name.find("ffn_down") != std::string::npos;
    float std_dev = t.name == "token_embd.weight" ? 0.05f : 1.0f / std::sqrt(float(t.cols));
    if (residual) std_dev /= std::sqrt(2.0f * float(config.n_layers));
    for (size_t i = 0; i < t.size(); i++) params[t.offset + i] = t.is_norm() ? 1.0f : normal(rng) * std_dev;
  }
}

const Tensor& Model::tensor(const std::string& name) const {
  for (const Tensor& t : tensors)
    if (t.name == name) return t;
  throw std::runtime_error("no tensor named " + name);
}

Pass::Pass(const Config& config) : c_(config), layers_(size_t(config.n_layers)) {
  const int half = c_.head_dim / 2;
  rope_cos_.resize(size_t(c_.n_ctx) * half);
  rope_sin_.resize(size_t(c_.n_ctx) * half);
  for (int p = 0; p < c_.n_ctx; p++)
    for (int i = 0; i < half; i++) {
      const double angle = p * std::pow(double(c_.rope_base), -2.0 * i / c_.head_dim);
      rope_cos_[size_t(p) * half + i] = float(std::cos(angle));
      rope_sin_[size_t(p) * half + i] = float(std::sin(angle));
    }
}

// Rotates pairs (2i, 2i+1); sign -1 is the inverse rotation, for the gradient.
void Pass::rope(float* x, int n_heads, float sign) const {
  const int half = c_.head_dim / 2;
  for (int t = 0; t < n_; t++) {
    const float *co = &rope_cos_[size_t(pos_[size_t(t)]) * half], *si = &rope_sin_[size_t(pos_[size_t(t)]) * half];
    float* row = x + size_t(t) * n_heads * c_.head_dim;
    for (int h = 0; h < n_heads; h++, row += c_.head_dim)
      for (int i = 0; i < half; i++) {
        const float a = row[2 * i], b = row[2 * i + 1], s = sign * si[i];
        row[2 * i] = a * co[i] - b * s;
        row[2 * i + 1] = a * s + b * co[i];
      }
  }
}

void Pass::attention(Layer& l) {
  const int hd = c_.head_dim, qd = c_.n_heads * hd, kv = c_.n_kv_heads * hd, group = c_.n_heads / c_.n_kv_heads;
  const float scale = 1.0f / std::sqrt(float(hd));
  for (size_t s = 0; s < segments_.size(); s++) {
    const int start = segments_[s].first, len = segments_[s].second - start;
    for (int h = 0; h < c_.n_heads; h++) {
      float* probs = l.probs.data() + prob_offset_[s] + size_t(h) * len * len;
      const float *k = &l.k[size_t(start) * kv + (h / group) * hd], *v = &l.v[size_t(start) * kv + (h / group) * hd];
      for (int i0 = 0; i0 < len; i0 += kQueryBlock) {
        const int i1 = std::min(len, i0 + kQueryBlock);
        const float* q = &l.q[size_t(start + i0) * qd + h * hd];
        float* p = probs + size_t(i0) * len;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, i1 - i0, i1, hd, scale, q, qd, k, kv, 0, p, len);
        for (int i = i0; i < i1; i++) {
          float *row = probs + size_t(i) * len, top = row[0], sum = 0;
          for (int j = 1; j <= i; j++) top = std::max(top, row[j]);
          for (int j = 0; j <= i; j++) row[j] = std::exp(row[j] - top);
          for (int j = 0; j <= i; j++) sum += row[j];
          const float inv = 1.0f / sum;
          for (int j = 0; j <= i; j++) row[j] *= inv;
          for (int j = i + 1; j < i1; j++) row[j] = 0;
        }
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, i1 - i0, hd, i1, 1, p, len, v, kv, 0,
                    &l.att[size_t(start + i0) * qd + h * hd], qd);
      }
    }
  }
}

void Pass::attention_backward(Layer& l, const float* datt, float* dq, float* dk, float* dv) {
  const int hd = c_.head_dim, qd = c_.n_heads * hd, kv = c_.n_kv_heads * hd, group = c_.n_heads / c_.n_kv_heads;
  const float scale = 1.0f / std::sqrt(float(hd));
  for (size_t s = 0; s < segments_.size(); s++) {
    const int start = segments_[s].first, len = segments_[s].second - start;
    dp_.resize(size_t(kQueryBlock) * len);
    for (int h = 0; h < c_.n_heads; h++) {
      const float* probs = l.probs.data() + prob_offset_[s] + size_t(h) * len * len;
      const size_t kv_at = size_t(start) * kv + (h / group) * hd;
      for (int i0 = 0; i0 < len; i0 += kQueryBlock) {
        const int i1 = std::min(len, i0 + kQueryBlock), rows = i1 - i0;
        const size_t q_at = size_t(start + i0) * qd + h * hd;
        const float* p = probs + size_t(i0) * len;
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, i1, hd, rows, 1, p, len, datt + q_at, qd, 1, dv + kv_at, kv);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, i1, hd, 1, datt + q_at, qd, &l.v[kv_at], kv, 0,
                    dp_.data(), len);
        for (int i = 0; i < rows; i++) {
          float* dp = dp_.data() + size_t(i) * len;
          const float* pr = p + size_t(i) * len;
          float dot = 0;
          for (int j = 0; j < i1; j++) dot += dp[j] * pr[j];
          for (int j = 0; j < i1; j++) dp[j] = pr[j] * (dp[j] - dot) * scale;
        }
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, hd, i1, 1, dp_.data(), len, &l.k[kv_at], kv, 0,
                    dq + q_at, qd);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, i1, hd, rows, 1, dp_.data(), len, &l.q[q_at], qd, 1,
                    dk + kv_at, kv);
      }
    }
  }
}

void Pass::forward_layer(const Model& m, int layer_idx, const float* x_in, float* x_out) {
  Layer& l = layers_[size_t(layer_idx)];
  auto w = [&](LayerTensor t) { return m.at(layer_tensor(layer_idx, t)); };
  const int d = c_.dim, qd = c_.n_heads * c_.head_dim, kv = c_.n_kv_heads * c_.head_dim, ff = c_.n_ff;
  const size_t n = size_t(n_);
  l.inv.resize(n), l.inv2.resize(n), l.xn.resize(n * d), l.xn2.resize(n * d), l.x2.resize(n * d);
  l.q.resize(n * qd), l.k.resize(n * kv), l.v.resize(n * kv), l.att.resize(n * qd);
  l.gate.resize(n * ff), l.up.resize(n * ff), l.act.resize(n * ff);
  l.probs.resize(prob_offset_.back());
  l.x.assign(x_in, x_in + n * d);
  rms_norm(l.x.data(), w(kAttnNorm), l.xn.data(), l.inv.data(), n_, d, c_.eps);
  matmul(l.xn.data(), w(kWq), l.q.data(), n_, d, qd);
  matmul(l.xn.data(), w(kWk), l.k.data(), n_, d, kv);
  matmul(l.xn.data(), w(kWv), l.v.data(), n_, d, kv);
  rope(l.q.data(), c_.n_heads, 1);
  rope(l.k.data(), c_.n_kv_heads, 1);
  attention(l);
  l.x2 = l.x;
  matmul(l.att.data(), w(kWo), l.x2.data(), n_, qd, d, 1);
  rms_norm(l.x2.data(), w(kFfnNorm), l.xn2.data(), l.inv2.data(), n_, d, c_.eps);
  matmul(l.xn2.data(), w(kGate), l.gate.data(), n_, d, ff);
  matmul(l.xn2.data(), w(kUp), l.up.data(), n_, d, ff);
  for (size_t i = 0; i < n * ff; i++) l.act[i] = l.gate[i] / (1.0f + std::exp(-l.gate[i])) * l.up[i];
  std::memcpy(x_out, l.x2.data(), n * d * sizeof(float));
  matmul(l.act.data(), w(kDown), x_out, n_, ff, d, 1);
}

// dx holds the gradient of the layer's output and becomes that of its input.
void Pass::backward_layer(const Model& m, int layer_idx, float* dx, float* grad) {
  Layer& l = layers_[size_t(layer_idx)];
  auto w = [&](LayerTensor t) { return m.at(layer_tensor(layer_idx, t)); };
  auto g = [&](LayerTensor t) { return grad + m.tensors[size_t(layer_tensor(layer_idx, t))].offset; };
  const int d = c_.dim, qd = c_.n_heads * c_.head_dim, kv = c_.n_kv_heads * c_.head_dim, ff = c_.n_ff;
  const size_t n = size_t(n_);
  d1_.resize(n * ff), d2_.resize(n * ff), d3_.resize(n * d), d4_.resize(n * qd);
  matmul_dw(dx, l.act.data(), g(kDown), n_, ff, d);
  matmul_dx(dx, w(kDown), d1_.data(), n_, ff, d, 0);
  for (size_t i = 0; i < n * ff; i++) {
    const float a = l.gate[i], s = 1.0f / (1.0f + std::exp(-a)), da = d1_[i];
    d2_[i] = da * a * s;                                        // d up
    d1_[i] = da * l.up[i] * s * (1.0f + a * (1.0f - s));        // d gate
  }
  matmul_dw(d1_.data(), l.xn2.data(), g(kGate), n_, d, ff);
  matmul_dw(d2_.data(), l.xn2.data(), g(kUp), n_, d, ff);
  matmul_dx(d1_.data(), w(kGate), d3_.data(), n_, d, ff, 0);
  matmul_dx(d2_.data(), w(kUp), d3_.data(), n_, d, ff, 1);
  rms_norm_backward(l.x2.data(), w(kFfnNorm), l.inv2.data(), d3_.data(), dx, g(kFfnNorm), n_, d);

  matmul_dw(dx, l.att.data(), g(kWo), n_, qd, d);
  matmul_dx(dx, w(kWo), d4_.data(), n_, qd, d, 0);
  dq_.resize(n * qd), dk_.assign(n * kv, 0), dv_.assign(n * kv, 0);
  attention_backward(l, d4_.data(), dq_.data(), dk_.data(), dv_.data());
  rope(dq_.data(), c_.n_heads, -1);
  rope(dk_.data(), c_.n_kv_heads, -1);
  matmul_dw(dq_.data(), l.xn.data(), g(kWq), n_, d, qd);
  matmul_dw(dk_.data(), l.xn.data(), g(kWk), n_, d, kv);
  matmul_dw(dv_.data(), l.xn.data(), g(kWv), n_, d, kv);
  matmul_dx(dq_.data(), w(kWq), d3_.data(), n_, d, qd, 0);
  matmul_dx(dk_.data(), w(kWk), d3_.data(), n_, d, kv, 1);
  matmul_dx(dv_.data(), w(kWv), d3_.data(), n_, d, kv, 1);
  rms_norm_backward(l.x.data(), w(kAttnNorm), l.inv.data(), d3_.data(), dx, g(kAttnNorm), n_, d);
}

// Logits are computed only for the positions that carry loss, a block at a time.
double Pass::loss_backward(const Model& m, float scale, float text_weight, float* dx, float* grad) {
  constexpr int kBlock = 256;
  const int d = c_.dim, n_vocab = c_.n_vocab, last = int(m.tensors.size()) - 1;
  const float *embd = m.at(0), *norm = m.at(last);
  float* dnorm = grad + m.tensors[size_t(last)].offset;
  std::vector<int> rows;
  for (int t = 0; t < n_; t++)
    if (target_[size_t(t)] >= 0 && (report_weight_[size_t(t)] > 0 || text_weight > 0)) rows.push_back(t);
  std::fill(dx, dx + size_t(n_) * d, 0.0f);
  std::vector<float> x(size_t(kBlock) * d), xn(x.size()), dxn(x.size()), dxr(x.size()), inv(kBlock);
  std::vector<float> logits(size_t(kBlock) * n_vocab);
  double total = 0;
  for (size_t r0 = 0; r0 < rows.size(); r0 += kBlock) {
    const int m_rows = int(std::min(rows.size() - r0, size_t(kBlock)));
    for (int r = 0; r < m_rows; r++) std::memcpy(&x[size_t(r) * d], &x_out_[size_t(rows[r0 + r]) * d], size_t(d) * 4);
    rms_norm(x.data(), norm, xn.data(), inv.data(), m_rows, d, c_.eps);
    matmul(xn.data(), embd, logits.data(), m_rows, d, n_vocab);
    for (int r = 0; r < m_rows; r++) {
      const size_t t = size_t(rows[r0 + r]);
      float *row = &logits[size_t(r) * n_vocab], top = row[0], sum = 0;
      for (int j = 1; j < n_vocab; j++) top = std::max(top, row[j]);
      const float gold = row[target_[t]] - top;
      for (int j = 0; j < n_vocab; j++) row[j] = std::exp(row[j] - top);
      for (int j = 0; j < n_vocab; j++) sum += row[j];
      if (report_weight_[t] > 0) total += std::log(sum) - gold;
      const float weight = scale * (report_weight_[t] > 0 ? report_weight_[t] : text_weight), k = weight / sum;
      for (int j = 0; j < n_vocab; j++) row[j] *= k;
      row[target_[t]] -= weight;
    }
    matmul_dw(logits.data(), xn.data(), grad, m_rows, d, n_vocab);
    matmul_dx(logits.data(), embd, dxn.data(), m_rows, d, n_vocab, 0);
    std::fill(dxr.begin(), dxr.end(), 0.0f);
    rms_norm_backward(x.data(), norm, inv.data(), dxn.data(), dxr.data(), dnorm, m_rows, d);
    for (int r = 0; r < m_rows; r++) std::memcpy(dx + size_t(rows[r0 + r]) * d, &dxr[size_t(r) * d], size_t(d) * 4);
  }
  return total;
}

double Pass::loss_and_grad(const Model& m, const std::vector<const Example*>& batch, float scale, float text_weight,
                           float* grad) {
  tokens_.clear(), pos_.clear(), target_.clear(), report_weight_.clear(), segments_.clear(), prob_offset_.assign(1, 0);
  for (const Example* e : batch) {
    const int start = int(tokens_.size()), len = int(e->tokens.size()) - 1;  // the last token is only a target
    for (int i = 0; i < len; i++) {
      tokens_.push_back(e->tokens[size_t(i)]);
      pos_.push_back(i);
      target_.push_back(e->tokens[size_t(i) + 1]);
      report_weight_.push_back(i + 1 < e->n_prompt ? 0.0f : i + 1 > e->sentiment_at ? kSentimentWeight : 1.0f);
    }
    segments_.push_back({start, start + len});
    prob_offset_.push_back(prob_offset_.back() + size_t(c_.n_heads) * len * len);
  }
  n_ = int(tokens_.size());
  const size_t d = size_t(c_.dim);
  std::vector<float> x(size_t(n_) * d);
  for (int t = 0; t < n_; t++) std::memcpy(&x[size_t(t) * d], m.at(0) + size_t(tokens_[size_t(t)]) * d, d * 4);
  x_out_.resize(x.size());
  for (int i = 0; i < c_.n_layers; i++) {
    forward_layer(m, i, x.data(), x_out_.data());
    if (i + 1 < c_.n_layers) x.swap(x_out_);
  }
  dx_.resize(x.size());
  const double loss = loss_backward(m, scale, text_weight, dx_.data(), grad);
  for (int i = c_.n_layers - 1; i >= 0; i--) backward_layer(m, i, dx_.data(), grad);
  for (int t = 0; t < n_; t++) {
    float* row = grad + size_t(tokens_[size_t(t)]) * d;
    for (size_t j = 0; j < d; j++) row[j] += dx_[size_t(t) * d + j];
  }
  return loss;
}

Decoder::Decoder(const Model& model) : m_(model), logits_(size_t(model.config.n_vocab)) {
  const Config& c = m_.config;
  const size_t size = size_t(c.n_ctx) * c.n_kv_heads * c.head_dim;
  keys_.assign(size_t(c.n_layers), std::vector<float>(size));
  values_.assign(size_t(c.n_layers), std::vector<float>(size));
}

const std::vector<float>& Decoder::step(int token) {
  const Config& c = m_.config;
  const int d = c.dim, hd = c.head_dim, qd = c.n_heads * hd, kv = c.n_kv_heads * hd, group = c.n_heads / c.n_kv_heads;
  if (n_past_ >= c.n_ctx) throw std::runtime_error("context full");
  std::vector<float> x(m_.at(0) + size_t(token) * d, m_.at(0) + size_t(token + 1) * d);
  std::vector<float> xn(size_t(d), 0), q(size_t(qd), 0), att(size_t(qd), 0), gate(size_t(c.n_ff), 0), up(gate), score;
  auto rotate = [&](float* row, int n_heads) {
    for (int h = 0; h < n_heads; h++, row += hd)
      for (int i = 0; i < hd / 2; i++) {
        const double angle = n_past_ * std::pow(double(c.rope_base), -2.0 * i / hd);
        const float co = float(std::cos(angle)), si = float(std::sin(angle)), a = row[2 * i], b = row[2 * i + 1];
        row[2 * i] = a * co - b * si;
        row[2 * i + 1] = a * si + b * co;
      }
  };
  for (int layer = 0; layer < c.n_layers; layer++) {
    auto w = [&](LayerTensor t) { return m_.at(layer_tensor(layer, t)); };
    float *keys = keys_[size_t(layer)].data(), *values = values_[size_t(layer)].data();
    rms_norm(x.data(), w(kAttnNorm), xn.data(), nullptr, 1, d, c.eps);
    matmul(xn.data(), w(kWq), q.data(), 1, d, qd);
    matmul(xn.data(), w(kWk), keys + size_t(n_past_) * kv, 1, d, kv);
    matmul(xn.data(), w(kWv), values + size_t(n_past_) * kv, 1, d, kv);
    rotate(q.data(), c.n_heads);
    rotate(keys + size_t(n_past_) * kv, c.n_kv_heads);
    std::fill(att.begin(), att.end(), 0.0f);
    score.resize(size_t(n_past_) + 1);
    for (int h = 0; h < c.n_heads; h++) {
      const int at = (h / group) * hd;
      float top = -1e30f, sum = 0;
      for (int j = 0; j <= n_past_; j++) {
        float dot = 0;
        for (int i = 0; i < hd; i++) dot += q[size_t(h * hd + i)] * keys[size_t(j) * kv + at + i];
        score[size_t(j)] = dot / std::sqrt(float(hd));
        top = std::max(top, score[size_t(j)]);
      }
      for (float& s : score) sum += s = std::exp(s - top);
      for (int j = 0; j <= n_past_; j++)
        for (int i = 0; i < hd; i++) att[size_t(h * hd + i)] += score[size_t(j)] / sum * values[size_t(j) * kv + at + i];
    }
    matmul(att.data(), w(kWo), x.data(), 1, qd, d, 1);
    rms_norm(x.data(), w(kFfnNorm), xn.data(), nullptr, 1, d, c.eps);
    matmul(xn.data(), w(kGate), gate.data(), 1, d, c.n_ff);
    matmul(xn.data(), w(kUp), up.data(), 1, d, c.n_ff);
    for (size_t i = 0; i < gate.size(); i++) gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
    matmul(gate.data(), w(kDown), x.data(), 1, c.n_ff, d, 1);
  }
  rms_norm(x.data(), m_.at(int(m_.tensors.size()) - 1), xn.data(), nullptr, 1, d, c.eps);
  matmul(xn.data(), m_.at(0), logits_.data(), 1, d, c.n_vocab);
  n_past_++;
  return logits_;
}
