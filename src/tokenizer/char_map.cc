#include "tokenizer/char_map.h"

#include <cstring>

namespace da::tokenizer {
namespace {

// A word of the array: 8 bits of label, a leaf flag, a flag that scales the offset by 256, 22 bits of offset; or, in a
// leaf (highest bit set), the place of a replacement.
uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 1U << 9) >> 6); }
uint32_t label_of(uint32_t unit) { return unit & (1U << 31 | 0xFF); }
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & ((1U << 31) - 1); }

}  // namespace

Result<CharMap> CharMap::parse(std::string_view blob) {
  CharMap map;
  if (blob.empty()) return map;
  uint32_t n_bytes = 0;
  if (blob.size() < sizeof n_bytes) return Status(ErrorCode::kCorruptData, "character map: no size");
  std::memcpy(&n_bytes, blob.data(), sizeof n_bytes);
  blob.remove_prefix(sizeof n_bytes);
  if (n_bytes > blob.size() || n_bytes % sizeof(uint32_t) != 0 || n_bytes == 0) {
    return Status(ErrorCode::kCorruptData,
                  "character map: an array of " + std::to_string(n_bytes) + " bytes in " + std::to_string(blob.size()));
  }
  map.units_.resize(n_bytes / sizeof(uint32_t));
  std::memcpy(map.units_.data(), blob.data(), n_bytes);
  map.replacements_ = blob.substr(n_bytes);
  if (map.replacements_.empty() || map.replacements_.back() != '\0') map.replacements_.push_back('\0');
  return map;
}

CharMap::Match CharMap::longest(std::string_view text) const {
  Match best;
  if (units_.empty()) return best;
  uint32_t at = offset_of(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    at ^= byte;
    if (byte == 0 || at >= units_.size() || label_of(units_[at]) != byte) break;
    const bool is_leaf = has_leaf(units_[at]);
    at ^= offset_of(units_[at]);
    if (!is_leaf) continue;
    if (at >= units_.size() || value_of(units_[at]) >= replacements_.size()) break;
    best = {i + 1, std::string_view(replacements_.c_str() + value_of(units_[at]))};
  }
  return best;
}

}  // namespace da::tokenizer
