#include "model/key_reader.h"

#include <algorithm>
#include <cmath>

namespace da::model {
namespace {

std::string number(double value) {
  std::string text = std::to_string(value);
  return value == std::floor(value) && std::fabs(value) < 1e15 ? std::to_string(static_cast<int64_t>(value)) : text;
}

std::string range(int64_t minimum, int64_t maximum) {
  return std::to_string(minimum) + " to " + std::to_string(maximum);
}

// Names that say nothing about the text model's arithmetic: counts repeated elsewhere, training notes, and the parts of
// a file that serve images or sound.
constexpr std::string_view kWithoutEffect[] = {
    "vocab_size",
    "tensor_data_layout",
    "rope.scaling.finetuned",
    "use_parallel_residual",
    "normalize_embeddings",              // vectors always have length 1
    "attention.layer_norm_epsilon",      // beside the one that was read
    "attention.layer_norm_rms_epsilon",  // likewise
    "expert_used_count",                 // without experts
    "rope.dimension_count",              // of a model without rotation
    "rope.freq_base",
    "rope.scaling.type",  // "none", or read
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "attention.head_count_kv",
    "feed_forward_length",  // of a model of experts alone
};
constexpr std::string_view kOtherSenses[] = {"vision.", "audio.", "mm.", "image", "projector", "spatial_merge"};

// Values that leave what a key stands for undone: 0, 1 of a scale, an empty list, false, "none".
bool is_neutral(const gguf::Value& value) {
  if (const auto* number = std::get_if<uint64_t>(&value.data)) return *number == 0;
  if (const auto* number = std::get_if<int64_t>(&value.data)) return *number == 0;
  if (const auto* number = std::get_if<double>(&value.data)) return *number == 0 || *number == 1;
  if (const auto* flag = std::get_if<bool>(&value.data)) return !*flag;
  if (const auto* text = std::get_if<std::string_view>(&value.data)) return text->empty() || *text == "none";
  return std::get<std::shared_ptr<gguf::Array>>(value.data)->size() == 0;
}

// Groups of keys that steer the arithmetic of a layer.
bool steers(std::string_view name) {
  for (const std::string_view group : {"attention.", "rope.", "expert", "ssm.", "wkv", "swin"}) {
    if (name.starts_with(group)) return true;
  }
  for (const std::string_view part : {"scale", "softcap", "norm", "window", "residual", "activation", "hidden_act"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

bool KeyReader::has(std::string_view name) {
  known_.emplace_back(name);
  return file_.find(key(name)) != nullptr;
}

Status KeyReader::require(std::string_view name) {
  return has(name) ? Status::ok() : Status(ErrorCode::kCorruptData, "key \"" + key(name) + "\" is missing");
}

Status KeyReader::bad_value(std::string_view name, const std::string& found, const std::string& expected) const {
  return {ErrorCode::kCorruptData, "key \"" + key(name) + "\": found " + found + ", expected " + expected};
}

Result<int32_t> KeyReader::count(std::string_view name, int64_t minimum, int64_t maximum) {
  DA_RETURN_IF_ERROR(require(name));
  DA_ASSIGN_OR_RETURN(const uint64_t value, file_.get_uint(key(name)));
  if (value < static_cast<uint64_t>(minimum) || value > static_cast<uint64_t>(maximum))
    return bad_value(name, std::to_string(value), range(minimum, maximum));
  return static_cast<int32_t>(value);
}

Result<int32_t> KeyReader::count_or(std::string_view name, int64_t fallback, int64_t minimum, int64_t maximum) {
  return has(name) ? count(name, minimum, maximum) : Result<int32_t>(static_cast<int32_t>(fallback));
}

Result<std::vector<int32_t>> KeyReader::counts(std::string_view name, int32_t n_layers, int64_t minimum,
                                               int64_t maximum) {
  DA_RETURN_IF_ERROR(require(name));
  if (file_.find(key(name))->type != gguf::ValueType::kArray) {
    DA_ASSIGN_OR_RETURN(const int32_t value, count(name, minimum, maximum));
    return std::vector<int32_t>(static_cast<size_t>(n_layers), value);
  }
  DA_ASSIGN_OR_RETURN(const gguf::Array* array, file_.get_array(key(name)));
  if (array->integers.size() != static_cast<size_t>(n_layers)) {
    return bad_value(name, std::to_string(array->integers.size()) + " integers",
                     "one for each of the " + std::to_string(n_layers) + " layers");
  }
  std::vector<int32_t> values;
  for (const int64_t value : array->integers) {
    if (value < minimum || value > maximum) return bad_value(name, std::to_string(value), range(minimum, maximum));
    values.push_back(static_cast<int32_t>(value));
  }
  return values;
}

Result<float> KeyReader::real(std::string_view name, double minimum, double maximum) {
  DA_RETURN_IF_ERROR(require(name));
  DA_ASSIGN_OR_RETURN(const double value, file_.get_float(key(name)));
  if (!(value >= minimum && value <= maximum))
    return bad_value(name, number(value), number(minimum) + " to " + number(maximum));
  return static_cast<float>(value);
}

Result<float> KeyReader::real_or(std::string_view name, float fallback, double minimum, double maximum) {
  return has(name) ? real(name, minimum, maximum) : Result<float>(fallback);
}

Result<bool> KeyReader::flag_or(std::string_view name, bool fallback) {
  known_.emplace_back(name);
  return file_.get_bool_or(key(name), fallback);
}

Result<std::string_view> KeyReader::text(std::string_view name) {
  known_.emplace_back(name);
  return file_.get_string(key(name));
}

Status KeyReader::check_unread(std::vector<std::string>& warnings) const {
  for (const gguf::KeyValue& entry : file_.metadata()) {
    if (!entry.key.starts_with(prefix_)) continue;
    const std::string_view name = entry.key.substr(prefix_.size());
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    if (std::find(std::begin(kWithoutEffect), std::end(kWithoutEffect), name) != std::end(kWithoutEffect)) continue;
    if (std::any_of(std::begin(kOtherSenses), std::end(kOtherSenses),
                    [&](std::string_view group) { return name.starts_with(group); }))
      continue;
    if (is_neutral(entry.value)) continue;
    if (steers(name)) {
      return {ErrorCode::kUnsupported, "key \"" + std::string(entry.key) +
                                           "\" is not supported for this architecture and would change its output"};
    }
    warnings.push_back("key \"" + std::string(entry.key) +
                       "\" is unknown; the model runs without it, compare its answers with another engine's");
  }
  return Status::ok();
}

}  // namespace da::model
