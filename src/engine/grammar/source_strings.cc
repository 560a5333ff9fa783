#include <algorithm>
#include <optional>

#include "engine/grammar/canonical-inl.h"
#include "engine/grammar/machine.h"

// Strings that are substrings of the source, each character in its canonical JSON form. Every step is taken only if
// some allowed quote continues so: long enough, with a letter or digit, made of whole words, and none that its list has
// already.
namespace da::grammar {
namespace {

// The substring under way. a, b: its run; count: its length.
class SourceWalk {
 public:
  SourceWalk(const Program& program, const SourceRule& rule, Used used, Frame& frame)
      : rule_(rule), index_(*program.source), used_(used), f_(frame), run_{frame.a, frame.b} {}

  bool may_close() const {
    if (f_.count == 0) return rule_.allow_empty;
    return f_.count >= rule_.min && index_.to_word(index_.position(run_.begin)) < f_.count &&
           index_.may_end(run_, f_.count) && !used(run_.begin, f_.count);
  }

  StringStep take(char32_t c) {
    const SourceIndex::Run next = follow(c);
    if (next.empty()) return StringStep::kRefused;
    f_.a = next.begin;
    f_.b = next.end;
    ++f_.count;
    return to_phase(f_, kBody);
  }

  // The first code point in [from, last] that may follow, or kNoCodePoint.
  char32_t first_in(char32_t from, char32_t last) const {
    for (char32_t c = index_.next_code_point(run_, f_.count, from); c <= last;
         c = index_.next_code_point(run_, f_.count, c + 1)) {
      if (!follow(c).empty()) return c;
    }
    return SourceIndex::kNoCodePoint;
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
    if (f_.count >= rule_.max) return {};
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
    int patience = SourceIndex::kPatience;
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
      length += index_.to_end(at + length - 1);
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

}  // namespace

// The opening quote sets the run to the whole source.
StringStep step_source(const Program& program, Used used, Frame& f, uint8_t byte) {
  if ((f.phase & 0xFF) == kQuote) {
    f.a = program.source->all().begin;
    f.b = program.source->all().end;
  }
  SourceWalk walk(program, program.sources[program.nodes[f.node].rule], used, f);
  return step_canonical(walk, f, byte);
}

uint32_t source_bytes_left(const Program& program, Used used, const Frame& frame) {
  if ((frame.phase & 0xFF) == kQuote) return program.nodes[frame.node].min_bytes;
  Frame f = frame;
  SourceWalk walk(program, program.sources[program.nodes[f.node].rule], used, f);
  return canonical_bytes_left(walk, f);
}

uint32_t shortest_quote_bytes(const Program& program, const SourceRule& rule) {
  if (rule.allow_empty) return 2;
  Frame frame{.phase = kBody, .a = program.source->all().begin, .b = program.source->all().end};
  return 1 + SourceWalk(program, rule, {}, frame).bytes_left();
}

bool has_unused_quote(const Program& program, const SourceRule& rule, Used used) {
  Frame frame{.phase = kBody, .a = program.source->all().begin, .b = program.source->all().end};
  return SourceWalk(program, rule, used, frame).first_in(0, 0x10FFFF) != SourceIndex::kNoCodePoint;
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
