#include "model/weight_loader.h"

#include <algorithm>

#include "backend/device_backend.h"
#include "quant/quant.h"

namespace da::model {

Status WeightLoader::advance(uint64_t bytes) {
  // What two stages both load counts once.
  state_.bytes_done = std::min(state_.bytes_done + bytes, state_.bytes_total);
  if (state_.progress && !state_.progress(state_.bytes_done, state_.bytes_total))
    return {ErrorCode::kCancelled, "load: cancelled"};
  return Status::ok();
}

// With news of each chunk where weights go to a device: one tensor may take seconds.
Result<WeightPtr> WeightLoader::load(const gguf::Tensor& tensor, backend::WeightUse use) {
  auto* device = state_.progress ? dynamic_cast<backend::DeviceBackend*>(&backend_) : nullptr;
  if (device != nullptr) {
    device->on_chunk([this](uint64_t bytes) {
      return state_.progress(std::min(state_.bytes_done + bytes, state_.bytes_total), state_.bytes_total);
    });
  }
  auto loaded = backend_.load_weight(tensor, use);
  if (device != nullptr) device->on_chunk({});
  DA_ASSIGN_OR_RETURN(WeightPtr weight, std::move(loaded));
  state_.packed_bytes += weight->size_bytes;
  return weight;
}

Result<VectorPtr> WeightLoader::load(std::span<const float> values) {
  state_.packed_bytes += values.size_bytes();
  return backend_.load_vector(values);
}

Result<WeightPtr> WeightLoader::matrix(const std::string& name, backend::WeightUse use) {
  const gguf::Tensor* tensor = state_.file.find_tensor(name);
  DA_CHECK(tensor != nullptr);
  use.stays = true;
  DA_ASSIGN_OR_RETURN(WeightPtr weight, load(*tensor, use));
  DA_RETURN_IF_ERROR(advance(tensor->size_bytes));
  return weight;
}

Result<WeightPtr> WeightLoader::stacked(const std::vector<std::string>& names) {
  gguf::Tensor all = *state_.file.find_tensor(names.front());
  std::vector<std::byte> bytes;
  for (const std::string& name : names) {
    const gguf::Tensor* part = state_.file.find_tensor(name);
    DA_CHECK(part != nullptr && part->dims == all.dims);
    if (part->type != all.type) {
      return {ErrorCode::kUnsupported, "tensor " + name +
                                           ": experts of one layer in different types are not supported: " +
                                           std::string(gguf::tensor_type_info(part->type).name) + ", and " +
                                           std::string(gguf::tensor_type_info(all.type).name) + " in " + all.name};
    }
    bytes.reserve(part->size_bytes * names.size());
    bytes.insert(bytes.end(), part->data.begin(), part->data.end());
  }
  all.name += " and the other experts'";
  all.n_dims = 3;
  all.dims[2] = names.size();
  all.size_bytes *= names.size();
  all.data = bytes;
  DA_ASSIGN_OR_RETURN(WeightPtr weight, load(all, {}));
  DA_RETURN_IF_ERROR(advance(all.size_bytes));
  return weight;
}

Result<WeightPtr> WeightLoader::matrix_rows(const std::string& name, int64_t begin, int64_t n) {
  const gguf::Tensor* whole = state_.file.find_tensor(name);
  DA_CHECK(whole != nullptr && begin >= 0 && n > 0 && static_cast<uint64_t>(begin + n) <= whole->dims[1]);
  const uint64_t row_bytes = whole->size_bytes / (whole->dims[1] * whole->dims[2]);
  gguf::Tensor part = *whole;
  part.dims[1] = static_cast<uint64_t>(n);
  part.size_bytes = row_bytes * part.dims[1];
  const uint64_t n_parts = whole->dims[2], skipped_bytes = row_bytes * static_cast<uint64_t>(begin);
  std::vector<std::byte> gathered;
  if (!whole->data.empty() && n_parts == 1) part.data = whole->data.subspan(skipped_bytes, part.size_bytes);
  if (!whole->data.empty() && n_parts > 1) {
    gathered.reserve(part.size_bytes * n_parts);
    for (uint64_t i = 0; i < n_parts; ++i) {
      const auto rows = whole->data.subspan(i * row_bytes * whole->dims[1] + skipped_bytes, part.size_bytes);
      gathered.insert(gathered.end(), rows.begin(), rows.end());
    }
    part.data = gathered;
  }
  part.size_bytes *= n_parts;
  DA_ASSIGN_OR_RETURN(WeightPtr weight, load(part, {.stays = gathered.empty()}));
  DA_RETURN_IF_ERROR(advance(part.size_bytes));
  return weight;
}

Result<std::vector<float>> WeightLoader::values(const std::string& name) {
  const gguf::Tensor* tensor = state_.file.find_tensor(name);
  if (tensor == nullptr) return std::vector<float>();
  if (state_.count_only) return std::vector<float>(tensor->n_values(), 1.0F);
  if (tensor->data.size() != tensor->size_bytes)
    return {ErrorCode::kInvalidArgument, "tensor " + name + ": opened without its data"};
  std::vector<float> out(tensor->n_values());
  const Status status = quant::dequantize(tensor->type, tensor->data.data(), out.data(), out.size());
  if (!status.is_ok()) return status.with_context("tensor " + name);
  DA_RETURN_IF_ERROR(advance(tensor->size_bytes));
  return out;
}

Result<VectorPtr> WeightLoader::vector(const std::string& name) {
  DA_ASSIGN_OR_RETURN(const std::vector<float> loaded, values(name));
  return loaded.empty() ? Result<VectorPtr>(VectorPtr()) : load(loaded);
}

Result<VectorPtr> WeightLoader::vector_part(const std::string& name, int64_t begin, int64_t n) {
  const gguf::Tensor* whole = state_.file.find_tensor(name);
  if (whole == nullptr) return VectorPtr();
  std::vector<float> loaded(whole->n_values());
  DA_CHECK(begin >= 0 && n > 0 && static_cast<size_t>(begin + n) <= loaded.size());
  if (state_.count_only) return load(std::span(loaded).subspan(static_cast<size_t>(begin), static_cast<size_t>(n)));
  if (whole->data.size() != whole->size_bytes)
    return {ErrorCode::kInvalidArgument, "tensor " + name + ": opened without its data"};
  DA_RETURN_IF_ERROR(quant::dequantize(whole->type, whole->data.data(), loaded.data(), loaded.size()));
  DA_RETURN_IF_ERROR(advance(whole->size_bytes / loaded.size() * static_cast<uint64_t>(n)));
  return load(std::span(loaded).subspan(static_cast<size_t>(begin), static_cast<size_t>(n)));
}

Result<WeightPtr> WeightLoader::made_matrix(const std::string& name, const std::vector<float>& values, int64_t n_in,
                                            int64_t n_out, int64_t n_parts) {
  gguf::Tensor tensor{.name = name, .type = gguf::TensorType::kF32, .n_dims = 3};
  tensor.dims = {static_cast<uint64_t>(n_in), static_cast<uint64_t>(n_out), static_cast<uint64_t>(n_parts), 1};
  tensor.size_bytes = values.size() * sizeof(float);
  tensor.data = std::as_bytes(std::span(values));
  return load(tensor, {});
}

}  // namespace da::model
