#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace da::engine {

// What the planner of batches knows of a request: its tokens, and how far they are computed.
struct PagedSequence {
  std::vector<int32_t> tokens;  // prompt and output
  int32_t n_prompt = 0;         // of them the prompt
  std::string name_space;       // see GenerateRequest
  std::string client;           // whose turn it is among many; see ClientShares
  bool is_far = false;          // see backend::SequenceRows
  int32_t priority = 0;         // higher goes first
  bool held = false;            // its reader is behind: computes nothing, and gives its pages to whoever needs them

  // Tokens that may come after `tokens`: computed behind them where a step has room. For one step.
  std::vector<int32_t> draft;

  int32_t n_computed = 0;        // tokens whose keys and values are in `pages`
  std::vector<int32_t> pages;    // of the KV cache
  int32_t n_retained_pages = 0;  // the first of them, known to others
  int32_t n_cached = 0;          // tokens of the prompt that were found computed

  int32_t n_tokens() const { return static_cast<int32_t>(tokens.size()); }
  // Forgets the tokens [first, first + count): what was computed is void.
  void drop_tokens(int32_t first, int32_t count);
};

}  // namespace da::engine
