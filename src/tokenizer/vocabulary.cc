#include "tokenizer/vocabulary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <unordered_set>

namespace da::tokenizer {
namespace {

constexpr std::string_view kPrefix = "tokenizer.ggml.";
constexpr size_t kMaxTokens = 16'000'000;
constexpr size_t kMaxTokenBytes = 65'536;

std::string key_of(std::string_view name) { return std::string(kPrefix) + std::string(name); }

Status corrupt(const gguf::File& file, std::string_view name, const std::string& what) {
  return {ErrorCode::kCorruptData, "read " + file.name() + ": key \"" + key_of(name) + "\": " + what};
}

// Tokens that end a turn, by the way the families write them. Only control tokens count: the same characters typed by a
// user, or learnt as text, end nothing.
constexpr auto kEndMarkers = std::to_array<std::string_view>({
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<end_of_turn>",
    "<turn|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<eos>",
    "</s>",
    "<end_of_utterance>",
    "<|eot|>",
    "<|eom|>",
    "<｜end▁of▁sentence｜>",
    "<|end▁of▁sentence|>",
    "<|END_OF_TURN_TOKEN|>",
});

Result<const gguf::Array*> array_of(const gguf::File& file, std::string_view name, gguf::ValueType type,
                                    std::string_view type_name, size_t n_expected) {
  DA_ASSIGN_OR_RETURN(const gguf::Array* array, file.get_array(key_of(name)));
  if (array->element_type != type) return corrupt(file, name, "expected an array of " + std::string(type_name));
  if (array->size() != n_expected) {
    return corrupt(
        file, name,
        "expected " + std::to_string(n_expected) + " elements (one a token), found " + std::to_string(array->size()));
  }
  return array;
}

Status load_texts(const gguf::File& file, Vocabulary& vocabulary) {
  DA_ASSIGN_OR_RETURN(const gguf::Array* tokens, file.get_array(key_of("tokens")));
  if (tokens->element_type != gguf::ValueType::kString) return corrupt(file, "tokens", "expected an array of strings");
  if (tokens->size() == 0 || tokens->size() > kMaxTokens) {
    return corrupt(file, "tokens",
                   "expected 1 to " + std::to_string(kMaxTokens) + " tokens, found " + std::to_string(tokens->size()));
  }
  for (size_t i = 0; i < tokens->size(); ++i) {
    if (tokens->strings[i].size() > kMaxTokenBytes) {
      return corrupt(file, "tokens",
                     "token " + std::to_string(i) + " has " + std::to_string(tokens->strings[i].size()) +
                         " bytes, limit " + std::to_string(kMaxTokenBytes));
    }
  }
  vocabulary.texts = tokens->strings;
  return Status::ok();
}

Status load_kinds(const gguf::File& file, Vocabulary& vocabulary) {
  const size_t n = vocabulary.texts.size();
  vocabulary.kinds.assign(n, TokenKind::kNormal);
  if (file.find(key_of("token_type")) == nullptr) return Status::ok();
  DA_ASSIGN_OR_RETURN(const gguf::Array* types, array_of(file, "token_type", gguf::ValueType::kInt32, "int32", n));
  for (size_t i = 0; i < n; ++i) {
    const int64_t type = types->integers[i];
    if (type < 0 || type > 6) {
      return corrupt(file, "token_type",
                     "token " + std::to_string(i) + " has type " + std::to_string(type) + ", expected 0 to 6");
    }
    if (type != 0) vocabulary.kinds[i] = static_cast<TokenKind>(type);  // 0, "undefined", is a plain token
    if (type == 6 && byte_of_token(vocabulary.texts[i]) < 0) {
      return corrupt(file, "tokens",
                     "token " + std::to_string(i) + " is a byte token, expected the form <0x00> to <0xFF>");
    }
  }
  return Status::ok();
}

Status load_scores(const gguf::File& file, Vocabulary& vocabulary) {
  if (file.find(key_of("scores")) == nullptr) return Status::ok();
  const size_t n = vocabulary.texts.size();
  DA_ASSIGN_OR_RETURN(const gguf::Array* scores, array_of(file, "scores", gguf::ValueType::kFloat32, "float32", n));
  vocabulary.scores.resize(n);
  for (size_t i = 0; i < n; ++i) {
    if (!std::isfinite(scores->floats[i]))
      return corrupt(file, "scores", "score of token " + std::to_string(i) + " is not finite");
    vocabulary.scores[i] = static_cast<float>(scores->floats[i]);
  }
  return Status::ok();
}

// A token named by `name`, -1 if the file names none. Converters write 2^32 - 1 for "none", too.
Result<TokenId> special_id(const gguf::File& file, const Vocabulary& vocabulary, std::string_view name) {
  if (file.find(key_of(name)) == nullptr) return TokenId{-1};
  DA_ASSIGN_OR_RETURN(const uint64_t id, file.get_uint(key_of(name)));
  if (id == std::numeric_limits<uint32_t>::max()) return TokenId{-1};
  if (id >= vocabulary.texts.size()) {
    return corrupt(file, name,
                   "token id " + std::to_string(id) + " is not below the vocabulary's size " +
                       std::to_string(vocabulary.texts.size()));
  }
  return static_cast<TokenId>(id);
}

Result<std::optional<bool>> flag(const gguf::File& file, std::string_view name) {
  if (file.find(key_of(name)) == nullptr) return std::optional<bool>();
  DA_ASSIGN_OR_RETURN(const bool value, file.get_bool(key_of(name)));
  return std::optional<bool>(value);
}

Status load_normalization(const gguf::File& file, Vocabulary& vocabulary) {
  DA_ASSIGN_OR_RETURN(const auto remove_extra, flag(file, "remove_extra_whitespaces"));
  DA_ASSIGN_OR_RETURN(const auto as_suffix, flag(file, "treat_whitespace_as_suffix"));
  vocabulary.remove_extra_spaces = remove_extra.value_or(false);
  vocabulary.space_is_suffix = as_suffix.value_or(false);
  if (file.find(key_of("precompiled_charsmap")) == nullptr) return Status::ok();
  DA_ASSIGN_OR_RETURN(const gguf::Array* map, file.get_array(key_of("precompiled_charsmap")));
  if (map->element_type != gguf::ValueType::kInt8 && map->element_type != gguf::ValueType::kUint8)
    return corrupt(file, "precompiled_charsmap", "expected an array of bytes");
  for (const int64_t byte : map->integers) vocabulary.char_map.push_back(static_cast<char>(byte));
  return Status::ok();
}

Status load_special_ids(const gguf::File& file, Vocabulary& vocabulary) {
  const auto load = [&](std::string_view name, TokenId& id) -> Status {
    DA_ASSIGN_OR_RETURN(const TokenId found, special_id(file, vocabulary, name));
    if (found >= 0) id = found;
    return Status::ok();
  };
  TokenId eot = -1, eom = -1, padding = -1, mask = -1;
  DA_RETURN_IF_ERROR(load("bos_token_id", vocabulary.bos));
  DA_RETURN_IF_ERROR(load("eos_token_id", vocabulary.eos));
  DA_RETURN_IF_ERROR(load("unknown_token_id", vocabulary.unknown));
  DA_RETURN_IF_ERROR(load("seperator_token_id", vocabulary.separator));  // the format's spelling
  DA_RETURN_IF_ERROR(load("separator_token_id", vocabulary.separator));
  DA_RETURN_IF_ERROR(load("cls_token_id", vocabulary.cls));
  DA_RETURN_IF_ERROR(load("padding_token_id", padding));
  DA_RETURN_IF_ERROR(load("mask_token_id", mask));
  DA_RETURN_IF_ERROR(load("eot_token_id", eot));
  DA_RETURN_IF_ERROR(load("eom_token_id", eom));
  DA_ASSIGN_OR_RETURN(vocabulary.add_bos, flag(file, "add_bos_token"));
  DA_ASSIGN_OR_RETURN(vocabulary.add_eos, flag(file, "add_eos_token"));
  DA_ASSIGN_OR_RETURN(vocabulary.add_separator, flag(file, "add_sep_token"));
  DA_ASSIGN_OR_RETURN(vocabulary.add_space_prefix, flag(file, "add_space_prefix"));

  auto& ends = vocabulary.end_of_generation;
  ends.assign(vocabulary.texts.size(), false);
  const std::unordered_set<std::string_view> markers(kEndMarkers.begin(), kEndMarkers.end());
  TokenId harmony_end = -1;
  int n_harmony_markers = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    if (vocabulary.kinds[i] != TokenKind::kControl) continue;
    const std::string_view text = vocabulary.texts[i];
    ends[i] = markers.contains(text);
    if (text == "<|end|>") harmony_end = static_cast<TokenId>(i);
    if (text == "<|return|>" || text == "<|call|>") ++n_harmony_markers;
  }
  // In the harmony format <|end|> closes one message of several; the turn ends at <|return|> or <|call|>.
  if (harmony_end >= 0 && n_harmony_markers == 2) ends[static_cast<size_t>(harmony_end)] = false;
  for (const TokenId id : {vocabulary.eos, eot, eom}) {
    if (id >= 0) ends[static_cast<size_t>(id)] = true;
  }
  return Status::ok();
}

}  // namespace

int byte_of_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
  };
  const int high = digit(text[3]), low = digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

Result<Vocabulary> load_vocabulary(const gguf::File& file) {
  Vocabulary vocabulary;
  DA_ASSIGN_OR_RETURN(vocabulary.model, file.get_string(key_of("model")));
  if (file.find(key_of("pre")) != nullptr) {
    DA_ASSIGN_OR_RETURN(vocabulary.pre, file.get_string(key_of("pre")));
  }
  DA_RETURN_IF_ERROR(load_texts(file, vocabulary));
  DA_RETURN_IF_ERROR(load_kinds(file, vocabulary));
  DA_RETURN_IF_ERROR(load_scores(file, vocabulary));
  DA_RETURN_IF_ERROR(load_special_ids(file, vocabulary));
  if (file.find(key_of("merges")) != nullptr) {
    DA_ASSIGN_OR_RETURN(const gguf::Array* merges, file.get_array(key_of("merges")));
    if (merges->element_type != gguf::ValueType::kString)
      return corrupt(file, "merges", "expected an array of strings");
    vocabulary.merges = merges->strings;
  }
  DA_RETURN_IF_ERROR(load_normalization(file, vocabulary));
  if (const gguf::Value* value = file.find("general.name"); value != nullptr) {
    if (const auto* text = std::get_if<std::string_view>(&value->data)) {
      std::string name(*text);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      vocabulary.special_tokens_strip_right =
          name.find("phi-3") != std::string::npos || name.find("phi3") != std::string::npos;
    }
  }
  return vocabulary;
}

}  // namespace da::tokenizer
