#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

// Models on disk under names, in Ollama's layout (manifests/ and blobs/ below OLLAMA_MODELS, default ~/.ollama/models),
// so that models already pulled with Ollama are there at once.
namespace da::gguf {
class File;
}
namespace da::quant {
struct Mix;
}

namespace da::store {

class PendingBlob;

// host/namespace/model:tag; the missing parts are registry.ollama.ai, library and latest.
struct ModelName {
  std::string host, name_space, model, tag;
  // Errors: kInvalidArgument ("invalid model name"). The grammar excludes "..", separators, NUL and control characters.
  static Result<ModelName> parse(std::string_view text);
  std::string display() const;   // shortest form, tag always shown: "llama3:8b"
  bool operator==(const ModelName&) const = default;
};

// All that is known about a model without loading it.
struct ModelInfo {
  std::string name;          // display form, or the path where a GGUF path was given
  std::string digest;        // hex sha256 of the manifest, "" for a path
  std::string gguf_path;     // the weights
  uint64_t size_bytes = 0;
  int64_t modified_unix_s = 0;
  std::string go_template, system, license;     // "" if absent; without go_template the GGUF's Jinja template counts
  bool built_in = false;         // one of the store's built-in models: cannot be removed
  nlohmann::ordered_json parameters = nlohmann::ordered_json::object();  // Modelfile PARAMETERs
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();     // Modelfile MESSAGEs
  // From the GGUF header.
  std::string format = "gguf", family, parameter_size, quantization_level;
  uint64_t parameter_count = 0, context_length = 0, embedding_length = 0;
  std::vector<std::string> capabilities;
};

struct CreateRequest {
  std::string model;                       // the new name
  std::string from;                        // existing model name or path of a GGUF file
  std::string go_template, system, license;
  nlohmann::ordered_json parameters = nlohmann::ordered_json::object();
  nlohmann::ordered_json messages = nlohmann::ordered_json::array();
  std::vector<std::pair<std::string, std::string>> files;  // {name, digest} of uploaded blobs
  std::string quantize;                    // file type the weights are to have, "" as they are
};
// status text, and for long work completed of total bytes (0: unknown).
using Progress = std::function<void(std::string_view status, uint64_t completed, uint64_t total)>;

// A model that comes with the program: listed and resolved where no stored model has its name.
struct BuiltIn {
  std::string name;   // as a user writes it, "starter"
  std::string path;   // GGUF file; an entry whose file is missing is left out
};

// A blob being uploaded. Bytes go to a temporary file that vanishes unless `finish` is reached. Move-only.
class BlobUpload {
 public:
  explicit BlobUpload(std::unique_ptr<PendingBlob> blob);
  BlobUpload(BlobUpload&&) noexcept;
  ~BlobUpload();
  Status append(std::span<const std::byte> bytes);
  // Stores the blob under its true digest. Errors: kInvalidArgument (`digest mismatch, expected "…", got "…"`) if that
  // is not `expected_digest`; the data stay stored all the same.
  Status finish(std::string_view expected_digest);

 private:
  std::unique_ptr<PendingBlob> blob_;
};

// Safe to use from several threads and processes: files appear by atomic rename, readers see whole manifests only.
// Copies share a cache of GGUF headers already read.
class Store {
 public:
  explicit Store(std::string root, std::vector<BuiltIn> built_in = {});
  static std::string default_root();       // OLLAMA_MODELS or ~/.ollama/models

  // A name, or a path to a GGUF file (has a '/' or ends in .gguf and exists). Errors: kInvalidArgument, kNotFound
  // ("model 'x' not found"), kCorruptData.
  Result<ModelInfo> resolve(std::string_view name_or_path) const;
  Result<std::vector<ModelInfo>> list() const;   // most recently modified first; unreadable entries are skipped
  Status create(const CreateRequest& request, const Progress& progress);
  Status remove(std::string_view name);          // manifest and blobs no other manifest uses
  Status copy(std::string_view source, std::string_view destination);
  // Blobs: digest is "sha256:<64 hex>" ("sha256-" too). Errors: kInvalidArgument for another form.
  Result<bool> has_blob(std::string_view digest) const;
  std::string blob_path(std::string_view digest) const;   // "" for another form
  Result<BlobUpload> begin_upload() const;
  // Removes temporary files of uploads and creates that ended unfinished more than an hour ago.
  Status scrub() const;
  const std::string& root() const { return root_; }

 private:
  class HeaderCache;   // remembers what the GGUF headers say

  std::string blobs_directory() const { return root_ + "/blobs"; }
  std::string manifest_path(const ModelName& name) const;
  // The name as it is spelt on disk, or kNotFound ("model 'x' not found").
  Result<ModelName> find_on_disk(const ModelName& name, std::string_view as_given) const;
  // Each part as an existing folder spells it; parts that do not exist stay as they are.
  ModelName spell_as_on_disk(const ModelName& name) const;
  const BuiltIn* find_built_in(const ModelName& name) const;
  Result<ModelInfo> info_of_manifest(const ModelName& name) const;
  Result<ModelInfo> info_of_file(const std::string& path, const std::string& name, bool with_digest) const;
  Result<std::vector<ModelName>> names_on_disk() const;
  Status remove_unused_blobs(const std::vector<std::string>& digests) const;
  Result<std::string> write_weights(const gguf::File& file, const quant::Mix* mix, const Progress& progress) const;   // its digest
  Result<std::string> import_weights(const std::string& path, const Progress& progress) const;   // its digest

  std::string root_;
  std::vector<BuiltIn> built_in_;
  std::shared_ptr<HeaderCache> headers_;   // shared by copies: a cache, not state
};

// A Modelfile's text for this model: FROM its weights, TEMPLATE, SYSTEM, PARAMETERs, LICENSE, MESSAGEs. Parses back.
std::string to_modelfile(const ModelInfo& info);

// A Modelfile as a create request (FROM, PARAMETER, TEMPLATE, SYSTEM, MESSAGE, LICENSE, comments, triple quotes).
// ADAPTER and DRAFT are refused. Relative paths start at `directory`. Errors: kInvalidArgument, with the line where it has
// one; kUnsupported.
Result<CreateRequest> parse_modelfile(std::string_view text, const std::string& directory);

}  // namespace da::store
