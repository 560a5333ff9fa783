#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu_backend_impl.h"

namespace da::backend::cpu {
namespace {

constexpr int32_t kMaxExperts = 1024;

// The index of the largest value, the lowest of equals.
int32_t largest(const float* values, int32_t n) {
  return static_cast<int32_t>(std::max_element(values, values + n) - values);
}

void softmax(const float* logits, int32_t n, float* out) {
  const float maximum = *std::max_element(logits, logits + n);
  float sum = 0;
  for (int32_t i = 0; i < n; ++i) sum += out[i] = std::exp(logits[i] - maximum);
  for (int32_t i = 0; i < n; ++i) out[i] /= sum;
}

// Takes the experts of all but the best groups out of `candidates`.
void keep_best_groups(const RouteSpec& spec, int32_t n_experts, float* candidates) {
  const int32_t size = n_experts / spec.n_groups;
  float group_scores[kMaxExperts], sorted[kMaxExperts];
  for (int32_t group = 0; group < spec.n_groups; ++group) {
    const int32_t n_best = std::min(spec.group_best, size);
    std::copy_n(candidates + group * size, size, sorted);
    std::partial_sort(sorted, sorted + n_best, sorted + size, std::greater<>());
    group_scores[group] = 0;
    for (int32_t i = 0; i < n_best; ++i) group_scores[group] += sorted[i];
  }
  bool kept[kMaxExperts] = {};
  for (int32_t i = 0; i < spec.n_groups_used; ++i) {
    const int32_t group = largest(group_scores, spec.n_groups);
    kept[group] = true;
    group_scores[group] = -INFINITY;
  }
  for (int32_t expert = 0; expert < n_experts; ++expert) {
    if (!kept[expert / size]) candidates[expert] = -INFINITY;
  }
}

// The experts of one row and their weights. [n_used]
void choose(const RouteSpec& spec, const float* logits, const Routing& routing, int32_t* experts, float* weights) {
  const int32_t n_experts = routing.n_experts, n_used = routing.n_used;
  float scores[kMaxExperts], candidates[kMaxExperts];
  switch (spec.kind) {
    case RouteKind::kSoftmax:
      softmax(logits, n_experts, scores);
      break;
    case RouteKind::kSigmoid:
      for (int32_t i = 0; i < n_experts; ++i) scores[i] = 1.0F / (1.0F + std::exp(-logits[i]));
      break;
    case RouteKind::kSoftmaxOfChosen:
      std::copy_n(logits, n_experts, scores);
      break;
  }
  std::copy_n(scores, n_experts, candidates);
  if (spec.selection_bias != nullptr) {
    const float* bias = static_cast<const CpuVector*>(spec.selection_bias)->data();
    for (int32_t i = 0; i < n_experts; ++i) candidates[i] += bias[i];
  }
  if (spec.n_groups > 1) keep_best_groups(spec, n_experts, candidates);
  for (int32_t i = 0; i < n_used; ++i) {
    experts[i] = largest(candidates, n_experts);
    weights[i] = scores[experts[i]];
    candidates[experts[i]] = -INFINITY;
  }
  if (spec.kind == RouteKind::kSoftmaxOfChosen) softmax(weights, n_used, weights);
  if (spec.normalize) {
    float sum = 0;
    for (int32_t i = 0; i < n_used; ++i) sum += weights[i];
    sum = std::max(sum, 0x1p-14F);  // the smallest normal float16, as the models' own code has it
    for (int32_t i = 0; i < n_used; ++i) weights[i] /= sum;
  }
  for (int32_t i = 0; i < n_used; ++i) weights[i] *= spec.scale;
  if (spec.expert_scale == nullptr) return;
  const float* scales = static_cast<const CpuVector*>(spec.expert_scale)->data();
  for (int32_t i = 0; i < n_used; ++i) weights[i] *= scales[experts[i]];
}

}  // namespace

Result<std::unique_ptr<Routing>> CpuBackend::make_routing(int32_t n_experts, int32_t n_used, int32_t max_rows,
                                                          int64_t in_width, std::span<const Weight* const> readers) {
  if (n_experts < 1 || n_experts > kMaxExperts || n_used < 1 || n_used > n_experts) {
    return {ErrorCode::kUnsupported, "routing: " + std::to_string(n_used) + " of " + std::to_string(n_experts) +
                                         " experts, expected 1 to all of at most " + std::to_string(kMaxExperts)};
  }
  auto routing = std::make_unique<CpuRouting>();
  routing->n_experts = n_experts;
  routing->n_used = n_used;
  routing->max_rows = max_rows;
  const auto n_assignments = static_cast<size_t>(max_rows) * static_cast<size_t>(n_used);
  routing->experts.resize(n_assignments);
  routing->weights.resize(n_assignments);
  routing->expert_rows.resize(n_assignments);
  routing->source_rows.resize(n_assignments);
  routing->expert_begin.resize(static_cast<size_t>(n_experts) + 1);
  DA_ASSIGN_OR_RETURN(auto gathered, make_activation(in_width, max_rows * n_used, readers));
  routing->gathered.reset(static_cast<CpuActivation*>(gathered.release()));
  routing->size_bytes = routing->gathered->size_bytes + n_assignments * 4 * sizeof(int32_t);
  return std::unique_ptr<Routing>(std::move(routing));
}

void CpuBackend::route(const RouteSpec& spec, const Activation& logits, Routing& routing) {
  auto& out = static_cast<CpuRouting&>(routing);
  const int32_t n_used = routing.n_used;
  DA_CHECK(logits.width == routing.n_experts && logits.n_rows <= routing.max_rows);
  DA_CHECK(spec.n_groups >= 1 && routing.n_experts % spec.n_groups == 0 && spec.n_groups_used >= 1);
  DA_CHECK(spec.n_groups_used <= spec.n_groups && n_used <= routing.n_experts / spec.n_groups * spec.n_groups_used);
  out.n_rows = logits.n_rows;
  for_rows(logits.n_rows, int64_t{n_used} * logits.width, [&](int32_t row) {
    choose(spec, static_cast<const CpuActivation&>(logits).row(row), out, out.experts.data() + int64_t{row} * n_used,
           out.weights.data() + int64_t{row} * n_used);
  });
  const auto n_assignments = static_cast<size_t>(logits.n_rows) * static_cast<size_t>(n_used);
  std::fill(out.expert_begin.begin(), out.expert_begin.end(), 0);
  for (size_t i = 0; i < n_assignments; ++i) ++out.expert_begin[static_cast<size_t>(out.experts[i]) + 1];
  for (size_t expert = 1; expert < out.expert_begin.size(); ++expert)
    out.expert_begin[expert] += out.expert_begin[expert - 1];
  for (size_t i = 0; i < n_assignments; ++i) {
    const int32_t expert_row = out.expert_begin[static_cast<size_t>(out.experts[i])]++;
    out.expert_rows[i] = expert_row;
    out.source_rows[static_cast<size_t>(expert_row)] = static_cast<int32_t>(i) / n_used;
  }
  // Each begin has moved to its end, which is the next one's begin.
  for (size_t expert = out.expert_begin.size() - 1; expert > 0; --expert)
    out.expert_begin[expert] = out.expert_begin[expert - 1];
  out.expert_begin[0] = 0;
}

void CpuBackend::expert_combine(const Activation& in, const Routing& routing, float scale, bool accumulate,
                                Activation& out) {
  const auto& route = static_cast<const CpuRouting&>(routing);
  const auto& to = static_cast<const CpuActivation&>(out);
  DA_CHECK(in.width == out.width && in.n_rows == routing.n_rows * routing.n_used && routing.n_rows <= out.max_rows);
  out.n_rows = routing.n_rows;
  for_rows(routing.n_rows, in.width * routing.n_used, [&](int32_t row) {
    float* sums = to.row(row);
    if (!accumulate) std::fill_n(sums, in.width, 0.0F);
    for (int32_t i = 0; i < routing.n_used; ++i) {
      const auto assignment = static_cast<size_t>(row) * static_cast<size_t>(routing.n_used) + static_cast<size_t>(i);
      const float weight = route.weights[assignment] * scale;
      const float* values = static_cast<const CpuActivation&>(in).row(route.expert_rows[assignment]);
      for (int64_t j = 0; j < in.width; ++j) sums[j] += weight * values[j];
    }
    quantize_row(to, row);
  });
}

}  // namespace da::backend::cpu
