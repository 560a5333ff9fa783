#include "backend/cpu/attention.h"

#include <algorithm>
#include <atomic>

#include "backend/cpu/cpu_backend_impl.h"

namespace da::backend::cpu {

static_assert(static_cast<int>(KvType::kQ4_0) == static_cast<int>(KvElement::kQ4_0));

void set_attention_pieces(AttentionJob& job) {
  const int32_t last = job.causal ? job.first_position + job.n_rows - 1 : job.last_position;
  const int32_t first = job.window > 0 && job.first_position >= job.window ? job.first_position - job.window + 1 : 0;
  job.piece_begin = first / kPieceTokens;
  job.piece_end = last / kPieceTokens + 1;
}

namespace {

int64_t part_floats(const AttentionJob& job) {
  return attention_part_floats(int64_t{job.n_rows} * job.heads_per_kv, job.value_stride);
}

}  // namespace

// Few sequences with long contexts are fewer jobs than busy threads want: as many as there is memory for are run in
// pieces. What they compute is the same.
void CpuBackend::split_attention_tasks() {
  const size_t n_tasks = attention_tasks_.size();
  if (n_tasks >= attention_pieces_left_.size()) return;
  float* parts = attention_parts_.floats();
  auto floats_left = static_cast<int64_t>(attention_parts_.size_bytes() / sizeof(float));
  for (size_t i = 0; i < n_tasks; ++i) {
    AttentionTask task = attention_tasks_[i];
    const int32_t n_pieces = task.job.piece_end - task.job.piece_begin;
    const int64_t floats = n_pieces * part_floats(task.job);
    if (n_pieces < 2 || floats > floats_left) continue;
    task.job.parts = parts;
    parts += floats;
    floats_left -= floats;
    task.pieces_left = &attention_pieces_left_[i];
    *task.pieces_left = n_pieces;
    task.piece = task.job.piece_begin;
    attention_tasks_[i] = task;
    while (++task.piece < task.job.piece_end) attention_tasks_.push_back(task);
  }
}

void CpuBackend::run_attention_task(const AttentionTask& task, float* scratch) const {
  AttentionJob job = task.job;
  job.scratch = scratch;
  if (task.pieces_left != nullptr) {
    AttentionJob piece = job;
    piece.step = AttentionStep::kRun;
    piece.piece_begin = task.piece;
    piece.piece_end = task.piece + 1;
    piece.parts += (task.piece - job.piece_begin) * part_floats(job);
    kernels_.attention(piece);
    // Whoever runs a job's last piece adds them all up.
    if (std::atomic_ref<int32_t>(*task.pieces_left).fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    job.step = AttentionStep::kAdd;
  }
  kernels_.attention(job);
}

void CpuBackend::attention(const AttentionSpec& spec, int32_t kv_layer_idx, const Activation& query, const KvPool& kv,
                           Activation& out) {
  const auto& pool = static_cast<const CpuKvPool&>(kv);
  const auto& in = static_cast<const CpuActivation&>(query);
  const auto& to = static_cast<const CpuActivation&>(out);
  const auto& [n_kv_heads, key_dim, value_dim] = pool.shape(kv_layer_idx);
  const int32_t group = spec.n_heads / n_kv_heads;  // query heads to a key-value head
  DA_CHECK(query.width == int64_t{spec.n_heads} * key_dim && out.width == int64_t{spec.n_heads} * value_dim);
  DA_CHECK(spec.causal || spec.window == 0);
  out.n_rows = query.n_rows;
  const float* sinks = spec.sinks == nullptr ? nullptr : static_cast<const CpuVector*>(spec.sinks)->data();

  // A job is one key-value head and as many query vectors as fit: some rows with all heads of the group, or one row
  // with a part of them.
  const int32_t heads_per_job = std::min(group, kMaxQueryVectors);
  const int32_t rows_per_job = std::max(1, kMaxQueryVectors / group);
  attention_tasks_.clear();
  int64_t work = 0;  // query vectors times positions
  for (const SequenceRows& sequence : batch_.sequences) {
    const int32_t last_position = sequence.first_position + sequence.n_rows - 1;
    for (int32_t row = 0; row < sequence.n_rows; row += rows_per_job) {
      const int32_t n_rows = std::min(rows_per_job, sequence.n_rows - row);
      const int32_t first_position = sequence.first_position + row;
      work += int64_t{n_rows} * spec.n_heads * (spec.causal ? first_position + n_rows : last_position + 1);
      for (int32_t head = 0; head < spec.n_heads;) {
        const int32_t kv_head = head / group;
        const int32_t n_heads = std::min(heads_per_job, (kv_head + 1) * group - head);
        AttentionJob job{.query = in.row(sequence.first_row + row) + head * key_dim,
                         .query_stride = in.stride,
                         .out = to.row(sequence.first_row + row) + head * value_dim,
                         .out_stride = to.stride,
                         .n_rows = n_rows,
                         .heads_per_kv = n_heads,
                         .first_position = first_position,
                         .key_dim = key_dim,
                         .value_dim = value_dim,
                         .value_stride = pool.value_stride(kv_layer_idx),
                         .keys = pool.keys(kv_layer_idx, kv_head),
                         .values = pool.values(kv_layer_idx, kv_head),
                         .page_bytes = static_cast<int64_t>(kv.page_bytes),
                         .pages = sequence.pages.data(),
                         .key_type = static_cast<KvElement>(kv.spec.type.key),
                         .value_type = static_cast<KvElement>(kv.spec.type.value),
                         .scale = spec.scale,
                         .softcap = spec.softcap,
                         .window = spec.window,
                         .sinks = sinks == nullptr ? nullptr : sinks + head,
                         .last_position = last_position,
                         .causal = spec.causal,
                         .scratch = nullptr,
                         .piece_begin = 0,
                         .piece_end = 0};
        set_attention_pieces(job);
        attention_tasks_.push_back({.job = job});
        head += n_heads;
      }
    }
  }

  // Multiplications that take about ten microseconds; a worker comes after one or two.
  constexpr int64_t kWorthThreads = 512 * 1024;
  const bool worth_threads = work * (key_dim + value_dim) >= kWorthThreads;
  if (worth_threads) split_attention_tasks();
  std::atomic<size_t> next{0};
  const auto take_tasks = [&](int thread_idx) {
    float* scratch = attention_scratch_.floats() + thread_idx * attention_scratch_stride_;
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < attention_tasks_.size();)
      run_attention_task(attention_tasks_[i], scratch);
  };
  if (worth_threads) {
    pool_.run_available(take_tasks);
  } else {
    take_tasks(0);
  }
  quantize_rows(to);
}

}  // namespace da::backend::cpu
