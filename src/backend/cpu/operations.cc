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

LinearJob make_job(const CpuActivation& in, const LinearSpec& spec) {
  const PackedWeight& weight = mine(*spec.weight);
  const CpuActivation& out = mine(*spec.out);
  DA_CHECK(weight.packed && weight.n_in == in.width && weight.n_out == out.width);
  DA_CHECK(!weight.wants_quantized() || in.quantized_stride > 0);
  return {.codes = weight.memory.data(),
          .scales = weight.memory.data() + weight.scales_offset_bytes,
          .codes_stride_bytes = weight.codes_stride_bytes,
          .scales_stride_bytes = weight.scales_stride_bytes,
          .n_in = weight.n_in,
          .n_out = weight.n_out,
          .input = in.values.floats(),
          .input_stride = in.stride,
          .quantized = reinterpret_cast<const QuantBlock*>(in.quantized.data()),
          .quantized_stride = in.quantized_stride,
          .n_rows = in.n_rows,
          .out = out.values.floats(),
          .out_stride = out.stride,
          .bias = data_of(spec.bias),
          .accumulate = spec.accumulate};
}

}  // namespace

void CpuBackend::quantize_row(const CpuActivation& activation, int32_t row_idx) {
  if (activation.quantized_stride == 0) return;
  kernels_.quantize(activation.row(row_idx), activation.width, activation.quantized_row(row_idx));
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

void CpuBackend::embed(const Weight& weight, float scale, Activation& out) {
  const PackedWeight& table = mine(weight);
  const auto& info = gguf::tensor_type_info(table.type);
  const int64_t row_bytes = table.n_in / info.values_per_block * info.bytes_per_block;
  out.n_rows = static_cast<int32_t>(batch_.token_ids.size());
  DA_CHECK(out.n_rows <= out.max_rows && !table.rows.empty());
  for_rows(out.n_rows, out.width, [&](int32_t row) {
    const std::byte* source = table.rows.data() + batch_.token_ids[static_cast<size_t>(row)] * row_bytes;
    float* to = mine(out).row(row);
    DA_CHECK(
        quant::dequantize(table.type, source, to, static_cast<size_t>(table.n_in)).is_ok());  // type checked at load
    if (scale != 1.0F) {
      for (int64_t i = 0; i < table.n_in; ++i) to[i] *= scale;
    }
    quantize_row(mine(out), row);
  });
}

void CpuBackend::norm_row(const NormSpec& spec, const float* in, int64_t n, float* out) const {
  switch (spec.kind) {
    case NormKind::kRms:
      kernels_.rms_norm(in, data_of(spec.weight), spec.eps, n, out);
      return;
    case NormKind::kLayer:
      kernels_.layer_norm(in, data_of(spec.weight), data_of(spec.bias), spec.eps, n, out);
      return;
  }
}

void CpuBackend::norm(const Activation& in, const NormSpec& spec, Activation& out) {
  DA_CHECK(spec.weight->size == in.width && out.width == in.width && in.n_rows <= out.max_rows);
  out.n_rows = in.n_rows;
  for_rows(in.n_rows, in.width, [&](int32_t row) {
    norm_row(spec, mine(in).row(row), in.width, mine(out).row(row));
    quantize_row(mine(out), row);
  });
}

void CpuBackend::linear(const Activation& in, std::span<const LinearSpec> products) {
  constexpr size_t kMaxProducts = 8;
  DA_CHECK(products.size() <= kMaxProducts);
  LinearJob jobs[kMaxProducts];
  int64_t first_group[kMaxProducts + 1] = {0};
  uint64_t weight_bytes = 0;
  for (size_t i = 0; i < products.size(); ++i) {
    jobs[i] = make_job(mine(in), products[i]);
    first_group[i + 1] = first_group[i] + mine(*products[i].weight).n_groups();
    weight_bytes += products[i].weight->size_bytes;
    products[i].out->n_rows = in.n_rows;
    DA_CHECK(in.n_rows <= products[i].out->max_rows);
  }
  const int64_t n_groups = first_group[products.size()];
  const auto run = [&](int64_t begin, int64_t end) {
    for (size_t i = 0; i < products.size(); ++i) {
      const int64_t from = std::max(begin, first_group[i]), to = std::min(end, first_group[i + 1]);
      if (from < to) {
        kernels_.linear[static_cast<size_t>(mine(*products[i].weight).format)](jobs[i], from - first_group[i],
                                                                               to - first_group[i]);
      }
    }
  };
  // Waking the team takes a microsecond or two; this much is read in about ten.
  constexpr uint64_t kWorthThreads = 256 * 1024;
  if (weight_bytes * static_cast<uint64_t>(in.n_rows) < kWorthThreads) {
    run(0, n_groups);
  } else {
    // A few chunks for each thread, a multiple of the four groups a float kernel takes at once.
    const int64_t chunk = std::max<int64_t>(4, n_groups / (pool_.n_threads() * 4) / 4 * 4);
    pool_.parallel_for(n_groups, chunk, run);
  }
  for (const LinearSpec& product : products) {
    if (mine(*product.out).quantized_stride == 0) continue;
    for_rows(in.n_rows, product.out->width, [&](int32_t row) { quantize_row(mine(*product.out), row); });
  }
}

void CpuBackend::gate(GateKind kind, const Activation& gate, const Activation& up, Activation& out) {
  DA_CHECK(gate.width == up.width && out.width == up.width);
  const GateFunction function = kind == GateKind::kSilu ? GateFunction::kSilu : GateFunction::kGeluTanh;
  out.n_rows = gate.n_rows;
  for_rows(gate.n_rows, gate.width, [&](int32_t row) {
    kernels_.gate(function, mine(gate).row(row), mine(up).row(row), gate.width, mine(out).row(row));
    quantize_row(mine(out), row);
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
