#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace da::analysis {

// What the model reads of a text: without a leading byte-order mark, and every line end as LF.
std::string text_for_model(std::string_view text);

// A submitted text in which quotes of text_for_model(text) are found. Offsets count code points of the submitted text.
class SourceText {
 public:
  explicit SourceText(std::string_view text);

  struct Place {
    uint32_t start, end;  // in the submitted text
    std::string quote;    // the submitted text there
  };
  // The first place of `quote` at or after `from` (an offset as of the last place's start, plus one).
  std::optional<Place> find(std::string_view quote, uint32_t from = 0) const;
  bool contains(std::string_view quote) const { return find(quote).has_value(); }

 private:
  std::u32string points_;            // of text_for_model
  std::vector<uint32_t> offsets_;    // of each of them in the submitted text, and of the end; empty: the same
  std::u32string submitted_;         // empty: the same as points_
};

}  // namespace da::analysis
