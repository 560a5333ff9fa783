#include "store/manifest.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "store/digest.h"

namespace da::store {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kMaxLayers = 4096;
constexpr uint64_t kMaxLayerBytes = uint64_t{1} << 50;

Status corrupt(const std::string& name, std::string_view what) {
  return {ErrorCode::kCorruptData, name + ": " + std::string(what)};
}

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Result<Layer> parse_layer(const Json& json, const std::string& name) {
  if (!json.is_object()) return corrupt(name, "a layer is not an object");
  Layer layer;
  layer.media_type = text_of(json, "mediaType");
  const std::string digest = text_of(json, "digest");
  const auto hex = parse_digest(digest);
  if (!hex.is_ok()) return corrupt(name, "a layer's digest is malformed");
  layer.digest = "sha256:" + *hex;
  const auto size = json.find("size");
  if (size == json.end() || !size->is_number_integer() || (!size->is_number_unsigned() && size->get<int64_t>() < 0) ||
      size->get<uint64_t>() > kMaxLayerBytes) {
    return corrupt(name, "a layer's size is missing or out of range");
  }
  layer.size_bytes = size->get<uint64_t>();
  return layer;
}

Json layer_json(const Layer& layer) {
  return {{"mediaType", layer.media_type}, {"digest", layer.digest}, {"size", layer.size_bytes}};
}

bool is_scalar(const Json& value) { return value.is_string() || value.is_number() || value.is_boolean(); }

}  // namespace

std::string_view Layer::kind() const {
  const std::string_view type = media_type;
  if (!type.starts_with(kLayerMediaType)) return "";
  const std::string_view kind = type.substr(kLayerMediaType.size());
  return kind == "prompt" ? "template" : kind;
}

uint64_t Manifest::size_bytes() const {
  uint64_t total = config.size_bytes;
  for (const Layer& layer : layers) total += layer.size_bytes;
  return total;
}

const Layer* Manifest::find(std::string_view kind) const {
  const auto found = std::find_if(layers.begin(), layers.end(), [kind](const Layer& layer) { return layer.kind() == kind; });
  return found == layers.end() ? nullptr : &*found;
}

std::vector<std::string> Manifest::digests() const {
  std::vector<std::string> result{config.digest};
  for (const Layer& layer : layers) result.push_back(layer.digest);
  return result;
}

std::string Manifest::to_json() const {
  Json json = {{"schemaVersion", 2},
               {"mediaType", "application/vnd.docker.distribution.manifest.v2+json"},
               {"config", layer_json(config)},
               {"layers", Json::array()}};
  for (const Layer& layer : layers) json["layers"].push_back(layer_json(layer));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Manifest> parse_manifest(std::string_view text, const std::string& name) {
  if (text.size() > kMaxManifestBytes) return corrupt(name, "manifest longer than 1 MiB");
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return corrupt(name, "manifest is not a JSON object");
  const auto config = json.find("config");
  const auto layers = json.find("layers");
  if (config == json.end() || layers == json.end() || !layers->is_array()) {
    return corrupt(name, "manifest without config and layers");
  }
  if (layers->empty() || layers->size() > kMaxLayers) return corrupt(name, "manifest has no layers or more than 4096");
  Manifest manifest;
  DA_ASSIGN_OR_RETURN(manifest.config, parse_layer(*config, name));
  for (const Json& entry : *layers) {
    DA_ASSIGN_OR_RETURN(Layer layer, parse_layer(entry, name));
    manifest.layers.push_back(std::move(layer));
  }
  return manifest;
}

std::string Config::to_json() const {
  Json json = {{"model_format", format},
               {"model_family", family},
               {"model_families", Json::array({family})},
               {"model_type", parameter_size},
               {"file_type", quantization_level},
               {"architecture", "amd64"},
               {"os", "linux"}};
  if (!capabilities.empty()) json["capabilities"] = capabilities;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Config> parse_config(std::string_view text, const std::string& name) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return corrupt(name, "config is not a JSON object");
  Config config;
  config.format = text_of(json, "model_format");
  config.family = text_of(json, "model_family");
  config.parameter_size = text_of(json, "model_type");
  config.quantization_level = text_of(json, "file_type");
  if (const auto list = json.find("capabilities"); list != json.end() && list->is_array()) {
    for (const Json& entry : *list) {
      if (entry.is_string()) config.capabilities.push_back(entry.get<std::string>());
    }
  }
  return config;
}

Status check_parameters(const Json& parameters, const std::string& name) {
  if (!parameters.is_object()) return corrupt(name, "parameters are not a JSON object");
  for (const auto& [key, value] : parameters.items()) {
    const bool fits = is_scalar(value) || value.is_null() ||
                      (value.is_array() && std::all_of(value.begin(), value.end(), is_scalar));
    if (!fits) return corrupt(name, "parameter '" + key + "' is neither a scalar nor a list of scalars");
  }
  return Status::ok();
}

Status check_messages(const Json& messages, const std::string& name) {
  if (!messages.is_array()) return corrupt(name, "messages are not a JSON array");
  for (const Json& message : messages) {
    const bool fits = message.is_object() && message.contains("role") && message["role"].is_string() &&
                      message.contains("content") && message["content"].is_string();
    if (!fits) return corrupt(name, "a message lacks its role or content");
  }
  return Status::ok();
}

Result<Json> parse_parameters(std::string_view text, const std::string& name) {
  Json json = Json::parse(text, nullptr, false);
  DA_RETURN_IF_ERROR(check_parameters(json, name));
  return json;
}

Result<Json> parse_messages(std::string_view text, const std::string& name) {
  const Json json = Json::parse(text, nullptr, false);
  DA_RETURN_IF_ERROR(check_messages(json, name));
  Json plain = Json::array();   // only what is known: other members may be nested without bound
  for (const Json& message : json) plain.push_back({{"role", message["role"]}, {"content", message["content"]}});
  return plain;
}

}  // namespace da::store
