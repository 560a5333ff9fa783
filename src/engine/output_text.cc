#include "engine/output_text.h"

#include <algorithm>
#include <utility>

namespace da::engine {

OutputText::OutputText(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

size_t OutputText::held_suffix() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > longest; --length) {
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, length))) longest = length;
    }
  }
  return longest;
}

bool OutputText::push(std::string_view bytes) {
  if (stopped_) return true;
  held_ += assembler_.push(bytes);
  // The stop that is complete first counts (of several the longest), so that the cut does not depend on the pieces.
  size_t begin = 0, end = std::string::npos;
  for (const std::string& stop : stops_) {
    const size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    if (at + stop.size() < end || (at + stop.size() == end && at < begin)) {
      begin = at;
      end = at + stop.size();
    }
  }
  if (end != std::string::npos) {
    ready_.append(held_, 0, begin);
    held_.clear();
    return stopped_ = true;
  }
  const size_t ready = held_.size() - held_suffix();
  ready_.append(held_, 0, ready);
  held_.erase(0, ready);
  return false;
}

void OutputText::finish() {
  if (stopped_) return;
  ready_ += std::exchange(held_, {}) + assembler_.finish();
}

std::string OutputText::take() { return std::exchange(ready_, {}); }

}  // namespace da::engine
