#include "optimizer.h"

#include <cblas.h>

#include <atomic>
#include <cmath>
#include <thread>

namespace {

// Newton-Schulz iteration towards the nearest orthogonal matrix; x is [rows, cols] with rows <= cols. The three
// coefficients are Muon's: they push all singular values near 1 in five steps without converging exactly.
void orthogonalise(std::vector<float>& x, int rows, int cols) {
  float norm = 0;
  for (float v : x) norm += v * v;
  const float inv = 1.0f / (std::sqrt(norm) + 1e-12f);
  for (float& v : x) v *= inv;
  std::vector<float> a(size_t(rows) * rows), b(a.size()), y(x.size());
  for (int i = 0; i < 5; i++) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, rows, cols, 1, x.data(), cols, x.data(), cols, 0,
                a.data(), rows);
    b = a;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, rows, rows, 2.0315f, a.data(), rows, a.data(), rows,
                -4.7750f, b.data(), rows);
    y = x;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, cols, rows, 1, b.data(), rows, x.data(), cols, 3.4445f,
                y.data(), cols);
    x.swap(y);
  }
}

}  // namespace

Optimizer::Optimizer(const Model& model) : momentum(model.params.size(), 0), second(model.params.size(), 0) {}

float Optimizer::step(Model& model, std::vector<float>& grad, const OptimizerOptions& options, float lr,
                      int n_threads) {
  double sum = 0;
  for (float g : grad) sum += double(g) * g;
  const float norm = float(std::sqrt(sum));
  if (norm > options.clip)
    for (float& g : grad) g *= options.clip / norm;
  n_steps++;
  std::atomic<size_t> next{0};
  auto work = [&] {
    for (size_t i; (i = next++) < model.tensors.size();) update_tensor(model, i, grad.data(), options.weight_decay, lr);
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < n_threads; i++) threads.emplace_back(work);
  work();
  for (std::thread& t : threads) t.join();
  return norm;
}

void Optimizer::update_tensor(Model& model, size_t tensor_idx, const float* grad, float weight_decay, float lr) {
  const Tensor& t = model.tensors[tensor_idx];
  float *w = &model.params[t.offset], *m = &momentum[t.offset], *v = &second[t.offset];
  const float* g = grad + t.offset;
  if (t.is_norm() || tensor_idx == 0) {
    constexpr float kBeta1 = 0.9f, kBeta2 = 0.98f;
    const float fix1 = 1.0f / (1.0f - std::pow(kBeta1, float(n_steps))), fix2 = 1.0f / (1.0f - std::pow(kBeta2, float(n_steps)));
    const float decay = t.is_norm() ? 0.0f : weight_decay * 0.1f;
    for (size_t i = 0; i < t.size(); i++) {
      m[i] = kBeta1 * m[i] + (1 - kBeta1) * g[i];
      v[i] = kBeta2 * v[i] + (1 - kBeta2) * g[i] * g[i];
      w[i] -= lr * (m[i] * fix1 / (std::sqrt(v[i] * fix2) + 1e-8f) + decay * w[i]);
    }
    return;
  }
  constexpr float kMomentum = 0.95f;
  const bool wide = t.rows <= t.cols;
  const int rows = wide ? t.rows : t.cols, cols = wide ? t.cols : t.rows;
  std::vector<float> x(t.size());
  for (int r = 0; r < t.rows; r++)
    for (int c = 0; c < t.cols; c++) {
      const size_t i = size_t(r) * t.cols + c;
      m[i] = kMomentum * m[i] + (1 - kMomentum) * g[i];
      x[wide ? i : size_t(c) * t.rows + r] = kMomentum * m[i] + (1 - kMomentum) * g[i];  // Nesterov
    }
  orthogonalise(x, rows, cols);
  // 0.2 * sqrt(longer side) gives the update the size of an AdamW step, so both share one learning rate.
  const float k = lr * 0.2f * std::sqrt(float(cols));
  for (int r = 0; r < t.rows; r++)
    for (int c = 0; c < t.cols; c++) {
      const size_t i = size_t(r) * t.cols + c;
      w[i] -= k * x[wide ? i : size_t(c) * t.rows + r] + lr * weight_decay * w[i];
    }
}
