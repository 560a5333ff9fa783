#include "engine/grammar/pattern_syntax.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/utf8.h"

namespace da::grammar {
namespace {

using Kind = PatternNodes::Kind;
using Ranges = std::vector<CodeRange>;

constexpr uint32_t kOpen = UINT32_MAX;  // a move that leads nowhere (yet)
constexpr uint32_t kNoLimit = UINT32_MAX;
constexpr uint32_t kMaxRepeats = 4096;
constexpr int kMaxNesting = 64;

void normalize(Ranges& ranges) {
  std::sort(ranges.begin(), ranges.end());
  Ranges out;
  for (const CodeRange& range : ranges) {
    if (!out.empty() && range.first <= out.back().second + 1) {
      out.back().second = std::max(out.back().second, range.second);
    } else {
      out.push_back(range);
    }
  }
  ranges = std::move(out);
}

// What is in any_character() but not in `ranges`, which are normalized.
Ranges complement(const Ranges& ranges) {
  Ranges out;
  for (auto [first, last] : any_character()) {
    for (const auto& [a, b] : ranges) {
      if (b < first || a > last) continue;
      if (a > first) out.emplace_back(first, a - 1);
      first = b + 1;
      if (first > last) break;
    }
    if (first <= last) out.emplace_back(first, last);
  }
  return out;
}

const Ranges kDigits = {{'0', '9'}};
const Ranges kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
// As ECMAScript has it; only the four plain ones are produced by \s itself.
const Ranges kSpaces = {{9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
                        {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const Ranges kPlainSpaces = {{9, 10}, {13, 13}, {' ', ' '}};

// A piece under construction: where it begins, and the moves that still lead nowhere.
struct Piece {
  uint32_t start;
  std::vector<std::pair<uint32_t, bool>> ends;  // node, whether its `other`
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<PatternNodes> run() {
    DA_ASSIGN_OR_RETURN(Piece piece, alternatives(0));
    if (at_ < text_.size()) return fault("\")\" without \"(\"");
    connect(piece, add({Kind::kMatch}));
    out_.start = piece.start;
    return std::move(out_);
  }

 private:
  Status fault(const char* what) const {
    return {ErrorCode::kInvalidArgument, std::string(what) + " at byte " + std::to_string(at_) + " of the pattern"};
  }
  Status unsupported(const char* what) const {
    return {ErrorCode::kUnsupported,
            std::string(what) + " at byte " + std::to_string(at_) + " of the pattern is not enforced"};
  }
  bool more() const { return at_ < text_.size(); }
  bool take(std::string_view s) {
    if (!text_.substr(at_).starts_with(s)) return false;
    at_ += s.size();
    return true;
  }
  uint32_t add(PatternNodes::Node node) {
    out_.nodes.push_back(node);
    return static_cast<uint32_t>(out_.nodes.size() - 1);
  }
  void connect(const Piece& piece, uint32_t target) {
    for (const auto& [node, other] : piece.ends) (other ? out_.nodes[node].other : out_.nodes[node].out) = target;
  }
  Piece one(Kind kind) {
    const uint32_t node = add({kind});
    return {node, {{node, false}}};
  }
  Piece one_of(Ranges ranges) {
    normalize(ranges);
    out_.ranges.push_back(std::move(ranges));
    const uint32_t node = add({Kind::kRanges, static_cast<uint32_t>(out_.ranges.size() - 1)});
    return {node, {{node, false}}};
  }

  Result<Piece> alternatives(int depth) {
    if (depth > kMaxNesting)
      return Status(ErrorCode::kResourceExhausted, "the pattern's groups nest deeper than 64 levels");
    DA_ASSIGN_OR_RETURN(Piece all, sequence(depth));
    while (more() && text_[at_] == '|') {
      ++at_;
      DA_ASSIGN_OR_RETURN(Piece next, sequence(depth));
      const uint32_t split = add({Kind::kSplit, 0, all.start, next.start});
      all.start = split;
      all.ends.insert(all.ends.end(), next.ends.begin(), next.ends.end());
    }
    return all;
  }

  Result<Piece> sequence(int depth) {
    Piece all = one(Kind::kSplit);
    while (more() && text_[at_] != '|' && text_[at_] != ')') {
      const size_t begin = at_;
      DA_ASSIGN_OR_RETURN(Piece next, atom(depth));
      DA_RETURN_IF_ERROR(quantify(next, begin, depth));
      connect(all, next.start);
      all.ends = std::move(next.ends);
      if (out_.nodes.size() > PatternNodes::kMaxNodes) return too_large();
    }
    return all;
  }

  static Status too_large() {
    return {ErrorCode::kResourceExhausted, "the pattern has more than 20000 parts, repeated ones counted"};
  }

  // A quantifier repeats the text from `begin` on: each copy is parsed anew.
  Status quantify(Piece& piece, size_t begin, int depth) {
    uint32_t least = 1, most = 1;
    const size_t end = at_;
    if (!more()) return Status::ok();
    if (take("*")) {
      least = 0;
      most = kNoLimit;
    } else if (take("+")) {
      most = kNoLimit;
    } else if (take("?")) {
      least = 0;
    } else if (text_[at_] == '{') {
      DA_RETURN_IF_ERROR(counts(least, most));
    } else {
      return Status::ok();
    }
    if (!take("?") && more() && text_[at_] == '+') return fault("nothing to repeat");
    const size_t after = at_;
    if (most != kNoLimit && (least > most || most > kMaxRepeats)) {
      return least > most ? fault("a smaller maximum than minimum")
                          : Status(ErrorCode::kResourceExhausted, "the pattern repeats a part more than 4096 times");
    }
    if (least > kMaxRepeats) return {ErrorCode::kResourceExhausted, "the pattern repeats a part more than 4096 times"};
    // piece, and copies of it, one after another; those past the minimum may be left out.
    Piece all = one(Kind::kSplit);
    std::vector<std::pair<uint32_t, bool>> exits;
    const uint32_t copies = most == kNoLimit ? std::max(least, 1u) : most;
    for (uint32_t i = 0; i < copies; ++i) {
      Piece copy = piece;
      if (i > 0) {
        at_ = begin;
        DA_ASSIGN_OR_RETURN(copy, atom(depth));
        if (at_ != end) return fault("nothing to repeat");
        if (out_.nodes.size() > PatternNodes::kMaxNodes) return too_large();
      }
      const bool optional = i >= least;
      const bool loops = most == kNoLimit && i + 1 == copies;
      if (optional) {
        const uint32_t split = add({Kind::kSplit, 0, copy.start, kOpen});
        connect(all, split);
        exits.emplace_back(split, true);
      } else {
        connect(all, copy.start);
      }
      if (loops) {
        const uint32_t again = add({Kind::kSplit, 0, copy.start, kOpen});
        connect(copy, again);
        copy.ends = {{again, true}};
      }
      all.ends = std::move(copy.ends);
    }
    all.ends.insert(all.ends.end(), exits.begin(), exits.end());
    piece = std::move(all);
    at_ = after;
    return Status::ok();
  }

  Status counts(uint32_t& least, uint32_t& most) {
    const auto number = [&](uint32_t& value) {
      const size_t from = at_;
      uint64_t n = 0;
      for (; more() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
        n = std::min<uint64_t>(n * 10 + static_cast<uint64_t>(text_[at_] - '0'), kMaxRepeats + 1);
      value = static_cast<uint32_t>(n);
      return at_ > from;
    };
    ++at_;
    if (!number(least)) return fault("expected a count after \"{\"");
    most = least;
    if (take(",") && !number(most)) most = kNoLimit;
    return take("}") ? Status::ok() : fault("expected \"}\"");
  }

  Result<Piece> atom(int depth) {
    const char c = text_[at_];
    if (c == '(') return group(depth);
    if (c == '[') return char_class();
    if (c == '*' || c == '+' || c == '?' || c == '{') return fault("nothing to repeat");
    ++at_;
    if (c == '^') return one(Kind::kAtStart);
    if (c == '$') return one(Kind::kAtEnd);
    if (c == '.') return one_of(complement({{0x2028, 0x2029}}));
    --at_;
    if (c == '\\') {
      DA_ASSIGN_OR_RETURN(Ranges ranges, escape(false));
      return one_of(std::move(ranges));
    }
    const char32_t literal = character();
    return one_of({{literal, literal}});
  }

  char32_t character() {
    const utf8::Decoded decoded = utf8::decode_one(text_.substr(at_));
    at_ += decoded.length;
    return decoded.code_point;
  }

  Result<Piece> group(int depth) {
    ++at_;
    if (take("?")) {
      const bool named = text_.substr(at_).starts_with("<") && !text_.substr(at_).starts_with("<=") &&
                         !text_.substr(at_).starts_with("<!");
      if (named) {
        at_ = std::min(text_.find('>', at_), text_.size() - 1) + 1;
      } else if (!take(":")) {
        return unsupported("look-around or a flag");
      }
    }
    DA_ASSIGN_OR_RETURN(Piece inside, alternatives(depth + 1));
    if (!take(")")) return fault("\"(\" without \")\"");
    return inside;
  }

  Result<Piece> char_class() {
    ++at_;
    const bool negated = take("^");
    Ranges ranges;
    while (more() && text_[at_] != ']') {
      DA_ASSIGN_OR_RETURN(Ranges from, class_member());
      const bool single = from.size() == 1 && from[0].first == from[0].second;
      if (single && at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
        ++at_;
        DA_ASSIGN_OR_RETURN(Ranges to, class_member());
        if (to.size() != 1 || to[0].first != to[0].second || to[0].first < from[0].first)
          return fault("a range out of order");
        from[0].second = to[0].first;
      }
      ranges.insert(ranges.end(), from.begin(), from.end());
    }
    if (!take("]")) return fault("\"[\" without \"]\"");
    normalize(ranges);
    if (negated) return one_of(complement(ranges));
    // Surrogates are no characters.
    Ranges sound = complement(complement(ranges));
    for (const auto& [first, last] : ranges) {
      const char32_t low = std::max<char32_t>(first, 1), high = std::min<char32_t>(last, 0x1F);
      if (low <= high) sound.emplace_back(low, high);
      if (first <= 0x7F && last >= 0x7F) sound.emplace_back(0x7F, 0x7F);
    }
    return one_of(std::move(sound));
  }

  Result<Ranges> class_member() {
    if (text_[at_] == '\\') return escape(true);
    const char32_t literal = character();
    return Ranges{{literal, literal}};
  }

  Result<Ranges> escape(bool in_class) {
    ++at_;
    if (!more()) return fault("nothing after \"\\\"");
    const char c = text_[at_];
    const auto single = [&](char32_t code_point) {
      ++at_;
      return Ranges{{code_point, code_point}};
    };
    const auto set = [&](Ranges ranges) {
      ++at_;
      return ranges;
    };
    switch (c) {
      case 'd':
        return set(kDigits);
      case 'D':
        return set(complement(kDigits));
      case 'w':
        return set(kWord);
      case 'W':
        return set(complement(kWord));
      case 's':
        return set(kPlainSpaces);
      case 'S':
        return set(complement(kSpaces));
      case 't':
        return single('\t');
      case 'n':
        return single('\n');
      case 'r':
        return single('\r');
      case 'f':
        return single('\f');
      case 'v':
        return single('\v');
      case 'x':
        return hex(2);
      case 'u':
        return hex(4);
      case 'b':
        if (in_class) return single('\b');
        return unsupported("\\b");
      default:
        break;
    }
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return unsupported("this escape");
    const char32_t literal = character();
    return Ranges{{literal, literal}};
  }

  Result<Ranges> hex(size_t n_digits) {
    ++at_;
    const bool braced = n_digits == 4 && take("{");
    char32_t value = 0;
    size_t n = 0;
    for (; more() && (braced ? n < 6 : n < n_digits); ++n, ++at_) {
      const char c = text_[at_];
      const int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
      if (digit < 0) break;
      value = value << 4 | static_cast<char32_t>(digit);
    }
    if (n == 0 || (!braced && n < n_digits) || (braced && !take("}")) || value > 0x10FFFF)
      return fault("a broken escape");
    if (value == 0 || (value >= 0xD800 && value <= 0xDFFF)) return unsupported("half of a character");
    return Ranges{{value, value}};
  }

  std::string_view text_;
  size_t at_ = 0;
  PatternNodes out_;
};

}  // namespace

std::vector<CodeRange> any_character() { return {{0x20, 0x7E}, {0x80, 0xD7FF}, {0xE000, 0x10FFFF}}; }

Result<PatternNodes> parse_pattern(std::string_view pattern) {
  if (const auto offset = utf8::find_invalid(pattern))
    return Status(ErrorCode::kInvalidArgument, "the pattern is not UTF-8 at byte " + std::to_string(*offset));
  return Parser(pattern).run();
}

}  // namespace da::grammar
