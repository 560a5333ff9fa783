#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace da::store {

inline constexpr std::string_view kConfigMediaType = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kLayerMediaType = "application/vnd.ollama.image.";   // + model, template, …

struct Layer {
  std::string media_type;
  std::string digest;   // "sha256:<64 hex>", checked
  uint64_t size_bytes = 0;
  // "model" of application/vnd.ollama.image.model, "" for a foreign media type. The old name "prompt" is "template".
  std::string_view kind() const;
};

struct Manifest {
  Layer config;
  std::vector<Layer> layers;

  uint64_t size_bytes() const;
  const Layer* find(std::string_view kind) const;
  std::vector<std::string> digests() const;   // config included
  std::string to_json() const;
};

// Errors: kCorruptData names the field. At most 4,096 layers and 1 MiB.
Result<Manifest> parse_manifest(std::string_view json, const std::string& name);
inline constexpr size_t kMaxManifestBytes = size_t{1} << 20;

// The config blob. Fields of another type count as absent; unknown ones are tolerated.
struct Config {
  std::string format, family, parameter_size, quantization_level;
  std::vector<std::string> capabilities;
  std::string to_json() const;
};
Result<Config> parse_config(std::string_view json, const std::string& name);

// PARAMETERs as stored: an object whose values are scalars or arrays of scalars. Errors: kCorruptData.
Result<nlohmann::ordered_json> parse_parameters(std::string_view json, const std::string& name);
// MESSAGEs: an array of {"role", "content"}. Errors: kCorruptData.
Result<nlohmann::ordered_json> parse_messages(std::string_view json, const std::string& name);
Status check_parameters(const nlohmann::ordered_json& parameters, const std::string& name);
Status check_messages(const nlohmann::ordered_json& messages, const std::string& name);

}  // namespace da::store
