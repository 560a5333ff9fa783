// The container from arbitrary bytes, as one file and as two parts of a model: whatever is accepted must be consistent
// to the last byte, its weights must have values, and written again it must be read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "gguf/gguf.h"
#include "gguf/parts.h"
#include "quant/finite.h"
#include "quant/mix.h"
#include "quant/model_writer.h"
#include "quant/quant.h"

namespace {

using namespace da;

void require(bool condition) {
  if (!condition) std::abort();
}

void read_blocks(const gguf::Tensor& tensor) {
  const auto& info = gguf::tensor_type_info(tensor.type);
  std::vector<float> values(info.values_per_block);
  const size_t last = tensor.size_bytes - info.bytes_per_block;
  for (const size_t offset : {size_t{0}, last}) {
    const std::byte* block = tensor.data.data() + offset;
    require(quant::dequantize(tensor.type, block, values.data(), values.size()).is_ok());
    (void)quant::is_finite(tensor.type, block, values.size());
  }
}

void check_written_again(const gguf::File& file) {
  const auto writer = quant::model_writer(file, nullptr, {.n_threads = 1});
  require(writer.is_ok());
  const auto bytes = (*writer)->serialize();
  require(bytes.is_ok());
  const auto again = gguf::File::parse(std::as_bytes(std::span(*bytes)), "again");
  require(again.is_ok() && (*again)->tensors().size() == file.tensors().size());
  for (const gguf::Tensor& tensor : file.tensors()) {
    const gguf::Tensor* copy = (*again)->find_tensor(tensor.name);
    require(copy != nullptr && copy->type == tensor.type && copy->dims == tensor.dims);
    require(std::equal(tensor.data.begin(), tensor.data.end(), copy->data.begin(), copy->data.end()));
  }
  for (const gguf::KeyValue& entry : file.metadata()) {
    const bool dropped = gguf::is_split_key(entry.key) || entry.key == "general.alignment";
    require(dropped || (*again)->find(entry.key) != nullptr);
  }
}

void check(const gguf::File& file) {
  for (const gguf::Tensor& tensor : file.tensors()) {
    require(tensor.data.size() == tensor.size_bytes && !tensor.data.empty());
    require(file.find_tensor(tensor.name) == &tensor);
    read_blocks(tensor);
  }
  for (const gguf::KeyValue& entry : file.metadata()) require(file.find(entry.key) == &entry.value);
  (void)quant::check_vectors(file).is_ok();
  if (const auto types = quant::choose_types(file, **quant::find_mix("Q4_K_M")); types.is_ok()) {
    require(types->size() == file.tensors().size());
  }
  check_written_again(file);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  if (const auto file = gguf::File::parse(bytes, "fuzz"); file.is_ok()) check(**file);
  const std::span<const std::byte> halves[] = {bytes.first(size / 2), bytes.subspan(size / 2)};
  if (const auto file = gguf::File::parse_parts(halves, "fuzz"); file.is_ok()) check(**file);
  return 0;
}
