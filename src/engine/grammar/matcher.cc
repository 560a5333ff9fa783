#include <algorithm>

#include "engine/grammar/machine.h"
#include "engine/grammar/token_trie.h"

namespace da::grammar {
namespace {

// Configurations at one depth of a walk, and how much of `held` they may refer to.
struct Level {
  size_t begin, end, held_end;
};

void set_bit(std::span<uint64_t> mask, uint32_t id) { mask[id / 64] |= uint64_t{1} << (id % 64); }

// Whether the text can still be completed in the room there is after a token, or is on the shortest way to its end.
class Room {
 public:
  Room(const Machine& machine, uint32_t bytes, const std::vector<Config>& now, const std::vector<Held>& held)
      : machine_(machine), bytes_(bytes) {
    if (bytes_ != Matcher::kUnlimited) now_ = least(now, held);
  }
  bool limited() const { return bytes_ != Matcher::kUnlimited; }
  // For tokens that stay inside a string in which `missing` characters must still come.
  bool inside_string(uint32_t missing) const {
    constexpr uint32_t kCharacterBegun = 16;  // what it takes to end an escape
    return !limited() || missing > 0 || now_ + kCharacterBegun <= bytes_;
  }
  // The configurations are those after a token of `length` bytes.
  bool suffices(size_t length, std::span<const Config> configs, const std::vector<Held>& held) const {
    if (!limited() || now_ + uint64_t{length} * machine_.program().growth <= bytes_) return true;
    return suffices(length, least(configs, held));
  }
  // The same where what is left then is known.
  bool suffices(size_t length, uint32_t left) const { return !limited() || left <= bytes_ || left + length <= now_; }

 private:
  uint32_t least(std::span<const Config> configs, const std::vector<Held>& held) const {
    uint32_t bytes = kFar;
    for (const Config& config : configs) bytes = std::min(bytes, machine_.bytes_left(config, held));
    return bytes;
  }
  const Machine& machine_;
  const uint32_t bytes_;
  uint32_t now_ = 0;
};

// Walks a trie and the automaton side by side. The vectors are kept between walks.
class Walk {
 public:
  Walk(const Machine& machine, const std::vector<Held>& held) : machine_(machine), held_(held), n_held_(held.size()) {}

  std::vector<Config>& configs() { return configs_; }
  std::vector<Held>& held() { return held_; }
  // False once a step made more configurations than this.
  bool within(size_t limit) const { return largest_ <= limit; }

  void reset() {
    configs_.clear();
    held_.resize(n_held_);
  }

  // From the configurations in configs(): on_node(node, configurations there) for every node the automaton can reach.
  template <class OnNode>
  void run(const PreorderTrie& trie, OnNode on_node) {
    levels_.assign(trie.max_depth() + 1, {});
    levels_[0] = {0, configs_.size(), held_.size()};
    const std::span<const PreorderTrie::Node> nodes = trie.nodes();
    for (uint32_t i = 0; i < nodes.size();) {
      const PreorderTrie::Node& node = nodes[i];
      const Level from = levels_[node.depth - 1u];
      configs_.resize(from.end);
      held_.resize(from.held_end);
      for (size_t c = from.begin; c < from.end; ++c) {
        const Config config = configs_[c];
        machine_.step(config, node.byte, held_, configs_, {from.held_end, from.end});
      }
      largest_ = std::max(largest_, configs_.size() - from.end);
      levels_[node.depth] = {from.end, configs_.size(), held_.size()};
      if (configs_.size() == from.end) {
        i = node.subtree_end;
      } else {
        on_node(node, std::span<const Config>(configs_).subspan(from.end));
        ++i;
      }
    }
  }

 private:
  const Machine& machine_;
  std::vector<Held> held_;
  const size_t n_held_;
  std::vector<Config> configs_;
  std::vector<Level> levels_;
  size_t largest_ = 0;
};

}  // namespace

struct Matcher::State {
  std::shared_ptr<const Grammar> grammar;
  Machine machine;
  std::vector<Held> held;
  std::vector<Config> configs;
  size_t compact_at = 64;  // entries of `held`

  explicit State(std::shared_ptr<const Grammar> g) : grammar(std::move(g)), machine(grammar->impl().program) {
    machine.start(held, configs);
  }

  // Drops the held frames no configuration stands on, and used entries of lists that are closed.
  void compact() {
    std::vector<int32_t> place(held.size(), -1);
    std::vector<bool> live(held.size(), false);
    const auto mark = [&](int32_t i, const auto& self) -> void {
      for (; i >= 0 && !live[static_cast<size_t>(i)]; i = held[static_cast<size_t>(i)].parent) {
        live[static_cast<size_t>(i)] = true;
        if (const uint32_t* link = machine.used_link(held[static_cast<size_t>(i)].frame))
          self(static_cast<int32_t>(*link) - 1, self);
      }
    };
    for (Config& c : configs) {
      mark(c.parent, mark);
      if (const uint32_t* link = machine.used_link(c.top)) mark(static_cast<int32_t>(*link) - 1, mark);
    }
    const auto move_link = [&](Frame& frame) {
      uint32_t* link = machine.used_link(frame);
      if (link != nullptr && *link > 0) *link = static_cast<uint32_t>(place[*link - 1]) + 1;
    };
    size_t n = 0;
    for (size_t i = 0; i < held.size(); ++i) {
      if (!live[i]) continue;
      place[i] = static_cast<int32_t>(n);
      held[n] = held[i];
      if (held[n].parent >= 0) held[n].parent = place[static_cast<size_t>(held[n].parent)];
      move_link(held[n].frame);
      ++n;
    }
    held.resize(n);
    for (Config& c : configs) {
      if (c.parent >= 0) c.parent = place[static_cast<size_t>(c.parent)];
      move_link(c.top);
    }
  }

  bool accept(std::string_view bytes) {
    const size_t n_held = held.size();
    std::vector<Config> now = configs, next;
    for (const char byte : bytes) {
      next.clear();
      const Machine::Batch batch{held.size(), 0};
      for (const Config& config : now) machine.step(config, static_cast<uint8_t>(byte), held, next, batch);
      if (next.empty()) {
        held.resize(n_held);
        return false;
      }
      std::swap(now, next);
    }
    configs = std::move(now);
    if (held.size() > compact_at) {
      compact();
      compact_at = 2 * held.size() + 64;
    }
    return true;
  }

  // The tokens that may follow inside a free string, from what the trie knows: those that stay inside, and those that
  // close it, sorted by what comes after the quote.
  void free_string(const Config& config, const TokenTrie::Impl& trie, Walk& walk, const Room& space,
                   std::span<uint64_t> mask) const {
    const StringRule& rule = machine.program().strings[machine.program().nodes[config.top.node].rule];
    const uint32_t room = rule.max == kUnbounded ? kUnbounded : rule.max - config.top.count;
    if (space.inside_string(rule.min > config.top.count ? rule.min - config.top.count : 0)) {
      const std::vector<uint64_t>& inside = trie.inside[std::min(room, TokenTrie::Impl::kCounts - 1)];
      for (size_t w = 0; w < mask.size(); ++w) mask[w] |= inside[w];
      for (const auto& [token, characters] : trie.inside_long) {
        if (characters <= room) set_bit(mask, token);
      }
    }
    const auto set_closing = [&](std::span<const uint32_t> items, std::span<const Config> after) {
      for (const uint32_t item : items) {
        const TokenTrie::Impl::Closing& c = trie.closing[item];
        const bool fits = c.characters <= room && uint64_t{config.top.count} + c.characters >= rule.min;
        if (fits && space.suffices(c.bytes, after, walk.held())) set_bit(mask, c.token);
      }
    };
    walk.reset();
    machine.finish(config.parent, walk.held(), walk.configs(), {walk.held().size(), 0});
    set_closing(trie.after_quote.root_items(), walk.configs());
    walk.run(trie.after_quote, [&](const PreorderTrie::Node& node, std::span<const Config> after) {
      set_closing(trie.after_quote.items(node), after);
    });
  }

  // Between two characters of a string bound to a pattern: its frame alone decides up to the quote, and what may follow
  // that is the same for all tokens.
  void pattern_string(const Config& config, const TokenTrie::Impl& trie, Walk& walk, const Room& space,
                      std::span<uint64_t> mask) const {
    std::vector<bool> may_follow(trie.closing.size(), false);
    const auto note = [&](std::span<const uint32_t> items, std::span<const Config> after) {
      for (const uint32_t item : items) may_follow[item] = space.suffices(trie.closing[item].bytes, after, walk.held());
    };
    walk.reset();
    machine.finish(config.parent, walk.held(), walk.configs(), {walk.held().size(), 0});
    note(trie.after_quote.root_items(), walk.configs());
    walk.run(trie.after_quote, [&](const PreorderTrie::Node& node, std::span<const Config> after) {
      note(trie.after_quote.items(node), after);
    });

    const uint32_t below = config.parent < 0 ? 0 : held[static_cast<size_t>(config.parent)].bytes_left;
    // Nearly all bytes are plain ASCII between two characters: a table says where they lead. Frames are kept for the
    // others.
    const Pattern& pattern = machine.program().patterns[machine.program().nodes[config.top.node].rule];
    constexpr uint32_t kInFrame = Pattern::kNone;
    std::vector<uint32_t> states(trie.trie.max_depth() + 1, config.top.a);
    std::vector<Frame> frames(trie.trie.max_depth() + 1, config.top);
    const std::span<const PreorderTrie::Node> nodes = trie.trie.nodes();
    for (uint32_t i = 0; i < nodes.size();) {
      const PreorderTrie::Node& node = nodes[i];
      const uint32_t state = states[node.depth - 1u];
      const uint32_t* row = state == kInFrame ? nullptr : pattern.ascii_row(state);
      if (row != nullptr && node.byte >= ' ' && node.byte < 0x80 && node.byte != '"' && node.byte != '\\') {
        const uint32_t next = row[node.byte];
        states[node.depth] = next;
        if (next == Pattern::kNone) {
          i = node.subtree_end;
          continue;
        }
        if (node.first_item != node.end_item && space.suffices(node.depth, 1 + pattern.bytes_left(next) + below)) {
          for (const uint32_t token : trie.trie.items(node)) set_bit(mask, token);
        }
        ++i;
        continue;
      }
      Frame& frame = frames[node.depth];
      frame = frames[node.depth - 1u];
      if (state != kInFrame) {
        frame = config.top;
        frame.a = state;
      }
      states[node.depth] = kInFrame;
      const StringStep result = step_pattern(machine.program(), frame, node.byte);
      if (result == StringStep::kStays) {
        const auto tokens = trie.trie.items(node);
        if (!tokens.empty() && space.suffices(node.depth, pattern_bytes_left(machine.program(), frame) + below)) {
          for (const uint32_t token : tokens) set_bit(mask, token);
        }
        if (pattern_body_is_free(frame)) states[node.depth] = frame.a;
        ++i;
        continue;
      }
      if (result == StringStep::kCloses) {
        for (const uint32_t token : trie.trie.items_below(node)) {
          const int32_t item = trie.closing_of[token];
          if (item >= 0 && may_follow[static_cast<size_t>(item)]) set_bit(mask, token);
        }
      }
      i = node.subtree_end;
    }
  }

  void allowed(const TokenTrie::Impl& trie, std::span<uint64_t> mask, uint32_t room_bytes) const {
    // Each configuration alone gives the same mask as all together unless some were dropped for their number.
    constexpr size_t kAlone = 16;
    std::fill(mask.begin(), mask.end(), uint64_t{0});
    Walk walk(machine, held);
    const Room space(machine, room_bytes, configs, held);
    const auto set_all = [&](const PreorderTrie::Node& node, std::span<const Config> after) {
      const auto tokens = trie.trie.items(node);
      if (tokens.empty() || !space.suffices(node.depth, after, walk.held())) return;
      for (const uint32_t token : tokens) set_bit(mask, token);
    };
    if (configs.size() <= kAlone) {
      for (const Config& config : configs) {
        if (machine.in_free_string(config.top)) {
          free_string(config, trie, walk, space, mask);
        } else if (machine.in_pattern(config.top)) {
          pattern_string(config, trie, walk, space, mask);
        } else {
          walk.reset();
          walk.configs().push_back(config);
          walk.run(trie.trie, set_all);
        }
      }
      if (walk.within(Machine::kMaxConfigs / kAlone)) return;
      std::fill(mask.begin(), mask.end(), uint64_t{0});
    }
    walk.reset();
    walk.configs() = configs;
    walk.run(trie.trie, set_all);
  }

  std::string forced(size_t max_bytes) const {
    std::string out;
    State state(*this);
    while (out.size() < max_bytes && !state.can_end()) {
      int only = -1;
      std::vector<Config> next;
      for (int byte = 0; byte < 256; ++byte) {
        std::vector<Config> here;
        const size_t n_held = state.held.size();
        for (const Config& c : state.configs)
          state.machine.step(c, static_cast<uint8_t>(byte), state.held, here, {n_held, 0});
        if (here.empty()) continue;
        if (only >= 0) return out;
        only = byte;
        next = std::move(here);
      }
      if (only < 0) return out;
      state.configs = std::move(next);
      out.push_back(static_cast<char>(only));
    }
    return out;
  }

  bool can_end() const {
    return std::any_of(configs.begin(), configs.end(), [](const Config& c) { return c.top.node == kDoneNode; });
  }
  bool must_end() const {
    return std::all_of(configs.begin(), configs.end(), [](const Config& c) { return c.top.node == kDoneNode; });
  }
};

Matcher::Matcher(std::shared_ptr<const Grammar> grammar) : state_(std::make_unique<State>(std::move(grammar))) {}
Matcher::~Matcher() = default;
Matcher::Matcher(const Matcher& other) : state_(std::make_unique<State>(*other.state_)) {}
Matcher& Matcher::operator=(const Matcher& other) {
  *state_ = *other.state_;
  return *this;
}

bool Matcher::accept(std::string_view bytes) { return state_->accept(bytes); }
bool Matcher::can_end() const { return state_->can_end(); }
bool Matcher::must_end() const { return state_->must_end(); }
std::string Matcher::forced(size_t max_bytes) const { return state_->forced(max_bytes); }

void Matcher::allowed_tokens(const TokenTrie& trie, std::span<uint64_t> mask, uint32_t room_tokens) const {
  DA_CHECK(mask.size() >= trie.impl_->n_words);
  const std::span<uint64_t> words = mask.first(trie.impl_->n_words);
  state_->allowed(*trie.impl_, words, room_tokens);
  // A vocabulary that cannot go the short way must go another.
  const bool none = std::all_of(words.begin(), words.end(), [](uint64_t word) { return word == 0; });
  if (none && room_tokens != kUnlimited && !must_end()) state_->allowed(*trie.impl_, words, kUnlimited);
  std::fill(mask.begin() + static_cast<ptrdiff_t>(trie.impl_->n_words), mask.end(), uint64_t{0});
}

}  // namespace da::grammar
