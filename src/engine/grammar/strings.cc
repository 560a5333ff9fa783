#include "engine/grammar/machine.h"
#include "engine/grammar/string_bytes.h"

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
constexpr uint32_t kFree = 0;              // no excluded key can come of it
constexpr uint32_t kLeaving = UINT32_MAX;  // the same, but inside an escape that was begun in its canonical form

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
    case kControl0:
      return byte == '0' ? to(f, kControl1) : StringStep::kRefused;
    case kControl1:
      return byte == '0' ? to(f, kControl2) : StringStep::kRefused;
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
    case kQuote:
      return byte == '"' ? to(f, kBody) : StringStep::kRefused;
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
    case kHex:
      return step_hex(f, byte, false);
    case kLowEscape:
      return byte == '\\' ? to(f, kLowU) : StringStep::kRefused;
    case kLowU:
      return byte == 'u' ? to(f, kLowHex) : StringStep::kRefused;
    case kLowHex:
      return step_hex(f, byte, true);
    default:
      return step_control(f, byte, false);
  }
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

// Upper bounds are enough for keys that must differ from declared ones: a few characters always lead away from those.
uint32_t string_bytes_left(const Program& program, const Frame& f) {
  const StringRule& rule = program.strings[program.nodes[f.node].rule];
  const bool beside_keys = rule.excluded >= 0 && (f.phase == kQuote || (f.b != kFree && f.b != kLeaving));
  const bool differs =
      !beside_keys || (f.phase == kBody && program.literals[static_cast<size_t>(rule.excluded)].set.child(
                                               f.b - 1, '"') == LiteralSet::kNone);
  constexpr uint32_t kToDiffer = 6;
  const uint32_t closing = (rule.min > f.count ? rule.min - f.count : 0) + 1 + (differs ? 0 : kToDiffer);
  const uint32_t n_hex = f.a >> 16, hex = f.a & 0xFFFF;
  switch (f.phase & 0xFF) {
    case kQuote:
      return 1 + closing;
    case kBody:
      return closing;
    case kUtf8:
      return ((f.phase >> 8) & 0xFF) + closing;
    case kEscape:
      return 1 + closing;
    case kHex: {
      const bool high = (n_hex == 2 && hex >= 0xD8 && hex <= 0xDB) || (n_hex == 3 && hex >= 0xD80 && hex <= 0xDBF);
      return 4 - n_hex + (high ? 6 : 0) + closing;
    }
    case kLowEscape:
      return 6 + closing;
    case kLowU:
      return 5 + closing;
    case kLowHex:
      return 4 - n_hex + closing;
    default:
      return kControl3 - (f.phase & 0xFF) + 1 + closing;
  }
}

}  // namespace da::grammar
