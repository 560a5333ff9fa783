// The container from arbitrary bytes: whatever is accepted must be consistent to the last byte.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "gguf/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = da::gguf::File::parse(std::as_bytes(std::span(data, size)), "fuzz");
  if (!file.is_ok()) return 0;
  unsigned sum = 0;
  for (const da::gguf::Tensor& tensor : (*file)->tensors()) {
    if (tensor.data.size() != tensor.size_bytes || (*file)->find_tensor(tensor.name) != &tensor) std::abort();
    if (!tensor.data.empty())
      sum += static_cast<unsigned>(tensor.data.front()) + static_cast<unsigned>(tensor.data.back());
  }
  for (const da::gguf::KeyValue& entry : (*file)->metadata()) {
    if ((*file)->find(entry.key) != &entry.value) std::abort();
  }
  return sum == 0xFFFFFFFF ? 1 : 0;
}
