#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include <cstring>
#include <memory>

namespace da::tokenizer {
namespace {

constexpr char32_t kBasicPlaneEnd = 0x10000;

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

uint16_t compute_class(char32_t code_point) {
  const uint16_t space = is_white_space(code_point) ? kSpace : 0;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code_point))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
      return space | kLetter | kUpper;
    case UTF8PROC_CATEGORY_LL:
      return space | kLetter | kLower;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return space | kLetter;
    case UTF8PROC_CATEGORY_ND:
      return space | kNumber | kDecimal;
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return space | kNumber;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return space | kPunctuation;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
      return space | kSymbol;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return space | kMark;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
      return space | kControlLike;
    default:
      return space;
  }
}

// The basic plane once, at the first use (below a millisecond): a look-up per character must not be a library call.
const uint16_t* basic_plane_classes() {
  static const std::unique_ptr<uint16_t[]> table = [] {
    auto classes = std::make_unique<uint16_t[]>(kBasicPlaneEnd);
    for (char32_t c = 0; c < kBasicPlaneEnd; ++c) classes[c] = compute_class(c);
    return classes;
  }();
  return table.get();
}

bool is_continuation(unsigned char byte) { return (byte & 0xC0) == 0x80; }

// Length of the well-formed character (or three-byte surrogate) at `at`, 0 if there is none.
size_t well_formed_length(const unsigned char* at, size_t n_left) {
  const unsigned char first = at[0];
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return n_left >= 2 && is_continuation(at[1]) ? 2 : 0;
  if (first < 0xF0) {
    if (n_left < 3 || !is_continuation(at[1]) || !is_continuation(at[2])) return 0;
    return first == 0xE0 && at[1] < 0xA0 ? 0 : 3;
  }
  if (first > 0xF4 || n_left < 4 || !is_continuation(at[1]) || !is_continuation(at[2]) || !is_continuation(at[3]))
    return 0;
  if (first == 0xF0 && at[1] < 0x90) return 0;
  return first == 0xF4 && at[1] >= 0x90 ? 0 : 4;
}

size_t find_ill_formed(std::string_view text, size_t at) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  while (at < text.size()) {
    uint64_t eight;
    if (at + 8 <= text.size() && (std::memcpy(&eight, bytes + at, 8), (eight & 0x8080808080808080) == 0)) {
      at += 8;
      continue;
    }
    const size_t length = well_formed_length(bytes + at, text.size() - at);
    if (length == 0) return at;
    at += length;
  }
  return text.size();
}

}  // namespace

uint16_t looked_up_class(char32_t code_point) {
  static const uint16_t* const basic_plane = basic_plane_classes();
  return code_point < kBasicPlaneEnd ? basic_plane[code_point] : compute_class(code_point);
}

char32_t to_lower(char32_t code_point) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point)));
}

char32_t base_letter(char32_t code_point) {
  utf8proc_int32_t decomposed[8] = {};
  int last_boundary_class = 0;
  const utf8proc_ssize_t n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code_point), decomposed, 8,
                                                     UTF8PROC_DECOMPOSE, &last_boundary_class);
  return n > 0 ? static_cast<char32_t>(decomposed[0]) : code_point;
}

std::string_view made_well_formed(std::string_view text, std::string& storage) {
  size_t bad = find_ill_formed(text, 0);
  if (bad == text.size()) return text;
  storage.clear();
  storage.reserve(text.size() + 64);
  size_t from = 0;
  while (bad < text.size()) {
    storage.append(text, from, bad - from);
    storage += "\xEF\xBF\xBD";
    from = bad + 1;
    bad = find_ill_formed(text, from);
  }
  storage.append(text, from);
  return storage;
}

}  // namespace da::tokenizer
