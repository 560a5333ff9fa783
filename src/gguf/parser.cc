#include "gguf/parser.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "base/utf8.h"

namespace da::gguf {
namespace {

static_assert(std::endian::native == std::endian::little, "values are read as they lie in the file");

constexpr uint64_t kMinKeyValueBytes = 8 + 1 + 4 + 1;            // key of one byte, type, the smallest value
constexpr uint64_t kMinTensorInfoBytes = 8 + 1 + 4 + 8 + 4 + 8;  // name of one byte, one dimension

bool multiply_overflows(uint64_t a, uint64_t b, uint64_t& product) { return __builtin_mul_overflow(a, b, &product); }
bool add_overflows(uint64_t a, uint64_t b, uint64_t& sum) { return __builtin_add_overflow(a, b, &sum); }

// Size of one element in the file, at least; 0 for a number that is no type.
uint64_t min_element_bytes(uint32_t type_id) {
  switch (static_cast<ValueType>(type_id)) {
    case ValueType::kUint8:
    case ValueType::kInt8:
    case ValueType::kBool:
      return 1;
    case ValueType::kUint16:
    case ValueType::kInt16:
      return 2;
    case ValueType::kUint32:
    case ValueType::kInt32:
    case ValueType::kFloat32:
      return 4;
    case ValueType::kString:
    case ValueType::kUint64:
    case ValueType::kInt64:
    case ValueType::kFloat64:
      return 8;
    case ValueType::kArray:
      return 12;
  }
  return 0;
}

// Size of one element once decoded (arrays without their own elements).
uint64_t decoded_element_bytes(ValueType type) {
  if (type == ValueType::kString) return sizeof(std::string_view);
  if (type == ValueType::kArray) return sizeof(std::shared_ptr<Array>) + sizeof(Array) + 16;
  return 8;
}

template <class T>
T load(const std::byte* address) {
  T value;
  std::memcpy(&value, address, sizeof(T));
  return value;
}

template <class T, class Out>
void decode_numbers(const std::byte* address, uint64_t count, std::vector<Out>& out) {
  out.resize(count);
  for (uint64_t i = 0; i < count; ++i) out[i] = static_cast<Out>(load<T>(address + i * sizeof(T)));
}

}  // namespace

Result<std::unique_ptr<File>> Parser::parse(std::span<const std::byte> bytes, const std::string& name) {
  std::unique_ptr<File> file(new File());
  file->size_bytes_ = bytes.size();
  file->name_ = name;
  DA_RETURN_IF_ERROR(Parser(*file, bytes, bytes.size()).run());
  return file;
}

Status Parser::run() {
  DA_RETURN_IF_ERROR(read_preamble());
  DA_RETURN_IF_ERROR(read_metadata());
  DA_RETURN_IF_ERROR(read_alignment());
  DA_RETURN_IF_ERROR(read_tensor_infos());
  return place_tensors();
}

Status Parser::error(const std::string& what) const {
  return {ErrorCode::kCorruptData, "read " + file_.name_ + ": " + what};
}

Status Parser::truncated(const std::string& what, uint64_t wanted_bytes) {
  ran_out_ = bytes_.size() < file_bytes_;
  uint64_t expected = 0;
  const bool absurd = add_overflows(position_, wanted_bytes, expected);
  return error("file is truncated in " + what + ": expected at least " + (absurd ? "2^64" : std::to_string(expected)) +
               " bytes, found " + std::to_string(file_bytes_));
}

Status Parser::charge(uint64_t decoded_bytes, const std::string& key) {
  decoded_bytes_ += decoded_bytes;  // each addend is bounded by 16 times the file's size: no overflow
  if (position_ > kMaxMetadataBytes || decoded_bytes_ > kMaxMetadataBytes) {
    return error("metadata is larger than " + std::to_string(kMaxMetadataBytes) + " bytes at " + key);
  }
  return Status::ok();
}

template <class T>
Result<T> Parser::read(const std::string& what) {
  if (left() < sizeof(T)) return truncated(what, sizeof(T));
  const T value = load<T>(bytes_.data() + position_);
  position_ += sizeof(T);
  return value;
}

Result<std::string_view> Parser::read_string(uint64_t max_bytes, const std::string& what) {
  DA_ASSIGN_OR_RETURN(const uint64_t length, read<uint64_t>(what));
  if (length > max_bytes) {
    return error(what + ": string of " + std::to_string(length) + " bytes, limit " + std::to_string(max_bytes));
  }
  if (length > left()) return truncated(what, length);
  const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + position_, length);
  position_ += length;
  return text;
}

Status Parser::read_preamble() {
  const std::string what = "the header";
  if (left() < 4) return truncated(what, 4);
  if (std::memcmp(bytes_.data(), "GGUF", 4) != 0) {
    const std::string_view found(reinterpret_cast<const char*>(bytes_.data()), 4);
    return error("not a GGUF file: expected it to begin with \"GGUF\", found " +
                 (utf8::is_valid(found) ? quote_for_message(found) : "other bytes"));
  }
  position_ = 4;
  DA_ASSIGN_OR_RETURN(file_.version_, read<uint32_t>(what));
  const uint32_t version = file_.version_;
  const auto unsupported = [&](const std::string& found) {
    return Status(ErrorCode::kUnsupported,
                  "read " + file_.name_ + ": " + found + " (supported: little-endian versions 2 and 3)");
  };
  if (version != 0 && (version & 0xFFFF) == 0) return unsupported("big-endian GGUF file");
  if (version < 2 || version > 3) return unsupported("GGUF version " + std::to_string(version));
  DA_ASSIGN_OR_RETURN(n_tensors_, read<uint64_t>(what));
  DA_ASSIGN_OR_RETURN(n_keys_, read<uint64_t>(what));
  if (n_tensors_ > kMaxTensors) {
    return error("file claims " + std::to_string(n_tensors_) + " tensors, limit " + std::to_string(kMaxTensors));
  }
  if (n_keys_ > kMaxKeys)
    return error("file claims " + std::to_string(n_keys_) + " keys, limit " + std::to_string(kMaxKeys));
  const uint64_t needed = n_keys_ * kMinKeyValueBytes + n_tensors_ * kMinTensorInfoBytes;
  if (needed > left()) return truncated("the list of keys and tensors", needed);
  return Status::ok();
}

Status Parser::read_metadata() {
  file_.metadata_.reserve(n_keys_);
  file_.key_index_.reserve(n_keys_);
  for (uint64_t key_idx = 0; key_idx < n_keys_; ++key_idx) {
    const std::string at = "key number " + std::to_string(key_idx);
    DA_ASSIGN_OR_RETURN(const std::string_view key, read_string(kMaxKeyBytes, at));
    if (key.empty()) return error(at + " is empty");
    if (const auto offset = utf8::find_invalid(key)) {
      return error(at + " is not UTF-8 at its byte " + std::to_string(*offset));
    }
    const std::string label = "key " + quote_for_message(key);
    DA_ASSIGN_OR_RETURN(const uint32_t type_id, read<uint32_t>(label));
    DA_ASSIGN_OR_RETURN(Value value, read_value(type_id, label));
    DA_RETURN_IF_ERROR(charge(0, label));
    if (!file_.key_index_.emplace(key, file_.metadata_.size()).second) return error(label + " occurs twice");
    file_.metadata_.push_back({key, std::move(value)});
  }
  if (file_.find("general.architecture") != nullptr) {
    DA_ASSIGN_OR_RETURN(file_.architecture_, file_.get_string("general.architecture"));
  }
  return Status::ok();
}

Result<Value> Parser::read_value(uint32_t type_id, const std::string& key) {
  if (min_element_bytes(type_id) == 0) return error(key + ": unknown value type " + std::to_string(type_id));
  Value value;
  value.type = static_cast<ValueType>(type_id);
  const auto integer = [&]<class T>(T) -> Status {
    DA_ASSIGN_OR_RETURN(const T number, read<T>(key));
    if constexpr (std::is_signed_v<T>) {
      value.data = static_cast<int64_t>(number);
    } else {
      value.data = static_cast<uint64_t>(number);
    }
    return Status::ok();
  };
  switch (value.type) {
    case ValueType::kUint8:
      DA_RETURN_IF_ERROR(integer(uint8_t{}));
      break;
    case ValueType::kInt8:
      DA_RETURN_IF_ERROR(integer(int8_t{}));
      break;
    case ValueType::kUint16:
      DA_RETURN_IF_ERROR(integer(uint16_t{}));
      break;
    case ValueType::kInt16:
      DA_RETURN_IF_ERROR(integer(int16_t{}));
      break;
    case ValueType::kUint32:
      DA_RETURN_IF_ERROR(integer(uint32_t{}));
      break;
    case ValueType::kInt32:
      DA_RETURN_IF_ERROR(integer(int32_t{}));
      break;
    case ValueType::kUint64:
      DA_RETURN_IF_ERROR(integer(uint64_t{}));
      break;
    case ValueType::kInt64:
      DA_RETURN_IF_ERROR(integer(int64_t{}));
      break;
    case ValueType::kFloat32: {
      DA_ASSIGN_OR_RETURN(const float number, read<float>(key));
      value.data = static_cast<double>(number);
      break;
    }
    case ValueType::kFloat64: {
      DA_ASSIGN_OR_RETURN(const double number, read<double>(key));
      value.data = number;
      break;
    }
    case ValueType::kBool: {
      DA_ASSIGN_OR_RETURN(const uint8_t flag, read<uint8_t>(key));
      if (flag > 1) return error(key + ": expected a bool of 0 or 1, found " + std::to_string(flag));
      value.data = flag == 1;
      break;
    }
    case ValueType::kString: {
      DA_ASSIGN_OR_RETURN(const std::string_view text, read_string(kMaxStringBytes, key));
      value.data = text;
      break;
    }
    case ValueType::kArray: {
      DA_ASSIGN_OR_RETURN(std::shared_ptr<Array> array, read_array(key, 1));
      value.data = std::move(array);
      break;
    }
  }
  return value;
}

Result<std::shared_ptr<Array>> Parser::read_array(const std::string& key, int depth) {
  if (depth > kMaxArrayDepth) return error(key + ": arrays nested deeper than " + std::to_string(kMaxArrayDepth));
  DA_ASSIGN_OR_RETURN(const uint32_t type_id, read<uint32_t>(key));
  DA_ASSIGN_OR_RETURN(const uint64_t count, read<uint64_t>(key));
  const uint64_t element_bytes = min_element_bytes(type_id);
  if (element_bytes == 0) return error(key + ": unknown array element type " + std::to_string(type_id));
  if (count > left() / element_bytes) {
    uint64_t wanted = 0;
    if (multiply_overflows(count, element_bytes, wanted)) wanted = std::numeric_limits<uint64_t>::max();
    return truncated(key + " (array of " + std::to_string(count) + ")", wanted);
  }
  const auto element_type = static_cast<ValueType>(type_id);
  DA_RETURN_IF_ERROR(charge(count * decoded_element_bytes(element_type), key));
  auto array = std::make_shared<Array>();
  array->element_type = element_type;
  DA_RETURN_IF_ERROR(read_elements(*array, count, key, depth));
  return array;
}

// `count` elements of at least their minimal size are left in the file; fixed-size ones need no further check.
Status Parser::read_elements(Array& array, uint64_t count, const std::string& key, int depth) {
  const std::byte* address = bytes_.data() + position_;
  switch (array.element_type) {
    case ValueType::kUint8:
      decode_numbers<uint8_t>(address, count, array.integers);
      break;
    case ValueType::kInt8:
      decode_numbers<int8_t>(address, count, array.integers);
      break;
    case ValueType::kUint16:
      decode_numbers<uint16_t>(address, count, array.integers);
      break;
    case ValueType::kInt16:
      decode_numbers<int16_t>(address, count, array.integers);
      break;
    case ValueType::kUint32:
      decode_numbers<uint32_t>(address, count, array.integers);
      break;
    case ValueType::kInt32:
      decode_numbers<int32_t>(address, count, array.integers);
      break;
    case ValueType::kInt64:
      decode_numbers<int64_t>(address, count, array.integers);
      break;
    case ValueType::kFloat32:
      decode_numbers<float>(address, count, array.floats);
      break;
    case ValueType::kFloat64:
      decode_numbers<double>(address, count, array.floats);
      break;
    case ValueType::kBool:
    case ValueType::kUint64: {
      const bool is_bool = array.element_type == ValueType::kBool;
      const uint64_t largest = is_bool ? 1 : static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
      array.integers.resize(count);
      for (uint64_t i = 0; i < count; ++i) {
        const uint64_t number = is_bool ? load<uint8_t>(address + i) : load<uint64_t>(address + i * 8);
        if (number > largest) {
          return error(key + ": element " + std::to_string(i) + ": expected at most " + std::to_string(largest) +
                       ", found " + std::to_string(number));
        }
        array.integers[i] = static_cast<int64_t>(number);
      }
      break;
    }
    case ValueType::kString:
      array.strings.reserve(count);
      for (uint64_t i = 0; i < count; ++i) {
        DA_ASSIGN_OR_RETURN(const std::string_view text, read_string(kMaxStringBytes, key));
        array.strings.push_back(text);
      }
      return Status::ok();
    case ValueType::kArray:
      array.arrays.reserve(count);
      for (uint64_t i = 0; i < count; ++i) {
        DA_ASSIGN_OR_RETURN(std::shared_ptr<Array> element, read_array(key, depth + 1));
        array.arrays.push_back(std::move(element));
      }
      return Status::ok();
  }
  position_ += count * min_element_bytes(static_cast<uint32_t>(array.element_type));
  return Status::ok();
}

Status Parser::read_alignment() {
  DA_ASSIGN_OR_RETURN(const uint64_t alignment, file_.get_uint_or("general.alignment", 32));
  if (!std::has_single_bit(alignment) || alignment < kMinAlignment) {
    return error("key \"general.alignment\": expected a power of two, at least " + std::to_string(kMinAlignment) +
                 ", found " + std::to_string(alignment));
  }
  file_.alignment_ = alignment;
  return Status::ok();
}

Result<Tensor> Parser::read_tensor_info(uint64_t tensor_idx, uint64_t& offset) {
  const std::string at = "tensor number " + std::to_string(tensor_idx);
  DA_ASSIGN_OR_RETURN(const std::string_view name, read_string(kMaxKeyBytes, at));
  if (name.empty()) return error(at + " has an empty name");
  if (const auto invalid = utf8::find_invalid(name)) {
    return error(at + ": its name is not UTF-8 at byte " + std::to_string(*invalid));
  }
  const std::string label = "tensor " + quote_for_message(name);
  Tensor tensor;
  tensor.name = name;
  DA_ASSIGN_OR_RETURN(tensor.n_dims, read<uint32_t>(label));
  if (tensor.n_dims < 1 || tensor.n_dims > 4) {
    return error(label + ": expected 1 to 4 dimensions, found " + std::to_string(tensor.n_dims));
  }
  uint64_t n_values = 1;
  for (uint32_t dim_idx = 0; dim_idx < tensor.n_dims; ++dim_idx) {
    DA_ASSIGN_OR_RETURN(const uint64_t extent, read<uint64_t>(label));
    if (extent == 0 || extent > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return error(label + ": dimension " + std::to_string(dim_idx) + " is " + std::to_string(extent) +
                   ", expected 1 to 2^63 - 1");
    }
    tensor.dims[dim_idx] = extent;
    if (multiply_overflows(n_values, extent, n_values) ||
        n_values > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return error(label + ": the product of its dimensions is not below 2^63");
    }
  }
  DA_ASSIGN_OR_RETURN(const uint32_t type_id, read<uint32_t>(label));
  const TensorTypeInfo* type = tensor_type_info(type_id);
  if (type == nullptr) return error(label + ": unknown tensor type " + std::to_string(type_id));
  tensor.type = type->type;
  if (tensor.dims[0] % type->values_per_block != 0) {
    return error(label + ": rows of " + std::to_string(tensor.dims[0]) + " values, expected a multiple of " +
                 std::to_string(type->values_per_block) + " for " + std::string(type->name));
  }
  if (multiply_overflows(n_values / type->values_per_block, type->bytes_per_block, tensor.size_bytes)) {
    return error(label + ": its size is not below 2^64 bytes");
  }
  DA_ASSIGN_OR_RETURN(offset, read<uint64_t>(label));
  if (offset % file_.alignment_ != 0) {
    return error(label + ": offset " + std::to_string(offset) + " is not a multiple of the alignment " +
                 std::to_string(file_.alignment_));
  }
  return tensor;
}

Status Parser::read_tensor_infos() {
  file_.tensors_.reserve(n_tensors_);
  offsets_.resize(n_tensors_);
  for (uint64_t tensor_idx = 0; tensor_idx < n_tensors_; ++tensor_idx) {
    DA_ASSIGN_OR_RETURN(Tensor tensor, read_tensor_info(tensor_idx, offsets_[tensor_idx]));
    file_.tensors_.push_back(std::move(tensor));
  }
  // The index views the names, so it is made when the vector no longer moves.
  file_.tensor_index_.reserve(n_tensors_);
  for (size_t i = 0; i < file_.tensors_.size(); ++i) {
    if (!file_.tensor_index_.emplace(file_.tensors_[i].name, i).second) {
      return error("tensor " + quote_for_message(file_.tensors_[i].name) + " occurs twice");
    }
  }
  return Status::ok();
}

// Sets each tensor's data, after checking that all lie inside the file and none share a byte.
Status Parser::place_tensors() {
  uint64_t data_start = 0;
  if (add_overflows(position_, file_.alignment_ - 1, data_start)) return error("alignment is too large");
  data_start &= ~(file_.alignment_ - 1);
  std::vector<size_t> order(n_tensors_);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return offsets_[a] < offsets_[b]; });
  uint64_t previous_end = 0;
  uint64_t file_end = n_tensors_ == 0 ? position_ : data_start;
  for (size_t i = 0; i < order.size(); ++i) {
    Tensor& tensor = file_.tensors_[order[i]];
    const uint64_t offset = offsets_[order[i]];
    const std::string label = "tensor " + quote_for_message(tensor.name);
    if (offset < previous_end)
      return error(label + " overlaps tensor " + quote_for_message(file_.tensors_[order[i - 1]].name));
    if (add_overflows(offset, tensor.size_bytes, previous_end) || add_overflows(previous_end, data_start, file_end)) {
      return error(label + ": offset plus size is not below 2^64");
    }
  }
  if (file_end > file_bytes_) {
    return error("file is truncated: expected " + std::to_string(file_end) + " bytes, found " +
                 std::to_string(file_bytes_));
  }
  // Writers pad the data to the alignment; more than that is not ours (two files glued together, a bad download).
  // Others read such a file without a word; we refuse it, as its sizes cannot both be right.
  if (file_bytes_ - file_end >= file_.alignment_) {
    return error("file has " + std::to_string(file_bytes_ - file_end) + " bytes too many: expected " +
                 std::to_string(file_end) + " bytes, found " + std::to_string(file_bytes_));
  }
  for (size_t i = 0; i < file_.tensors_.size(); ++i) {
    Tensor& tensor = file_.tensors_[i];
    tensor.file_offset = data_start + offsets_[i];
    if (!header_only_) tensor.data = bytes_.subspan(tensor.file_offset, tensor.size_bytes);
  }
  return Status::ok();
}

}  // namespace da::gguf
