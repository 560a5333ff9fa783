#include <algorithm>
#include <array>
#include <optional>

#include "base/white_space.h"
#include "engine/grammar/machine.h"
#include "engine/grammar/string_bytes.h"

// Strings that are substrings of the source, each character in its canonical JSON form. Every step is taken only if
// some allowed quote continues so: long enough, with a letter or digit, ending visibly, and none that its list has
// already.
namespace da::grammar {
namespace {

enum SourcePhase : uint32_t {
  kQuote,     // expects the opening quote
  kBody,      // between characters
  kUtf8,      // inside a character of several bytes, which are kept in the bits above
  kEscape,    // after a backslash
  kControl0,  // in \u00XX: expects 0, 0, 0 or 1, a digit
  kControl1,
  kControl2,
  kControl3,  // bits above: the digit before, times 16
};

constexpr std::string_view kShortEscapes = "\"\\bfnrt";

StringStep to(Frame& f, uint32_t phase) {
  f.phase = phase;
  return StringStep::kStays;
}

// Bytes of a character in its canonical form.
uint32_t written_bytes(char32_t c) {
  if (c < 0x20) return has_short_escape(c) ? 2 : 6;
  if (c < 0x80) return c == '"' || c == '\\' ? 2 : 1;
  return c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

// The substring under way. a, b: its run; count: its length.
class SourceWalk {
 public:
  SourceWalk(const Program& program, const SourceRule& rule, Used used, Frame& frame)
      : rule_(rule), index_(*program.source), used_(used), f_(frame), run_{frame.a, frame.b} {}

  bool may_close() const {
    if (f_.count == 0) return rule_.allow_empty;
    const uint32_t at = index_.position(run_.begin);
    return f_.count >= rule_.min && index_.to_word(at) < f_.count &&
           !utf8::is_blank(index_.code_point(run_, f_.count - 1)) && !used(run_.begin, f_.count);
  }

  StringStep take(char32_t c) {
    const SourceIndex::Run next = follow(c);
    if (next.empty()) return StringStep::kRefused;
    f_.a = next.begin;
    f_.b = next.end;
    ++f_.count;
    return to(f_, kBody);
  }

  // The first code point in [from, last] that may follow, or kNoCodePoint.
  char32_t first_in(char32_t from, char32_t last) const {
    for (char32_t c = index_.next_code_point(run_, f_.count, from); c <= last;
         c = index_.next_code_point(run_, f_.count, c + 1)) {
      if (!follow(c).empty()) return c;
    }
    return SourceIndex::kNoCodePoint;
  }
  bool any_in(char32_t from, char32_t last) const { return first_in(from, last) != SourceIndex::kNoCodePoint; }

  char32_t first_control(uint32_t from, uint32_t last) const {
    for (uint32_t c = from; c <= last; ++c) {
      if (!has_short_escape(c) && any_in(c, c)) return c;
    }
    return SourceIndex::kNoCodePoint;
  }
  bool any_control(uint32_t from, uint32_t last) const {
    return first_control(from, last) != SourceIndex::kNoCodePoint;
  }

  // Bytes of the shortest way on from between two characters, the closing quote included.
  uint32_t bytes_left() const {
    if (may_close()) return 1;
    const std::optional<End> end = f_.count == 0 ? first_end() : shortest(run_, f_.count);
    if (!end) return kFar;
    uint32_t bytes = 1;
    for (uint32_t i = f_.count; i < end->length; ++i)
      bytes += written_bytes(index_.code_point({end->rank, end->rank + 1}, i));
    return bytes;
  }
  uint32_t bytes_left_after(char32_t c) const {
    Frame next = f_;
    SourceWalk walk(*this, next);
    if (c == SourceIndex::kNoCodePoint || walk.take(c) == StringStep::kRefused) return kFar;
    return SourceWalk(walk, next).bytes_left();
  }

 private:
  struct End {
    uint32_t rank, length;
  };

  SourceWalk(const SourceWalk& other, Frame& frame)
      : rule_(other.rule_), index_(other.index_), used_(other.used_), f_(frame), run_{frame.a, frame.b} {}

  // The run after c, empty if no allowed quote continues so.
  SourceIndex::Run follow(char32_t c) const {
    if (f_.count >= rule_.max || (f_.count == 0 && utf8::is_blank(c))) return {};
    const SourceIndex::Run next = index_.narrow(run_, f_.count, c);
    return next.empty() || !shortest(next, f_.count + 1) ? SourceIndex::Run{} : next;
  }

  std::optional<End> first_end() const {
    const char32_t c = first_in(0, 0x10FFFF);
    return c == SourceIndex::kNoCodePoint ? std::nullopt : shortest(index_.narrow(run_, 0, c), 1);
  }

  // An allowed quote of at least `length` characters that starts where a string of the run does: the shortest one at
  // the first place that has any. The search gives up after a while, which only places with hardly any quote left see;
  // a yes stays a yes along the quote found, since the search from further down passes over less.
  std::optional<End> shortest(SourceIndex::Run run, uint32_t length) const {
    int patience = 1 << 16;
    for (uint32_t rank = run.begin; rank < run.end && patience > 0; ++rank) {
      if (const std::optional<End> end = shortest_at(rank, length, patience)) return end;
    }
    return std::nullopt;
  }

  std::optional<End> shortest_at(uint32_t rank, uint32_t length, int& patience) const {
    const uint32_t at = index_.position(rank);
    const uint32_t most = std::min(rule_.max, index_.size() - at);
    length = std::max({length, rule_.min, index_.to_word(at) + 1});
    for (--patience; length <= most && patience > 0; ++length) {
      length += index_.to_visible(at + length - 1);
      if (length <= most && !used(rank, length, patience)) return End{rank, length};
    }
    return std::nullopt;
  }

  bool used(uint32_t rank, uint32_t length) const {
    int patience = INT32_MAX;
    return used(rank, length, patience);
  }
  bool used(uint32_t rank, uint32_t length, int& patience) const {
    for (int32_t i = used_.newest; i >= 0; i = (*used_.held)[static_cast<size_t>(i)].parent) {
      const Frame& quote = (*used_.held)[static_cast<size_t>(i)].frame;
      --patience;
      if (quote.count == length && rank >= quote.a && rank < quote.b) return true;
    }
    return false;
  }

  const SourceRule& rule_;
  const SourceIndex& index_;
  const Used used_;
  Frame& f_;
  const SourceIndex::Run run_;
};

// A character begun: the bytes so far, and the code points it may become.
struct Begun {
  std::array<uint32_t, 4> bytes{};
  size_t n = 0, length = 0;
  char32_t first = 0, last = 0;
};

// The phase's bytes, first byte highest; n bytes need 8 * n bits above bit 8.
Begun begun_of(uint32_t phase) {
  Begun b;
  for (uint32_t packed = phase >> 8; packed != 0; packed >>= 8) ++b.n;
  for (size_t i = 0; i < b.n; ++i) b.bytes[i] = (phase >> (8 * (b.n - i))) & 0xFF;
  return b;
}

void find_range(Begun& b) {
  b.length = tail_of(static_cast<uint8_t>(b.bytes[0])).remaining + 1;
  b.first = b.bytes[0] & (0xFFu >> (b.length + 1));
  for (size_t i = 1; i < b.n; ++i) b.first = b.first << 6 | (b.bytes[i] & 0x3F);
  const auto open_bits = static_cast<uint32_t>(6 * (b.length - b.n));
  const char32_t shortest = b.length == 2 ? 0x80 : b.length == 3 ? 0x800 : 0x10000;
  b.last = ((b.first + 1) << open_bits) - 1;
  b.first = std::max<char32_t>(b.first << open_bits, shortest);
}

StringStep step_utf8(SourceWalk& walk, Frame& f, uint8_t byte) {
  Begun b = begun_of((f.phase & 0xFF) == kUtf8 ? f.phase : uint32_t{kUtf8});
  b.bytes[b.n++] = byte;
  const Tail tail = tail_of(static_cast<uint8_t>(b.bytes[0]));
  if (tail.remaining == 0) return StringStep::kRefused;
  if (b.n >= 2 && (byte < (b.n == 2 ? tail.min : 0x80) || byte > (b.n == 2 ? tail.max : 0xBF)))
    return StringStep::kRefused;
  find_range(b);
  if (b.n == b.length) return walk.take(b.first);
  if (!walk.any_in(b.first, b.last)) return StringStep::kRefused;
  return to(f, kUtf8 | ((f.phase >> 8) << 8 | byte) << 8);
}

}  // namespace

// The opening quote sets the run to the whole source.
StringStep step_source(const Program& program, Used used, Frame& f, uint8_t byte) {
  SourceWalk walk(program, program.sources[program.nodes[f.node].rule], used, f);
  switch (f.phase & 0xFF) {
    case kQuote:
      if (byte != '"') return StringStep::kRefused;
      f.a = program.source->all().begin;
      f.b = program.source->all().end;
      return to(f, kBody);
    case kBody:
      if (byte == '"') return walk.may_close() ? StringStep::kCloses : StringStep::kRefused;
      if (byte < 0x20) return StringStep::kRefused;
      if (byte == '\\') {
        return walk.any_in(0, 0x1F) || walk.any_in('"', '"') || walk.any_in('\\', '\\') ? to(f, kEscape)
                                                                                        : StringStep::kRefused;
      }
      return byte < 0x80 ? walk.take(byte) : step_utf8(walk, f, byte);
    case kUtf8:
      return step_utf8(walk, f, byte);
    case kEscape: {
      if (byte == 'u') return walk.any_control(0, 0x1F) ? to(f, kControl0) : StringStep::kRefused;
      const int c = short_escape(byte);
      return c < 0 ? StringStep::kRefused : walk.take(static_cast<char32_t>(c));
    }
    case kControl0:
      return byte == '0' ? to(f, kControl1) : StringStep::kRefused;
    case kControl1:
      return byte == '0' ? to(f, kControl2) : StringStep::kRefused;
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

uint32_t source_bytes_left(const Program& program, Used used, const Frame& frame) {
  Frame f = frame;
  SourceWalk walk(program, program.sources[program.nodes[f.node].rule], used, f);
  const auto after = [&](uint32_t bytes, char32_t c) { return std::min(bytes + walk.bytes_left_after(c), kFar); };
  switch (f.phase & 0xFF) {
    case kQuote:
      return program.nodes[f.node].min_bytes;
    case kBody:
      return walk.bytes_left();
    case kUtf8: {
      Begun b = begun_of(f.phase);
      find_range(b);
      return after(static_cast<uint32_t>(b.length - b.n), walk.first_in(b.first, b.last));
    }
    case kEscape: {
      for (const char c : kShortEscapes) {
        const auto meant = static_cast<char32_t>(short_escape(static_cast<uint8_t>(c)));
        if (walk.any_in(meant, meant)) return after(1, meant);
      }
      return after(5, walk.first_control(0, 0x1F));
    }
    case kControl0:
      return after(4, walk.first_control(0, 0x1F));
    case kControl1:
      return after(3, walk.first_control(0, 0x1F));
    case kControl2:
      return after(2, walk.first_control(0, 0x1F));
    default:
      return after(1, walk.first_control(f.phase >> 8, (f.phase >> 8) + 15));
  }
}

uint32_t shortest_quote_bytes(const Program& program, const SourceRule& rule) {
  if (rule.allow_empty) return 2;
  Frame frame{.phase = kBody, .a = program.source->all().begin, .b = program.source->all().end};
  return 1 + SourceWalk(program, rule, {}, frame).bytes_left();
}

bool has_unused_quote(const Program& program, const SourceRule& rule, Used used) {
  Frame frame{.phase = kBody, .a = program.source->all().begin, .b = program.source->all().end};
  return SourceWalk(program, rule, used, frame).any_in(0, 0x10FFFF);
}

uint32_t count_quotes(const Program& program, const SourceRule& rule, uint32_t enough) {
  std::vector<Held> held;
  for (uint32_t n = 0; n < enough; ++n) {
    const Used used{&held, static_cast<int32_t>(n) - 1};
    Frame frame{.phase = kBody, .a = program.source->all().begin, .b = program.source->all().end};
    for (;;) {
      SourceWalk walk(program, rule, used, frame);
      if (frame.count > 0 && walk.may_close()) break;
      const char32_t c = walk.first_in(0, 0x10FFFF);
      if (c == SourceIndex::kNoCodePoint) return n;
      walk.take(c);
    }
    held.push_back({frame, static_cast<int32_t>(n) - 1});
  }
  return enough;
}

}  // namespace da::grammar
