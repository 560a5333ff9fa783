// Attention over pages of 32 tokens with a running maximum and sum. A block takes a tile of query vectors that share a
// key-value head (rows of one sequence times heads of one group): a page is brought to shared memory once for all of
// them, first its keys, then its values. A lane is a token for the scores, a dimension for the values. Long sequences
// with few queries are split over several blocks, whose parts a second kernel puts together.
#include "backend/backend.h"
#include "backend/cuda/device/warp.cuh"
#include "backend/cuda/kernels.h"

namespace da::backend::cuda {
namespace {

constexpr int kThreads = 128, kWarps = kThreads / kWarp, kPage = 32;

__device__ __forceinline__ float minus_infinity() { return -__uint_as_float(0x7F800000U); }

// The shared memory of a block, in floats: queries [most][key_dim4], page [32][row], scores [most][33].
struct Layout {
  int query_stride, page_stride;
  float *query, *page, *scores;
  __device__ Layout(const AttentionArgs& a)
      : query_stride(a.kv.keys.dim),
        page_stride((a.kv.keys.dim > a.kv.values.dim ? a.kv.keys.dim : a.kv.values.dim) |
                    1),  // odd: lanes in different banks
        query(reinterpret_cast<float*>(shared_bytes())),
        page(query + a.queries_per_tile * query_stride),
        scores(page + kPage * page_stride) {}
};

// Eight consecutive dims of a row, from `begin` (a multiple of 8) on, as float32.
__device__ __forceinline__ void load_values(const uint8_t* row, KvType type, int n_blocks, int begin,
                                            float (&values)[8]) {
  switch (type) {
    case KvType::kF32: {
      const uint4 bits[2] = {load16(row + begin * 4), load16(row + begin * 4 + 16)};
      for (int j = 0; j < 2; ++j) {
        values[4 * j] = __uint_as_float(bits[j].x);
        values[4 * j + 1] = __uint_as_float(bits[j].y);
        values[4 * j + 2] = __uint_as_float(bits[j].z);
        values[4 * j + 3] = __uint_as_float(bits[j].w);
      }
      return;
    }
    case KvType::kF16:
    case KvType::kBF16: {
      const uint4 bits = load16(row + begin * 2);
      const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
      for (int j = 0; j < 4; ++j) {
        if (type == KvType::kF16) {
          values[2 * j] = half_to_float(static_cast<uint16_t>(words[j]));
          values[2 * j + 1] = half_to_float(static_cast<uint16_t>(words[j] >> 16));
        } else {
          values[2 * j] = __uint_as_float(words[j] << 16);
          values[2 * j + 1] = __uint_as_float(words[j] & 0xFFFF0000U);
        }
      }
      return;
    }
    case KvType::kQ8_0: {
      const float scale = half_to_float(*reinterpret_cast<const uint16_t*>(row + n_blocks * 32 + begin / 32 * 2));
      const uint2 bits = load8(row + begin);
      for (int j = 0; j < 8; ++j)
        values[j] = scale * static_cast<float>(static_cast<int8_t>((j < 4 ? bits.x : bits.y) >> (8 * (j % 4))));
      return;
    }
    case KvType::kQ4_0: {
      const float scale = half_to_float(*reinterpret_cast<const uint16_t*>(row + n_blocks * 16 + begin / 32 * 2));
      const uint2 bits = load8(row + begin / 32 * 16 + begin % 16);
      const int shift = begin % 32 >= 16 ? 4 : 0;
      for (int j = 0; j < 8; ++j) {
        const uint32_t code = (j < 4 ? bits.x : bits.y) >> (8 * (j % 4) + shift) & 0xFU;
        values[j] = scale * (static_cast<float>(code) - 8.0F);
      }
      return;
    }
  }
}

// Rows [0, n_tokens) of a page's head as float32; the others, which may hold anything, as zeros.
__device__ __forceinline__ void load_page(const KvSide& side, int64_t page_offset, int head, int n_tokens,
                                          int page_stride, float* to) {
  const uint8_t* from = side.rows + page_offset + static_cast<int64_t>(head) * kPage * side.row_bytes;
  const int pieces = (side.dim + 7) / 8, n_blocks = (side.dim + 31) / 32;
  const auto type = static_cast<KvType>(side.type);
  for (int i = static_cast<int>(threadIdx.x); i < kPage * pieces; i += kThreads) {
    const int token = i / pieces, begin = i % pieces * 8;
    float values[8] = {};
    if (token < n_tokens)
      load_values(from + static_cast<int64_t>(token) * side.row_bytes, type, n_blocks, begin, values);
    for (int j = 0; j < 8 && begin + j < side.dim; ++j) to[token * page_stride + begin + j] = values[j];
  }
}

// The tile's place: which rows and heads.
struct Tile {
  AttentionTile rows;
  int first_head, n_heads, kv_head, n_queries;
  __device__ Tile(const AttentionArgs& a) : rows(a.tiles[blockIdx.x]) {
    kv_head = static_cast<int>(blockIdx.y) / a.groups_per_kv;
    const int in_group = static_cast<int>(blockIdx.y) % a.groups_per_kv * a.heads_per_tile;
    first_head = kv_head * a.group + in_group;
    n_heads = a.group - in_group < a.heads_per_tile ? a.group - in_group : a.heads_per_tile;
    n_queries = rows.n_rows * n_heads;
  }
  __device__ int row(int q) const { return q / n_heads; }
  __device__ int head(int q) const { return first_head + q % n_heads; }
};

// (tiles, kv heads times tiles of heads, splits). A warp has kQueries query vectors, a lane kChunks of each one's dims.
template <int kQueries, int kChunks>
__global__ void __launch_bounds__(kThreads) attention_kernel(const AttentionArgs a) {
  const Layout shared(a);
  const Tile tile(a);
  const int lane_idx = static_cast<int>(threadIdx.x) % kWarp, warp_idx = static_cast<int>(threadIdx.x) / kWarp;
  const int key_dim = a.kv.keys.dim, value_dim = a.kv.values.dim;
  for (int i = static_cast<int>(threadIdx.x); i < tile.n_queries * key_dim; i += kThreads) {
    const int q = i / key_dim;
    const float* query = a.query + (tile.rows.first_row + tile.row(q)) * a.query_stride + tile.head(q) * key_dim;
    shared.query[q * shared.query_stride + i % key_dim] = query[i % key_dim] * a.scale;
  }

  // In registers: every loop over them is unrolled.
  float maximum[kQueries], total[kQueries], acc[kQueries][kChunks];
#pragma unroll
  for (int i = 0; i < kQueries; ++i) {
    maximum[i] = minus_infinity();
    total[i] = 0;
#pragma unroll
    for (int c = 0; c < kChunks; ++c) acc[i][c] = 0;
  }
  const int last_position = a.causal != 0 ? tile.rows.first_position + tile.rows.n_rows - 1 : tile.rows.last_position;
  const int window_begin =
      a.window > 0 && tile.rows.first_position >= a.window ? tile.rows.first_position - a.window + 1 : 0;
  const int first_page = window_begin / kPage, n_pages = last_position / kPage + 1 - first_page;
  const int split = static_cast<int>(blockIdx.z);
  const int page_begin = first_page + n_pages * split / a.n_splits,
            page_end = first_page + n_pages * (split + 1) / a.n_splits;
  const int32_t* pages = a.batch.pages + a.batch.first_page[tile.rows.sequence];
  for (int page = page_begin; page < page_end; ++page) {
    const int begin = page * kPage;
    const int n_tokens = last_position - begin + 1 < kPage ? last_position - begin + 1 : kPage;
    const int64_t at = pages[page] * a.kv.page_bytes;
    __syncthreads();  // the queries are there; the page before is done with
    load_page(a.kv.keys, at, tile.kv_head, n_tokens, shared.page_stride, shared.page);
    __syncthreads();
    float keep[kQueries];
#pragma unroll
    for (int i = 0; i < kQueries; ++i) {
      const int q = warp_idx + i * kWarps;
      keep[i] = 1.0F;
      if (q >= tile.n_queries) continue;  // the whole warp
      const float* query = shared.query + q * shared.query_stride;
      const float* key = shared.page + lane_idx * shared.page_stride;
      float score = 0;
      for (int d = 0; d < key_dim; ++d) score += query[d] * key[d];
      if (a.softcap > 0) score = a.softcap * tanhf(score / a.softcap);
      const int own = a.causal != 0 ? tile.rows.first_position + tile.row(q) : last_position;
      const int position = begin + lane_idx;
      const bool visible = position <= own && (a.window <= 0 || position > own - a.window);
      if (!visible) score = minus_infinity();
      const float page_maximum = warp_max(score);
      const bool none_visible = __any_sync(kWholeWarp, visible ? 1 : 0) == 0;
      if (none_visible) {
        shared.scores[q * (kPage + 1) + lane_idx] = 0;
        continue;
      }
      const float now = fmaxf(maximum[i], page_maximum);
      const float weight = expf(score - now);
      keep[i] = maximum[i] == now ? 1.0F : expf(maximum[i] - now);
      maximum[i] = now;
      total[i] = total[i] * keep[i] + warp_sum(weight);
      shared.scores[q * (kPage + 1) + lane_idx] = weight;
    }
    __syncthreads();  // the keys are done with
    load_page(a.kv.values, at, tile.kv_head, n_tokens, shared.page_stride, shared.page);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < kQueries; ++i) {
      const int q = warp_idx + i * kWarps;
      if (q >= tile.n_queries) break;
      const float* weights = shared.scores + q * (kPage + 1);
#pragma unroll
      for (int c = 0; c < kChunks; ++c) acc[i][c] *= keep[i];
      for (int t = 0; t < n_tokens; ++t) {
        const float weight = weights[t], *value = shared.page + t * shared.page_stride + lane_idx;
#pragma unroll
        for (int c = 0; c < kChunks; ++c) {
          if (c * kWarp + lane_idx < value_dim) acc[i][c] += weight * value[c * kWarp];
        }
      }
    }
  }

#pragma unroll
  for (int i = 0; i < kQueries; ++i) {
    const int q = warp_idx + i * kWarps;
    if (q >= tile.n_queries) break;
    if (a.n_splits > 1) {
      const int64_t part =
          ((static_cast<int64_t>(blockIdx.x) * gridDim.y + blockIdx.y) * a.n_splits + split) * a.queries_per_tile + q;
      float* out = a.partial + part * (2 + value_dim);
      if (lane_idx == 0) {
        out[0] = maximum[i];
        out[1] = total[i];
      }
#pragma unroll
      for (int c = 0; c < kChunks; ++c) {
        if (c * kWarp + lane_idx < value_dim) out[2 + c * kWarp + lane_idx] = acc[i][c];
      }
      continue;
    }
    float factor = 1.0F;
    if (a.sinks != nullptr) {  // a score whose value is 0
      const float sink = a.sinks[tile.head(q)], now = fmaxf(maximum[i], sink);
      factor = expf(maximum[i] - now);
      total[i] = total[i] * factor + expf(sink - now);
    }
    float* out = a.out + (tile.rows.first_row + tile.row(q)) * a.out_stride + tile.head(q) * value_dim;
#pragma unroll
    for (int c = 0; c < kChunks; ++c) {
      if (c * kWarp + lane_idx < value_dim) out[c * kWarp + lane_idx] = acc[i][c] * factor / total[i];
    }
  }
}

// (tiles, kv heads times tiles of heads)
__global__ void __launch_bounds__(kThreads) attention_combine_kernel(const AttentionArgs a) {
  const Tile tile(a);
  const int value_dim = a.kv.values.dim;
  for (int q = 0; q < tile.n_queries; ++q) {
    const int64_t first =
        (static_cast<int64_t>(blockIdx.x) * gridDim.y + blockIdx.y) * a.n_splits * a.queries_per_tile + q;
    const auto part = [&](int split) {
      return a.partial + (first + static_cast<int64_t>(split) * a.queries_per_tile) * (2 + value_dim);
    };
    float maximum = a.sinks != nullptr ? a.sinks[tile.head(q)] : minus_infinity();
    for (int split = 0; split < a.n_splits; ++split) maximum = fmaxf(maximum, part(split)[0]);
    float total = a.sinks != nullptr ? expf(a.sinks[tile.head(q)] - maximum) : 0.0F;
    // A part without a token has counted nothing.
    for (int split = 0; split < a.n_splits; ++split)
      total += part(split)[1] == 0.0F ? 0.0F : part(split)[1] * expf(part(split)[0] - maximum);
    float* out = a.out + (tile.rows.first_row + tile.row(q)) * a.out_stride + tile.head(q) * value_dim;
    for (int d = static_cast<int>(threadIdx.x); d < value_dim; d += kThreads) {
      float sum = 0;
      for (int split = 0; split < a.n_splits; ++split) {
        if (part(split)[1] != 0.0F) sum += part(split)[2 + d] * expf(part(split)[0] - maximum);
      }
      out[d] = sum / total;
    }
  }
}

size_t shared_size(const AttentionArgs& a) {
  const int largest = a.kv.keys.dim > a.kv.values.dim ? a.kv.keys.dim : a.kv.values.dim;
  return sizeof(float) * (static_cast<size_t>(a.queries_per_tile) * static_cast<size_t>(a.kv.keys.dim + kPage + 1) +
                          static_cast<size_t>(kPage) * static_cast<size_t>(largest | 1));
}

}  // namespace

int32_t attention_queries_per_tile(int32_t key_dim, int32_t value_dim) {
  if (key_dim > kMaxHeadDim || value_dim > kMaxHeadDim) return 0;
  return key_dim <= 256 && value_dim <= 256 ? 16 : 8;
}

void launch_attention(Launcher& launcher, const AttentionArgs& args, int32_t n_tiles) {
  const auto n_heads = static_cast<unsigned>(args.kv.n_kv_heads * args.groups_per_kv);
  const dim3 grid(static_cast<unsigned>(n_tiles), n_heads, static_cast<unsigned>(args.n_splits));
  if (args.queries_per_tile == 8) {
    launcher.launch(attention_kernel<2, kMaxHeadDim / kWarp>, grid, kThreads, shared_size(args), args);
  } else if (args.kv.values.dim <= 128) {
    launcher.launch(attention_kernel<4, 4>, grid, kThreads, shared_size(args), args);
  } else {
    launcher.launch(attention_kernel<4, 8>, grid, kThreads, shared_size(args), args);
  }
  if (args.n_splits > 1)
    launcher.launch(attention_combine_kernel, dim3(static_cast<unsigned>(n_tiles), n_heads), kThreads, 0, args);
}

}  // namespace da::backend::cuda
