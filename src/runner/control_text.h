#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

// What keeps a user's text from becoming control tokens ("<|im_end|>" pasted in a document must not end the turn).
//
// A rendered prompt is tokenized with control tokens parsed, because the template writes them. So before rendering, each
// control token that is spelt out in a user's string is replaced by a random word, and after rendering the words are
// turned back into text that is tokenized without control tokens. All other text goes through the template as it is:
// templates may trim, split or test it, and it is tokenized together with what the template put around it, as the model
// was trained.
namespace da::runner {

// The control tokens of a vocabulary as they are written. Immutable.
class ControlText {
 public:
  explicit ControlText(const tokenizer::Tokenizer& tokenizer);
  explicit ControlText(std::vector<std::string> written);

  // Length of the longest control token at the front of `text`; 0 if there is none.
  size_t match(std::string_view text) const;
  // Two strings side by side may spell a token that neither holds. Length (2 or more) of the longest proper prefix of a
  // token that ends `text`, or proper suffix of one that begins it; 0 if there is none. Of two halves of a token of
  // three bytes or more, one is seen by this.
  size_t half_at_end(std::string_view text) const;
  size_t half_at_begin(std::string_view text) const;

 private:
  std::vector<std::string> written_;    // sorted
  std::vector<std::string> reversed_;   // each backwards, sorted
  bool starts_[256] = {};
};

struct Piece {
  std::string text;
  bool parse_special = false;
};

// The replacements of one prompt.
class ControlTextMask {
 public:
  explicit ControlTextMask(const ControlText& control);

  // `text` with its control tokens replaced. `keep`: spellings that stay, e.g. thinking tags in an assistant's turn.
  std::string mask(std::string_view text, const std::vector<std::string_view>& keep = {});
  // All strings of `json`, member names included.
  void mask_strings(nlohmann::ordered_json& json, const std::vector<std::string_view>& keep = {});
  // The rendered text in pieces, replacements turned back.
  std::vector<Piece> unmask(std::string_view rendered) const;

 private:
  std::string hide(std::string_view text);

  const ControlText& control_;
  std::string word_;                  // begins every replacement; random, so that no text can hold it
  std::vector<std::string> hidden_;   // by number
};

}  // namespace da::runner
