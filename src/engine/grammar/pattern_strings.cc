#include "engine/grammar/canonical-inl.h"
#include "engine/grammar/machine.h"

// Strings bound to a pattern.
namespace da::grammar {
namespace {

// a: the pattern's state.
class PatternWalk {
 public:
  PatternWalk(const Pattern& pattern, Frame& frame) : pattern_(pattern), f_(frame) {}

  bool may_close() const { return pattern_.may_end(f_.a); }
  StringStep take(char32_t c) {
    const uint32_t next = pattern_.next(f_.a, c);
    if (next == Pattern::kNone) return StringStep::kRefused;
    f_.a = next;
    return to_phase(f_, kBody);
  }
  char32_t first_in(char32_t from, char32_t last) const { return pattern_.first_in(f_.a, from, last); }
  uint32_t bytes_left() const { return bytes_from(f_.a); }
  uint32_t bytes_left_after(char32_t c) const {
    const uint32_t next = c == UINT32_MAX ? Pattern::kNone : pattern_.next(f_.a, c);
    return next == Pattern::kNone ? kFar : bytes_from(next);
  }

 private:
  uint32_t bytes_from(uint32_t state) const { return 1 + pattern_.bytes_left(state); }
  const Pattern& pattern_;
  Frame& f_;
};

}  // namespace

bool pattern_body_is_free(const Frame& frame) { return frame.phase == kBody; }

StringStep step_pattern(const Program& program, Frame& f, uint8_t byte) {
  PatternWalk walk(program.patterns[program.nodes[f.node].rule], f);
  return step_canonical(walk, f, byte);
}

uint32_t pattern_bytes_left(const Program& program, const Frame& frame) {
  Frame f = frame;
  const PatternWalk walk(program.patterns[program.nodes[f.node].rule], f);
  return (f.phase & 0xFF) == kQuote ? 1 + walk.bytes_left() : canonical_bytes_left(walk, f);
}

}  // namespace da::grammar
