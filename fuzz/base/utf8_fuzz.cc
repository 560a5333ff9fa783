// Streamed text. Stop strings up to the first zero byte, one a 0x01; then what a model writes. In whatever pieces it
// comes, the assembler and the output text give the same, always whole characters.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "engine/output_text.h"

namespace {

using namespace da;

void require(bool condition) {
  if (!condition) std::abort();
}

// Calls body(piece) for pieces of 1 to `most` bytes.
template <class Body>
void in_pieces(std::string_view text, size_t most, const Body& body) {
  for (size_t at = 0, n = 0; at < text.size(); at += n) {
    n = std::min(text.size() - at, 1 + (at * 7 + text.size()) % most);
    if (!body(text.substr(at, n))) return;
  }
}

std::string assembled(std::string_view text, size_t most) {
  utf8::Assembler assembler;
  std::string out;
  size_t n_pushed = 0;
  in_pieces(text, most, [&](std::string_view piece) {
    const std::string part = assembler.push(piece);
    require(utf8::is_valid(part));
    out += part;
    n_pushed += piece.size();
    return true;
  });
  require(n_pushed == text.size());
  const std::string rest = assembler.finish();
  require(rest.empty() || rest == "\xEF\xBF\xBD");
  return out + rest;
}

std::string until_stop(std::string_view text, size_t most, const std::vector<std::string>& stops) {
  engine::OutputText output(stops);
  std::string out;
  in_pieces(text, most, [&](std::string_view piece) {
    const bool stopped = output.push(piece);
    const std::string part = output.take();
    require(utf8::is_valid(part));
    out += part;
    return !stopped;
  });
  output.finish();
  return out + output.take();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), std::min<size_t>(size, 4096));
  const size_t zero = input.find('\0');
  const std::string_view text = zero == std::string_view::npos ? input : input.substr(zero + 1);
  std::vector<std::string> stops;
  for (std::string_view rest = zero == std::string_view::npos ? std::string_view() : input.substr(0, zero);
       !rest.empty();) {
    const std::string_view stop = rest.substr(0, rest.find('\1'));
    if (utf8::is_valid(stop) && stops.size() < 8) stops.emplace_back(stop);
    rest.remove_prefix(std::min(rest.size(), stop.size() + 1));
  }

  const std::string whole = assembled(text, text.size() + 1);
  require(whole == utf8::from_code_points(utf8::to_code_points(text)));
  require(!utf8::is_valid(text) || whole == text);
  require(utf8::count_code_points(whole) == utf8::to_code_points(text).size());
  require(utf8::incomplete_suffix(text) <= 3);
  const std::string shown = until_stop(text, text.size() + 1, stops);
  require(whole.starts_with(shown));
  for (const std::string& stop : stops) require(stop.empty() || shown.find(stop) == std::string::npos);
  for (const size_t most : {1, 2, 3, 7}) {
    require(assembled(text, most) == whole);
    require(until_stop(text, most, stops) == shown);
  }
  return 0;
}
