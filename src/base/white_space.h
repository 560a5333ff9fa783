#pragma once

namespace da::utf8 {

// Characters that show nothing by themselves: Unicode's White_Space, and the zero-width and byte-order marks that
// pasted text carries. A quote neither starts nor ends with one, and a text of nothing else is empty.
constexpr bool is_blank(char32_t c) {
  if (c <= 0x20) return c == 0x20 || (c >= 0x09 && c <= 0x0D);
  if (c < 0x2000) return c == 0x85 || c == 0xA0 || c == 0xAD || c == 0x1680 || c == 0x180E;
  return c <= 0x200F || c == 0x2028 || c == 0x2029 || (c >= 0x202A && c <= 0x202F) || (c >= 0x205F && c <= 0x2064) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0x3000 || c == 0xFEFF;
}

}  // namespace da::utf8
