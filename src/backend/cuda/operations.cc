// The operations that run on the device.
#include <algorithm>
#include <cmath>

#include "backend/cuda/cuda_backend_impl.h"

namespace da::backend::cuda {

void CudaBackend::quantize(const CudaActivation& activation) {
  if (activation.codes != nullptr && activation.n_rows > 0)
    launch_quantize(launcher_, {activation.args()}, activation.n_rows);
}

void CudaBackend::norm_pieces(const NormSpec& spec, const CudaActivation& in, const ActivationArgs& out, int64_t width,
                              int32_t n_rows) {
  if (n_rows == 0 || spec.kind == NormKind::kNone) return;
  const auto dim = static_cast<int32_t>(spec.dim == 0 ? width : spec.dim);
  DA_CHECK(width % dim == 0);
  launch_norm(launcher_,
              {.in = in.values,
               .in_stride = in.stride,
               .out = out,
               .weight = data_of(spec.weight),
               .bias = data_of(spec.bias),
               // Each piece has weights of its own, or all share theirs.
               .weight_step = spec.weight != nullptr && spec.weight->size == width ? dim : 0,
               .dim = dim,
               .eps = spec.eps,
               .layer_norm = spec.kind == NormKind::kLayer ? 1 : 0,
               .accumulate = spec.accumulate ? 1 : 0},
              static_cast<int32_t>(width / dim), n_rows);
}

void CudaBackend::norm(const Activation& in, const NormSpec& spec, Activation& out) {
  DA_CHECK(spec.kind != NormKind::kNone && out.width == in.width && in.n_rows <= out.max_rows);
  DA_CHECK(spec.weight == nullptr || spec.weight->size == in.width || spec.weight->size == spec.dim);
  out.n_rows = in.n_rows;
  ActivationArgs to = mine(out).args();
  // Pieces that hold no whole blocks of 32 are quantized when all are done.
  const bool whole_blocks = spec.dim % 32 == 0;
  if (!whole_blocks) to.codes = nullptr;
  norm_pieces(spec, mine(in), to, in.width, in.n_rows);
  if (!whole_blocks) quantize(mine(out));
}

void CudaBackend::product(const CudaActivation& in, const LinearSpec& spec, const CudaRouting* routing,
                          int32_t rows_per_input, int32_t n_rows) {
  const CudaWeight& weight = mine(*spec.weight);
  const CudaActivation& out = mine(*spec.out);
  DA_CHECK(weight.packed && weight.n_in == in.width && weight.n_out == out.width && n_rows <= out.max_rows);
  DA_CHECK(!weight.wants_quantized() || in.codes != nullptr);
  spec.out->n_rows = n_rows;
  if (n_rows == 0) return;
  LinearArgs args = weight.args();
  args.input = in.values;
  args.input_stride = in.stride;
  args.codes = in.codes;
  args.meta = in.meta;
  args.out = out.values;
  args.out_stride = out.stride;
  args.bias = data_of(spec.bias);
  int32_t n_tiles = 0;
  if (routing != nullptr) args.experts = routing->experts;
  if (routing != nullptr && routing->is_grouped()) {
    args.order = routing->order;
    args.tiles = routing->tiles;
    n_tiles = routing->most_tiles(n_rows);
  }
  args.rows_per_input = rows_per_input;
  args.n_rows = n_rows;
  args.scale = spec.scale;
  args.accumulate = spec.accumulate ? 1 : 0;
  const PackedFormat format = weight.packing.format;
  const bool few = n_tiles == 0 && (routing != nullptr || n_rows <= kMaxVectorRows);
  const bool is_float = !weight.packing.is_integer(), is_legacy = format <= PackedFormat::kQ8_0;
  if (few) {
    (is_float ? float_vector : (is_legacy ? legacy_vector : k_vector))(launcher_, format, args);
  } else {
    (is_float ? float_matrix : (is_legacy ? legacy_matrix : k_matrix))(launcher_, format, args, n_tiles);
  }
  quantize(out);
}

void CudaBackend::linear(const Activation& in, std::span<const LinearSpec> products) {
  for (const LinearSpec& spec : products) {
    DA_CHECK(spec.weight->n_parts == 1);
    product(mine(in), spec, nullptr, 1, in.n_rows);
  }
}

void CudaBackend::expert_linear(const Activation& in, ExpertInput rows, const Routing& routing,
                                std::span<const LinearSpec> products) {
  const auto& route = static_cast<const CudaRouting&>(routing);
  const int32_t n_expert_rows = routing.n_rows * routing.n_used;
  const bool from_batch = rows == ExpertInput::kBatchRows;
  DA_CHECK(in.n_rows == (from_batch ? routing.n_rows : n_expert_rows));
  for (const LinearSpec& spec : products) {
    DA_CHECK(spec.weight->n_parts == routing.n_experts);
    product(mine(in), spec, &route, from_batch ? routing.n_used : 1, n_expert_rows);
  }
}

void CudaBackend::head_linear(const Activation& in, const Weight& weight, Activation& out) {
  const CudaWeight& packed = mine(weight);
  const int64_t n_heads = packed.n_parts, in_step = in.width / n_heads, out_step = out.width / n_heads;
  DA_CHECK(in.width % n_heads == 0 && out.width % n_heads == 0 && packed.n_in <= in_step && packed.n_out <= out_step);
  DA_CHECK(packed.packed && in.n_rows <= out.max_rows);
  out.n_rows = in.n_rows;
  if (in.n_rows == 0) return;
  HeadLinearArgs args = {.linear = packed.args(), .in_step = in_step, .out_step = out_step};
  args.linear.input = mine(in).values;
  args.linear.input_stride = mine(in).stride;
  args.linear.out = mine(out).values;
  args.linear.out_stride = mine(out).stride;
  args.linear.n_rows = in.n_rows;
  const PackedFormat format = packed.packing.format;
  const auto heads = static_cast<int32_t>(n_heads);
  if (!packed.packing.is_integer()) {
    float_heads(launcher_, format, args, heads);
  } else if (format <= PackedFormat::kQ8_0) {
    legacy_heads(launcher_, format, args, heads);
  } else {
    k_heads(launcher_, format, args, heads);
  }
  quantize(mine(out));
}

// Once a batch for each kind of rotation.
const float* CudaBackend::rope_angles(const RopeSpec& spec) {
  if (spec.kind == RopeKind::kNone) return nullptr;
  const auto n_rows = static_cast<int32_t>(row_position_.size());
  const auto find = [&] {
    return std::find_if(rope_tables_.begin(), rope_tables_.end(), [&](const auto& table) {
      return table->frequencies == spec.frequencies && table->max_rows >= n_rows &&
             table->memory.size_bytes() >=
                 static_cast<uint64_t>(n_rows) * static_cast<uint64_t>(spec.n_dims) * sizeof(float);
    });
  };
  auto found = find();
  if (found == rope_tables_.end()) {
    // Nobody announced it (reserve_rotation).
    launcher_.fail(
        reserve_rotation(*spec.frequencies, std::max<int32_t>(n_rows, static_cast<int32_t>(layout_.max_rows))));
    found = find();
    if (found == rope_tables_.end()) return nullptr;
  }
  RopeTable& table = **found;
  if (!table.filled || table.magnitude != spec.magnitude) {
    launch_rope_table(launcher_,
                      {.position = batch_args().position,
                       .far = batch_memory_.as<int32_t>() + layout_.far,
                       .frequencies = data_of(spec.frequencies),
                       .cos_sin = table.memory.as<float>(),
                       .half_dims = spec.n_dims / 2,
                       .n_sets = spec.frequencies->size > spec.n_dims / 2 ? 2 : 1,
                       .magnitude = spec.magnitude},
                      n_rows);
    table.filled = true;
    table.magnitude = spec.magnitude;
  }
  return table.memory.as<float>();
}

void CudaBackend::rope_store(const RopeSpec& spec, int32_t kv_layer_idx, Activation& query, Activation* key,
                             Activation* value, KvPool& kv) {
  const auto& pool = static_cast<const CudaKvPool&>(kv);
  const auto& [n_kv_heads, key_dim, value_dim] = pool.shape(kv_layer_idx);
  DA_CHECK((key == nullptr) == (value == nullptr) && query.width % key_dim == 0);
  if (query.n_rows == 0) return;
  const auto norm_in_place = [&](const NormSpec& norm, const Activation& heads) {
    ActivationArgs args = mine(heads).args();
    args.codes = nullptr;
    norm_pieces(norm, mine(heads), args, heads.width, heads.n_rows);
  };
  norm_in_place(spec.query_norm, query);
  const CudaActivation& q = mine(query);
  RopeStoreArgs args = {};
  args.batch = batch_args();
  args.kv = pool.args(kv_layer_idx);
  args.cos_sin = rope_angles(spec);
  args.query = {q.values, q.values, q.stride, q.stride, key_dim, key_dim};
  args.query_width = query.width;
  args.n_heads = static_cast<int32_t>(query.width / key_dim);
  args.half_dims = spec.n_dims / 2;
  args.interleaved = spec.kind == RopeKind::kInterleaved ? 1 : 0;
  args.temperature = spec.temperature;
  args.temperature_tokens = spec.temperature_tokens;
  if (key != nullptr) {
    DA_CHECK(key->width == int64_t{n_kv_heads} * key_dim && value->width == int64_t{n_kv_heads} * value_dim);
    norm_in_place(spec.key_norm, *key);
    norm_in_place(spec.value_norm, *value);
    const CudaActivation& k = mine(*key);
    args.key = {k.values, k.values, k.stride, k.stride, key_dim, key_dim};
    args.keys = k.values;
    args.key_row_stride = k.stride;
    args.values = mine(*value).values;
    args.value_row_stride = mine(*value).stride;
  }
  launch_rope_store(launcher_, args, query.n_rows);
}

void CudaBackend::latent_store(const LatentSpec& spec, int32_t kv_layer_idx, const Activation& query,
                               Activation& latent, KvPool& kv, Activation& absorbed) {
  const auto& pool = static_cast<const CudaKvPool&>(kv);
  const int32_t n_dims = spec.rope.n_dims, query_dim = spec.plain_dim + n_dims, key_dim = spec.latent_dim + n_dims;
  DA_CHECK(pool.shape(kv_layer_idx) == (KvLayer{1, key_dim, spec.latent_dim}) && latent.width == key_dim);
  DA_CHECK(query.width == int64_t{spec.n_heads} * query_dim && absorbed.width == int64_t{spec.n_heads} * key_dim);
  absorbed.n_rows = query.n_rows;
  if (query.n_rows == 0) return;
  const CudaActivation &q = mine(query), &key = mine(latent), &to = mine(absorbed);
  ActivationArgs front = key.args();
  front.codes = nullptr;
  norm_pieces(spec.latent_norm, key, front, spec.latent_dim, latent.n_rows);
  RopeStoreArgs args = {};
  args.batch = batch_args();
  args.kv = pool.args(kv_layer_idx);
  args.cos_sin = rope_angles(spec.rope);
  args.query = {q.values + spec.plain_dim, to.values + spec.latent_dim, q.stride, to.stride, query_dim, key_dim};
  args.key = {key.values + spec.latent_dim, key.values + spec.latent_dim, key.stride, key.stride, key_dim, key_dim};
  args.keys = args.values = key.values;
  args.key_row_stride = args.value_row_stride = key.stride;
  args.n_heads = spec.n_heads;
  args.half_dims = n_dims / 2;
  args.interleaved = spec.rope.kind == RopeKind::kInterleaved ? 1 : 0;
  args.temperature_tokens = 1;
  launch_rope_store(launcher_, args, query.n_rows);
}

void CudaBackend::attention(const AttentionSpec& spec, int32_t kv_layer_idx, const Activation& query, const KvPool& kv,
                            Activation& out) {
  const auto& pool = static_cast<const CudaKvPool&>(kv);
  const auto& [n_kv_heads, key_dim, value_dim] = pool.shape(kv_layer_idx);
  DA_CHECK(query.width == int64_t{spec.n_heads} * key_dim && out.width == int64_t{spec.n_heads} * value_dim);
  DA_CHECK(spec.causal || spec.window == 0);
  out.n_rows = query.n_rows;
  if (query.n_rows == 0) return;
  AttentionArgs args = {};
  args.batch = batch_args();
  args.kv = pool.args(kv_layer_idx);
  args.query = mine(query).values;
  args.query_stride = mine(query).stride;
  args.out = mine(out).values;
  args.out_stride = mine(out).stride;
  args.partial = partial_.as<float>();
  args.sinks = data_of(spec.sinks);
  args.scale = spec.scale;
  args.softcap = spec.softcap;
  args.window = spec.window;
  args.n_heads = spec.n_heads;
  args.causal = spec.causal ? 1 : 0;
  args.group = spec.n_heads / n_kv_heads;
  args.queries_per_tile = attention_queries_per_tile(key_dim, value_dim);
  args.heads_per_tile = std::min(args.group, args.queries_per_tile);
  args.groups_per_kv = (args.group + args.heads_per_tile - 1) / args.heads_per_tile;
  // The tiles of rows that fill a block of threads best.
  int kind = 0;
  while (kind + 1 < BatchLayout::kTileKinds && (2 << kind) * args.heads_per_tile <= args.queries_per_tile) ++kind;
  args.tiles = reinterpret_cast<const AttentionTile*>(batch_memory_.as<int32_t>() + layout_.tiles[kind]);
  const int32_t n_tiles = n_tiles_[static_cast<size_t>(kind)];
  // Split until the device is full; a power of two, that the shape of decode steps changes seldom. A part is worth
  // having from some pages on.
  constexpr int32_t kSplitPages = 4, kMaxSplits = 32;
  const int32_t n_blocks = n_tiles * n_kv_heads * args.groups_per_kv;
  const int32_t tokens = spec.window > 0 ? std::min(longest_tokens_, spec.window + kPageTokens) : longest_tokens_;
  const int64_t part_bytes =
      int64_t{n_blocks} * args.queries_per_tile * (2 + value_dim) * static_cast<int64_t>(sizeof(float));
  args.n_splits = 1;
  while (args.n_splits < kMaxSplits && n_blocks * args.n_splits < 2 * n_processors_ &&
         args.n_splits * kSplitPages * kPageTokens < tokens &&
         2 * args.n_splits * part_bytes <= static_cast<int64_t>(partial_.size_bytes())) {
    args.n_splits *= 2;
  }
  launch_attention(launcher_, args, n_tiles);
  quantize(mine(out));
}

void CudaBackend::gate(const GateSpec& spec, const Activation& gate, const Activation* up, Activation& out) {
  DA_CHECK(gate.width == out.width && (up == nullptr || spec.up_column + gate.width <= up->width));
  DA_CHECK(up != nullptr || spec.kind != GateKind::kSwigluOai);
  out.n_rows = gate.n_rows;
  if (out.n_rows == 0) return;
  ElementwiseArgs args = {
      .in = mine(gate).values, .in_stride = mine(gate).stride, .out = mine(out).args(), .kind = Elementwise::kSilu};
  switch (spec.kind) {
    case GateKind::kSilu:
      break;
    case GateKind::kGeluTanh:
      args.kind = Elementwise::kGeluTanh;
      break;
    case GateKind::kSwigluOai:
      args.kind = Elementwise::kSwigluOai;
      break;
  }
  if (up != nullptr) {
    args.other = mine(*up).values + spec.up_column;
    args.other_stride = mine(*up).stride;
  }
  launch_elementwise(launcher_, args, out.n_rows);
}

void CudaBackend::scale(float factor, Activation& x) {
  if (x.n_rows == 0) return;
  launch_elementwise(launcher_,
                     {.in = mine(x).values,
                      .in_stride = mine(x).stride,
                      .out = mine(x).args(),
                      .kind = Elementwise::kScale,
                      .factor = factor},
                     x.n_rows);
}

void CudaBackend::soft_cap(float cap, Activation& x) {
  if (x.n_rows == 0) return;
  launch_elementwise(launcher_,
                     {.in = mine(x).values,
                      .in_stride = mine(x).stride,
                      .out = mine(x).args(),
                      .kind = Elementwise::kSoftCap,
                      .factor = cap},
                     x.n_rows);
}

void CudaBackend::add_gated(const Activation& in, const Activation& gate, Activation& out) {
  DA_CHECK(in.width == out.width && gate.width == 1 && in.n_rows == out.n_rows);
  if (in.n_rows == 0) return;
  launch_add_gated(
      launcher_, {mine(in).values, mine(gate).values, mine(in).stride, mine(gate).stride, mine(out).args()}, in.n_rows);
}

void CudaBackend::route(const RouteSpec& spec, const Activation& logits, Routing& routing) {
  const auto& out = static_cast<const CudaRouting&>(routing);
  DA_CHECK(logits.width == routing.n_experts && logits.n_rows <= routing.max_rows);
  DA_CHECK(spec.n_groups >= 1 && routing.n_experts % spec.n_groups == 0 && spec.n_groups_used >= 1);
  DA_CHECK(spec.n_groups_used <= spec.n_groups &&
           routing.n_used <= routing.n_experts / spec.n_groups * spec.n_groups_used);
  routing.n_rows = logits.n_rows;
  if (logits.n_rows == 0) return;
  launch_route(launcher_,
               {.logits = mine(logits).values,
                .stride = mine(logits).stride,
                .selection_bias = data_of(spec.selection_bias),
                .expert_scale = data_of(spec.expert_scale),
                .experts = out.experts,
                .weights = out.weights,
                .kind = static_cast<int32_t>(spec.kind),
                .n_experts = routing.n_experts,
                .n_used = routing.n_used,
                .n_groups = spec.n_groups,
                .n_groups_used = spec.n_groups_used,
                .group_best = spec.group_best,
                .normalize = spec.normalize ? 1 : 0,
                .scale = spec.scale},
               logits.n_rows);
  if (!out.is_grouped()) return;
  const int32_t n_expert_rows = routing.n_rows * routing.n_used;
  launch_group(launcher_, {.experts = out.experts,
                           .order = out.order,
                           .tiles = out.tiles,
                           .n_rows = n_expert_rows,
                           .n_experts = routing.n_experts,
                           .n_tiles = out.most_tiles(n_expert_rows),
                           .unused = 0});
}

void CudaBackend::expert_combine(const Activation& in, const Routing& routing, float scale, bool accumulate,
                                 Activation& out) {
  DA_CHECK(in.width == out.width && in.n_rows == routing.n_rows * routing.n_used && routing.n_rows <= out.max_rows);
  out.n_rows = routing.n_rows;
  if (out.n_rows == 0) return;
  launch_combine(launcher_,
                 {.in = mine(in).values,
                  .in_stride = mine(in).stride,
                  .out = mine(out).args(),
                  .weights = static_cast<const CudaRouting&>(routing).weights,
                  .n_used = routing.n_used,
                  .accumulate = accumulate ? 1 : 0,
                  .scale = scale},
                 out.n_rows);
}

void CudaBackend::select_outputs(const Activation& in, Activation& out) {
  out.n_rows = static_cast<int32_t>(batch_.output_rows.size());
  DA_CHECK(out.n_rows <= out.max_rows && in.width == out.width);
  if (out.n_rows == 0) return;
  launch_select(launcher_,
                {mine(in).values, mine(in).stride, mine(out).args(), batch_memory_.as<int32_t>() + layout_.outputs},
                out.n_rows);
}

}  // namespace da::backend::cuda
