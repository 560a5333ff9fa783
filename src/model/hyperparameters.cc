#include "model/hyperparameters.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include "model/architecture.h"

namespace da::model {
namespace {

// Far above any model made so far, far below where a product of two could overflow 64 bits.
constexpr int64_t kMaxLayers = 1024, kMaxHeads = 4096, kMaxHeadDim = 1024, kMaxWidth = 1 << 20, kMaxVocab = 1 << 24;
constexpr int64_t kMaxContext = 1 << 27;

std::string number(double value) {
  std::string text = std::to_string(value);
  return value == std::floor(value) && std::fabs(value) < 1e15 ? std::to_string(static_cast<int64_t>(value)) : text;
}

Status bad_value(const std::string& key, const std::string& found, const std::string& expected) {
  return {ErrorCode::kCorruptData, "key \"" + key + "\": found " + found + ", expected " + expected};
}

// Reads `<architecture>.<name>` keys, checks their range, and remembers which names it was asked for.
class KeyReader {
 public:
  explicit KeyReader(const gguf::File& file) : file_(file), prefix_(std::string(file.architecture()) + ".") {}

  std::string key(std::string_view name) const { return prefix_ + std::string(name); }
  bool has(std::string_view name) {
    known_.emplace_back(name);
    return file_.find(key(name)) != nullptr;
  }

  // A model without a key it needs is a broken file, not a missing thing.
  Status require(std::string_view name) {
    return has(name) ? Status::ok() : Status(ErrorCode::kCorruptData, "key \"" + key(name) + "\" is missing");
  }

  // A whole number in [minimum, maximum].
  Result<int32_t> count(std::string_view name, int64_t minimum, int64_t maximum) {
    DA_RETURN_IF_ERROR(require(name));
    DA_ASSIGN_OR_RETURN(const uint64_t value, file_.get_uint(key(name)));
    if (value < static_cast<uint64_t>(minimum) || value > static_cast<uint64_t>(maximum)) {
      return bad_value(key(name), std::to_string(value), std::to_string(minimum) + " to " + std::to_string(maximum));
    }
    return static_cast<int32_t>(value);
  }
  Result<int32_t> count_or(std::string_view name, int64_t fallback, int64_t minimum, int64_t maximum) {
    return has(name) ? count(name, minimum, maximum) : Result<int32_t>(static_cast<int32_t>(fallback));
  }
  // A finite number in [minimum, maximum].
  Result<float> real(std::string_view name, double minimum, double maximum) {
    DA_RETURN_IF_ERROR(require(name));
    DA_ASSIGN_OR_RETURN(const double value, file_.get_float(key(name)));
    if (!(value >= minimum && value <= maximum)) {
      return bad_value(key(name), number(value), number(minimum) + " to " + number(maximum));
    }
    return static_cast<float>(value);
  }
  Result<float> real_or(std::string_view name, float fallback, double minimum, double maximum) {
    return has(name) ? real(name, minimum, maximum) : Result<float>(fallback);
  }
  Result<std::string_view> text(std::string_view name) {
    known_.emplace_back(name);
    return file_.get_string(key(name));
  }
  void ignore(std::string_view name) { known_.emplace_back(name); }

  // A key of the architecture that nobody asked for may change what the model computes.
  Status refuse_unknown() const {
    for (const gguf::KeyValue& entry : file_.metadata()) {
      if (!entry.key.starts_with(prefix_)) continue;
      const std::string_view name = entry.key.substr(prefix_.size());
      if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
        return {ErrorCode::kUnsupported,
                "key \"" + std::string(entry.key) + "\" is not supported for this architecture"};
      }
    }
    return Status::ok();
  }

 private:
  const gguf::File& file_;
  std::string prefix_;
  std::vector<std::string_view> known_;
};

Status read_attention(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(hyper.n_heads, keys.count("attention.head_count", 1, kMaxHeads));
  DA_ASSIGN_OR_RETURN(hyper.n_kv_heads, keys.count_or("attention.head_count_kv", hyper.n_heads, 1, hyper.n_heads));
  if (hyper.n_heads % hyper.n_kv_heads != 0) {
    return bad_value(keys.key("attention.head_count_kv"), std::to_string(hyper.n_kv_heads),
                     "a divisor of the " + std::to_string(hyper.n_heads) + " query heads");
  }
  const bool has_key_length = keys.has("attention.key_length");
  if (!has_key_length && hyper.n_embd % hyper.n_heads != 0) {
    return bad_value(keys.key("attention.head_count"), std::to_string(hyper.n_heads),
                     "a divisor of the embedding length " + std::to_string(hyper.n_embd));
  }
  const int32_t even_share = hyper.n_embd / hyper.n_heads;
  DA_ASSIGN_OR_RETURN(hyper.key_dim, keys.count_or("attention.key_length", even_share, 1, kMaxHeadDim));
  DA_ASSIGN_OR_RETURN(hyper.value_dim, keys.count_or("attention.value_length", even_share, 1, kMaxHeadDim));
  if (hyper.key_dim > kMaxHeadDim || hyper.value_dim > kMaxHeadDim) {
    return bad_value(keys.key("attention.head_count"), std::to_string(hyper.n_heads),
                     "heads of at most " + std::to_string(kMaxHeadDim));
  }
  DA_ASSIGN_OR_RETURN(hyper.norm_eps, keys.real("attention.layer_norm_rms_epsilon", 0.0, 1.0));
  return Status::ok();
}

Status read_rope_scaling(KeyReader& keys, Hyperparameters& hyper) {
  if (!keys.has("rope.scaling.type")) {
    // Files older than the type key: a linear divisor alone.
    DA_ASSIGN_OR_RETURN(hyper.rope_scaling_factor, keys.real_or("rope.scale_linear", 1.0F, 1e-3, 1e6));
    if (hyper.rope_scaling_factor != 1.0F) hyper.rope_scaling = RopeScaling::kLinear;
    return Status::ok();
  }
  DA_ASSIGN_OR_RETURN(const std::string_view type, keys.text("rope.scaling.type"));
  keys.ignore("rope.scaling.finetuned");
  if (type == "none") {
    keys.ignore("rope.scaling.factor");
    return Status::ok();
  }
  if (type != "linear" && type != "yarn") {
    return {ErrorCode::kUnsupported, "key \"" + keys.key("rope.scaling.type") + "\": \"" + std::string(type) +
                                         "\" is not supported; known: none, linear, yarn"};
  }
  DA_ASSIGN_OR_RETURN(hyper.rope_scaling_factor, keys.real("rope.scaling.factor", 1e-3, 1e6));
  hyper.rope_scaling = RopeScaling::kLinear;
  if (type == "linear") return Status::ok();
  hyper.rope_scaling = RopeScaling::kYarn;
  DA_ASSIGN_OR_RETURN(hyper.rope_original_context,
                      keys.count_or("rope.scaling.original_context_length", hyper.context_tokens, 1, kMaxContext));
  DA_ASSIGN_OR_RETURN(hyper.rope_attn_factor, keys.real_or("rope.scaling.attn_factor", 1.0F, 1e-3, 1e3));
  DA_ASSIGN_OR_RETURN(hyper.yarn_ext_factor, keys.real_or("rope.scaling.yarn_ext_factor", 1.0F, 0.0, 1.0));
  DA_ASSIGN_OR_RETURN(hyper.yarn_beta_fast, keys.real_or("rope.scaling.yarn_beta_fast", 32.0F, 1e-3, 1e6));
  DA_ASSIGN_OR_RETURN(hyper.yarn_beta_slow, keys.real_or("rope.scaling.yarn_beta_slow", 1.0F, 1e-3, 1e6));
  return Status::ok();
}

Status read_rope(KeyReader& keys, Hyperparameters& hyper) {
  DA_ASSIGN_OR_RETURN(hyper.rope_dims, keys.count_or("rope.dimension_count", hyper.key_dim, 2, hyper.key_dim));
  if (hyper.rope_dims % 2 != 0)
    return bad_value(keys.key("rope.dimension_count"), std::to_string(hyper.rope_dims), "an even number");
  DA_ASSIGN_OR_RETURN(hyper.rope_freq_base, keys.real_or("rope.freq_base", 10000.0F, 1.0, 1e12));
  return read_rope_scaling(keys, hyper);
}

// The vocabulary in the metadata and the embedding rows must agree: ids index both.
Status read_vocabulary(const gguf::File& file, KeyReader& keys, Hyperparameters& hyper) {
  keys.ignore("vocab_size");  // often written before padding; the rows are what counts
  const gguf::Tensor* embedding = file.find_tensor("token_embd.weight");
  if (embedding == nullptr) return {ErrorCode::kCorruptData, "tensor token_embd.weight is missing"};
  const uint64_t rows = embedding->dims[1];
  if (rows < 1 || rows > static_cast<uint64_t>(kMaxVocab)) {
    return {ErrorCode::kCorruptData,
            "tensor token_embd.weight: " + std::to_string(rows) + " rows, expected 1 to " + std::to_string(kMaxVocab)};
  }
  hyper.n_vocab = static_cast<int32_t>(rows);
  if (file.find("tokenizer.ggml.tokens") == nullptr) return Status::ok();
  DA_ASSIGN_OR_RETURN(const gguf::Array* tokens, file.get_array("tokenizer.ggml.tokens"));
  if (tokens->size() != rows) {
    return {ErrorCode::kCorruptData, "tensor token_embd.weight: " + std::to_string(rows) + " rows, expected " +
                                         std::to_string(tokens->size()) + ", the number of tokenizer.ggml.tokens"};
  }
  return Status::ok();
}

}  // namespace

Result<Hyperparameters> read_hyperparameters(const gguf::File& file) {
  DA_ASSIGN_OR_RETURN(const Architecture* architecture, find_architecture(file.architecture()));
  KeyReader keys(file);
  Hyperparameters hyper;
  hyper.architecture = std::string(architecture->name);
  hyper.rope_kind = architecture->rope_kind;
  DA_ASSIGN_OR_RETURN(hyper.n_layers, keys.count("block_count", 1, kMaxLayers));
  DA_ASSIGN_OR_RETURN(hyper.context_tokens, keys.count("context_length", 1, kMaxContext));
  DA_ASSIGN_OR_RETURN(hyper.n_embd, keys.count("embedding_length", 1, kMaxWidth));
  DA_ASSIGN_OR_RETURN(hyper.n_ff, keys.count("feed_forward_length", 1, kMaxWidth));
  DA_RETURN_IF_ERROR(read_attention(keys, hyper));
  DA_RETURN_IF_ERROR(read_rope(keys, hyper));
  DA_RETURN_IF_ERROR(read_vocabulary(file, keys, hyper));
  DA_ASSIGN_OR_RETURN(const int32_t n_experts, keys.count_or("expert_count", 0, 0, 1 << 16));
  if (n_experts != 0) {
    return {ErrorCode::kUnsupported,
            "key \"" + keys.key("expert_count") + "\": mixtures of experts are not supported yet"};
  }
  keys.ignore("expert_used_count");
  keys.ignore("tensor_data_layout");
  DA_RETURN_IF_ERROR(keys.refuse_unknown());
  return hyper;
}

}  // namespace da::model
