#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "backend/cpu/cpu_backend_impl.h"

namespace da::backend::cpu {
namespace {

constexpr int64_t kHeadRows = 8;  // rows of a head taken together

int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

// A row of a head's input as its weight reads it.
int64_t head_input_bytes(const PackedWeight& weight) {
  if (weight.wants_long_blocks()) return weight.n_in / kLongBlock * static_cast<int64_t>(sizeof(QuantLongBlock));
  return weight.n_in / 32 * static_cast<int64_t>(sizeof(QuantBlock));
}

const CpuActivation& mine(const Activation& activation) { return static_cast<const CpuActivation&>(activation); }
const PackedWeight& mine(const Weight& weight) { return static_cast<const PackedWeight&>(weight); }

// Part `part` of the weight times rows [first_row, first_row + n_rows) of `in`.
LinearJob make_job(const CpuActivation& in, const LinearSpec& spec, int64_t part, int32_t first_row, int32_t n_rows) {
  const PackedWeight& weight = mine(*spec.weight);
  const CpuActivation& out = mine(*spec.out);
  DA_CHECK(weight.packed && weight.n_in == in.width && weight.n_out == out.width);
  DA_CHECK(!weight.wants_blocks() || in.quantized_stride > 0);
  DA_CHECK(!weight.wants_long_blocks() || in.long_stride > 0);
  const float* bias = spec.bias == nullptr ? nullptr : static_cast<const CpuVector*>(spec.bias)->data();
  return {.codes = weight.codes(part),
          .scales = weight.scales(part),
          .codes_stride_bytes = weight.codes_stride_bytes,
          .scales_stride_bytes = weight.scales_stride_bytes,
          .n_in = weight.n_in,
          .n_out = weight.n_out,
          .input = in.row(first_row),
          .input_stride = in.stride,
          .quantized = in.quantized_stride > 0 ? in.quantized_row(first_row) : nullptr,
          .quantized_stride = in.quantized_stride,
          .long_blocks = in.long_stride > 0 ? in.long_row(first_row) : nullptr,
          .long_stride = in.long_stride,
          .n_rows = n_rows,
          .out = out.row(first_row),
          .out_stride = out.stride,
          .bias = bias == nullptr ? nullptr : bias + part * weight.n_out,
          .accumulate = spec.accumulate,
          .scale = spec.scale,
          .unpack = unpack_coded_tile,
          .type = static_cast<uint32_t>(weight.type),
          .scratch = nullptr};
}

}  // namespace

// Groups [begin, end) of a product on one thread.
void CpuBackend::run_groups(LinearJob job, const PackedWeight& weight, int64_t part, int64_t begin, int64_t end,
                            int thread_idx) {
  const auto product = kernels_.linear[static_cast<size_t>(weight.format)];
  job.scratch = linear_scratch(thread_idx);
  if (weight.mapped.empty()) return product(job, begin, end);
  // Two at a time: as many as a tile takes.
  uint8_t* codes = mapped_scratch_.data() + thread_idx * mapped_scratch_bytes_;
  uint8_t* scales = codes + 2 * weight.codes_stride_bytes;
  const float* bias = job.bias;
  float* out = job.out;
  for (int64_t group = begin; group < end; group += 2) {
    const int64_t n_groups = std::min<int64_t>(2, end - group);
    for (int64_t i = 0; i < n_groups; ++i) {
      // What is not finite was refused at load.
      (void)pack_group(kernels_, weight, weight.mapped, part, group + i, codes + i * weight.codes_stride_bytes,
                       scales + i * weight.scales_stride_bytes);
    }
    job.codes = codes;
    job.scales = scales;
    job.out = out + group * kernels_.lanes;
    job.bias = bias == nullptr ? nullptr : bias + group * kernels_.lanes;
    product(job, 0, n_groups);
  }
}

void CpuBackend::add_task(const LinearJob& job, const PackedWeight& weight, int64_t part) {
  tasks_.push_back({job, &weight, part});
  task_bytes_ += static_cast<uint64_t>(weight.part_stride_bytes * job.n_rows);
}

void CpuBackend::run_tasks() {
  if (tasks_.empty()) return;
  pieces_.clear();
  int64_t n_groups = 0;
  std::array<int64_t, CpuTopology::kMaxNodes + 1> node_begin{};
  for (int node = 0; node < topology_.n_nodes(); ++node) {
    for (const LinearTask& task : tasks_) {
      const auto [begin, end] = node_share(topology_, *task.weight, node);
      if (begin < end) pieces_.push_back({&task, begin, n_groups});
      n_groups += end - begin;
    }
    node_begin[static_cast<size_t>(node) + 1] = n_groups;
  }
  const auto run = [&](int thread_idx, int64_t begin, int64_t end) {
    // The last piece that begins at or before `begin`.
    auto piece = std::upper_bound(pieces_.begin(), pieces_.end(), begin,
                                  [](int64_t at, const LinearPiece& other) { return at < other.queue_begin; }) -
                 1;
    for (; piece != pieces_.end() && piece->queue_begin < end; ++piece) {
      const int64_t piece_end = piece + 1 == pieces_.end() ? n_groups : (piece + 1)->queue_begin;
      const int64_t to_group = piece->first_group - piece->queue_begin;
      run_groups(piece->task->job, *piece->task->weight, piece->task->part,
                 std::max(begin, piece->queue_begin) + to_group, std::min(end, piece_end) + to_group, thread_idx);
    }
  };
  // Waking the team takes a microsecond or two; this much is read in about ten.
  constexpr uint64_t kWorthThreads = 256 * 1024;
  if (task_bytes_ < kWorthThreads) {
    run(0, 0, n_groups);
  } else {
    // Chunks of eight groups, which share a pass over the activations; with few rows long ones at first, read from
    // memory in one go, and short ones last, so that nobody waits long.
    const bool many_rows = tasks_.front().job.n_rows >= 32, small = n_groups < pool_.n_threads() * 32;
    NodeQueue queue((many_rows ? 8 : 4) / (small ? 2 : 1), many_rows ? 0 : pool_.n_threads());
    for (int node = 0; node < topology_.n_nodes(); ++node)
      queue.add_node(node_begin[static_cast<size_t>(node) + 1] - node_begin[static_cast<size_t>(node)]);
    pool_.run_available([&](int thread_idx) {
      const int own_node = topology_.current_node();
      while (const auto chunk = queue.take(own_node)) {
        const int64_t begin = node_begin[static_cast<size_t>(chunk->node)];
        run(thread_idx, begin + chunk->begin, begin + chunk->end);
      }
    });
  }
  tasks_.clear();
  task_bytes_ = 0;
}

void CpuBackend::linear(const Activation& in, std::span<const LinearSpec> products) {
  for (const LinearSpec& product : products) {
    DA_CHECK(product.weight->n_parts == 1 && in.n_rows <= product.out->max_rows);
    product.out->n_rows = in.n_rows;
    add_task(make_job(mine(in), product, 0, 0, in.n_rows), mine(*product.weight), 0);
  }
  run_tasks();
  for (const LinearSpec& product : products) quantize_rows(mine(*product.out));
}

void CpuBackend::expert_linear(const Activation& in, ExpertInput rows, const Routing& routing,
                               std::span<const LinearSpec> products) {
  const auto& route = static_cast<const CpuRouting&>(routing);
  const int32_t n_expert_rows = routing.n_rows * routing.n_used;
  const CpuActivation* from = &mine(in);
  if (rows == ExpertInput::kBatchRows) {
    DA_CHECK(in.n_rows == routing.n_rows && in.width == route.gathered->width);
    from = route.gathered.get();
    route.gathered->n_rows = n_expert_rows;
    for_rows(n_expert_rows, in.width, [&](int32_t row) {
      const int32_t source = route.source_rows[static_cast<size_t>(row)];
      std::memcpy(from->row(row), mine(in).row(source), static_cast<size_t>(in.width) * sizeof(float));
      if (from->quantized_stride > 0) {
        DA_CHECK(mine(in).quantized_stride == from->quantized_stride);
        std::memcpy(from->quantized_row(row), mine(in).quantized_row(source),
                    static_cast<size_t>(in.width / 32) * sizeof(QuantBlock));
      }
      if (from->long_stride > 0) {
        DA_CHECK(mine(in).long_stride == from->long_stride);
        std::memcpy(from->long_row(row), mine(in).long_row(source),
                    static_cast<size_t>(in.width / kLongBlock) * sizeof(QuantLongBlock));
      }
    });
  }
  DA_CHECK(from->n_rows == n_expert_rows);
  for (const LinearSpec& product : products) {
    DA_CHECK(product.weight->n_parts == routing.n_experts && n_expert_rows <= product.out->max_rows);
    product.out->n_rows = n_expert_rows;
    for (int32_t expert = 0; expert < routing.n_experts; ++expert) {
      const int32_t begin = route.expert_begin[static_cast<size_t>(expert)];
      const int32_t n_rows = route.expert_begin[static_cast<size_t>(expert) + 1] - begin;
      if (n_rows > 0) add_task(make_job(*from, product, expert, begin, n_rows), mine(*product.weight), expert);
    }
  }
  run_tasks();
  for (const LinearSpec& product : products) quantize_rows(mine(*product.out));
}

Status CpuBackend::reserve_head_scratch(const PackedWeight& weight) {
  const int64_t in_bytes = kHeadRows * head_input_bytes(weight);
  const int64_t out_bytes = round_up(weight.n_out, 16) * kHeadRows * static_cast<int64_t>(sizeof(float));
  if (in_bytes + out_bytes <= head_scratch_bytes_) return Status::ok();
  head_scratch_bytes_ = in_bytes + out_bytes;
  DA_ASSIGN_OR_RETURN(
      head_scratch_, Memory::allocate(static_cast<uint64_t>(head_scratch_bytes_ * pool_.n_threads()), "head products"));
  return Status::ok();
}

void CpuBackend::head_linear(const Activation& in, const Weight& weight, Activation& out) {
  const PackedWeight& packed = mine(weight);
  const int64_t n_heads = packed.n_parts, in_step = in.width / n_heads, out_step = out.width / n_heads;
  const int64_t input_bytes = head_input_bytes(packed);
  DA_CHECK(in.width % n_heads == 0 && out.width % n_heads == 0 && packed.n_in <= in_step && packed.n_out <= out_step);
  DA_CHECK(packed.packed && in.n_rows <= out.max_rows);
  out.n_rows = in.n_rows;
  const int64_t out_stride = round_up(packed.n_out, 16);
  std::atomic<int64_t> next{0};
  // A kernel writes whole groups of outputs: into a buffer of the thread's own, not into the next head.
  pool_.run_available([&](int thread_idx) {
    uint8_t* scratch = head_scratch_.data() + thread_idx * head_scratch_bytes_;
    auto* blocks = reinterpret_cast<QuantBlock*>(scratch);
    auto* long_blocks = reinterpret_cast<QuantLongBlock*>(scratch);
    auto* results = reinterpret_cast<float*>(scratch + kHeadRows * input_bytes);
    for (int64_t head; (head = next.fetch_add(1, std::memory_order_relaxed)) < n_heads;) {
      for (int32_t row = 0; row < in.n_rows; row += kHeadRows) {
        const auto n_rows = static_cast<int32_t>(std::min<int64_t>(kHeadRows, in.n_rows - row));
        const float* input = mine(in).row(row) + head * in_step;
        for (int32_t i = 0; i < n_rows; ++i) {
          const float* values = input + i * mine(in).stride;
          if (packed.wants_blocks()) kernels_.quantize(values, packed.n_in, blocks + i * (packed.n_in / 32));
          if (packed.wants_long_blocks())
            kernels_.quantize_long(values, packed.n_in, long_blocks + i * (packed.n_in / kLongBlock));
        }
        const LinearJob job{.codes = packed.codes(head),
                            .scales = packed.scales(head),
                            .codes_stride_bytes = packed.codes_stride_bytes,
                            .scales_stride_bytes = packed.scales_stride_bytes,
                            .n_in = packed.n_in,
                            .n_out = packed.n_out,
                            .input = input,
                            .input_stride = mine(in).stride,
                            .quantized = blocks,
                            .quantized_stride = packed.n_in / 32,
                            .long_blocks = long_blocks,
                            .long_stride = packed.n_in / kLongBlock,
                            .n_rows = n_rows,
                            .out = results,
                            .out_stride = out_stride,
                            .bias = nullptr,
                            .accumulate = false,
                            .scale = 1.0F,
                            .unpack = unpack_coded_tile,
                            .type = static_cast<uint32_t>(packed.type),
                            .scratch = nullptr};
        run_groups(job, packed, head, 0, packed.n_groups(), thread_idx);
        for (int32_t i = 0; i < n_rows; ++i) {
          std::memcpy(mine(out).row(row + i) + head * out_step, results + i * out_stride,
                      static_cast<size_t>(packed.n_out) * sizeof(float));
        }
      }
    }
  });
  quantize_rows(mine(out));
}

}  // namespace da::backend::cpu
