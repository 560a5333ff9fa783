#pragma once

#include <cstdint>
#include <vector>

#include "engine/grammar/program.h"

// The automaton: a set of configurations, each a stack of open objects and arrays with the value being written on top.
// Where alternatives begin alike several configurations live side by side until they are told apart. Each one alone can
// be completed, so the set never runs into a dead end.
namespace da::grammar {

// The value being written, or an open object or array. Meaning of the fields by kind in machine.cc and strings.cc.
struct Frame {
  uint32_t node = 0;
  uint32_t phase = 0;
  uint32_t count = 0;
  uint32_t a = 0;
  uint32_t b = 0;
  bool operator==(const Frame&) const = default;
};

constexpr uint32_t kDoneNode = UINT32_MAX;  // the whole document is written
constexpr uint32_t kUsedNode = UINT32_MAX - 1;

struct Config {
  Frame top;
  int32_t parent = -1;  // into Stacks::held
  bool operator==(const Config&) const = default;
};

// Frames below the tops. An entry is never changed, so that configurations share it; a walk appends entries and a
// backtracking walk cuts them off again.
//
// Quotes and literals that a list has already hang beside the stack: entries of kUsedNode (a quote's run and length as
// in its frame, a literal's index in `a`), chained by `parent`, newest first; `a` of the list's own frame is the newest
// one's place plus one.
struct Held {
  Frame frame;
  int32_t parent = -1;
  uint32_t depth = 1;
  uint32_t bytes_left = 0;  // of the shortest way to the document's end once the value above is closed
};

// What a list has already.
struct Used {
  const std::vector<Held>* held = nullptr;
  int32_t newest = -1;
};

enum class StringStep { kStays, kCloses, kRefused };

class Machine {
 public:
  // More configurations than this are dropped, the last alternatives first.
  static constexpr size_t kMaxConfigs = 1024;

  explicit Machine(const Program& program) : program_(&program) {}

  // The configurations before the first byte.
  void start(std::vector<Held>& held, std::vector<Config>& out) const;
  // What one byte adds: equal entries from here on are shared.
  struct Batch {
    size_t held_begin, out_begin;
  };
  // Appends to `out` where `config` goes by `byte`.
  void step(const Config& config, uint8_t byte, std::vector<Held>& held, std::vector<Config>& out, Batch batch) const;
  // Appends the configurations after the value above `parent` has been closed.
  void finish(int32_t parent, std::vector<Held>& held, std::vector<Config>& out, Batch batch) const;

  NodeKind kind(const Frame& frame) const { return program_->nodes[frame.node].kind; }
  const Program& program() const { return *program_; }
  // True if the frame is a string in its body to which all of JSON's escapes are open.
  bool in_free_string(const Frame& frame) const;
  // True if the frame is a string bound to a pattern, between two characters.
  bool in_pattern(const Frame& frame) const;
  // bytes_left.cc: about how many bytes the shortest way to the document's end has; kFar if it cannot be found.
  uint32_t bytes_left(const Config& config, const std::vector<Held>& held) const;
  // Where a list's frame points to what it has already (see Held), null for other frames.
  uint32_t* used_link(Frame& frame) const;

 private:
  struct Step {
    std::vector<Held>& held;
    std::vector<Config>& out;
    const Batch batch;
  };
  void add(Step& s, const Config& config) const;
  int32_t push(Step& s, const Frame& frame, int32_t parent) const;
  void enter(Step& s, uint32_t choice, int32_t parent) const;
  void finish(Step& s, int32_t parent, uint32_t result) const;
  void step_literal(Step& s, Config config, uint8_t byte) const;
  void step_number(Step& s, Config config, uint8_t byte) const;
  void step_object(Step& s, Config config, uint8_t byte) const;
  void step_array(Step& s, Config config, uint8_t byte) const;
  void enter_keys(Step& s, const Frame& object, int32_t parent) const;
  bool fits(uint32_t choice, uint32_t depth) const;
  // unique.cc: the list that the value above `parent` must not repeat an entry of, or -1.
  int32_t unique_list(const std::vector<Held>& held, int32_t parent) const;
  Used used_by(const std::vector<Held>& held, int32_t list) const;
  int32_t add_used(Step& s, const Frame& value, int32_t parent) const;
  static bool is_used(const Frame& literal, Used used);
  static bool literal_unused(const LiteralRule& rule, uint32_t trie_node, Used used);
  bool any_unused(const ArrayRule& rule, const std::vector<Held>& held, const Frame& array) const;
  uint32_t held_bytes_left(const Frame& frame) const;
  uint32_t key_bytes_left(const Config& config, const std::vector<Held>& held) const;
  bool may_close(const ObjectRule& rule, uint32_t from) const { return rule.next_required[from] == kUnbounded; }
  uint32_t last_key(const ObjectRule& rule, uint32_t from) const;
  bool any_key(const ObjectRule& rule, uint32_t from, uint32_t depth) const;
  bool key_viable(const LiteralRule& rule, uint32_t trie_node, uint32_t from, uint32_t last, uint32_t depth) const;

  const Program* program_;
};

// strings.cc: one byte of a string. kString and kSource frames begin with phase 0 and expect the opening quote.
StringStep step_string(const Program& program, Frame& frame, uint8_t byte);
uint32_t string_bytes_left(const Program& program, const Frame& frame);
// pattern_strings.cc: the same of a string bound to a pattern.
StringStep step_pattern(const Program& program, Frame& frame, uint8_t byte);
uint32_t pattern_bytes_left(const Program& program, const Frame& frame);
// source_strings.cc: the same of a substring of the source.
StringStep step_source(const Program& program, Used used, Frame& frame, uint8_t byte);
uint32_t source_bytes_left(const Program& program, Used used, const Frame& frame);
// Bytes of about the shortest substring of the source that follows the rule, at least kFar if there is none.
uint32_t shortest_quote_bytes(const Program& program, const SourceRule& rule);
bool has_unused_quote(const Program& program, const SourceRule& rule, Used used);
// How many quotes the rule allows; stops counting at `enough`.
uint32_t count_quotes(const Program& program, const SourceRule& rule, uint32_t enough);
bool string_body_is_free(const Frame& frame);
bool pattern_body_is_free(const Frame& frame);

}  // namespace da::grammar
