#include "analysis/source_text.h"

#include <algorithm>

#include "base/utf8.h"

namespace da::analysis {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::u32string decode(std::string_view text) {
  const std::vector<char32_t> points = utf8::to_code_points(text);
  return {points.begin(), points.end()};
}

}  // namespace

std::string text_for_model(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out.push_back(text[i]);
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      out.push_back('\n');
    }
  }
  return out;
}

SourceText::SourceText(std::string_view text) : points_(decode(text)) {
  const bool marked = text.starts_with(kByteOrderMark);
  if (!marked && text.find('\r') == std::string_view::npos) return;
  submitted_.swap(points_);
  for (size_t i = marked ? 1 : 0; i < submitted_.size(); ++i) {
    offsets_.push_back(static_cast<uint32_t>(i));
    const bool carriage_return = submitted_[i] == U'\r';
    points_.push_back(carriage_return ? U'\n' : submitted_[i]);
    if (carriage_return && i + 1 < submitted_.size() && submitted_[i + 1] == U'\n') ++i;
  }
  offsets_.push_back(static_cast<uint32_t>(submitted_.size()));
}

std::optional<SourceText::Place> SourceText::find(std::string_view quote, uint32_t from) const {
  const std::u32string wanted = decode(quote);
  if (wanted.empty()) return std::nullopt;
  const bool same = offsets_.empty();
  const size_t begin = same ? from : static_cast<size_t>(std::lower_bound(offsets_.begin(), offsets_.end(), from) - offsets_.begin());
  const size_t at = points_.find(wanted, begin);
  if (at == std::u32string::npos) return std::nullopt;
  const size_t end = at + wanted.size();
  const std::u32string& text = same ? points_ : submitted_;
  Place place{static_cast<uint32_t>(same ? at : offsets_[at]), static_cast<uint32_t>(same ? end : offsets_[end]), {}};
  for (uint32_t i = place.start; i < place.end; ++i) utf8::append(place.quote, text[i]);
  return place;
}

}  // namespace da::analysis
