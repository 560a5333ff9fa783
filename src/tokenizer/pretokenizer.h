#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace da::tokenizer {

// One cut of the text: the end of the piece that begins at `begin`, looking no further than `end`. The published rules
// are regular expressions; each is a loop here, so that no text can overflow a stack, and a piece costs its own length.
using ScanStage = size_t (*)(const char* text, size_t begin, size_t end);

// How byte-level BPE vocabularies cut text into words before merging.
class PreTokenizer {
 public:
  // By the name in `tokenizer.ggml.pre`. Errors: kUnsupported, lists the known names.
  static Result<PreTokenizer> from_name(std::string_view name);
  // The names of which no two stand for the same rule, for tests.
  static std::vector<std::string_view> rules();

  // Calls word(std::string_view) for the pieces in order; together they are the text. `text` has passed
  // made_well_formed().
  template <class Word>
  void for_each_word(std::string_view text, const Word& word) const {
    // Each stage cuts the pieces of the one before; ends[k] is the end of stage k's current piece.
    size_t ends[kMaxStages + 1] = {text.size()};
    for (size_t at = 0; at < text.size(); at = ends[stages_.size()]) {
      for (size_t k = 0; k < stages_.size(); ++k) {
        if (ends[k + 1] == at) ends[k + 1] = stages_[k](text.data(), at, ends[k]);
      }
      word(text.substr(at, ends[stages_.size()] - at));
    }
  }

  // Words that are tokens are not merged up from bytes.
  bool ignores_merges() const { return ignores_merges_; }
  bool adds_bos_by_default() const { return adds_bos_by_default_; }
  // The reference's detokenizer takes spaces before punctuation away.
  bool cleans_spaces() const { return cleans_spaces_; }

 private:
  static constexpr size_t kMaxStages = 6;
  std::span<const ScanStage> stages_;
  bool ignores_merges_ = false, adds_bos_by_default_ = false, cleans_spaces_ = true;
};

}  // namespace da::tokenizer
