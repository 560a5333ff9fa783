#include "runner/options.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "runner/option_table.h"

namespace da::runner {
namespace {

using Json = nlohmann::ordered_json;

bool is_array_of_strings(const Json& value) {
  return std::all_of(value.begin(), value.end(), [](const Json& element) { return element.is_string(); });
}

Status check_types(const Json& options, int32_t& n_unknown) {
  if (!options.is_object()) return {ErrorCode::kInvalidArgument, "options must be an object"};
  const auto wrong = [](std::string_view name, std::string_view type) {
    return Status(ErrorCode::kInvalidArgument, "option \"" + std::string(name) + "\" must be of " + std::string(type));
  };
  for (const auto& [name, value] : options.items()) {
    const OptionRow* row = find_option(name);
    if (row == nullptr) {
      ++n_unknown;
      continue;
    }
    if (value.is_null()) continue;
    switch (row->type) {
      case OptionType::kInteger:
        if (!value.is_number()) return wrong(row->name, "type integer");
        break;
      case OptionType::kFloat:
        if (!value.is_number()) return wrong(row->name, "type float32");
        break;
      case OptionType::kBoolean:
        if (!value.is_boolean()) return wrong(row->name, "type boolean");
        break;
      case OptionType::kText:
        if (!value.is_string()) return wrong(row->name, "type string");
        break;
      case OptionType::kStrings:
        if (!value.is_array()) return wrong(row->name, "type array");
        if (!is_array_of_strings(value)) return wrong(row->name, "an array of strings");
        break;
    }
  }
  return Status::ok();
}

void read_boolean(const Json& options, const char* name, bool& target) {
  if (const auto found = options.find(name); found != options.end() && found->is_boolean()) target = found->get<bool>();
}

template <class Integer>
void read_integer(const Json& options, const char* name, Integer& target) {
  const auto found = options.find(name);
  if (found == options.end() || !found->is_number()) return;
  constexpr auto kLow = std::numeric_limits<Integer>::min();
  constexpr auto kHigh = std::numeric_limits<Integer>::max();
  if (found->is_number_float()) {
    const double number = std::trunc(found->get<double>());
    // Compared as doubles: 2^63 itself does not fit, and converting it would be undefined.
    target = number <= static_cast<double>(kLow) ? kLow
             : number >= static_cast<double>(kHigh) ? kHigh
                                                    : static_cast<Integer>(number);
  } else if (found->is_number_unsigned()) {
    target = static_cast<Integer>(std::min<uint64_t>(found->get<uint64_t>(), static_cast<uint64_t>(kHigh)));
  } else {
    target = static_cast<Integer>(std::clamp<int64_t>(found->get<int64_t>(), kLow, kHigh));
  }
}

void read_float(const Json& options, const char* name, float& target) {
  const auto found = options.find(name);
  if (found == options.end() || !found->is_number()) return;
  target = static_cast<float>(std::clamp(found->get<double>(), -1e30, 1e30));
}

}  // namespace

Result<RequestOptions> parse_request_options(const Json& options) {
  RequestOptions result;
  if (options.is_null()) return result;
  DA_RETURN_IF_ERROR(check_types(options, result.n_unknown));
  engine::SamplingParams& sampling = result.sampling;
  read_float(options, "temperature", sampling.temperature);
  read_integer(options, "top_k", sampling.top_k);
  read_float(options, "top_p", sampling.top_p);
  read_float(options, "min_p", sampling.min_p);
  read_float(options, "repeat_penalty", sampling.repeat_penalty);
  read_integer(options, "repeat_last_n", sampling.repeat_last_n);
  read_float(options, "presence_penalty", sampling.presence_penalty);
  read_float(options, "frequency_penalty", sampling.frequency_penalty);
  read_integer(options, "seed", sampling.seed);
  read_integer(options, "num_predict", result.num_predict);
  read_integer(options, "num_ctx", result.num_ctx);
  read_integer(options, "num_keep", result.num_keep);
  // Values that would divide by zero or turn a distribution over are off, as in the API these options come from.
  sampling.temperature = std::max(sampling.temperature, 0.0F);
  sampling.top_k = std::max(sampling.top_k, 0);
  if (sampling.top_p <= 0.0F || sampling.top_p > 1.0F) sampling.top_p = 1.0F;
  sampling.min_p = std::clamp(sampling.min_p, 0.0F, 1.0F);
  if (sampling.repeat_penalty <= 0.0F) sampling.repeat_penalty = 1.0F;
  sampling.repeat_last_n = std::max(sampling.repeat_last_n, -1);
  if (const auto stop = options.find("stop"); stop != options.end() && stop->is_array()) {
    for (const Json& text : *stop) {
      if (!text.get_ref<const std::string&>().empty()) result.stop.push_back(text.get<std::string>());
    }
  }
  return result;
}

Result<LoadOptions> parse_load_options(const Json& options) {
  LoadOptions result;
  if (options.is_null()) return result;
  int32_t n_unknown = 0;
  DA_RETURN_IF_ERROR(check_types(options, n_unknown));
  read_integer(options, "num_ctx", result.num_ctx);
  read_integer(options, "num_parallel", result.num_parallel);
  read_integer(options, "num_thread", result.num_thread);
  read_boolean(options, "use_mmap", result.use_mmap);
  read_boolean(options, "pin_threads", result.pin_threads);
  read_integer(options, "latency_target_ms", result.latency_target_ms);
  read_integer(options, "num_gpu", result.num_gpu);
  read_integer(options, "main_gpu", result.main_gpu);
  read_boolean(options, "cpu_if_gpus_fail", result.cpu_if_gpus_fail);
  if (const auto uuid = options.find("main_gpu_uuid"); uuid != options.end() && uuid->is_string()) result.main_gpu_uuid = uuid->get<std::string>();
  if (const auto type = options.find("kv_cache_type"); type != options.end() && !type->is_null()) {
    const auto known = type->is_string() ? backend::kv_types_from_name(type->get_ref<const std::string&>()) : std::nullopt;
    if (!known) {
      return {ErrorCode::kInvalidArgument,
              "option \"kv_cache_type\" must be f16, bf16, f32, q8_0 or q4_0, or two of them as keys/values"};
    }
    result.kv_type = *known;
  }
  if (result.num_ctx != 0) result.num_ctx = std::max(result.num_ctx, 4);
  result.num_parallel = std::clamp(result.num_parallel, 1, 256);
  result.latency_target_ms = std::max(result.latency_target_ms, 0);
  result.num_gpu = std::max(result.num_gpu, -1);
  result.main_gpu = std::max(result.main_gpu, -1);
  result.num_thread = std::clamp(result.num_thread, 0, 1024);
  return result;
}

}  // namespace da::runner
