#include "engine/grammar/suffix_array.h"

#include <algorithm>

namespace da::grammar {
namespace {

// One level of the sort. A suffix is small (S) if it sorts before the one that starts a place later, else large (L); the
// end of the text counts as smaller than every character, so the last suffix is L. "LMS": an S whose left neighbour is L.
class InducedSort {
 public:
  InducedSort(const std::vector<int32_t>& text, int32_t alphabet)
      : text_(text), n_(static_cast<int32_t>(text.size())), small_(text.size(), false), starts_(static_cast<size_t>(alphabet) + 1, 0) {
    for (int32_t i = n_ - 2; i >= 0; --i) {
      small_[at(i)] = text_[at(i)] < text_[at(i + 1)] || (text_[at(i)] == text_[at(i + 1)] && small_[at(i + 1)]);
    }
    for (const int32_t c : text_) ++starts_[at(c) + 1];
    for (size_t c = 1; c < starts_.size(); ++c) starts_[c] += starts_[c - 1];
    for (int32_t i = 1; i < n_; ++i) {
      if (is_lms(i)) lms_.push_back(i);
    }
  }

  std::vector<int32_t> run() {
    std::vector<int32_t> order = induce(lms_);
    if (lms_.size() > 1) order = induce(sorted_lms(order));
    return order;
  }

 private:
  static size_t at(int32_t i) { return static_cast<size_t>(i); }
  bool is_lms(int32_t i) const { return i > 0 && small_[at(i)] && !small_[at(i - 1)]; }

  // Puts `lms` at the ends of their buckets, in order, and derives the places of all the others from them.
  std::vector<int32_t> induce(const std::vector<int32_t>& lms) const {
    std::vector<int32_t> order(text_.size(), -1);
    std::vector<int32_t> cursor(starts_.begin() + 1, starts_.end());
    for (size_t i = lms.size(); i-- > 0;) order[at(--cursor[at(text_[at(lms[i])])])] = lms[i];
    cursor.assign(starts_.begin(), starts_.end() - 1);
    const auto place_large = [&](int32_t i) { order[at(cursor[at(text_[at(i)])]++)] = i; };
    place_large(n_ - 1);
    for (size_t i = 0; i < order.size(); ++i) {
      if (order[i] > 0 && !small_[at(order[i] - 1)]) place_large(order[i] - 1);
    }
    cursor.assign(starts_.begin() + 1, starts_.end());
    for (size_t i = order.size(); i-- > 0;) {
      const int32_t before = order[i] - 1;
      if (before >= 0 && small_[at(before)]) order[at(--cursor[at(text_[at(before)])])] = before;
    }
    return order;
  }

  // Whether the stretches from LMS to the next LMS at a and b differ.
  bool stretch_differs(int32_t a, int32_t b) const {
    for (int32_t k = 0;; ++k) {
      if (a + k == n_ || b + k == n_) return true;
      if (text_[at(a + k)] != text_[at(b + k)] || small_[at(a + k)] != small_[at(b + k)]) return true;
      if (k > 0 && (is_lms(a + k) || is_lms(b + k))) return !(is_lms(a + k) && is_lms(b + k));
    }
  }

  // Names the stretches by rank, and sorts the LMS suffixes by sorting the text of those names.
  std::vector<int32_t> sorted_lms(const std::vector<int32_t>& order) const {
    std::vector<int32_t> name(text_.size(), -1);
    int32_t n_names = 0;
    int32_t last = -1;
    for (const int32_t i : order) {
      if (!is_lms(i)) continue;
      if (last >= 0 && stretch_differs(last, i)) ++n_names;
      name[at(i)] = n_names;
      last = i;
    }
    std::vector<int32_t> names;
    names.reserve(lms_.size());
    for (const int32_t i : lms_) names.push_back(name[at(i)]);
    name = {};
    std::vector<int32_t> sorted = InducedSort(names, n_names + 1).run();
    for (int32_t& i : sorted) i = lms_[at(i)];
    return sorted;
  }

  const std::vector<int32_t>& text_;
  const int32_t n_;
  std::vector<bool> small_;
  std::vector<int32_t> starts_;  // of each character's bucket, and the end of the last
  std::vector<int32_t> lms_;     // in the order of the text
};

}  // namespace

std::vector<int32_t> suffix_array(const std::vector<int32_t>& text, int32_t alphabet) {
  if (text.empty()) return {};
  return InducedSort(text, alphabet).run();
}

}  // namespace da::grammar
