#include <algorithm>
#include <array>

#include "base/white_space.h"
#include "engine/grammar/machine.h"

// The inside of strings. Characters are counted when they begin, so that a maximum stops the beginning of one too many.
namespace da::grammar {
namespace {

enum StringPhase : uint32_t {
  kQuote,      // expects the opening quote
  kBody,       // between characters
  kUtf8,       // inside a character of several bytes; bits above say which bytes may come
  kEscape,     // after a backslash
  kHex,        // in \uXXXX: a = digits << 16 | value
  kLowEscape,  // after a high surrogate: expects the backslash of the low one
  kLowU,
  kLowHex,
  kControl0,  // in \u00XX, the canonical form of a control character: expects 0, 0, 0 or 1, a digit
  kControl1,
  kControl2,
  kControl3,  // a: the digit before
};

// b of a kString frame: the node of the excluded keys' trie plus one; or kFree, or kLeaving.
constexpr uint32_t kFree = 0;                  // no excluded key can come of it
constexpr uint32_t kLeaving = UINT32_MAX;      // the same, but inside an escape that was begun in its canonical form

int hex_value(uint8_t byte, bool lower_only) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
  if (!lower_only && byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
  return -1;
}

// The character a short escape stands for, or -1. '/' is never escaped in the canonical form.
int short_escape(uint8_t byte) {
  switch (byte) {
    case '"': return '"';
    case '\\': return '\\';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return -1;
  }
}

bool has_short_escape(uint32_t control) { return (control >= 0x08 && control <= 0x0D && control != 0x0B); }

// After the lead byte of a character: how many bytes follow and the range of the next (Unicode 15, table 3-7).
struct Tail {
  uint32_t remaining = 0, min = 0x80, max = 0xBF;
};
Tail tail_of(uint8_t lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {1};
  if (lead == 0xE0) return {2, 0xA0};
  if (lead == 0xED) return {2, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {2};
  if (lead == 0xF0) return {3, 0x90};
  if (lead >= 0xF1 && lead <= 0xF3) return {3};
  if (lead == 0xF4) return {3, 0x80, 0x8F};
  return {0};
}

uint32_t pack(Tail tail) { return kUtf8 | tail.remaining << 8 | tail.min << 16 | tail.max << 24; }

StringStep to(Frame& f, uint32_t phase) {
  f.phase = phase;
  return StringStep::kStays;
}

// One digit of \uXXXX. The value so far never begins what could only be a lone low surrogate or NUL.
StringStep step_hex(Frame& f, uint8_t byte, bool low) {
  const int digit = hex_value(byte, false);
  if (digit < 0) return StringStep::kRefused;
  const uint32_t n = (f.a >> 16) + 1;
  const uint32_t value = (f.a & 0xFFFF) << 4 | static_cast<uint32_t>(digit);
  f.a = n << 16 | value;
  if (low) {
    if ((n == 1 && value != 0xD) || (n == 2 && value < 0xDC)) return StringStep::kRefused;
  } else {
    if (n == 2 && value >= 0xDC && value <= 0xDF) return StringStep::kRefused;
    if (n == 4 && value == 0) return StringStep::kRefused;
  }
  if (n < 4) return StringStep::kStays;
  f.a = 0;
  return to(f, !low && value >= 0xD800 && value <= 0xDBFF ? kLowEscape : kBody);
}

// \u00XX of a character without a short escape. NUL is left out where `nul` is false.
StringStep step_control(Frame& f, uint8_t byte, bool nul) {
  switch (f.phase) {
    case kControl0: return byte == '0' ? to(f, kControl1) : StringStep::kRefused;
    case kControl1: return byte == '0' ? to(f, kControl2) : StringStep::kRefused;
    case kControl2:
      f.a = byte - uint32_t{'0'};
      return f.a <= 1 ? to(f, kControl3) : StringStep::kRefused;
    default: {
      const int digit = hex_value(byte, true);
      if (digit < 0) return StringStep::kRefused;
      f.a = f.a << 4 | static_cast<uint32_t>(digit);
      if (has_short_escape(f.a) || (f.a == 0 && !nul)) return StringStep::kRefused;
      return to(f, kBody);
    }
  }
}

// The grammar of a string, the excluded keys aside. `canonical`: only one way to write each character.
StringStep step_plain(const StringRule& rule, Frame& f, uint8_t byte, bool canonical) {
  switch (f.phase & 0xFF) {
    case kQuote: return byte == '"' ? to(f, kBody) : StringStep::kRefused;
    case kBody: {
      if (byte == '"') return f.count >= rule.min ? StringStep::kCloses : StringStep::kRefused;
      if (byte < 0x20 || f.count >= rule.max) return StringStep::kRefused;
      const Tail tail = tail_of(byte);
      if (byte >= 0x80 && tail.remaining == 0) return StringStep::kRefused;
      // Without a maximum, and past the minimum, the count no longer matters; letting it stand merges equal places.
      if (rule.max != kUnbounded || f.count < rule.min) ++f.count;
      if (byte == '\\') return to(f, kEscape);
      return to(f, tail.remaining == 0 ? uint32_t{kBody} : pack(tail));
    }
    case kUtf8: {
      const uint32_t remaining = (f.phase >> 8) & 0xFF;
      if (byte < ((f.phase >> 16) & 0xFF) || byte > f.phase >> 24) return StringStep::kRefused;
      return to(f, remaining == 1 ? uint32_t{kBody} : pack({remaining - 1}));
    }
    case kEscape:
      if (byte == 'u') {
        f.a = 0;
        return to(f, canonical ? kControl0 : kHex);
      }
      return short_escape(byte) >= 0 || (byte == '/' && !canonical) ? to(f, kBody) : StringStep::kRefused;
    case kHex: return step_hex(f, byte, false);
    case kLowEscape: return byte == '\\' ? to(f, kLowU) : StringStep::kRefused;
    case kLowU: return byte == 'u' ? to(f, kLowHex) : StringStep::kRefused;
    case kLowHex: return step_hex(f, byte, true);
    default: return step_control(f, byte, false);
  }
}

// The source's substring under way. a, b: its run; count: its length; upper bits of the phase: bytes of a character begun.
class SourceWalk {
 public:
  SourceWalk(const SourceRule& rule, const SourceIndex& index, Frame& frame)
      : rule_(rule), index_(index), f_(frame), run_{frame.a, frame.b} {}

  bool may_close() const {
    if (f_.count == 0) return rule_.allow_empty;
    return f_.count >= rule_.min && (rule_.may_end_blank || !utf8::is_blank(index_.code_point(run_, f_.count - 1)));
  }

  StringStep take(char32_t c) {
    const SourceIndex::Run next = follow(c);
    if (next.empty()) return StringStep::kRefused;
    f_.a = next.begin;
    f_.b = next.end;
    ++f_.count;
    return to(f_, kBody);
  }

  // Whether some code point in [from, last] may follow.
  bool any_in(char32_t from, char32_t last) const {
    for (char32_t c = index_.next_code_point(run_, f_.count, from); c <= last; c = index_.next_code_point(run_, f_.count, c + 1)) {
      if (!follow(c).empty()) return true;
    }
    return false;
  }

  bool any_control(uint32_t from, uint32_t last) const {
    for (uint32_t c = from; c <= last; ++c) {
      if (!has_short_escape(c) && any_in(c, c)) return true;
    }
    return false;
  }

 private:
  // The run after c, empty if no allowed string continues so.
  SourceIndex::Run follow(char32_t c) const {
    const uint32_t length = f_.count + 1;
    if (f_.count >= rule_.max || (f_.count == 0 && utf8::is_blank(c))) return {};
    const SourceIndex::Run next = index_.narrow(run_, f_.count, c);
    if (next.empty() || !long_enough(next)) return {};
    if (utf8::is_blank(c) && !rule_.may_end_blank && length >= rule_.min) {
      const uint32_t room = rule_.max == kUnbounded ? kUnbounded : rule_.max - length;
      if (room < index_.longest_blank_run() && !index_.visible_within(next, length, room)) return {};
    }
    return next;
  }

  // Whether one of the places the run stands for leaves room for the minimal length. At most min - 1 places do not.
  bool long_enough(SourceIndex::Run run) const {
    if (run.size() >= rule_.min) return true;
    for (uint32_t rank = run.begin; rank < run.end; ++rank) {
      if (index_.position(rank) + uint64_t{rule_.min} <= index_.size()) return true;
    }
    return false;
  }

  const SourceRule& rule_;
  const SourceIndex& index_;
  Frame& f_;
  SourceIndex::Run run_;
};

// Bytes of a character begun are kept in the phase, first byte highest: n bytes need 8 * n bits above bit 8.
StringStep step_source_utf8(SourceWalk& walk, Frame& f, uint8_t byte) {
  std::array<uint32_t, 4> bytes{};
  size_t n = 0;
  for (uint32_t packed = f.phase >> 8; packed != 0; packed >>= 8) ++n;
  for (size_t i = 0; i < n; ++i) bytes[i] = (f.phase >> (8 * (n - i))) & 0xFF;
  bytes[n++] = byte;
  const Tail tail = tail_of(static_cast<uint8_t>(bytes[0]));
  if (tail.remaining == 0) return StringStep::kRefused;
  if (n >= 2 && (byte < (n == 2 ? tail.min : 0x80) || byte > (n == 2 ? tail.max : 0xBF))) return StringStep::kRefused;
  const size_t length = tail.remaining + 1;
  char32_t first = bytes[0] & (0xFFu >> (length + 1));
  for (size_t i = 1; i < n; ++i) first = first << 6 | (bytes[i] & 0x3F);
  if (n == length) return walk.take(first);
  const auto open_bits = static_cast<uint32_t>(6 * (length - n));
  const char32_t shortest = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
  if (!walk.any_in(std::max<char32_t>(first << open_bits, shortest), ((first + 1) << open_bits) - 1)) return StringStep::kRefused;
  return to(f, kUtf8 | ((f.phase >> 8) << 8 | byte) << 8);
}

}  // namespace

bool string_body_is_free(const Frame& frame) { return frame.phase == kBody && frame.b == kFree; }

StringStep step_string(const Program& program, Frame& f, uint8_t byte) {
  const StringRule& rule = program.strings[program.nodes[f.node].rule];
  if (rule.excluded < 0) return step_plain(rule, f, byte, false);
  const LiteralSet& excluded = program.literals[static_cast<size_t>(rule.excluded)].set;
  if (f.phase == kQuote) f.b = LiteralSet::kRoot + 1;
  if (f.b == kFree) return step_plain(rule, f, byte, false);
  if (f.b != kLeaving) {
    const uint32_t next = excluded.child(f.b - 1, byte);
    if (f.phase == kBody && byte == '"' && next != LiteralSet::kNone) return StringStep::kRefused;
    f.b = next == LiteralSet::kNone ? kLeaving : next + 1;
  }
  const StringStep result = step_plain(rule, f, byte, true);
  if (f.b == kLeaving && (f.phase & 0xFF) < kEscape) f.b = kFree;
  return result;
}

// The opening quote sets the run to the whole source.
StringStep step_source(const Program& program, Frame& f, uint8_t byte) {
  const SourceRule& rule = program.sources[program.nodes[f.node].rule];
  const SourceIndex& index = *program.source;
  SourceWalk walk(rule, index, f);
  switch (f.phase & 0xFF) {
    case kQuote:
      if (byte != '"') return StringStep::kRefused;
      f.a = index.all().begin;
      f.b = index.all().end;
      return to(f, kBody);
    case kBody:
      if (byte == '"') return walk.may_close() ? StringStep::kCloses : StringStep::kRefused;
      if (byte < 0x20) return StringStep::kRefused;
      if (byte == '\\') {
        return walk.any_in(0, 0x1F) || walk.any_in('"', '"') || walk.any_in('\\', '\\') ? to(f, kEscape) : StringStep::kRefused;
      }
      return byte < 0x80 ? walk.take(byte) : step_source_utf8(walk, f, byte);
    case kUtf8: return step_source_utf8(walk, f, byte);
    case kEscape: {
      if (byte == 'u') return walk.any_control(0, 0x1F) ? to(f, kControl0) : StringStep::kRefused;
      const int c = short_escape(byte);
      return c < 0 ? StringStep::kRefused : walk.take(static_cast<char32_t>(c));
    }
    case kControl0: return byte == '0' ? to(f, kControl1) : StringStep::kRefused;
    case kControl1: return byte == '0' ? to(f, kControl2) : StringStep::kRefused;
    case kControl2: {
      const uint32_t high = (byte - uint32_t{'0'}) << 4;
      if ((byte != '0' && byte != '1') || !walk.any_control(high, high + 15)) return StringStep::kRefused;
      return to(f, kControl3 | high << 8);
    }
    default: {
      const int digit = hex_value(byte, true);
      const uint32_t c = (f.phase >> 8) + static_cast<uint32_t>(digit);
      return digit < 0 || has_short_escape(c) ? StringStep::kRefused : walk.take(c);
    }
  }
}

bool source_rule_satisfiable(const SourceRule& rule, const SourceIndex& index) {
  if (rule.allow_empty) return true;
  Frame frame{.phase = kBody, .a = index.all().begin, .b = index.all().end};
  return SourceWalk(rule, index, frame).any_in(0, 0x10FFFF);
}

}  // namespace da::grammar
