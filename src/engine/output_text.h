#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace da::engine {

// Turns token bytes into text that may be sent: whole characters, and nothing that may still become a stop string.
class OutputText {
 public:
  explicit OutputText(std::vector<std::string> stops);

  // Returns true once a stop string is complete: what comes before it is ready, it and the rest are dropped.
  bool push(std::string_view bytes);
  // No more will come: what was held back is ready.
  void finish();
  // The ready text; empties it.
  std::string take();

 private:
  size_t held_suffix() const;  // bytes at the end of held_ that a stop string may begin with

  std::vector<std::string> stops_;
  utf8::Assembler assembler_;
  std::string held_, ready_;
  bool stopped_ = false;
};

}  // namespace da::engine
