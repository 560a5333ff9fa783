#pragma once

#include <string>
#include <string_view>

// Arguments that families write in another notation, as JSON.
namespace da::chat {

// `text` inside a JSON string, without the quotes. Bytes that are no UTF-8 stay as they are.
void append_escaped(std::string& out, std::string_view text);
std::string quoted_json(std::string_view text);

// A value written without quotes, while it comes: what reads as a JSON value other than a string is one, everything
// else a text, without the line ends right inside its tags. Text comes out as soon as it can be nothing else.
class BareValue {
 public:
  // `is_text`: the model said it is a text; it is taken as it stands.
  void begin(bool is_text);
  // Puts behind `out` what is decided.
  void feed(std::string_view text, std::string& out);
  void end(std::string& out);

 private:
  bool may_be_json() const;
  void begin_text(std::string& out);
  void append_text(std::string_view text, std::string& out);

  bool in_text_ = false, is_exact_ = false, newline_ = false;  // newline_: held back, it may be the last
  std::string undecided_;
};

}  // namespace da::chat
