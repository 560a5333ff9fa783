// Any bytes as a Modelfile and as a model name: what is accepted survives being written and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "store/store.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  (void)da::store::parse_modelfile(input, "/nowhere").is_ok();
  const auto name = da::store::ModelName::parse(input);
  if (!name.is_ok()) return 0;
  for (const std::string& part : {name->host, name->name_space, name->model, name->tag}) {
    if (part.empty() || part == ".." || part.find('/') != std::string::npos || part.find('\0') != std::string::npos) std::abort();
  }
  const auto again = da::store::ModelName::parse(name->display());
  if (!again.is_ok() || !(*again == *name)) std::abort();
  return 0;
}
