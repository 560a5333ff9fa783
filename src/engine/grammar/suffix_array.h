#pragma once

#include <cstdint>
#include <vector>

namespace da::grammar {

// Start positions of all suffixes of `text` in their sorted order (a suffix that is a prefix of another comes first).
// Values are in [0, alphabet). Linear time and memory (induced sorting, Nong, Zhang and Chan 2009).
std::vector<int32_t> suffix_array(const std::vector<int32_t>& text, int32_t alphabet);

}  // namespace da::grammar
