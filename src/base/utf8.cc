#include "base/utf8.h"

#include <algorithm>

namespace da::utf8 {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Sequence length and allowed range of the second byte for a lead byte (Unicode 15, table 3-7); length 0: not a lead.
struct Lead {
  uint8_t length, second_min, second_max;
};

Lead classify(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// Number of leading bytes that form a sound (perhaps unfinished) sequence of `lead`.
size_t sound_prefix(std::string_view bytes, Lead lead) {
  size_t n = 1;
  for (; n < lead.length && n < bytes.size(); ++n) {
    const auto byte = static_cast<uint8_t>(bytes[n]);
    const uint8_t low = n == 1 ? lead.second_min : 0x80;
    const uint8_t high = n == 1 ? lead.second_max : 0xBF;
    if (byte < low || byte > high) break;
  }
  return n;
}

}  // namespace

Decoded decode_one(std::string_view bytes) {
  const auto first = static_cast<uint8_t>(bytes[0]);
  const Lead lead = classify(first);
  if (lead.length == 1) return {first, 1, true};
  if (lead.length == 0) return {};
  const size_t n = sound_prefix(bytes, lead);
  if (n < lead.length) return {0xFFFD, static_cast<uint8_t>(n), false};
  char32_t code_point = first & (0xFF >> (lead.length + 1));
  for (size_t i = 1; i < n; ++i) code_point = (code_point << 6) | (static_cast<uint8_t>(bytes[i]) & 0x3F);
  return {code_point, lead.length, true};
}

std::optional<size_t> find_invalid(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const Decoded d = decode_one(bytes.substr(at));
    if (!d.valid) return at;
    at += d.length;
  }
  return std::nullopt;
}

std::vector<char32_t> to_code_points(std::string_view bytes) {
  std::vector<char32_t> out;
  out.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const Decoded d = decode_one(bytes.substr(at));
    out.push_back(d.code_point);
    at += d.length;
  }
  return out;
}

size_t count_code_points(std::string_view bytes) {
  size_t count = 0;
  for (size_t at = 0; at < bytes.size(); ++count) at += decode_one(bytes.substr(at)).length;
  return count;
}

void append(std::string& out, char32_t c) {
  const auto tail = [&](int shift) { out.push_back(static_cast<char>(0x80 | ((c >> shift) & 0x3F))); };
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (c >> 6)));
    tail(0);
  } else if (c < 0x10000) {
    if (c >= 0xD800 && c <= 0xDFFF) {
      out.append(kReplacement);
      return;
    }
    out.push_back(static_cast<char>(0xE0 | (c >> 12)));
    tail(6);
    tail(0);
  } else if (c < 0x110000) {
    out.push_back(static_cast<char>(0xF0 | (c >> 18)));
    tail(12);
    tail(6);
    tail(0);
  } else {
    out.append(kReplacement);
  }
}

std::string from_code_points(const std::vector<char32_t>& code_points) {
  std::string out;
  out.reserve(code_points.size() * 3);
  for (const char32_t c : code_points) append(out, c);
  return out;
}

size_t incomplete_suffix(std::string_view bytes) {
  for (size_t back = 1; back <= std::min<size_t>(3, bytes.size()); ++back) {
    const std::string_view tail = bytes.substr(bytes.size() - back);
    const Lead lead = classify(static_cast<uint8_t>(tail[0]));
    if (lead.length > back && sound_prefix(tail, lead) == back) return back;
  }
  return 0;
}

std::string Assembler::push(std::string_view piece) {
  pending_.append(piece);
  const size_t keep = incomplete_suffix(pending_);
  std::string out;
  for (size_t at = 0; at + keep < pending_.size();) {
    const Decoded d = decode_one(std::string_view(pending_).substr(at));
    if (d.valid) {
      out.append(pending_, at, d.length);
    } else {
      out.append(kReplacement);
    }
    at += d.length;
  }
  pending_.erase(0, pending_.size() - keep);
  return out;
}

std::string Assembler::finish() {
  const bool left = !pending_.empty();
  pending_.clear();
  return left ? std::string(kReplacement) : std::string();
}

}  // namespace da::utf8
