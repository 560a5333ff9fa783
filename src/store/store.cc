#include "store/store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <tuple>

#include "gguf/gguf.h"
#include "store/digest.h"
#include "store/files.h"
#include "store/manifest.h"
#include "store/model_details.h"

namespace da::store {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxTextBytes = size_t{16} << 20;   // a template, system, license, params or messages blob

bool equal_folded(std::string_view a, std::string_view b) {
  const auto fold = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [fold](char x, char y) { return fold(x) == fold(y); });
}

// The entry of `directory` that is `wanted`, exactly or but for case; "" if there is none.
std::string find_entry(const std::string& directory, const std::string& wanted) {
  std::error_code error;
  if (fs::exists(directory + "/" + wanted, error)) return wanted;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (equal_folded(name, wanted)) return name;
  }
  return "";
}

std::vector<std::string> entries_of(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Status not_found(std::string_view name) {
  return {ErrorCode::kNotFound, "model '" + std::string(name) + "' not found"};
}

bool looks_like_path(std::string_view text) { return text.find('/') != text.npos || text.ends_with(".gguf"); }

// Can only be meant as a path: no name starts like this.
bool must_be_path(std::string_view text) {
  return text.starts_with('/') || text.starts_with("./") || text.starts_with("../") || text.starts_with('~');
}

}  // namespace

// Keyed by path, inode, size and time of change, so that a replaced file is read again.
class Store::HeaderCache {
 public:
  struct Entry {
    ModelDetails details;
    uint64_t size_bytes = 0;   // of all parts
    std::string digest;   // of the whole file, "" until asked for
  };

  Result<Entry> get(const std::string& path, bool with_digest) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) return errno_status("stat", path, errno);
    const Key key{path, info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
    {
      const std::lock_guard lock(mutex_);
      const auto found = entries_.find(key);
      if (found != entries_.end() && (!with_digest || !found->second.digest.empty())) return found->second;
    }
    Entry entry;
    // Not mapped: a file that shrinks while it is read must not end the server.
    DA_ASSIGN_OR_RETURN(const auto file, gguf::File::open_header(path));
    DA_ASSIGN_OR_RETURN(entry.details, read_details(*file));
    entry.size_bytes = file->size_bytes();
    if (with_digest) {
      DA_ASSIGN_OR_RETURN(entry.digest, hash_file(path, {}));
    }
    const std::lock_guard lock(mutex_);
    if (entries_.size() >= kMaxEntries) entries_.clear();
    entries_[key] = entry;
    return entry;
  }

 private:
  static constexpr size_t kMaxEntries = 4096;
  using Key = std::tuple<std::string, ino_t, off_t, time_t, long>;
  std::mutex mutex_;
  std::map<Key, Entry> entries_;
};

Store::Store(std::string root, std::vector<BuiltIn> built_in)
    : root_(std::move(root)), built_in_(std::move(built_in)), headers_(std::make_shared<HeaderCache>()) {}

std::string Store::default_root() {
  if (const char* models = std::getenv("OLLAMA_MODELS"); models != nullptr && *models != '\0') return models;
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : ".") + "/.ollama/models";
}

std::string Store::manifest_path(const ModelName& name) const {
  return root_ + "/manifests/" + name.host + "/" + name.name_space + "/" + name.model + "/" + name.tag;
}

ModelName Store::spell_as_on_disk(const ModelName& name) const {
  ModelName spelt = name;
  std::string directory = root_ + "/manifests";
  for (std::string* part : {&spelt.host, &spelt.name_space, &spelt.model, &spelt.tag}) {
    const std::string entry = find_entry(directory, *part);
    if (entry.empty()) break;
    *part = entry;
    directory += "/" + entry;
  }
  return spelt;
}

Result<ModelName> Store::find_on_disk(const ModelName& name, std::string_view as_given) const {
  const ModelName spelt = spell_as_on_disk(name);
  std::error_code error;
  if (!fs::is_regular_file(manifest_path(spelt), error)) return not_found(as_given);
  return spelt;
}

const BuiltIn* Store::find_built_in(const ModelName& name) const {
  for (const BuiltIn& model : built_in_) {
    const auto own = ModelName::parse(model.name);
    std::error_code error;
    if (own.is_ok() && equal_folded(own->display(), name.display()) && fs::is_regular_file(model.path, error)) return &model;
  }
  return nullptr;
}

Result<ModelInfo> Store::info_of_file(const std::string& path, const std::string& name, bool with_digest) const {
  DA_ASSIGN_OR_RETURN(const HeaderCache::Entry header, headers_->get(path, with_digest));
  if (!header.details.is_model) return {ErrorCode::kUnsupported, path + ": an adapter or projector, not a model"};
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return errno_status("stat", path, errno);
  ModelInfo info;
  info.name = name;
  info.digest = header.digest;
  info.gguf_path = path;
  info.size_bytes = header.size_bytes;
  info.modified_unix_s = status.st_mtim.tv_sec;
  info.family = header.details.family;
  info.parameter_size = header.details.parameter_size;
  info.quantization_level = header.details.quantization_level;
  info.parameter_count = header.details.parameter_count;
  info.context_length = header.details.context_length;
  info.embedding_length = header.details.embedding_length;
  info.capabilities = capabilities(header.details, "", {});
  return info;
}

Result<ModelInfo> Store::info_of_manifest(const ModelName& name) const {
  const std::string shown = name.display();
  const std::string path = manifest_path(name);
  DA_ASSIGN_OR_RETURN(const std::string text, read_small_file(path, kMaxManifestBytes));
  DA_ASSIGN_OR_RETURN(const Manifest manifest, parse_manifest(text, "model '" + shown + "'"));
  const Layer* weights = manifest.find("model");
  if (weights == nullptr) return {ErrorCode::kUnsupported, "model '" + shown + "' has no GGUF weights here"};
  if (manifest.find("adapter") != nullptr) return {ErrorCode::kUnsupported, "model '" + shown + "' needs an adapter; adapters are not supported"};
  DA_ASSIGN_OR_RETURN(ModelInfo info, info_of_file(blob_path(weights->digest), shown, false));
  DA_ASSIGN_OR_RETURN(const std::string config_text, read_small_file(blob_path(manifest.config.digest), kMaxTextBytes));
  DA_ASSIGN_OR_RETURN(const Config config, parse_config(config_text, "model '" + shown + "'"));
  if (!config.parameter_size.empty()) info.parameter_size = config.parameter_size;
  if (!config.quantization_level.empty()) info.quantization_level = config.quantization_level;
  for (const Layer& layer : manifest.layers) {
    const std::string_view kind = layer.kind();
    if (kind != "template" && kind != "system" && kind != "license" && kind != "params" && kind != "messages") continue;
    DA_ASSIGN_OR_RETURN(std::string content, read_small_file(blob_path(layer.digest), kMaxTextBytes));
    if (kind == "template") info.go_template = std::move(content);
    if (kind == "system") info.system = std::move(content);
    if (kind == "license") info.license += (info.license.empty() ? "" : "\n") + content;
    if (kind == "params") {
      DA_ASSIGN_OR_RETURN(info.parameters, parse_parameters(content, "model '" + shown + "'"));
    }
    if (kind == "messages") {
      DA_ASSIGN_OR_RETURN(info.messages, parse_messages(content, "model '" + shown + "'"));
    }
  }
  DA_ASSIGN_OR_RETURN(const HeaderCache::Entry header, headers_->get(info.gguf_path, false));
  info.capabilities = capabilities(header.details, info.go_template, config.capabilities);
  Sha256 hash;
  hash.update(text);
  info.digest = hash.finish_hex();
  info.size_bytes = manifest.size_bytes();
  struct stat status {};
  if (stat(path.c_str(), &status) == 0) info.modified_unix_s = status.st_mtim.tv_sec;
  return info;
}

Result<ModelInfo> Store::resolve(std::string_view name_or_path) const {
  if (name_or_path.find('\0') != name_or_path.npos) return {ErrorCode::kInvalidArgument, "invalid model name"};
  const std::string text(name_or_path);
  std::error_code error;
  if (looks_like_path(text) && fs::is_regular_file(text, error)) return info_of_file(text, text, false);
  if (must_be_path(text)) return not_found(text);
  DA_ASSIGN_OR_RETURN(const ModelName name, ModelName::parse(text));
  const auto on_disk = find_on_disk(name, text);
  if (on_disk.is_ok()) {
    auto info = info_of_manifest(*on_disk);
    if (!info.is_ok() && info.code() == ErrorCode::kNotFound) {
      // The manifest is there and a blob is not: say so, rather than that there is no such model.
      return Status(ErrorCode::kCorruptData, "model '" + text + "' is incomplete: " + info.status().message());
    }
    return info;
  }
  if (const BuiltIn* model = find_built_in(name); model != nullptr) {
    DA_ASSIGN_OR_RETURN(ModelInfo info, info_of_file(model->path, name.display(), true));
    info.built_in = true;
    return info;
  }
  return on_disk.status();
}

Result<std::vector<ModelName>> Store::names_on_disk() const {
  std::vector<ModelName> names;
  const std::string top = root_ + "/manifests";
  for (const std::string& host : entries_of(top)) {
    for (const std::string& name_space : entries_of(top + "/" + host)) {
      for (const std::string& model : entries_of(top + "/" + host + "/" + name_space)) {
        for (const std::string& tag : entries_of(top + "/" + host + "/" + name_space + "/" + model)) {
          // A name that would not parse (a temporary file, a stranger's) is none of ours.
          const auto name = ModelName::parse(host + "/" + name_space + "/" + model + ":" + tag);
          if (name.is_ok()) names.push_back(*name);
        }
      }
    }
  }
  return names;
}

Result<std::vector<ModelInfo>> Store::list() const {
  std::vector<ModelInfo> models;
  DA_ASSIGN_OR_RETURN(const std::vector<ModelName> names, names_on_disk());
  for (const ModelName& name : names) {
    auto info = info_of_manifest(name);
    if (info.is_ok()) models.push_back(std::move(*info));
  }
  for (const BuiltIn& model : built_in_) {
    const auto name = ModelName::parse(model.name);
    if (!name.is_ok() || find_on_disk(*name, model.name).is_ok()) continue;
    auto info = info_of_file(model.path, name->display(), true);
    if (!info.is_ok()) continue;
    info->built_in = true;
    models.push_back(std::move(*info));
  }
  std::stable_sort(models.begin(), models.end(),
                   [](const ModelInfo& a, const ModelInfo& b) { return a.modified_unix_s > b.modified_unix_s; });
  return models;
}

Status Store::remove(std::string_view text) {
  DA_ASSIGN_OR_RETURN(const ModelName parsed, ModelName::parse(text));
  DA_ASSIGN_OR_RETURN(const UniqueFd lock, lock_directory(root_));
  const auto found = find_on_disk(parsed, text);
  if (!found.is_ok()) {
    if (find_built_in(parsed) == nullptr) return found.status();
    return {ErrorCode::kUnsupported, "model '" + std::string(text) + "' is built in and cannot be removed"};
  }
  const std::string path = manifest_path(*found);
  std::vector<std::string> digests;
  if (const auto content = read_small_file(path, kMaxManifestBytes); content.is_ok()) {
    if (const auto manifest = parse_manifest(*content, path); manifest.is_ok()) digests = manifest->digests();
  }
  if (unlink(path.c_str()) != 0) return errno_status("remove", path, errno);
  // Folders that are empty now go too, up to manifests/ itself.
  std::string directory = fs::path(path).parent_path().string();
  for (int level = 0; level < 3 && rmdir(directory.c_str()) == 0; ++level) directory = fs::path(directory).parent_path().string();
  DA_RETURN_IF_ERROR(sync_directory(directory));
  return remove_unused_blobs(digests);
}

// Called with the store locked. A manifest that cannot be read might use any blob, so then nothing is removed.
Status Store::remove_unused_blobs(const std::vector<std::string>& digests) const {
  std::set<std::string> used;
  DA_ASSIGN_OR_RETURN(const std::vector<ModelName> names, names_on_disk());
  for (const ModelName& name : names) {
    const auto text = read_small_file(manifest_path(name), kMaxManifestBytes);
    if (!text.is_ok()) return Status::ok();
    const auto manifest = parse_manifest(*text, name.display());
    if (!manifest.is_ok()) return Status::ok();
    for (std::string& digest : manifest->digests()) used.insert(std::move(digest));
  }
  for (const std::string& digest : digests) {
    if (used.contains(digest)) continue;
    const std::string path = blob_path(digest);
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return errno_status("remove", path, errno);
  }
  return Status::ok();
}

Status Store::copy(std::string_view source, std::string_view destination) {
  const auto from = ModelName::parse(source);
  if (!from.is_ok()) return {ErrorCode::kInvalidArgument, "source \"" + std::string(source) + "\" is invalid"};
  auto to = ModelName::parse(destination);
  if (!to.is_ok()) return {ErrorCode::kInvalidArgument, "destination \"" + std::string(destination) + "\" is invalid"};
  const auto found = find_on_disk(*from, source);
  if (!found.is_ok()) {
    if (find_built_in(*from) == nullptr) return {ErrorCode::kNotFound, "model \"" + std::string(source) + "\" not found"};
    CreateRequest request;
    request.model = destination;
    request.from = source;
    return create(request, {});
  }
  DA_ASSIGN_OR_RETURN(const UniqueFd lock, lock_directory(root_));
  DA_ASSIGN_OR_RETURN(const std::string manifest, read_small_file(manifest_path(*found), kMaxManifestBytes));
  *to = spell_as_on_disk(*to);
  DA_RETURN_IF_ERROR(make_directories(fs::path(manifest_path(*to)).parent_path().string()));
  return write_file_atomically(manifest_path(*to), manifest);
}

std::string Store::blob_path(std::string_view digest) const {
  const auto hex = parse_digest(digest);
  return hex.is_ok() ? blobs_directory() + "/sha256-" + *hex : std::string();
}

Result<bool> Store::has_blob(std::string_view digest) const {
  DA_ASSIGN_OR_RETURN(const std::string hex, parse_digest(digest));
  std::error_code error;
  return fs::is_regular_file(blobs_directory() + "/sha256-" + hex, error);
}

Result<BlobUpload> Store::begin_upload() const {
  DA_ASSIGN_OR_RETURN(PendingBlob blob, PendingBlob::create(blobs_directory()));
  return BlobUpload(std::make_unique<PendingBlob>(std::move(blob)));
}

Status Store::scrub() const {
  const auto is_temporary = [](const std::string& name) {
    constexpr std::string_view kPrefix = "sha256-";
    return name.starts_with(kPrefix) && name.size() > kPrefix.size() && name.size() < kPrefix.size() + 64 &&
           std::all_of(name.begin() + kPrefix.size(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  for (const std::string& name : entries_of(blobs_directory())) {
    const std::string path = blobs_directory() + "/" + name;
    struct stat info {};
    if (!is_temporary(name) || lstat(path.c_str(), &info) != 0 || now - info.st_ctim.tv_sec < 3600) continue;
    if (unlink(path.c_str()) != 0 && errno != ENOENT) return errno_status("remove", path, errno);
  }
  return Status::ok();
}

BlobUpload::BlobUpload(std::unique_ptr<PendingBlob> blob) : blob_(std::move(blob)) {}
BlobUpload::BlobUpload(BlobUpload&&) noexcept = default;
BlobUpload::~BlobUpload() = default;

Status BlobUpload::append(std::span<const std::byte> bytes) { return blob_->append(bytes); }

Status BlobUpload::finish(std::string_view expected_digest) {
  DA_ASSIGN_OR_RETURN(const std::string expected, parse_digest(expected_digest));
  DA_ASSIGN_OR_RETURN(const PendingBlob::Published published, blob_->publish());
  if (published.hex == expected) return Status::ok();
  return {ErrorCode::kInvalidArgument,
          "digest mismatch, expected \"sha256:" + expected + "\", got \"sha256:" + published.hex + "\""};
}

}  // namespace da::store
