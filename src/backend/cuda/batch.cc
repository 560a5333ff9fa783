// What a batch looks like on the device.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "backend/cuda/cuda_backend_impl.h"
#include "quant/quant.h"

namespace da::backend::cuda {
namespace {

// Steps of up to this many rows, one of each sequence, are replayed as graphs.
constexpr size_t kMaxGraphRows = 64;
constexpr int64_t kTileInts = sizeof(AttentionTile) / sizeof(int32_t);

int64_t align_ints(int64_t n) { return (n + 63) / 64 * 64; }
int32_t pages_of(const SequenceRows& sequence) {
  return (sequence.first_position + sequence.n_rows + kPageTokens - 1) / kPageTokens;
}

}  // namespace

BatchLayout::BatchLayout(int64_t rows, int64_t n_pages) : max_rows(rows), max_pages(n_pages) {
  int64_t at = 0;
  const auto region = [&at](int64_t ints) {
    const int64_t begin = at;
    at += align_ints(ints);
    return begin;
  };
  position = region(rows);
  sequence = region(rows);
  far = region(rows);
  outputs = region(rows);
  first_page = region(rows);
  for (int64_t& kind : tiles) kind = region(rows * kTileInts);  // at most one for each row
  pages = region(n_pages);
  size = at;
}

// Makes room for batches of `rows` rows whose sequences list `pages` pages.
Status CudaBackend::reserve_batch(int64_t rows, int64_t pages) {
  if (rows <= layout_.max_rows && pages <= layout_.max_pages) return Status::ok();
  const BatchLayout layout(std::max(rows, layout_.max_rows), std::max(pages, layout_.max_pages));
  DA_RETURN_IF_ERROR(launcher_.use());
  if (!options_.count_only) DA_RETURN_IF_ERROR(staging_.wait());
  const auto bytes = static_cast<uint64_t>(layout.size) * sizeof(int32_t);
  DA_ASSIGN_OR_RETURN(auto memory, DeviceMemory::allocate(ledger_, bytes, "batch"));
  if (!options_.count_only) DA_RETURN_IF_ERROR(staging_.reserve(bytes));
  if (rows > layout_.max_rows) {
    const uint64_t choice_bytes = static_cast<uint64_t>(layout.max_rows) * kMaxTopK * sizeof(Candidate);
    DA_ASSIGN_OR_RETURN(choices_, DeviceMemory::allocate(ledger_, choice_bytes, "choices"));
    if (!options_.count_only) {
      DA_ASSIGN_OR_RETURN(choices_host_, PinnedMemory::allocate(choice_bytes, "choices"));
    }
  }
  batch_memory_ = std::move(memory);
  layout_ = layout;
  return Status::ok();
}

void CudaBackend::describe_batch(const Batch& batch, int32_t* out) const {
  int32_t n_pages = 0;
  for (size_t s = 0; s < batch.sequences.size(); ++s) {
    const SequenceRows& sequence = batch.sequences[s];
    for (int32_t i = 0; i < sequence.n_rows; ++i) {
      out[layout_.position + sequence.first_row + i] = sequence.first_position + i;
      out[layout_.sequence + sequence.first_row + i] = static_cast<int32_t>(s);
      out[layout_.far + sequence.first_row + i] = sequence.is_far ? 1 : 0;
    }
    out[layout_.first_page + static_cast<int64_t>(s)] = n_pages;
    for (int32_t page = 0; page < pages_of(sequence); ++page)
      out[layout_.pages + n_pages++] = sequence.pages[static_cast<size_t>(page)];
  }
  std::copy(batch.output_rows.begin(), batch.output_rows.end(), out + layout_.outputs);
  for (int kind = 0; kind < BatchLayout::kTileKinds; ++kind) {
    auto* tile = reinterpret_cast<AttentionTile*>(out + layout_.tiles[kind]);
    const int32_t most = 1 << kind;
    for (size_t s = 0; s < batch.sequences.size(); ++s) {
      const SequenceRows& sequence = batch.sequences[s];
      for (int32_t row = 0; row < sequence.n_rows; row += most) {
        *tile++ = {.sequence = static_cast<int32_t>(s),
                   .first_row = sequence.first_row + row,
                   .n_rows = std::min(most, sequence.n_rows - row),
                   .first_position = sequence.first_position + row,
                   .last_position = sequence.first_position + sequence.n_rows - 1};
      }
    }
  }
}

void CudaBackend::begin(const Batch& batch) {
  batch_ = batch;
  embed_target_ = nullptr;
  for (const auto& table : rope_tables_) table->filled = false;
  row_position_.resize(batch.token_ids.size());
  int64_t n_pages = 0;
  longest_tokens_ = 0;
  n_tiles_ = {};
  bool one_row_each = true;
  int32_t row = 0;
  for (const SequenceRows& sequence : batch.sequences) {
    DA_CHECK(sequence.first_row == row);
    for (int32_t i = 0; i < sequence.n_rows; ++i)
      row_position_[static_cast<size_t>(row++)] = sequence.first_position + i;
    n_pages += pages_of(sequence);
    longest_tokens_ = std::max(longest_tokens_, sequence.first_position + sequence.n_rows);
    one_row_each = one_row_each && sequence.n_rows == 1;
    for (int kind = 0; kind < BatchLayout::kTileKinds; ++kind)
      n_tiles_[static_cast<size_t>(kind)] += (sequence.n_rows + (1 << kind) - 1) >> kind;
  }
  DA_CHECK(row == static_cast<int32_t>(batch.token_ids.size()));
  launcher_.record(one_row_each && batch.token_ids.size() <= kMaxGraphRows);
  if (!launcher_.status().is_ok() || row == 0) return;

  const auto upload = [&]() -> Status {
    DA_RETURN_IF_ERROR(launcher_.use());
    // Sequences that share pages may list more than the pool has.
    DA_RETURN_IF_ERROR(reserve_batch(row, n_pages > layout_.max_pages ? 2 * n_pages : n_pages));
    DA_ASSIGN_OR_RETURN(uint8_t * slot, staging_.acquire());
    describe_batch(batch, reinterpret_cast<int32_t*>(slot));
    // Up to the last page that is listed.
    DA_RETURN_IF_ERROR(
        staging_.copy(batch_memory_.data(), 0, static_cast<uint64_t>(layout_.pages + n_pages) * sizeof(int32_t)));
    return staging_.submit();
  };
  launcher_.fail(upload());
}

BatchArgs CudaBackend::batch_args() const {
  const auto* ints = batch_memory_.as<int32_t>();
  return {ints + layout_.position, ints + layout_.sequence, ints + layout_.first_page, ints + layout_.pages};
}

// Rows from the host into an activation, in pieces of a staging slot.
Status CudaBackend::upload_rows(const CudaActivation& out, const float* rows, int32_t n_rows, int64_t stride) {
  launcher_.flush();
  DA_RETURN_IF_ERROR(launcher_.status());
  DA_RETURN_IF_ERROR(launcher_.use());
  const uint64_t row_bytes = static_cast<uint64_t>(out.stride) * sizeof(float);
  DA_RETURN_IF_ERROR(staging_.reserve(row_bytes));
  const auto rows_per_slot = static_cast<int32_t>(staging_.slot_bytes() / row_bytes);
  for (int32_t begin = 0; begin < n_rows; begin += rows_per_slot) {
    const int32_t n = std::min(rows_per_slot, n_rows - begin);
    DA_ASSIGN_OR_RETURN(uint8_t * slot, staging_.acquire());
    for (int32_t i = 0; i < n; ++i) {
      std::memcpy(slot + static_cast<uint64_t>(i) * row_bytes, rows + (begin + i) * stride,
                  static_cast<size_t>(out.width) * sizeof(float));
    }
    DA_RETURN_IF_ERROR(staging_.copy(out.values + begin * out.stride, 0, static_cast<uint64_t>(n) * row_bytes));
    DA_RETURN_IF_ERROR(staging_.submit());
  }
  quantize(out);
  return launcher_.status();
}

// Rows are looked up on the host, in the mapped file: a few kilobytes a token go over, and the table, often the largest
// matrix of all, need not be on the device.
void CudaBackend::embed(const EmbedSpec& spec, Activation& out) {
  const CudaWeight& table = mine(*spec.weight);
  const auto& info = gguf::tensor_type_info(table.type);
  const int64_t row_bytes = table.n_in / info.values_per_block * info.bytes_per_block;
  const auto n_rows = static_cast<int32_t>(batch_.token_ids.size());
  DA_CHECK(!table.rows.empty() && table.n_in == out.width && n_rows <= out.max_rows);
  DA_CHECK(!spec.accumulate || embed_target_ == &out);
  out.n_rows = n_rows;
  embedded_.resize(static_cast<size_t>(n_rows * out.width));
  const auto look_up = [&](int64_t row, std::vector<float>& values) {
    int64_t index = 0;
    if (spec.index == EmbedIndex::kToken) index = batch_.token_ids[static_cast<size_t>(row)];
    if (spec.index == EmbedIndex::kPosition) index = row_position_[static_cast<size_t>(row)];
    DA_CHECK(index >= 0 && index < table.n_out);
    DA_CHECK(
        quant::dequantize(table.type, table.rows.data() + index * row_bytes, values.data(), values.size()).is_ok());
    float* to = embedded_.data() + row * out.width;
    for (int64_t i = 0; i < out.width; ++i)
      to[i] = values[static_cast<size_t>(i)] * spec.scale + (spec.accumulate ? to[i] : 0.0F);
  };
  threads_.parallel_for(n_rows, 16, [&](int64_t begin, int64_t end) {
    std::vector<float> values(static_cast<size_t>(table.n_in));
    for (int64_t row = begin; row < end; ++row) look_up(row, values);
  });
  embed_target_ = &out;
  launcher_.fail(upload_rows(mine(out), embedded_.data(), n_rows, out.width));
}

Status CudaBackend::wait() {
  DA_RETURN_IF_ERROR(done_.record(stream_));
  const Status waited = done_.wait(options_.step_deadline_ms);
  launcher_.fail(waited);
  return waited;
}

Result<RowsView> CudaBackend::read_rows(const Activation& in) {
  launcher_.flush();
  DA_RETURN_IF_ERROR(launcher_.status());
  DA_RETURN_IF_ERROR(launcher_.use());
  const CudaActivation& from = mine(in);
  const uint64_t bytes = static_cast<uint64_t>(in.n_rows * from.stride) * sizeof(float);
  if (bytes > from.host.size_bytes()) DA_RETURN_IF_ERROR(reserve_reading(in));
  if (bytes > 0) {
    const Status copied =
        DA_CUDA_STATUS(cudaMemcpyAsync(from.host.as<void>(), from.values, bytes, cudaMemcpyDeviceToHost, stream_));
    launcher_.fail(copied);
    DA_RETURN_IF_ERROR(copied);
    DA_RETURN_IF_ERROR(wait());
  }
  return RowsView{from.host.as<float>(), in.n_rows, in.width, from.stride};
}

Status CudaBackend::write_rows(const RowsView& rows, Activation& out) {
  DA_CHECK(rows.width == out.width && rows.n_rows <= out.max_rows);
  out.n_rows = static_cast<int32_t>(rows.n_rows);
  const Status written = upload_rows(mine(out), rows.data, out.n_rows, rows.stride);
  launcher_.fail(written);
  return written;
}

Status CudaBackend::fetch_choices(std::span<std::byte> out) {
  launcher_.flush();
  DA_RETURN_IF_ERROR(launcher_.status());
  DA_RETURN_IF_ERROR(launcher_.use());
  const Status copied = DA_CUDA_STATUS(
      cudaMemcpyAsync(choices_host_.as<void>(), choices_.data(), out.size_bytes(), cudaMemcpyDeviceToHost, stream_));
  launcher_.fail(copied);
  DA_RETURN_IF_ERROR(copied);
  DA_RETURN_IF_ERROR(wait());
  std::memcpy(out.data(), choices_host_.as<std::byte>(), out.size_bytes());
  return Status::ok();
}

Status CudaBackend::argmax(const Activation& in, std::span<int32_t> out) {
  DA_CHECK(out.size() == static_cast<size_t>(in.n_rows) && in.n_rows <= layout_.max_rows);
  if (in.n_rows == 0) return launcher_.status();
  launch_argmax(launcher_, {mine(in).values, mine(in).stride, in.width, choices_.as<int32_t>()}, in.n_rows);
  return fetch_choices(std::as_writable_bytes(out));
}

Status CudaBackend::top_k(const Activation& in, int32_t k, std::span<Candidate> out) {
  DA_CHECK(k >= 1 && k <= kMaxTopK && k <= in.width && in.n_rows <= layout_.max_rows);
  DA_CHECK(out.size() == static_cast<size_t>(in.n_rows) * static_cast<size_t>(k));
  if (in.n_rows == 0) return launcher_.status();
  launch_top_k(launcher_, {mine(in).values, mine(in).stride, in.width, k, choices_.as<Candidate>()}, in.n_rows);
  return fetch_choices(std::as_writable_bytes(out));
}

}  // namespace da::backend::cuda
