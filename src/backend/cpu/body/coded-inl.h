// Products of coded rows; included after linear-inl.h.

namespace da::backend::cpu::DA_CPU_TARGET {

using Coded = Integer<8, 7, 16, false, false, Table::kNone, Scale::kFloat>;

// Coded rows: a tile of a group is unpacked and multiplied with all rows, then the next.
static void linear_coded_rows(const LinearJob& job, int64_t group_begin, int64_t group_end) {
  constexpr int64_t kColumns = 1024;
  alignas(64) uint8_t codes[kColumns * kLanes];
  alignas(64) float scales[kColumns / 16 * kLanes];
  for (int64_t group = group_begin; group < group_end; ++group) {
    for (int64_t column = 0; column < job.n_in; column += kColumns) {
      LinearJob part = job;
      part.n_in = job.n_in - column < kColumns ? job.n_in - column : kColumns;
      job.unpack({job.codes + group * job.codes_stride_bytes, job.type, job.n_in, column, part.n_in, kLanes, kSignedQ8,
                  codes, scales});
      part.codes = codes;
      part.scales = reinterpret_cast<const uint8_t*>(scales);
      part.quantized = job.quantized + column / 32;
      part.out = job.out + group * kLanes;
      part.bias = job.bias != nullptr && column == 0 ? job.bias + group * kLanes : nullptr;
      part.accumulate = job.accumulate || column > 0;
      linear_integer<Coded>(part, 0, 1);
    }
  }
}

}  // namespace da::backend::cpu::DA_CPU_TARGET
