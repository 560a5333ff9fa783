#include "server/ollama_common.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <limits>

#include "scheduler/gpu_watch.h"

namespace da::server::ollama {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

enum class OptionType { kInteger, kFloat, kBoolean, kStrings };
struct Option {
  std::string_view key;
  OptionType type;
};
constexpr std::array<Option, 20> kOptions{{
    {"num_ctx", OptionType::kInteger},
    {"num_batch", OptionType::kInteger},
    {"num_gpu", OptionType::kInteger},
    {"main_gpu", OptionType::kInteger},
    {"use_mmap", OptionType::kBoolean},
    {"num_thread", OptionType::kInteger},
    {"draft_num_predict", OptionType::kInteger},
    {"num_keep", OptionType::kInteger},
    {"seed", OptionType::kInteger},
    {"num_predict", OptionType::kInteger},
    {"top_k", OptionType::kInteger},
    {"top_p", OptionType::kFloat},
    {"min_p", OptionType::kFloat},
    {"typical_p", OptionType::kFloat},
    {"repeat_last_n", OptionType::kInteger},
    {"temperature", OptionType::kFloat},
    {"repeat_penalty", OptionType::kFloat},
    {"presence_penalty", OptionType::kFloat},
    {"frequency_penalty", OptionType::kFloat},
    {"stop", OptionType::kStrings},
}};
constexpr size_t kMaxStops = 256;
constexpr double kMaxInteger = 9007199254740992.0;  // 2^53: beyond it a JSON number is no exact integer

Status option_error(std::string_view key, std::string_view type) {
  return {ErrorCode::kInvalidArgument, "option \"" + std::string(key) + "\" must be of type " + std::string(type)};
}

Result<nlohmann::json> convert_option(const Option& option, const Json& value) {
  switch (option.type) {
    case OptionType::kInteger: {
      if (!value.is_number()) return option_error(option.key, "integer");
      if (value.is_number_float()) {
        const double number = value.get<double>();
        if (std::fabs(number) > kMaxInteger) return option_error(option.key, "integer");
        return nlohmann::json(static_cast<int64_t>(number));  // fractions are cut off
      }
      if (std::fabs(value.get<double>()) > kMaxInteger) return option_error(option.key, "integer");
      return nlohmann::json(value.get<int64_t>());
    }
    case OptionType::kFloat: {
      if (!value.is_number() || std::fabs(value.get<double>()) > std::numeric_limits<float>::max()) {
        return option_error(option.key, "float32");
      }
      return nlohmann::json(value.get<double>());
    }
    case OptionType::kBoolean:
      if (!value.is_boolean()) return option_error(option.key, "boolean");
      return nlohmann::json(value.get<bool>());
    case OptionType::kStrings: {
      if (!value.is_array()) return option_error(option.key, "array");
      if (value.size() > kMaxStops) {
        return Status(ErrorCode::kInvalidArgument, "option \"" + std::string(option.key) + "\" has more than " +
                                                       std::to_string(kMaxStops) + " entries");
      }
      nlohmann::json strings = nlohmann::json::array();
      for (const Json& element : value) {
        if (!element.is_string()) {
          return Status(ErrorCode::kInvalidArgument,
                        "option \"" + std::string(option.key) + "\" must be of an array of strings");
        }
        if (!element.get_ref<const std::string&>().empty()) strings.push_back(element.get_ref<const std::string&>());
      }
      return strings;
    }
  }
  return Status(ErrorCode::kInternal, "unknown option type");
}

std::string fraction_text(int64_t ns) {
  if (ns == 0) return "";
  std::array<char, 12> text{};
  std::snprintf(text.data(), text.size(), ".%09d", static_cast<int>(ns));
  std::string fraction(text.data());
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return fraction;
}

std::string seconds_text(const std::tm& parts) {
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  return text.data();
}

}  // namespace

Result<nanoseconds> parse_go_duration(std::string_view text) {
  const std::string quoted = "\"" + std::string(text.substr(0, 64)) + "\"";
  const Status invalid(ErrorCode::kInvalidArgument, "time: invalid duration " + quoted);
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return nanoseconds(0);
  if (rest.empty()) return invalid;
  double total_ns = 0;
  while (!rest.empty()) {
    double number = 0, scale = 1;
    size_t i = 0, n_digits = 0;
    for (; i < rest.size() && rest[i] >= '0' && rest[i] <= '9'; ++i, ++n_digits) number = number * 10 + (rest[i] - '0');
    if (i < rest.size() && rest[i] == '.') {
      for (++i; i < rest.size() && rest[i] >= '0' && rest[i] <= '9'; ++i, ++n_digits) {
        number = number * 10 + (rest[i] - '0');
        scale *= 10;
      }
    }
    if (n_digits == 0) return invalid;
    rest.remove_prefix(i);
    const size_t unit_size = std::min(rest.find_first_of(".0123456789"), rest.size());
    const std::string_view unit = rest.substr(0, unit_size);
    if (unit.empty()) return {ErrorCode::kInvalidArgument, "time: missing unit in duration " + quoted};
    double unit_ns = 0;
    if (unit == "ns")
      unit_ns = 1;
    else if (unit == "us" || unit == "\u00b5s" || unit == "\u03bcs")
      unit_ns = 1e3;
    else if (unit == "ms")
      unit_ns = 1e6;
    else if (unit == "s")
      unit_ns = 1e9;
    else if (unit == "m")
      unit_ns = 60e9;
    else if (unit == "h")
      unit_ns = 3600e9;
    else
      return {ErrorCode::kInvalidArgument,
              "time: unknown unit \"" + std::string(unit.substr(0, 32)) + "\" in duration " + quoted};
    total_ns += number / scale * unit_ns;
    if (!(total_ns < 9.2e18)) return invalid;
    rest.remove_prefix(unit_size);
  }
  return nanoseconds(static_cast<int64_t>(negative ? -total_ns : total_ns));
}

Result<std::optional<milliseconds>> parse_keep_alive(const Json* value) {
  using Parsed = std::optional<milliseconds>;
  constexpr milliseconds kForEver(-1);
  if (value == nullptr || value->is_null()) return Parsed();
  if (value->is_number()) {
    const double seconds = value->get<double>();
    if (seconds < 0 || seconds > 9.2e9) return Parsed(kForEver);
    return Parsed(milliseconds(static_cast<int64_t>(seconds * 1000)));
  }
  if (value->is_string()) {
    const Result<nanoseconds> duration = parse_go_duration(value->get_ref<const std::string&>());
    if (!duration.is_ok()) return duration.status();
    if (duration->count() < 0) return Parsed(kForEver);
    return Parsed(std::chrono::duration_cast<milliseconds>(*duration));
  }
  const char* type = value->is_boolean() ? "bool" : value->is_array() ? "[]interface {}" : "map[string]interface {}";
  return {ErrorCode::kInvalidArgument, "Unsupported type: '" + std::string(type) + "'"};
}

Result<nlohmann::json> merge_options(const Json& model_parameters, const Json* request_options) {
  nlohmann::json merged = nlohmann::json::object();
  for (const Json* source : {&model_parameters, request_options}) {
    if (source == nullptr || !source->is_object()) continue;
    for (const Option& option : kOptions) {
      const auto found = source->find(std::string(option.key));
      if (found == source->end() || found->is_null()) continue;
      DA_ASSIGN_OR_RETURN(merged[std::string(option.key)], convert_option(option, *found));
    }
  }
  return merged;
}

void take_load_options(const nlohmann::json& options, store::ModelInfo& model) {
  if (const auto layers = options.find("num_gpu"); layers != options.end()) model.parameters["num_gpu"] = *layers;
}

Result<nlohmann::json> parse_format(const Json* value) {
  if (value == nullptr || *value == "") return nlohmann::json();
  if (*value == "json") return nlohmann::json("json");
  // As text: the runner's message would sort the schema's keys, and the answer's keys come in their order.
  if (value->is_object()) return nlohmann::json(to_text(*value));
  return {ErrorCode::kInvalidArgument, "invalid format: " + to_text(Json(to_text(*value).substr(0, 64))) +
                                           "; expected \"json\" or a valid JSON Schema object"};
}

Result<nlohmann::json> parse_think(const Json* value) {
  if (value == nullptr) return nlohmann::json();
  if (value->is_boolean()) return nlohmann::json(value->get<bool>());
  if (value->is_string()) {
    const std::string& level = value->get_ref<const std::string&>();
    if (level == "high" || level == "medium" || level == "low" || level == "max") return nlohmann::json(level);
    return {ErrorCode::kInvalidArgument, "invalid think value: \"" + level.substr(0, 32) +
                                             "\" (must be \"high\", \"medium\", \"low\", \"max\", true, or false)"};
  }
  return {ErrorCode::kInvalidArgument,
          "think must be a boolean or string (\"high\", \"medium\", \"low\", \"max\", true, or false)"};
}

Result<std::string> parse_model_reference(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return std::string();
  std::string name(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
  const auto ends_with = [&name](std::string_view suffix) {
    if (name.size() < suffix.size()) return false;
    return std::equal(suffix.begin(), suffix.end(), name.end() - static_cast<std::ptrdiff_t>(suffix.size()),
                      [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
  };
  const Status both(ErrorCode::kInvalidArgument, "use either :local or :cloud, not both: \"" + name + "\"");
  const Status cloud(ErrorCode::kUnsupported, "ollama cloud is disabled: remote model is unavailable");
  if (ends_with(":cloud")) {
    name.resize(name.size() - 6);
    if (ends_with(":local") || ends_with(":cloud")) return both;
    return cloud;
  }
  if (ends_with(":local")) {
    name.resize(name.size() - 6);
    if (ends_with(":local") || ends_with(":cloud")) return both;
    return name;
  }
  const size_t colon = name.rfind(':');
  if (ends_with("-cloud") && colon != std::string::npos && name.find('/', colon) == std::string::npos) return cloud;
  return name;
}

bool has_capability(const store::ModelInfo& model, std::string_view capability) {
  return std::find(model.capabilities.begin(), model.capabilities.end(), capability) != model.capabilities.end();
}

std::string created_at() {
  const int64_t ns =
      std::chrono::duration_cast<nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return seconds_text(parts) + fraction_text(ns % 1'000'000'000) + "Z";
}

std::string local_time(std::chrono::system_clock::time_point time) {
  const int64_t ns = std::chrono::duration_cast<nanoseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm parts{};
  localtime_r(&seconds, &parts);
  std::string text = seconds_text(parts) + fraction_text(ns % 1'000'000'000);
  const long offset_minutes = parts.tm_gmtoff / 60;
  if (offset_minutes == 0) return text + "Z";
  std::array<char, 8> zone{};
  const long magnitude = std::labs(offset_minutes);
  std::snprintf(zone.data(), zone.size(), "%c%02ld:%02ld", offset_minutes < 0 ? '-' : '+', magnitude / 60 % 100,
                magnitude % 60);
  return text + zone.data();
}

Json details(const store::ModelInfo& model) {
  Json families = model.family.empty() ? Json(nullptr) : Json::array({model.family});
  return {{"parent_model", ""},
          {"format", model.format},
          {"family", model.family},
          {"families", std::move(families)},
          {"parameter_size", model.parameter_size},
          {"quantization_level", model.quantization_level}};
}

Response json_response(const Json& body) { return {200, kJsonType, to_text(body), {}}; }

Response resolve_error(const Status& status, std::string_view name) {
  switch (status.code()) {
    case ErrorCode::kNotFound:
      return error_response(404, "model '" + std::string(name) + "' not found");
    case ErrorCode::kInvalidArgument:
      return error_response(400, "invalid model name");
    default:
      return error_response(500, status.message());
  }
}

Response load_error(const Status& status) {
  switch (status.code()) {
    case ErrorCode::kCancelled:
      return error_response(499, "request canceled");
    case ErrorCode::kResourceExhausted:
      // The queue's refusal has Ollama's words; a model too large for this machine keeps its own.
      if (status.message().find("queue") != std::string::npos ||
          status.message().find("pending") != std::string::npos) {
        return error_response(503, "server busy, please try again.  maximum pending requests exceeded");
      }
      return error_response(500, status.message());
    default:
      // GPUs are lost: the machine's trouble, not this request's.
      if (status.message().starts_with(scheduler::kDegraded)) return error_response(503, status.message(), true);
      return error_response(500, status.message(), status.code() == ErrorCode::kUnavailable);
  }
}

std::string runner_error_text(std::string_view code, std::string_view message) {
  if (code == "unavailable" && !message.starts_with("model runner has")) {
    return "model runner has unexpectedly stopped, this may be due to resource limitations or an internal error, check "
           "ollama server logs for details" +
           (message.empty() ? "" : ": " + std::string(message));
  }
  return std::string(message);
}

Response runner_error(std::string_view code, std::string_view message) {
  int status = 500;
  if (code == "invalid_argument" || code == "unsupported") status = 400;
  if (code == "not_found") status = 404;
  if (code == "cancelled") status = 499;
  // A prompt beyond the context is the client's to shorten; a full queue or memory is not.
  if (code == "resource_exhausted") status = message.find("context") != std::string_view::npos ? 400 : 503;
  return error_response(status, runner_error_text(code, message), code == "unavailable");
}

}  // namespace da::server::ollama
