#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace da::gguf {

inline constexpr uint64_t kMaxParts = 512;  // of a split model; published ones have fewer than 200

// The files of the model at `path`: its parts, if the path is named as the first of several
// (NAME-00001-of-00003.gguf), else the path alone. Nothing is looked at but the name.
std::vector<std::string> part_paths(const std::string& path);

// True for the keys that say how a model was split: they end where the parts are joined.
inline bool is_split_key(std::string_view key) { return key.starts_with("split."); }

}  // namespace da::gguf
