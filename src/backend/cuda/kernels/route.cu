// Which experts a row goes to.
#include "backend/backend.h"
#include "backend/cuda/device/warp.cuh"
#include "backend/cuda/kernels.h"

namespace da::backend::cuda {
namespace {

constexpr float kNever = -3.402823466e38F;

struct RouteShared {
  float scores[kMaxExperts];
  float candidates[kMaxExperts];
  float group_scores[kMaxExperts];
  float weights[kMaxExperts];
};

struct Best {
  float value;
  int index;
};

// The largest of n values, the lowest of equals; the same in every lane.
__device__ Best warp_best(const float* values, int n) {
  Best best{kNever, 0x7FFFFFFF};
  for (int i = static_cast<int>(threadIdx.x); i < n; i += kWarp) {
    if (values[i] > best.value || best.index == 0x7FFFFFFF) best = {values[i], i};
  }
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const float value = __shfl_xor_sync(kWholeWarp, best.value, mask);
    const int index = __shfl_xor_sync(kWholeWarp, best.index, mask);
    if (index != 0x7FFFFFFF &&
        (best.index == 0x7FFFFFFF || value > best.value || (value == best.value && index < best.index)))
      best = {value, index};
  }
  return best;
}

// `out` may be `in`.
__device__ void warp_softmax(const float* in, int n, float* out) {
  const float maximum = warp_best(in, n).value;
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += kWarp) sum += out[i] = expf(in[i] - maximum);
  sum = warp_sum(sum);
  for (int i = static_cast<int>(threadIdx.x); i < n; i += kWarp) out[i] /= sum;
  __syncwarp();
}

__device__ void keep_best_groups(const RouteArgs& a, RouteShared& shared) {
  const int lane_idx = static_cast<int>(threadIdx.x), size = a.n_experts / a.n_groups;
  for (int group = lane_idx; group < a.n_groups; group += kWarp) {
    const float* candidates = shared.candidates + group * size;
    // The sum of the best few: each time the largest below (or equal and after) the one before.
    float sum = 0, last = 0;
    int last_index = -1;
    for (int taken = 0; taken < a.group_best && taken < size; ++taken) {
      int best = -1;
      for (int i = 0; i < size; ++i) {
        const bool left = last_index < 0 || candidates[i] < last || (candidates[i] == last && i > last_index);
        if (left && (best < 0 || candidates[i] > candidates[best])) best = i;
      }
      if (best < 0) break;
      last = candidates[best];
      last_index = best;
      sum += last;
    }
    shared.group_scores[group] = sum;
  }
  __syncwarp();
  uint32_t kept[kMaxExperts / 32] = {};
  for (int i = 0; i < a.n_groups_used; ++i) {
    const int group = warp_best(shared.group_scores, a.n_groups).index;
    kept[group / 32] |= 1U << (group % 32);
    __syncwarp();
    if (lane_idx == 0) shared.group_scores[group] = -INFINITY;
    __syncwarp();
  }
  for (int expert = lane_idx; expert < a.n_experts; expert += kWarp) {
    const int group = expert / size;
    if ((kept[group / 32] >> (group % 32) & 1U) == 0) shared.candidates[expert] = -INFINITY;
  }
  __syncwarp();
}

// A warp for each row.
__global__ void __launch_bounds__(kWarp) route_kernel(const RouteArgs a) {
  RouteShared& shared = shared_as<RouteShared>();
  const int lane_idx = static_cast<int>(threadIdx.x);
  const int64_t row = blockIdx.x;
  const float* logits = a.logits + row * a.stride;
  const auto kind = static_cast<RouteKind>(a.kind);
  for (int i = lane_idx; i < a.n_experts; i += kWarp)
    shared.scores[i] = kind == RouteKind::kSigmoid ? 1.0F / (1.0F + expf(-logits[i])) : logits[i];
  __syncwarp();
  if (kind == RouteKind::kSoftmax) warp_softmax(shared.scores, a.n_experts, shared.scores);
  for (int i = lane_idx; i < a.n_experts; i += kWarp)
    shared.candidates[i] = shared.scores[i] + (a.selection_bias != nullptr ? a.selection_bias[i] : 0.0F);
  __syncwarp();
  if (a.n_groups > 1) keep_best_groups(a, shared);
  for (int used = 0; used < a.n_used; ++used) {
    const int expert = warp_best(shared.candidates, a.n_experts).index;
    __syncwarp();
    if (lane_idx == 0) {
      a.experts[row * a.n_used + used] = expert;
      shared.weights[used] = shared.scores[expert];
      shared.candidates[expert] = -INFINITY;
    }
    __syncwarp();
  }
  if (kind == RouteKind::kSoftmaxOfChosen) warp_softmax(shared.weights, a.n_used, shared.weights);
  float sum = 1.0F;
  if (a.normalize != 0) {
    sum = 0;
    for (int i = 0; i < a.n_used; ++i) sum += shared.weights[i];
    sum = fmaxf(sum, 6.103515625e-05F);  // the smallest normal float16, as the models' own code has it
  }
  for (int i = lane_idx; i < a.n_used; i += kWarp) {
    const float own = a.expert_scale != nullptr ? a.expert_scale[a.experts[row * a.n_used + i]] : 1.0F;
    a.weights[row * a.n_used + i] = shared.weights[i] / sum * a.scale * own;
  }
}

constexpr int kGroupThreads = 512;

struct GroupShared {
  int count[kMaxExperts];
  int next[kMaxExperts];  // where the next row of an expert goes
};

// One block. Rows of one expert come in any order: each row's result is its own.
__global__ void __launch_bounds__(kGroupThreads) group_kernel(const GroupArgs a) {
  GroupShared& shared = shared_as<GroupShared>();
  const int thread = static_cast<int>(threadIdx.x);
  for (int i = thread; i < a.n_experts; i += kGroupThreads) shared.count[i] = 0;
  __syncthreads();
  for (int i = thread; i < a.n_rows; i += kGroupThreads) atomicAdd(&shared.count[a.experts[i]], 1);
  __syncthreads();
  if (thread == 0) {
    int first = 0, n_tiles = 0;
    for (int expert = 0; expert < a.n_experts; ++expert) {
      shared.next[expert] = first;
      const int end = first + shared.count[expert];
      for (; first < end; first += kExpertTileRows)
        a.tiles[n_tiles++] = {expert, first, end - first < kExpertTileRows ? end - first : kExpertTileRows};
      first = end;
    }
    for (; n_tiles < a.n_tiles; ++n_tiles) a.tiles[n_tiles] = {0, 0, 0};
  }
  __syncthreads();
  for (int i = thread; i < a.n_rows; i += kGroupThreads) a.order[atomicAdd(&shared.next[a.experts[i]], 1)] = i;
}

}  // namespace

void launch_group(Launcher& launcher, const GroupArgs& args) {
  launcher.launch(group_kernel, 1, kGroupThreads, sizeof(GroupShared), args);
}

void launch_route(Launcher& launcher, const RouteArgs& args, int32_t n_rows) {
  launcher.launch(route_kernel, static_cast<unsigned>(n_rows), kWarp, sizeof(RouteShared), args);
}

}  // namespace da::backend::cuda
