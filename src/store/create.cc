#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <span>

#include "gguf/gguf.h"
#include "gguf/parts.h"
#include "quant/mix.h"
#include "quant/model_writer.h"
#include "store/digest.h"
#include "store/files.h"
#include "store/manifest.h"
#include "store/model_details.h"
#include "store/store.h"

namespace da::store {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// Layers being put together for the manifest of one create.
class LayerList {
 public:
  LayerList(std::string blobs_directory, const Progress& progress)
      : blobs_directory_(std::move(blobs_directory)), progress_(progress) {}

  // Stores `content` and appends it as a layer; with `replace`, instead of the layers of that kind there are.
  Status put(std::string_view kind, std::string_view content, bool replace) {
    if (replace) std::erase_if(layers_, [kind](const Layer& layer) { return layer.kind() == kind; });
    DA_ASSIGN_OR_RETURN(Layer layer, store(std::string(kLayerMediaType) + std::string(kind), content));
    layers_.push_back(std::move(layer));
    return Status::ok();
  }

  Result<Layer> store(const std::string& media_type, std::string_view content) const {
    DA_ASSIGN_OR_RETURN(PendingBlob blob, PendingBlob::create(blobs_directory_));
    DA_RETURN_IF_ERROR(blob.append(std::as_bytes(std::span(content.data(), content.size()))));
    DA_ASSIGN_OR_RETURN(const PendingBlob::Published published, blob.publish());
    if (progress_) {
      progress_((published.existed ? "using existing layer sha256:" : "creating new layer sha256:") + published.hex, 0, 0);
    }
    return Layer{media_type, "sha256:" + published.hex, content.size()};
  }

  std::vector<Layer>& layers() { return layers_; }

 private:
  std::string blobs_directory_;
  const Progress& progress_;
  std::vector<Layer> layers_;
};

// The digests of the GGUF file among the uploads, or of the parts of a split one in their order.
Result<std::vector<std::string>> choose_files(const Store& store, const CreateRequest& request) {
  std::map<std::string, std::string> chosen;  // by name
  for (const auto& [name, digest] : request.files) {
    const fs::path path(name);
    const bool escapes = path.is_absolute() || name.find('\\') != name.npos || name.find('\0') != name.npos ||
                         std::find(path.begin(), path.end(), "..") != path.end();
    if (escapes || name.empty()) return {ErrorCode::kInvalidArgument, "file path must be relative"};
    DA_ASSIGN_OR_RETURN(const bool present, store.has_blob(digest));
    if (!present) return {ErrorCode::kNotFound, "blob of file '" + name + "' was not uploaded"};
    if (path.extension() != ".gguf" && request.files.size() > 1) continue;
    DA_ASSIGN_OR_RETURN(const std::string hex, parse_digest(digest));
    chosen[name] = "sha256:" + hex;
  }
  if (chosen.empty()) return {ErrorCode::kUnsupported, "no GGUF file among the files; other formats are not converted"};
  // In the order of their names the parts of a model are in the order of their numbers.
  std::vector<std::string> names, digests;
  for (const auto& [name, digest] : chosen) {
    names.push_back(name);
    digests.push_back(digest);
  }
  if (names.size() > 1 && gguf::part_paths(names[0]) != names) {
    return {ErrorCode::kUnsupported,
            "more than one GGUF file, and not the parts of one model (NAME-00001-of-00002.gguf and so on)"};
  }
  return digests;
}

// The parts of a model, opened as one. Read and not mapped, as everywhere in the server's process (G14).
Result<std::unique_ptr<gguf::File>> open_blobs(const Store& store, const std::vector<std::string>& digests,
                                               const std::string& name) {
  std::vector<UniqueFd> files;
  std::vector<int> fds;
  for (const std::string& digest : digests) {
    const std::string path = store.blob_path(digest);
    files.emplace_back(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!files.back().valid()) return errno_status("open", path, errno);
    fds.push_back(files.back().get());
  }
  return gguf::File::open_header_fds(fds, name);
}

}  // namespace

Result<std::string> Store::import_weights(const std::string& path, const Progress& progress) const {
  DA_ASSIGN_OR_RETURN(PendingBlob blob, PendingBlob::import(blobs_directory(), path, [&](uint64_t done, uint64_t total) {
                        if (progress) progress("copying file", done, total);
                      }));
  DA_ASSIGN_OR_RETURN(const PendingBlob::Published published, blob.publish());
  if (progress) {
    progress((published.existed ? "using existing layer sha256:" : "creating new layer sha256:") + published.hex, 0, 0);
  }
  return "sha256:" + published.hex;
}

// The model written anew: its parts joined, its weights quantized if `mix` is given.
Result<std::string> Store::write_weights(const gguf::File& file, const quant::Mix* mix, const Progress& progress) const {
  std::string status = "joining the parts of the model";
  if (mix != nullptr) {
    DA_ASSIGN_OR_RETURN(const ModelDetails details, read_details(file));
    const std::string& level = details.quantization_level;
    if (level != "F32" && level != "F16" && level != "BF16") {
      return {ErrorCode::kInvalidArgument, "quantization is only supported for F16, BF16 and F32 models"};
    }
    status = "quantizing " + level + " model to " + std::string(mix->name);
  }
  const quant::QuantizeOptions options{.progress = [&](const quant::QuantizeProgress& at) {
    if (progress) progress(status, at.bytes_done, at.bytes_total);
    return true;
  }};
  DA_ASSIGN_OR_RETURN(const auto writer, quant::model_writer(file, mix, options));
  DA_ASSIGN_OR_RETURN(PendingBlob blob, PendingBlob::create(blobs_directory()));
  DA_RETURN_IF_ERROR(writer->write_to([&blob](std::span<const std::byte> bytes) { return blob.append(bytes); }));
  DA_ASSIGN_OR_RETURN(const PendingBlob::Published published, blob.publish());
  if (progress) {
    progress((published.existed ? "using existing layer sha256:" : "creating new layer sha256:") + published.hex, 0, 0);
  }
  return "sha256:" + published.hex;
}

Status Store::create(const CreateRequest& request, const Progress& progress) {
  DA_ASSIGN_OR_RETURN(ModelName target, ModelName::parse(request.model));
  if (request.from.empty() && request.files.empty()) {
    return {ErrorCode::kInvalidArgument, "neither 'from' or 'files' was specified"};
  }
  if (!check_parameters(request.parameters, "create").is_ok() || !check_messages(request.messages, "create").is_ok()) {
    return {ErrorCode::kInvalidArgument, "create: parameters must be scalars or lists of them, messages have a role and a content"};
  }
  LayerList list(blobs_directory(), progress);
  Json parameters = Json::object();
  std::string weights_digest;
  std::unique_ptr<gguf::File> weights;  // to be written anew
  const quant::Mix* mix = nullptr;
  if (!request.quantize.empty()) {
    DA_ASSIGN_OR_RETURN(mix, quant::find_mix(request.quantize));
  }
  Config config;

  // 1. The base: its layers, or a file's weights.
  if (!request.files.empty()) {
    DA_ASSIGN_OR_RETURN(const std::vector<std::string> digests, choose_files(*this, request));
    if (mix == nullptr && digests.size() == 1) {
      weights_digest = digests[0];
    } else {
      DA_ASSIGN_OR_RETURN(weights, open_blobs(*this, digests, target.display()));
    }
  } else {
    DA_ASSIGN_OR_RETURN(const ModelInfo base, resolve(request.from));
    if (base.digest.empty() || base.built_in) {
      if (progress) progress("parsing GGUF", 0, 0);
      if (mix == nullptr && gguf::part_paths(base.gguf_path).size() == 1) {
        DA_ASSIGN_OR_RETURN(weights_digest, import_weights(base.gguf_path, progress));
      } else {
        DA_ASSIGN_OR_RETURN(weights, gguf::File::open_header(base.gguf_path));
      }
    } else {
      DA_ASSIGN_OR_RETURN(const ModelName parsed, ModelName::parse(request.from));
      DA_ASSIGN_OR_RETURN(const ModelName base_name, find_on_disk(parsed, request.from));
      DA_ASSIGN_OR_RETURN(const std::string text, read_small_file(manifest_path(base_name), kMaxManifestBytes));
      DA_ASSIGN_OR_RETURN(Manifest manifest, parse_manifest(text, base_name.display()));
      DA_ASSIGN_OR_RETURN(const std::string config_text, read_small_file(blob_path(manifest.config.digest), kMaxManifestBytes));
      DA_ASSIGN_OR_RETURN(config, parse_config(config_text, base_name.display()));
      list.layers() = std::move(manifest.layers);
      parameters = base.parameters;
      for (const Layer& layer : list.layers()) {
        if (progress) progress("using existing layer " + layer.digest, 0, 0);
      }
      if (mix != nullptr) {
        DA_ASSIGN_OR_RETURN(weights, gguf::File::open_header(base.gguf_path));
        std::erase_if(list.layers(), [](const Layer& layer) { return layer.kind() == "model"; });
      }
    }
  }
  if (weights != nullptr) {
    DA_ASSIGN_OR_RETURN(weights_digest, write_weights(*weights, mix, progress));
  }
  if (!weights_digest.empty()) {
    DA_ASSIGN_OR_RETURN(const ModelInfo info, info_of_file(blob_path(weights_digest), target.display(), false));
    list.layers().push_back({std::string(kLayerMediaType) + "model", weights_digest, info.size_bytes});
    config.format = "gguf";
    config.family = info.family;
    config.parameter_size = info.parameter_size;
    config.quantization_level = info.quantization_level;
  }

  // 2. What the request adds or replaces.
  if (!request.go_template.empty()) DA_RETURN_IF_ERROR(list.put("template", request.go_template, true));
  if (!request.system.empty()) DA_RETURN_IF_ERROR(list.put("system", request.system, true));
  if (!request.license.empty()) DA_RETURN_IF_ERROR(list.put("license", request.license, false));
  if (!request.messages.empty()) DA_RETURN_IF_ERROR(list.put("messages", dump(request.messages), true));
  if (!request.parameters.empty()) {
    for (const auto& [key, value] : request.parameters.items()) parameters[key] = value;
    DA_RETURN_IF_ERROR(list.put("params", dump(parameters), true));
  }

  // 3. Config and manifest, under the lock.
  Manifest manifest;
  DA_ASSIGN_OR_RETURN(manifest.config, list.store(std::string(kConfigMediaType), config.to_json()));
  manifest.layers = std::move(list.layers());
  DA_ASSIGN_OR_RETURN(const UniqueFd lock, lock_directory(root_));
  for (const std::string& digest : manifest.digests()) {
    DA_ASSIGN_OR_RETURN(const bool present, has_blob(digest));
    if (!present) {
      return {ErrorCode::kUnavailable, "create '" + target.display() + "': layer " + digest + " was removed meanwhile; try again"};
    }
  }
  target = spell_as_on_disk(target);
  const std::string path = manifest_path(target);
  std::vector<std::string> replaced;
  if (const auto old = read_small_file(path, kMaxManifestBytes); old.is_ok()) {
    if (const auto old_manifest = parse_manifest(*old, path); old_manifest.is_ok()) replaced = old_manifest->digests();
  }
  if (progress) progress("writing manifest", 0, 0);
  DA_RETURN_IF_ERROR(make_directories(fs::path(path).parent_path().string()));
  DA_RETURN_IF_ERROR(write_file_atomically(path, manifest.to_json()));
  DA_RETURN_IF_ERROR(remove_unused_blobs(replaced));
  if (progress) progress("success", 0, 0);
  return Status::ok();
}

}  // namespace da::store
