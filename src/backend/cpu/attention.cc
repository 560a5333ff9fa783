#include <algorithm>
#include <atomic>

#include "backend/cpu/cpu_backend_impl.h"

namespace da::backend::cpu {

void CpuBackend::attention(const AttentionSpec& spec, int32_t layer_idx, const Activation& query, const KvPool& kv,
                           Activation& out) {
  const auto& pool = static_cast<const CpuKvPool&>(kv);
  const auto& in = static_cast<const CpuActivation&>(query);
  const auto& to = static_cast<const CpuActivation&>(out);
  const int32_t key_dim = kv.spec.key_dim, value_dim = kv.spec.value_dim, n_kv_heads = kv.spec.n_kv_heads;
  const int32_t group = spec.n_heads / n_kv_heads;  // query heads to a key-value head
  DA_CHECK(query.width == int64_t{spec.n_heads} * key_dim && out.width == int64_t{spec.n_heads} * value_dim);
  out.n_rows = query.n_rows;

  // A job is one key-value head and as many query vectors as fit: some rows with all heads of the group, or one row
  // with a part of them.
  const int32_t heads_per_job = std::min(group, kMaxQueryVectors);
  const int32_t rows_per_job = std::max(1, kMaxQueryVectors / group);
  attention_jobs_.clear();
  int64_t work = 0;  // query vectors times positions
  for (const SequenceRows& sequence : batch_.sequences) {
    for (int32_t row = 0; row < sequence.n_rows; row += rows_per_job) {
      const int32_t n_rows = std::min(rows_per_job, sequence.n_rows - row);
      const int32_t first_position = sequence.first_position + row;
      work += int64_t{n_rows} * spec.n_heads * (first_position + n_rows);
      for (int32_t head = 0; head < spec.n_heads;) {
        const int32_t kv_head = head / group;
        const int32_t n_heads = std::min(heads_per_job, (kv_head + 1) * group - head);
        attention_jobs_.push_back({.query = in.row(sequence.first_row + row) + head * key_dim,
                                   .query_stride = in.stride,
                                   .out = to.row(sequence.first_row + row) + head * value_dim,
                                   .out_stride = to.stride,
                                   .n_rows = n_rows,
                                   .heads_per_kv = n_heads,
                                   .first_position = first_position,
                                   .key_dim = key_dim,
                                   .value_dim = value_dim,
                                   .value_stride = pool.value_stride(),
                                   .keys = pool.keys(layer_idx, kv_head),
                                   .values = pool.values(layer_idx, kv_head),
                                   .page_bytes = static_cast<int64_t>(kv.page_bytes),
                                   .pages = sequence.pages.data(),
                                   .half = kv.spec.type == KvType::kF16,
                                   .scale = spec.scale,
                                   .softcap = spec.softcap,
                                   .window = spec.window,
                                   .scratch = nullptr});
        head += n_heads;
      }
    }
  }

  std::atomic<size_t> next{0};
  const auto take_jobs = [&](int thread_idx) {
    float* scratch = attention_scratch_.floats() + thread_idx * attention_scratch_stride_;
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < attention_jobs_.size();) {
      AttentionJob job = attention_jobs_[i];
      job.scratch = scratch;
      kernels_.attention(job);
    }
  };
  // Multiplications that take about ten microseconds; a worker comes after one or two.
  constexpr int64_t kWorthThreads = 512 * 1024;
  if (work * (key_dim + value_dim) < kWorthThreads) {
    take_jobs(0);
  } else {
    pool_.run_available(take_jobs);
  }
  if (to.quantized_stride > 0) {
    for_rows(out.n_rows, out.width, [&](int32_t row) { quantize_row(to, row); });
  }
}

}  // namespace da::backend::cpu
