#include "server/config.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include <unistd.h>

#include "server/ollama_common.h"

namespace da::server {
namespace {

using Text = Result<std::string>;

Status expected(const char* what) { return {ErrorCode::kInvalidArgument, what}; }

Text whole_number(const std::string& text, int64_t low, int64_t high, const char* what) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < low || number > high) return expected(what);
  return std::to_string(number);
}

Text one_of(const std::string& text, std::initializer_list<const char*> choices, const char* what) {
  for (const char* choice : choices) {
    if (text == choice) return text;
  }
  return expected(what);
}

Text any_text(const std::string& text) { return text; }
Text port(const std::string& text) { return whole_number(text, 0, 65535, "a port from 0 to 65535"); }
Text log_level(const std::string& text) { return one_of(text, {"debug", "info", "warn", "error"}, "debug, info, warn or error"); }
Text log_format(const std::string& text) { return one_of(text, {"text", "json"}, "text or json"); }
Text latency(const std::string& text) { return whole_number(text, 0, 60'000, "milliseconds from 1 to 60000, or 0 for none"); }
Text kv_type(const std::string& text) {
  const size_t slash = text.find('/');
  for (const std::string& part : {text.substr(0, slash), slash == std::string::npos ? "f16" : text.substr(slash + 1)}) {
    const Text known = one_of(part, {"f16", "bf16", "f32", "q8_0", "q4_0"},
                              "f16, bf16, f32, q8_0 or q4_0, or two of them as keys/values");
    if (!known.is_ok()) return known;
  }
  return text;
}
Text parallel(const std::string& text) { return whole_number(text, 0, 1024, "a number from 1 to 1024, or 0 for the default"); }
Text queue(const std::string& text) { return whole_number(text, 1, 1 << 20, "a number from 1 to 1048576"); }
Text context(const std::string& text) { return whole_number(text, 0, 1 << 30, "a number of tokens, or 0 for the model's own"); }

Text gpu_layers(const std::string& text) { return whole_number(text, -1, 1 << 20, "a number of layers; 99 for all, -1 for as many as fit"); }

Text gpu_loss(const std::string& text) { return one_of(text, {"others", "cpu", "refuse"}, "others, cpu or refuse"); }

Text keep_alive(const std::string& text) {
  // Ollama takes seconds without a unit here.
  const bool plain = text.find_first_not_of("-0123456789.") == std::string::npos;
  const auto duration = ollama::parse_go_duration(plain ? text + "s" : text);
  if (text.empty() || !duration.is_ok()) return expected("seconds or a duration like 5m, 1h30m, -1");
  return plain ? text + "s" : text;
}

Text timeout(const std::string& text) {
  const bool plain = text.find_first_not_of("0123456789.") == std::string::npos;
  const auto duration = ollama::parse_go_duration(plain ? text + "s" : text);
  if (text.empty() || !duration.is_ok() || duration->count() < 0) return expected("seconds or a duration like 5m, or 0 for any time");
  return plain ? text + "s" : text;
}

constexpr std::array kRows = {
    Config::Row{"host", "OLLAMA_HOST", "", "address of the model API, host:port", any_text},
    Config::Row{"ui_port", "DEEPANALYZE_UI_PORT", "3000", "port of the web page", port},
    Config::Row{"origins", "OLLAMA_ORIGINS", "", "web origins that may use the API, with commas between", any_text},
    Config::Row{"log_level", "DEEPANALYZE_LOG_LEVEL", "info", "debug, info, warn or error", log_level, true},
    Config::Row{"log_format", "DEEPANALYZE_LOG_FORMAT", "text", "text or json", log_format},
    Config::Row{"parallel", "OLLAMA_NUM_PARALLEL", "0", "requests a model answers at once; 0: as many as memory is good for", parallel, true},
    Config::Row{"latency_target", "DEEPANALYZE_LATENCY_TARGET", "0", "milliseconds between two tokens of a request that steps are made to fit; 0: none", latency, true},
    Config::Row{"request_timeout", "DEEPANALYZE_REQUEST_TIMEOUT", "0s", "the most a request may take in all; 0: any time", timeout, true},
    Config::Row{"max_loaded_models", "OLLAMA_MAX_LOADED_MODELS", "0", "models loaded at once; 0: the default", parallel, true},
    Config::Row{"max_queue", "OLLAMA_MAX_QUEUE", "512", "requests that may wait", queue, true},
    Config::Row{"keep_alive", "OLLAMA_KEEP_ALIVE", "5m", "how long an idle model stays loaded; negative: for ever", keep_alive, true},
    Config::Row{"context_length", "OLLAMA_CONTEXT_LENGTH", "0", "context of requests that name none; 0: what fits, up to the model's own; from the next load on", context, true},
    Config::Row{"gpu_layers", "OLLAMA_GPU_LAYERS", "-1", "layers on GPUs of models that do not say (num_gpu); -1: as many as fit, 99: all; from the next load on", gpu_layers, true},
    Config::Row{"gpu_loss", "DEEPANALYZE_GPU_LOSS", "others", "when a GPU is lost, models run on the others; cpu: on the CPU alone too; refuse: not until it is there again", gpu_loss, true},
    Config::Row{"kv_cache_type", "OLLAMA_KV_CACHE_TYPE", "f16", "type of keys and values: f16, bf16, f32, q8_0, q4_0, or keys/values; from the next load on", kv_type, true},
};

const Config::Row* find_row(std::string_view name) {
  const auto found = std::find_if(kRows.begin(), kRows.end(), [&](const Config::Row& row) { return row.name == name; });
  return found == kRows.end() ? nullptr : &*found;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t corner = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, corner + (a[i - 1] == b[j - 1] ? 0 : 1)});
      corner = above;
    }
  }
  return row[b.size()];
}

Status unknown(std::string_view name) {
  std::string known, nearest;
  size_t least = 1 + name.size() / 2;
  for (const Config::Row& row : kRows) {
    known += (known.empty() ? "" : ", ") + std::string(row.name);
    if (const size_t distance = edit_distance(name, row.name); distance < least) {
      least = distance;
      nearest = row.name;
    }
  }
  return {ErrorCode::kInvalidArgument, "unknown setting \"" + std::string(name.substr(0, 64)) + "\"; " +
                                           (nearest.empty() ? "known: " + known : "did you mean \"" + nearest + "\"?")};
}

Text checked(const Config::Row& row, const std::string& text) {
  auto value = row.check(text);
  if (value.is_ok()) return value;
  return Status(ErrorCode::kInvalidArgument,
                std::string(row.name) + " = \"" + text.substr(0, 64) + "\": expected " + value.status().message());
}

size_t line_of(std::string_view text, size_t at) { return 1 + static_cast<size_t>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(std::min(at, text.size())), '\n')); }

}  // namespace

std::span<const Config::Row> Config::rows() { return kRows; }

std::string_view source_name(Config::Source source) {
  static constexpr std::array<std::string_view, Config::kSources> kNames = {"default", "file", "environment", "flag", "api"};
  return kNames[static_cast<size_t>(source)];
}

Status Config::set(Source source, const std::string& name, const std::string& text) {
  const Row* row = find_row(name);
  if (row == nullptr) return unknown(name);
  DA_ASSIGN_OR_RETURN(std::string value, checked(*row, text));
  const std::lock_guard lock(mutex_);
  values_[name][static_cast<size_t>(source)] = std::move(value);
  return Status::ok();
}

Status Config::read_environment(const Environment& environment) {
  for (const Row& row : kRows) {
    const auto text = environment(std::string(row.environment).c_str());
    if (!text || text->empty()) continue;
    const auto value = row.check(*text);
    if (!value.is_ok()) {
      return {ErrorCode::kInvalidArgument, std::string(row.environment) + "=\"" + *text + "\": expected " + value.status().message()};
    }
    DA_RETURN_IF_ERROR(set(Source::kEnvironment, std::string(row.name), *text));
  }
  const auto debug = environment("OLLAMA_DEBUG");
  if (debug && !debug->empty() && *debug != "0" && *debug != "false" && source("log_level") != Source::kEnvironment) {
    return set(Source::kEnvironment, "log_level", "debug");
  }
  return Status::ok();
}

Result<Config::Values> Config::parse_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream content;
  if (!file || !(content << file.rdbuf())) return Status(ErrorCode::kIo, path + ": cannot be read");
  const std::string content_text = content.str();
  nlohmann::json settings;
  try {
    settings = nlohmann::json::parse(content_text, nullptr, true, true);
  } catch (const nlohmann::json::parse_error& error) {
    return Status(ErrorCode::kInvalidArgument, path + ":" + std::to_string(line_of(content_text, error.byte)) + ": not JSON here");
  } catch (const nlohmann::json::exception&) {
    return Status(ErrorCode::kInvalidArgument, path + ": a number is out of range");
  }
  if (!settings.is_object()) return Status(ErrorCode::kInvalidArgument, path + ":1: expected a JSON object, found " + settings.type_name());
  Values values;
  for (const auto& [name, value] : settings.items()) {
    const std::string where = path + ":" + std::to_string(line_of(content_text, content_text.find("\"" + name + "\""))) + ": ";
    const Row* row = find_row(name);
    if (row == nullptr) return Status(ErrorCode::kInvalidArgument, where + unknown(name).message());
    const auto text = text_of(name, value);
    if (!text.is_ok()) return Status(ErrorCode::kInvalidArgument, where + text.status().message());
    if (!*text) continue;
    const auto good = checked(*row, **text);
    if (!good.is_ok()) return Status(ErrorCode::kInvalidArgument, where + good.status().message());
    values[name] = *good;
  }
  return values;
}

Status Config::read_file(const std::string& path) {
  DA_ASSIGN_OR_RETURN(Values values, parse_file(path));
  const std::lock_guard lock(mutex_);
  for (auto& [name, layers] : values_) layers[static_cast<size_t>(Source::kFile)].reset();
  for (auto& [name, value] : values) values_[name][static_cast<size_t>(Source::kFile)] = std::move(value);
  return Status::ok();
}

Result<Config::Reread> Config::reread_file(const std::string& path) {
  DA_ASSIGN_OR_RETURN(const Values values, parse_file(path));
  Reread reread;
  for (const Row& row : kRows) {
    const auto found = values.find(row.name);
    const std::optional<std::string> wanted = found == values.end() ? std::nullopt : std::optional(found->second);
    const std::string from = value(row.name);
    {
      const std::lock_guard lock(mutex_);
      std::optional<std::string>& of_file = values_[std::string(row.name)][static_cast<size_t>(Source::kFile)];
      if (of_file == wanted) continue;
      if (row.live) {
        of_file = wanted;
      } else {
        reread.next_time.push_back(row.name);
      }
    }
    if (std::string to = value(row.name); to != from) reread.changed.push_back({std::string(row.name), from, std::move(to)});
  }
  return reread;
}

Result<std::optional<std::string>> Config::text_of(std::string_view name, const nlohmann::json& value) {
  if (value.is_null()) return std::optional<std::string>();
  if (value.is_string()) return std::optional(value.get<std::string>());
  if (value.is_number()) return std::optional(value.dump());
  return {ErrorCode::kInvalidArgument, std::string(name) + ": expected a text or a number, found " + value.type_name()};
}

Result<std::vector<Config::Change>> Config::change(const std::map<std::string, std::optional<std::string>>& values) {
  std::map<std::string, std::optional<std::string>> good;
  std::vector<Change> changed;
  for (const auto& [name, text] : values) {
    const Row* row = find_row(name);
    if (row == nullptr) return unknown(name);
    if (!row->live) {
      return {ErrorCode::kInvalidArgument, name + " cannot be changed while the server runs; set " +
                                               std::string(row->environment) + " and start it anew"};
    }
    std::optional<std::string>& target = good[name];
    if (text) {
      DA_ASSIGN_OR_RETURN(target, checked(*row, *text));
    }
    changed.push_back({name, value(name), ""});
  }
  {
    const std::lock_guard lock(mutex_);
    for (auto& [name, text] : good) values_[name][static_cast<size_t>(Source::kApi)] = std::move(text);
  }
  for (Change& one : changed) one.to = value(one.name);
  std::erase_if(changed, [](const Change& one) { return one.from == one.to; });
  return changed;
}

const Config::Layers& Config::layers(std::string_view name) const {
  static const Layers kNone;
  DA_CHECK(find_row(name) != nullptr);
  const auto found = values_.find(name);
  return found == values_.end() ? kNone : found->second;
}

Config::Source Config::source(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const Layers& all = layers(name);
  for (size_t i = kSources; i-- > 0;) {
    if (all[i]) return static_cast<Source>(i);
  }
  return Source::kDefault;
}

std::string Config::value(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const Layers& all = layers(name);
  for (size_t i = kSources; i-- > 0;) {
    if (all[i]) return *all[i];
  }
  return std::string(find_row(name)->fallback);
}

int64_t Config::number(std::string_view name) const {
  const std::string text = value(name);
  int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string config_file_path(const Config::Environment& environment) {
  if (const auto path = environment("DEEPANALYZE_CONFIG"); path && !path->empty()) return *path;
  std::vector<std::string> places;
  if (const auto folder = environment("XDG_CONFIG_HOME"); folder && !folder->empty()) {
    places.push_back(*folder + "/deepanalyze/config.json");
  } else if (const auto home = environment("HOME"); home && !home->empty()) {
    places.push_back(*home + "/.config/deepanalyze/config.json");
  }
  places.emplace_back("/etc/deepanalyze/config.json");
  for (const std::string& place : places) {
    if (access(place.c_str(), F_OK) == 0) return place;
  }
  return "";
}

}  // namespace da::server
