#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "chat/go/value.h"

// Go's fmt verbs, one call of printf at a time.
namespace da::chat::go {

constexpr int kMaxWidth = 1'000'000;  // fmt's own limit for widths and precisions

struct Verb {
  char32_t letter = 'v';
  bool plus = false;
  bool names = false;  // %+v
  bool minus = false;
  bool sharp = false;
  bool space = false;
  bool zero = false;
  int width = -1;
  int precision = -1;
};

class Printer {
 public:
  Printer(std::string_view format, const std::vector<Value>& args, size_t first, size_t max_bytes)
      : format_(format), args_(args), next_(first), first_(first), max_bytes_(max_bytes) {}

  std::string run();

 private:
  void read_flags(Verb& verb);
  void read_index();
  int read_number(bool& found);
  bool read_star(int& out);
  void write(const Verb& verb, const Value& value, int depth);
  void write_integer(const Verb& verb, int64_t value);
  void write_float(const Verb& verb, double value);
  void write_text(const Verb& verb, std::string_view text);
  void write_list(const Verb& verb, const Value& value, int depth);
  void write_go_syntax(const Value& value);
  // Pads with spaces, or with zeros behind the sign.
  void append_padded(std::string_view text, const Verb& verb, bool zero_padding);
  void bad_verb(const Verb& verb, const Value& value);
  char peek() const { return position_ < format_.size() ? format_[position_] : '\0'; }

  std::string_view format_;
  const std::vector<Value>& args_;
  size_t next_;
  size_t first_;
  size_t max_bytes_;
  size_t position_ = 0;
  bool reordered_ = false;
  bool good_index_ = true;
  std::string out_;
};

void append_quoted(std::string& out, std::string_view text, char quote, bool ascii = false);

}  // namespace da::chat::go
