#include "gguf/dialect.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "gguf/parser.h"

namespace da::gguf {
namespace {

// Names of whole architectures.
constexpr std::pair<std::string_view, std::string_view> kArchitectures[] = {
    {"gptoss", "gpt-oss"},
    {"olmo3", "olmo2"},
    {"qwen25vl", "qwen2vl"},
};

struct KeyName {
  std::string_view architecture, from, to;  // in the published form; `to` empty: the key says nothing
};
constexpr KeyName kKeys[] = {
    {"gemma3", "rope.global.freq_base", "rope.freq_base"},
    {"gemma3", "rope.local.freq_base", "rope.freq_base_swa"},
    {"gemma3", "rope.scaling.beta_fast", "rope.scaling.yarn_beta_fast"},
    {"gemma3", "rope.scaling.beta_slow", "rope.scaling.yarn_beta_slow"},
    {"gemma3", "rope.scaling.extrapolation_factor", "rope.scaling.yarn_ext_factor"},
    {"gemma4", "rope.local.freq_base", "rope.freq_base_swa"},
    {"mistral3", "rope.scaling.beta_fast", "rope.scaling.yarn_beta_fast"},
    {"mistral3", "rope.scaling.beta_slow", "rope.scaling.yarn_beta_slow"},
    {"mistral3", "rope.scaling.mscale_all_dim", "rope.scaling.yarn_log_multiplier"},
    {"mistral3", "rope.scaling_beta", "attention.temperature_scale"},
    {"llama", "attention.head_dim", ""},  // as complete_llama() says
    {"qwen3moe", "norm_top_k_prob", "expert_weights_norm"},
    {"qwen3vlmoe", "norm_top_k_prob", "expert_weights_norm"},
    {"qwen2", "rope.mrope_section", ""},  // of images; in text alone all sections count the same positions
    {"qwen2vl", "rope.mrope_section", ""},
    {"qwen3", "rope.mrope_section", ""},
    {"qwen3vl", "rope.mrope_section", ""},
    {"qwen3vlmoe", "rope.mrope_section", ""},
};

struct TensorName {
  std::string_view architecture, from, to;  // how a layer's tensor begins after "blk.N."
};
constexpr TensorName kTensors[] = {
    {"gpt-oss", "attn_out.", "attn_output."},
    {"gpt-oss", "ffn_norm.", "post_attention_norm."},
    {"gemma4", "ffn_gate_inp.per_expert_scale", "ffn_down_exps.scale"},
};

// Of architectures whose files here and there lack the name of the pre-tokenizer.
constexpr std::pair<std::string_view, std::string_view> kPreTokenizers[] = {
    {"gpt-oss", "gpt-4o"},
    {"mistral3", "tekken"},
};

Value text_value(std::string_view text) { return {ValueType::kString, text}; }
Value float_value(double number) { return {ValueType::kFloat32, number}; }

}  // namespace

class DialectAdopter {
 public:
  explicit DialectAdopter(File& file) : file_(file) {}

  Status run() {
    DA_RETURN_IF_ERROR(rename_architecture());
    if (file_.architecture_ == "llama") complete_llama();
    for (const KeyName& name : kKeys) {
      if (name.architecture == file_.architecture_) rename_key(name.from, name.to);
    }
    DA_RETURN_IF_ERROR(rename_tensors());
    for (const auto& [architecture, pre] : kPreTokenizers) {
      if (architecture == file_.architecture_ && lacks_pre_tokenizer()) set("tokenizer.ggml.pre", text_value(pre));
    }
    if (was_renamed_ && file_.architecture_ == "gpt-oss") complete_gpt_oss();
    if (file_.architecture_ == "gemma3") DA_RETURN_IF_ERROR(complete_gemma3());
    return Status::ok();
  }

 private:
  // Names that are not in the file need a home as long as it lives.
  std::string_view keep(const std::string& text) {
    return *file_.made_names_.emplace_back(std::make_unique<const std::string>(text));
  }
  std::string own(std::string_view name) const { return std::string(file_.architecture_) + "." + std::string(name); }

  void set(std::string_view key, Value value) {
    changed_ = true;
    const auto found = file_.key_index_.find(key);
    if (found != file_.key_index_.end()) {
      file_.metadata_[found->second].value = std::move(value);
      return;
    }
    const std::string_view kept = keep(std::string(key));
    file_.key_index_.emplace(kept, file_.metadata_.size());
    file_.metadata_.push_back({kept, std::move(value)});
  }
  void set_if_missing(std::string_view name, Value value) {
    if (file_.find(own(name)) == nullptr) set(own(name), std::move(value));
  }
  void drop(const std::string& key) {
    changed_ = true;
    const size_t at = file_.key_index_.at(key);
    file_.key_index_.erase(key);
    file_.metadata_.erase(file_.metadata_.begin() + static_cast<std::ptrdiff_t>(at));
    for (auto& [name, i] : file_.key_index_) i -= i > at ? 1 : 0;
  }

  // A name may have become one that was there before.
  Status index() {
    const auto twice = [&](const char* what, std::string_view name) {
      return Status(ErrorCode::kCorruptData,
                    "read " + file_.name_ + ": " + what + quote_for_message(name) + " is there under two names");
    };
    file_.key_index_.clear();
    for (size_t i = 0; i < file_.metadata_.size(); ++i) {
      if (!file_.key_index_.emplace(file_.metadata_[i].key, i).second) return twice("key ", file_.metadata_[i].key);
    }
    file_.tensor_index_.clear();
    for (size_t i = 0; i < file_.tensors_.size(); ++i) {
      if (!file_.tensor_index_.emplace(file_.tensors_[i].name, i).second)
        return twice("tensor ", file_.tensors_[i].name);
    }
    return Status::ok();
  }

  Status rename_architecture() {
    for (const auto& [from, to] : kArchitectures) {
      if (file_.architecture_ != from) continue;
      const std::string old_prefix = std::string(from) + ".";
      for (KeyValue& entry : file_.metadata_) {
        if (entry.key.starts_with(old_prefix))
          entry.key = keep(std::string(to) + "." + std::string(entry.key.substr(old_prefix.size())));
      }
      file_.architecture_ = to;
      was_renamed_ = true;
      DA_RETURN_IF_ERROR(index());
      set("general.architecture", text_value(to));
      return Status::ok();
    }
    return Status::ok();
  }

  // The published key wins where both are there.
  void rename_key(std::string_view from, std::string_view to) {
    const Value* found = file_.find(own(from));
    if (found == nullptr) return;
    const Value value = *found;
    if (!to.empty()) set_if_missing(to, value);
    drop(own(from));
  }

  Status rename_tensors() {
    for (Tensor& tensor : file_.tensors_) {
      const size_t dot = tensor.name.starts_with("blk.") ? tensor.name.find('.', 4) : std::string::npos;
      if (dot == std::string::npos) continue;
      const std::string name = tensor.name.substr(dot + 1);
      for (const TensorName& rule : kTensors) {
        if (rule.architecture != file_.architecture_ || !name.starts_with(rule.from)) continue;
        tensor.name = tensor.name.substr(0, dot + 1) + std::string(rule.to) + name.substr(rule.from.size());
        changed_ = true;
      }
      if (file_.architecture_ == "gpt-oss" && name == "attn_sinks") {
        tensor.name += ".weight";
        changed_ = true;
      }
      // Its rows take turns: gate, up, gate, up.
      if (file_.architecture_ == "gpt-oss" && name.starts_with("ffn_gate_up_exps")) {
        return {ErrorCode::kUnsupported, "read " + file_.name_ + ": tensor " + quote_for_message(tensor.name) +
                                             ": gate and up in one tensor of turns is an early form of this "
                                             "architecture that is not supported; pull the model again"};
      }
    }
    return changed_ ? index() : Status::ok();
  }

  bool lacks_pre_tokenizer() const {
    const Value* value = file_.find("tokenizer.ggml.pre");
    if (value == nullptr) return file_.find("tokenizer.ggml.merges") != nullptr;
    const auto* text = std::get_if<std::string_view>(&value->data);
    return text != nullptr && (text->empty() || *text == "default");
  }

  // Its files name the factor and leave the kind of scaling to the engine.
  void complete_gpt_oss() {
    if (file_.find(own("rope.scaling.factor")) != nullptr) set_if_missing("rope.scaling.type", text_value("yarn"));
  }

  bool has_tensor_group(std::string_view prefix) const {
    return std::any_of(file_.tensors_.begin(), file_.tensors_.end(),
                       [&](const Tensor& tensor) { return tensor.name.starts_with(prefix); });
  }

  Status complete_gemma3() {
    if (file_.find_tensor("dense.0.weight") != nullptr) {
      return {ErrorCode::kUnsupported,
              "read " + file_.name_ +
                  ": this gemma3 is an embedding model with dense layers (embeddinggemma), which "
                  "is not supported"};
    }
    const bool is_dialect = changed_ || file_.find(own("mm.tokens_per_image")) != nullptr ||
                            file_.find(own("attention.layer_norm_rms_epsilon")) == nullptr ||
                            file_.find("tokenizer.ggml.add_padding_token") != nullptr ||
                            file_.find("tokenizer.ggml.add_unknown_token") != nullptr || has_tensor_group("v.") ||
                            has_tensor_group("mm.");
    if (!is_dialect) return Status::ok();
    set_if_missing("attention.layer_norm_rms_epsilon", float_value(1e-6));
    set_if_missing("rope.freq_base", float_value(1e6));
    set_if_missing("rope.freq_base_swa", float_value(1e4));
    // The models with images were stretched from 16k tokens to 128k.
    DA_ASSIGN_OR_RETURN(const uint64_t context, file_.get_uint_or(own("context_length"), 0));
    if (context >= 131072 && file_.find(own("rope.scaling.type")) == nullptr) {
      set_if_missing("rope.scaling.factor", float_value(8.0));
      set("gemma3.rope.scaling.type", text_value("linear"));
    }
    return cut_vocabulary();
  }

  // The lists of tokens go on with those of images, for which there are no rows.
  Status cut_vocabulary() {
    const Tensor* embedding = file_.find_tensor("token_embd.weight");
    if (embedding == nullptr) return Status::ok();
    const uint64_t rows = embedding->dims[1];
    for (const std::string_view key : {"tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type"}) {
      if (file_.find(key) == nullptr) continue;
      DA_ASSIGN_OR_RETURN(const Array* array, file_.get_array(key));
      if (array->size() <= rows) continue;
      auto cut = std::make_shared<Array>(*array);
      cut->strings.resize(std::min<size_t>(cut->strings.size(), rows));
      cut->floats.resize(std::min<size_t>(cut->floats.size(), rows));
      cut->integers.resize(std::min<size_t>(cut->integers.size(), rows));
      set(key, {ValueType::kArray, std::move(cut)});
    }
    return Status::ok();
  }

  void complete_llama() {
    if (const Value* found = file_.find("llama.attention.head_dim")) {
      const Value value = *found;
      set_if_missing("attention.key_length", value);
      set_if_missing("attention.value_length", value);
    }
    // Early files of Llama 3 name no pre-tokenizer.
    if (token_is(128009, "<|eot_id|>") && lacks_pre_tokenizer()) set("tokenizer.ggml.pre", text_value("llama-bpe"));
  }

  bool token_is(size_t id, std::string_view text) const {
    const auto tokens = file_.get_array("tokenizer.ggml.tokens");
    return tokens.is_ok() && id < (*tokens)->strings.size() && (*tokens)->strings[id] == text;
  }

  File& file_;
  bool changed_ = false, was_renamed_ = false;
};

Status adopt_dialect(File& file) { return DialectAdopter(file).run(); }

}  // namespace da::gguf
