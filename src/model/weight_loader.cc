#include "model/weight_loader.h"

#include "quant/quant.h"

namespace da::model {

WeightLoader::WeightLoader(const gguf::File& file, backend::Backend& backend, const LoadProgress& progress)
    : file_(file), backend_(backend), progress_(progress) {
  for (const gguf::Tensor& tensor : file.tensors()) bytes_total_ += tensor.size_bytes;
}

Status WeightLoader::advance(uint64_t bytes) {
  bytes_done_ += bytes;
  if (progress_ && !progress_(bytes_done_, bytes_total_)) return {ErrorCode::kCancelled, "load: cancelled"};
  return Status::ok();
}

Result<std::unique_ptr<backend::Weight>> WeightLoader::matrix(const std::string& name, backend::WeightUse use) {
  const gguf::Tensor* tensor = file_.find_tensor(name);
  DA_CHECK(tensor != nullptr);
  DA_ASSIGN_OR_RETURN(auto weight, backend_.load_weight(*tensor, use));
  packed_bytes_ += weight->size_bytes;
  DA_RETURN_IF_ERROR(advance(tensor->size_bytes));
  return weight;
}

Result<std::vector<float>> WeightLoader::values(const std::string& name) {
  const gguf::Tensor* tensor = file_.find_tensor(name);
  if (tensor == nullptr) return std::vector<float>();
  if (tensor->data.size() != tensor->size_bytes)
    return {ErrorCode::kInvalidArgument, "tensor " + name + ": opened without its data"};
  std::vector<float> out(tensor->n_values());
  DA_RETURN_IF_ERROR(quant::dequantize(tensor->type, tensor->data.data(), out.data(), out.size()));
  DA_RETURN_IF_ERROR(advance(tensor->size_bytes));
  return out;
}

Result<std::unique_ptr<backend::Vector>> WeightLoader::vector(const std::string& name) {
  DA_ASSIGN_OR_RETURN(const std::vector<float> loaded, values(name));
  if (loaded.empty()) return std::unique_ptr<backend::Vector>();
  packed_bytes_ += loaded.size() * sizeof(float);
  return backend_.load_vector(loaded);
}

}  // namespace da::model
