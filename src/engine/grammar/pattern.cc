#include "engine/grammar/pattern.h"

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "engine/grammar/pattern_syntax.h"
#include "engine/grammar/string_bytes.h"

namespace da::grammar {

// Subsets of the pattern's nodes, then, where lengths matter, pairs of a subset and a length.
class PatternBuilder {
 public:
  explicit PatternBuilder(PatternNodes nodes) : p_(std::move(nodes)), prefix_(static_cast<uint32_t>(p_.nodes.size())) {}

  Result<Pattern> run(uint32_t min, uint32_t max) {
    DA_RETURN_IF_ERROR(find_subsets());
    find_characters_left();
    if (states_[0].left == kNone) return nothing();
    const uint32_t shortest = states_[0].left;
    if (min > shortest || max < longest()) {
      DA_RETURN_IF_ERROR(add_lengths(min, max));
      find_characters_left();
      if (states_[0].left == kNone) return nothing();
    }
    return pattern();
  }

 private:
  using Set = std::vector<uint32_t>;
  using Kind = PatternNodes::Kind;
  struct State {
    std::vector<Pattern::Edge> edges;
    bool accepts = false;
    uint32_t left = UINT32_MAX;
  };
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kMaxStates = 20000, kMaxEdges = 200000;
  static constexpr size_t kMaxWork = 20000000;

  static Status nothing() { return {ErrorCode::kInvalidArgument, "no string matches this"}; }
  static Status too_large() { return {ErrorCode::kResourceExhausted, "the pattern's automaton is too large"}; }

  // Nodes that are reached freely from `set` and that do or wait for something.
  Set closure(Set open, bool at_start, bool at_end) {
    Set out;
    seen_.assign(p_.nodes.size() + 1, false);
    while (!open.empty()) {
      const uint32_t at = open.back();
      open.pop_back();
      if (at == kNone || seen_[at]) continue;
      seen_[at] = true;
      ++work_;
      if (at == prefix_) {
        out.push_back(at);
        continue;
      }
      const PatternNodes::Node& node = p_.nodes[at];
      switch (node.kind) {
        case Kind::kSplit:
          open.push_back(node.out);
          open.push_back(node.other);
          break;
        case Kind::kAtStart:
          if (at_start) open.push_back(node.out);
          break;
        case Kind::kAtEnd:
          if (at_end) open.push_back(node.out);
          out.push_back(at);
          break;
        case Kind::kRanges:
        case Kind::kMatch:
          out.push_back(at);
          break;
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  bool is_match(uint32_t at) const { return at != prefix_ && p_.nodes[at].kind == Kind::kMatch; }
  bool accepts(const Set& set, bool at_start) {
    const Set at_end = closure(set, at_start, true);
    return std::any_of(at_end.begin(), at_end.end(), [&](uint32_t at) { return is_match(at); });
  }

  // What `at` goes by, and where to.
  const std::vector<CodeRange>& ranges_of(uint32_t at) const {
    static const std::vector<CodeRange> kAny = any_character(), kEmpty;
    if (at == prefix_ || is_match(at)) return kAny;
    return p_.nodes[at].kind == Kind::kRanges ? p_.ranges[p_.nodes[at].ranges] : kEmpty;
  }
  void follow(uint32_t at, Set& to) const {
    if (at == prefix_) {
      to.push_back(prefix_);
      to.push_back(p_.start);
    } else {
      to.push_back(is_match(at) ? at : p_.nodes[at].out);
    }
  }

  Status find_subsets() {
    std::map<Set, uint32_t> known;
    std::vector<const Set*> sets;
    const auto state_of = [&](Set set) {
      const auto [found, is_new] = known.emplace(std::move(set), static_cast<uint32_t>(sets.size()));
      if (is_new) {
        sets.push_back(&found->first);
        states_.push_back({{}, accepts(found->first, sets.size() == 1)});
      }
      return found->second;
    };
    // The place before the first character is a state of its own: nothing leads back to it.
    Set start = closure({p_.start, prefix_}, true, false);
    state_of(std::move(start));
    size_t n_edges = 0;
    for (uint32_t i = 0; i < sets.size(); ++i) {
      const Set set = *sets[i];
      std::vector<char32_t> cuts;
      for (const uint32_t at : set) {
        for (const auto& [first, last] : ranges_of(at)) {
          cuts.push_back(first);
          cuts.push_back(last + 1);
        }
      }
      std::sort(cuts.begin(), cuts.end());
      cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
      for (size_t c = 0; c + 1 < cuts.size(); ++c) {
        Set to;
        for (const uint32_t at : set) {
          const auto& ranges = ranges_of(at);
          const auto found = std::upper_bound(ranges.begin(), ranges.end(), cuts[c],
                                              [](char32_t v, const CodeRange& r) { return v < r.first; });
          if (found != ranges.begin() && cuts[c] <= std::prev(found)->second) follow(at, to);
        }
        work_ += set.size();
        if (to.empty()) continue;
        to = closure(std::move(to), false, false);
        // Once it has matched somewhere, everything after is fine.
        if (std::any_of(to.begin(), to.end(), [&](uint32_t at) { return is_match(at); }))
          std::erase_if(to, [&](uint32_t at) { return !is_match(at); });
        const uint32_t target = state_of(std::move(to));  // may move the states
        add_edge(states_[i].edges, {cuts[c], cuts[c + 1] - 1, 0}, target);
        if (sets.size() > kMaxStates || ++n_edges > kMaxEdges || work_ > kMaxWork) return too_large();
      }
    }
    return Status::ok();
  }

  static void add_edge(std::vector<Pattern::Edge>& edges, Pattern::Edge edge, uint32_t target) {
    edge.target = target;
    if (!edges.empty() && edges.back().target == target && edges.back().last + 1 == edge.first) {
      edges.back().last = edge.last;
    } else {
      edges.push_back(edge);
    }
  }

  // Backwards from the states that accept, one character at a time.
  void find_characters_left() {
    std::vector<std::vector<uint32_t>> from(states_.size());
    std::vector<uint32_t> open, next;
    for (uint32_t i = 0; i < states_.size(); ++i) {
      for (const Pattern::Edge& edge : states_[i].edges) from[edge.target].push_back(i);
      states_[i].left = states_[i].accepts ? 0 : kNone;
      if (states_[i].accepts) open.push_back(i);
    }
    for (uint32_t left = 1; !open.empty(); ++left, open.swap(next)) {
      next.clear();
      for (const uint32_t target : open) {
        for (const uint32_t i : from[target]) {
          if (states_[i].left != kNone) continue;
          states_[i].left = left;
          next.push_back(i);
        }
      }
    }
  }

  // Characters of the longest match; kNone if there is no longest.
  uint32_t longest() const {
    // Depth first over the states that lead to an end; one that is open already means a circle.
    std::vector<uint32_t> longest(states_.size(), 0);
    std::vector<uint8_t> mark(states_.size(), 0);
    std::vector<std::pair<uint32_t, size_t>> path{{0, 0}};
    mark[0] = 1;
    while (!path.empty()) {
      auto& [at, edge] = path.back();
      if (edge < states_[at].edges.size()) {
        const uint32_t target = states_[at].edges[edge].target;
        if (states_[target].left == kNone || mark[target] == 2) {
          if (mark[target] == 2) longest[at] = std::max(longest[at], longest[target] + 1);
          ++edge;
        } else if (mark[target] == 1) {
          return kNone;
        } else {
          mark[target] = 1;
          path.emplace_back(target, 0);
        }
      } else {
        mark[at] = 2;
        path.pop_back();
      }
    }
    return longest[0];
  }

  Status add_lengths(uint32_t min, uint32_t max) {
    std::vector<State> old = std::move(states_);
    states_.clear();
    std::map<std::pair<uint32_t, uint32_t>, uint32_t> known;
    std::vector<std::pair<uint32_t, uint32_t>> pairs;  // state, length (of what matters of it)
    const auto state_of = [&](uint32_t state, uint32_t length) {
      const auto [found, is_new] = known.emplace(std::pair(state, length), static_cast<uint32_t>(pairs.size()));
      if (is_new) {
        pairs.emplace_back(state, length);
        states_.push_back({{}, old[state].accepts && length >= min});
      }
      return found->second;
    };
    state_of(0, 0);
    size_t n_edges = 0;
    for (uint32_t i = 0; i < pairs.size(); ++i) {
      const auto [state, length] = pairs[i];
      if (length == max) continue;
      for (const Pattern::Edge& edge : old[state].edges) {
        if (old[edge.target].left == kNone || (max != kNone && length + 1 + uint64_t{old[edge.target].left} > max))
          continue;
        const uint32_t target = state_of(edge.target, max == kNone ? std::min(length + 1, min) : length + 1);
        add_edge(states_[i].edges, edge, target);
        if (pairs.size() > kMaxStates || ++n_edges > kMaxEdges) return too_large();
      }
    }
    return Status::ok();
  }

  Pattern pattern() const {
    Pattern out;
    std::vector<uint32_t> place(states_.size(), kNone);
    uint32_t n = 0;
    for (size_t i = 0; i < states_.size(); ++i) {
      if (states_[i].left != kNone) place[i] = n++;
    }
    for (const State& state : states_) {
      if (state.left == kNone) continue;
      Pattern::State made;
      made.first_edge = static_cast<uint32_t>(out.edges_.size());
      for (const Pattern::Edge& edge : state.edges) {
        if (place[edge.target] != kNone) out.edges_.push_back({edge.first, edge.last, place[edge.target]});
      }
      made.end_edge = static_cast<uint32_t>(out.edges_.size());
      out.states_.push_back(made);
    }
    measure(out);
    return out;
  }

  // Bytes to the end, from the states nearest to it outwards, and the table of the common characters.
  void measure(Pattern& out) const {
    std::vector<std::pair<uint32_t, uint32_t>> order;  // characters to the end, state
    for (const State& state : states_) {
      if (state.left != kNone) order.emplace_back(state.left, static_cast<uint32_t>(order.size()));
    }
    std::vector<uint32_t> left(order.size());
    for (const auto& [characters, at] : order) left[at] = characters;
    std::sort(order.begin(), order.end());
    const auto edges_of = [&](uint32_t at) {
      return std::span(out.edges_)
          .subspan(out.states_[at].first_edge, out.states_[at].end_edge - out.states_[at].first_edge);
    };
    for (const auto& [characters, at] : order) {
      if (characters == 0) continue;
      uint32_t least = kNone;
      for (const Pattern::Edge& edge : edges_of(at)) {
        if (left[edge.target] < characters)
          least = std::min(least, out.states_[edge.target].bytes_left + written_bytes(edge.first));
      }
      out.states_[at].bytes_left = least;
    }
    const bool tabled = out.states_.size() <= Pattern::kMaxTabled;
    if (tabled) out.ascii_.assign(out.states_.size() * Pattern::kAscii, kNone);
    for (uint32_t at = 0; at < out.states_.size(); ++at) {
      for (const Pattern::Edge& edge : edges_of(at)) {
        const uint32_t before = out.states_[at].bytes_left, after = out.states_[edge.target].bytes_left;
        if (after > before) out.growth_ = std::max(out.growth_, after - before);
        for (char32_t c = edge.first; tabled && c <= edge.last && c < Pattern::kAscii; ++c)
          out.ascii_[at * Pattern::kAscii + c] = edge.target;
      }
    }
  }

  PatternNodes p_;
  const uint32_t prefix_;  // stands for what comes before the match
  std::vector<State> states_;
  std::vector<bool> seen_;
  size_t work_ = 0;
};

Result<Pattern> Pattern::compile(std::string_view pattern, uint32_t min, uint32_t max) {
  DA_ASSIGN_OR_RETURN(PatternNodes nodes, parse_pattern(pattern));
  return PatternBuilder(std::move(nodes)).run(min, max);
}

uint32_t Pattern::next(uint32_t state, char32_t c) const {
  if (c < kAscii && !ascii_.empty()) return ascii_[state * kAscii + c];
  const auto begin = edges_.begin() + states_[state].first_edge, end = edges_.begin() + states_[state].end_edge;
  const auto found = std::lower_bound(begin, end, c, [](const Edge& e, char32_t v) { return e.last < v; });
  return found == end || c < found->first ? kNone : found->target;
}

char32_t Pattern::first_in(uint32_t state, char32_t from, char32_t last) const {
  const auto begin = edges_.begin() + states_[state].first_edge, end = edges_.begin() + states_[state].end_edge;
  const auto found = std::lower_bound(begin, end, from, [](const Edge& e, char32_t v) { return e.last < v; });
  if (found == end) return UINT32_MAX;
  const char32_t first = std::max(from, found->first);
  return first <= last ? first : UINT32_MAX;
}

}  // namespace da::grammar
