#pragma once

#include <array>
#include <string_view>

namespace da::runner {

// Ollama's `options`: the names, and which JSON type each takes. One table for the Modelfile parser and the runner.
enum class OptionType { kInteger, kFloat, kBoolean, kText, kStrings };

struct OptionRow {
  std::string_view name;
  OptionType type;
};

inline constexpr std::array kOptionTable = {
    OptionRow{"num_ctx", OptionType::kInteger},
    OptionRow{"num_batch", OptionType::kInteger},
    OptionRow{"num_gpu", OptionType::kInteger},
    OptionRow{"main_gpu", OptionType::kInteger},
    OptionRow{"use_mmap", OptionType::kBoolean},
    OptionRow{"num_thread", OptionType::kInteger},
    OptionRow{"draft_num_predict", OptionType::kInteger},
    OptionRow{"num_keep", OptionType::kInteger},
    OptionRow{"seed", OptionType::kInteger},
    OptionRow{"num_predict", OptionType::kInteger},
    OptionRow{"top_k", OptionType::kInteger},
    OptionRow{"top_p", OptionType::kFloat},
    OptionRow{"min_p", OptionType::kFloat},
    OptionRow{"typical_p", OptionType::kFloat},
    OptionRow{"repeat_last_n", OptionType::kInteger},
    OptionRow{"temperature", OptionType::kFloat},
    OptionRow{"repeat_penalty", OptionType::kFloat},
    OptionRow{"presence_penalty", OptionType::kFloat},
    OptionRow{"frequency_penalty", OptionType::kFloat},
    OptionRow{"stop", OptionType::kStrings},
    OptionRow{"kv_cache_type", OptionType::kText},   // ours: of a model's own keys and values
    OptionRow{"pin_threads", OptionType::kBoolean},  // ours
};

// Options of older releases that files still carry: skipped, with a warning where there is a place for one.
inline constexpr std::array<std::string_view, 11> kRemovedOptions = {
    "numa",       "penalize_newline", "low_vram", "f16_kv",       "logits_all",   "vocab_only",
    "use_mlock",  "mirostat",         "tfs_z",    "mirostat_tau", "mirostat_eta",
};

constexpr const OptionRow* find_option(std::string_view name) {
  for (const OptionRow& row : kOptionTable) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace da::runner
