#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cpu/cpu_backend_impl.h"
#include "quant/quant.h"

namespace da::backend::cpu {
namespace {

const CpuActivation& mine(const Activation& activation) { return static_cast<const CpuActivation&>(activation); }
const PackedWeight& mine(const Weight& weight) { return static_cast<const PackedWeight&>(weight); }
const float* data_of(const Vector* vector) {
  return vector == nullptr ? nullptr : static_cast<const CpuVector*>(vector)->data();
}

}  // namespace

void CpuBackend::quantize_row(const CpuActivation& activation, int32_t row_idx) {
  if (activation.quantized_stride > 0)
    kernels_.quantize(activation.row(row_idx), activation.width, activation.quantized_row(row_idx));
  if (activation.long_stride > 0)
    kernels_.quantize_long(activation.row(row_idx), activation.width, activation.long_row(row_idx));
}

void CpuBackend::quantize_rows(const CpuActivation& activation) {
  if (activation.quantized_stride == 0 && activation.long_stride == 0) return;
  for_rows(activation.n_rows, activation.width, [&](int32_t row) { quantize_row(activation, row); });
}

void CpuBackend::begin(const Batch& batch) {
  batch_ = batch;
  n_rope_tables_ = 0;
  row_sequence_.resize(batch.token_ids.size());
  row_position_.resize(batch.token_ids.size());
  int32_t row = 0;
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const SequenceRows& sequence = batch.sequences[s];
    DA_CHECK(sequence.first_row == row);
    for (int32_t i = 0; i < sequence.n_rows; ++i, ++row) {
      row_sequence_[static_cast<size_t>(row)] = static_cast<int32_t>(s);
      row_position_[static_cast<size_t>(row)] = sequence.first_position + i;
    }
  }
  DA_CHECK(row == static_cast<int32_t>(batch.token_ids.size()));
}

void CpuBackend::embed(const EmbedSpec& spec, Activation& out) {
  const PackedWeight& table = mine(*spec.weight);
  const auto& info = gguf::tensor_type_info(table.type);
  const int64_t row_bytes = table.n_in / info.values_per_block * info.bytes_per_block;
  DA_CHECK(!table.rows.empty() && table.n_in == out.width);
  out.n_rows = static_cast<int32_t>(batch_.token_ids.size());
  DA_CHECK(out.n_rows <= out.max_rows);
  for_rows(out.n_rows, out.width, [&](int32_t row) {
    int64_t index = 0;
    if (spec.index == EmbedIndex::kToken) index = batch_.token_ids[static_cast<size_t>(row)];
    if (spec.index == EmbedIndex::kPosition) index = row_position_[static_cast<size_t>(row)];
    DA_CHECK(index >= 0 && index < table.n_out);
    const std::byte* source = table.rows.data() + index * row_bytes;
    float* to = mine(out).row(row);
    // In pieces of whole blocks, so that what is added needs no memory of its own. The type was checked at load.
    constexpr int64_t kPiece = 256;
    float piece[kPiece];
    for (int64_t begin = 0; begin < table.n_in; begin += kPiece) {
      const int64_t n = std::min(kPiece, table.n_in - begin);
      DA_CHECK(quant::dequantize(table.type, source + begin / info.values_per_block * info.bytes_per_block, piece,
                                 static_cast<size_t>(n))
                   .is_ok());
      for (int64_t i = 0; i < n; ++i) to[begin + i] = piece[i] * spec.scale + (spec.accumulate ? to[begin + i] : 0.0F);
    }
    quantize_row(mine(out), row);
  });
}

void CpuBackend::norm_row(const NormSpec& spec, const float* in, int64_t n, float* out) const {
  if (spec.kind == NormKind::kNone) return;
  const int64_t dim = spec.dim == 0 ? n : spec.dim;
  const float *weight = data_of(spec.weight), *bias = data_of(spec.bias);
  // Each piece has weights of its own, or all share theirs.
  const int64_t weight_step = spec.weight != nullptr && spec.weight->size == n ? dim : 0;
  for (int64_t begin = 0; begin < n; begin += dim) {
    const int64_t at = begin / dim * weight_step;
    const NormJob job{.in = in + begin,
                      .weight = weight == nullptr ? nullptr : weight + at,
                      .bias = bias == nullptr ? nullptr : bias + at,
                      .eps = spec.eps,
                      .n = dim,
                      .out = out + begin,
                      .accumulate = spec.accumulate};
    switch (spec.kind) {
      case NormKind::kNone:
        break;
      case NormKind::kRms:
        kernels_.rms_norm(job);
        break;
      case NormKind::kLayer:
        kernels_.layer_norm(job);
        break;
    }
  }
}

void CpuBackend::norm(const Activation& in, const NormSpec& spec, Activation& out) {
  DA_CHECK(spec.kind != NormKind::kNone && out.width == in.width && in.n_rows <= out.max_rows);
  DA_CHECK(spec.weight == nullptr || spec.weight->size == in.width || spec.weight->size == spec.dim);
  DA_CHECK(spec.dim == 0 || in.width % spec.dim == 0);
  out.n_rows = in.n_rows;
  for_rows(in.n_rows, in.width, [&](int32_t row) {
    norm_row(spec, mine(in).row(row), in.width, mine(out).row(row));
    quantize_row(mine(out), row);
  });
}

void CpuBackend::gate(const GateSpec& spec, const Activation& gate, const Activation* up, Activation& out) {
  DA_CHECK(gate.width == out.width && (up == nullptr || spec.up_column + gate.width <= up->width));
  DA_CHECK(up != nullptr || spec.kind != GateKind::kSwigluOai);
  GateFunction function = GateFunction::kSilu;
  switch (spec.kind) {
    case GateKind::kSilu:
      break;
    case GateKind::kGeluTanh:
      function = GateFunction::kGeluTanh;
      break;
    case GateKind::kSwigluOai:
      function = GateFunction::kSwigluOai;
      break;
  }
  out.n_rows = gate.n_rows;
  for_rows(gate.n_rows, gate.width, [&](int32_t row) {
    const float* other = up == nullptr ? nullptr : mine(*up).row(row) + spec.up_column;
    kernels_.gate(function, mine(gate).row(row), other, gate.width, mine(out).row(row));
    quantize_row(mine(out), row);
  });
}

void CpuBackend::add_gated(const Activation& in, const Activation& gate, Activation& out) {
  DA_CHECK(in.width == out.width && gate.width == 1 && in.n_rows == out.n_rows);
  for_rows(in.n_rows, in.width, [&](int32_t row) {
    const float factor = 1.0F / (1.0F + std::exp(-*mine(gate).row(row)));
    const float* from = mine(in).row(row);
    float* to = mine(out).row(row);
    for (int64_t i = 0; i < in.width; ++i) to[i] += factor * from[i];
    quantize_row(mine(out), row);
  });
}

void CpuBackend::scale(float factor, Activation& x) {
  for_rows(x.n_rows, x.width, [&](int32_t row) {
    float* values = mine(x).row(row);
    for (int64_t i = 0; i < x.width; ++i) values[i] *= factor;
    quantize_row(mine(x), row);
  });
}

void CpuBackend::soft_cap(float cap, Activation& x) {
  for_rows(x.n_rows, 8 * x.width, [&](int32_t row) {
    float* values = mine(x).row(row);
    for (int64_t i = 0; i < x.width; ++i) values[i] = cap * std::tanh(values[i] / cap);
    quantize_row(mine(x), row);
  });
}

void CpuBackend::select_outputs(const Activation& in, Activation& out) {
  out.n_rows = static_cast<int32_t>(batch_.output_rows.size());
  DA_CHECK(out.n_rows <= out.max_rows && in.width == out.width);
  for (int32_t i = 0; i < out.n_rows; ++i) {
    const int32_t from = batch_.output_rows[static_cast<size_t>(i)];
    std::memcpy(mine(out).row(i), mine(in).row(from), static_cast<size_t>(in.width) * sizeof(float));
    quantize_row(mine(out), i);
  }
}

Result<RowsView> CpuBackend::read_rows(const Activation& in) {
  return RowsView{mine(in).values.floats(), in.n_rows, in.width, mine(in).stride};
}

Status CpuBackend::write_rows(const RowsView& rows, Activation& out) {
  DA_CHECK(rows.width == out.width && rows.n_rows <= out.max_rows);
  out.n_rows = static_cast<int32_t>(rows.n_rows);
  for_rows(out.n_rows, out.width, [&](int32_t row) {
    std::memcpy(mine(out).row(row), rows.row(row).data(), static_cast<size_t>(out.width) * sizeof(float));
    quantize_row(mine(out), row);
  });
  return Status::ok();
}

Status CpuBackend::argmax(const Activation& in, std::span<int32_t> out) {
  DA_CHECK(out.size() == static_cast<size_t>(in.n_rows));
  for_rows(in.n_rows, in.width, [&](int32_t row) {
    const float* values = mine(in).row(row);
    int32_t best = 0;
    bool finite = true;
    for (int64_t i = 0; i < in.width; ++i) {
      finite = finite && std::isfinite(values[i]);
      if (values[i] > values[best]) best = static_cast<int32_t>(i);
    }
    out[static_cast<size_t>(row)] = finite ? best : -1;
  });
  return Status::ok();
}

}  // namespace da::backend::cpu
