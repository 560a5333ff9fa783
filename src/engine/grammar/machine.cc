#include "engine/grammar/machine.h"

#include <algorithm>
#include <string_view>

#include "engine/grammar/phases.h"

namespace da::grammar {
namespace {

bool is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

// One byte of a number without bounds: JSON's grammar, with the lengths of its parts bounded.
bool step_free_number(Frame& f, uint8_t byte) {
  const auto go = [&](NumberPhase phase, uint32_t count) {
    f.phase = phase;
    f.count = count;
    return true;
  };
  const bool digit = is_digit(byte);
  const bool exponent = byte == 'e' || byte == 'E';
  switch (static_cast<NumberPhase>(f.phase)) {
    case kStart:
      if (byte == '-') return go(kMinus, 0);
      [[fallthrough]];
    case kMinus:
      return digit && go(byte == '0' ? kZero : kInteger, 1);
    case kInteger:
      if (digit) return f.count < kFreeDigits && go(kInteger, f.count + 1);
      [[fallthrough]];
    case kZero:
      return byte == '.' ? go(kPoint, 0) : exponent && go(kExponent, 0);
    case kPoint:
      return digit && go(kFraction, 1);
    case kFraction:
      return digit ? f.count < kFreeDigits && go(kFraction, f.count + 1) : exponent && go(kExponent, 0);
    case kExponent:
      if (byte == '+' || byte == '-') return go(kExponentSign, 0);
      [[fallthrough]];
    case kExponentSign:
      return digit && go(kExponentDigits, 1);
    case kExponentDigits:
      return digit && f.count < kFreeExponentDigits && go(kExponentDigits, f.count + 1);
  }
  return false;
}

bool step_bounded_number(const DecimalRange& range, Frame& f, uint8_t byte) {
  const bool negative = (f.phase & kNegative) != 0;
  const auto phase = static_cast<NumberPhase>(f.phase & ~kNegative);
  uint64_t value = (uint64_t{f.b} << 32) | f.a;
  const auto go = [&](NumberPhase next, bool sign) {
    f.phase = next | (sign ? kNegative : 0);
    f.a = static_cast<uint32_t>(value);
    f.b = static_cast<uint32_t>(value >> 32);
    return true;
  };
  if (byte == '-') return phase == kStart && range.has_sign(true) && go(kMinus, true);
  if (byte == '.') {
    return (phase == kZero || phase == kInteger) && range.fraction_digits() > 0 &&
           range.fraction_viable(negative, value, 0) && go(kPoint, negative);
  }
  if (!is_digit(byte)) return false;
  const uint64_t digit = byte - '0';
  if (value > (UINT64_MAX - digit) / 10) return false;
  value = value * 10 + digit;
  if (phase == kStart || phase == kMinus || phase == kInteger) {
    return range.integer_viable(negative, value) && go(value == 0 ? kZero : kInteger, negative);
  }
  if (phase == kPoint || phase == kFraction) {
    ++f.count;
    return range.fraction_viable(negative, value, static_cast<int>(f.count)) && go(kFraction, negative);
  }
  return false;
}

bool step_number_byte(const NumberRule& rule, Frame& f, uint8_t byte) {
  return rule.bounded ? step_bounded_number(rule.range, f, byte) : step_free_number(f, byte);
}

bool number_may_go_on(const NumberRule& rule, const Frame& f) {
  constexpr std::string_view kBytes = "0123456789.e+-";
  return std::any_of(kBytes.begin(), kBytes.end(), [&](char byte) {
    Frame next = f;
    return step_number_byte(rule, next, static_cast<uint8_t>(byte));
  });
}

bool number_may_end(const NumberRule& rule, const Frame& f) {
  const uint32_t phase = f.phase & ~kNegative;
  if (!rule.bounded) return phase == kZero || phase == kInteger || phase == kFraction || phase == kExponentDigits;
  return (phase == kZero || phase == kInteger || phase == kFraction) &&
         rule.range.contains((f.phase & kNegative) != 0, (uint64_t{f.b} << 32) | f.a, static_cast<int>(f.count));
}

}  // namespace

void Machine::start(std::vector<Held>& held, std::vector<Config>& out) const {
  Step s{held, out, {held.size(), out.size()}};
  enter(s, program_->root, -1);
}

void Machine::finish(int32_t parent, std::vector<Held>& held, std::vector<Config>& out, Batch batch) const {
  Step s{held, out, batch};
  finish(s, parent, 0);
}

void Machine::step(const Config& config, uint8_t byte, std::vector<Held>& held, std::vector<Config>& out,
                   Batch batch) const {
  if (config.top.node == kDoneNode) return;
  Step s{held, out, batch};
  switch (kind(config.top)) {
    case NodeKind::kLiteral:
      return step_literal(s, config, byte);
    case NodeKind::kNumber:
      return step_number(s, config, byte);
    case NodeKind::kObject:
      return step_object(s, config, byte);
    case NodeKind::kArray:
      return step_array(s, config, byte);
    case NodeKind::kString:
    case NodeKind::kPattern: {
      Config next = config;
      const bool free = kind(config.top) == NodeKind::kString;
      const StringStep result = free ? step_string(*program_, next.top, byte) : step_pattern(*program_, next.top, byte);
      if (result == StringStep::kStays) add(s, next);
      if (result == StringStep::kCloses) finish(s, config.parent, 0);
      return;
    }
    case NodeKind::kSource: {
      Config next = config;
      const Used used = used_by(held, unique_list(held, config.parent));
      const StringStep result = step_source(*program_, used, next.top, byte);
      if (result == StringStep::kStays) add(s, next);
      if (result == StringStep::kCloses) finish(s, add_used(s, next.top, config.parent), 0);
      return;
    }
  }
}

bool Machine::in_free_string(const Frame& frame) const {
  return frame.node != kDoneNode && kind(frame) == NodeKind::kString && string_body_is_free(frame);
}

bool Machine::in_pattern(const Frame& frame) const {
  return frame.node != kDoneNode && kind(frame) == NodeKind::kPattern && pattern_body_is_free(frame);
}

void Machine::add(Step& s, const Config& config) const {
  const auto begin = s.out.begin() + static_cast<ptrdiff_t>(s.batch.out_begin);
  if (s.out.size() - s.batch.out_begin >= kMaxConfigs || std::find(begin, s.out.end(), config) != s.out.end()) return;
  s.out.push_back(config);
}

int32_t Machine::push(Step& s, const Frame& frame, int32_t parent) const {
  for (size_t i = s.batch.held_begin; i < s.held.size(); ++i) {
    if (s.held[i].frame == frame && s.held[i].parent == parent) return static_cast<int32_t>(i);
  }
  const uint32_t below = parent < 0 ? 0 : s.held[static_cast<size_t>(parent)].depth;
  const uint32_t left = parent < 0 ? 0 : s.held[static_cast<size_t>(parent)].bytes_left;
  s.held.push_back({frame, parent, below + 1, std::min(left + held_bytes_left(frame), kFar)});
  return static_cast<int32_t>(s.held.size() - 1);
}

bool Machine::fits(uint32_t choice, uint32_t depth) const {
  const uint32_t needed = program_->choices[choice].min_depth;
  return needed != kNever && depth + needed <= kMaxDepth;
}

void Machine::enter(Step& s, uint32_t choice, int32_t parent) const {
  const uint32_t depth = parent < 0 ? 0 : s.held[static_cast<size_t>(parent)].depth;
  for (const uint32_t id : program_->choices[choice].nodes) {
    const Node& node = program_->nodes[id];
    if (node.min_depth != kNever && depth + node.min_depth <= kMaxDepth) add(s, {{.node = id}, parent});
  }
}

void Machine::finish(Step& s, int32_t parent, uint32_t result) const {
  if (parent < 0) return add(s, {{.node = kDoneNode}, -1});
  const Held held = s.held[static_cast<size_t>(parent)];
  Frame frame = held.frame;
  if (kind(frame) == NodeKind::kArray) {
    // Beyond the minimum of an unbounded array the count no longer matters; letting it stand merges equal places.
    const ArrayRule& rule = program_->arrays[program_->nodes[frame.node].rule];
    if (rule.max != kUnbounded || frame.count < rule.min) ++frame.count;
    frame.phase = kAfterValue;
    return add(s, {frame, held.parent});
  }
  const ObjectRule& rule = program_->objects[program_->nodes[frame.node].rule];
  switch (static_cast<ContainerPhase>(frame.phase)) {
    case kInKey:
      frame.count = result + 1;
      frame.phase = kInValue;
      return enter(s, rule.properties[result].value, push(s, frame, held.parent));
    case kInExtraKey:
      frame.count = static_cast<uint32_t>(rule.properties.size());
      frame.phase = kColon;
      return add(s, {frame, held.parent});
    case kInValue:
      frame.phase = kAfterValue;
      return add(s, {frame, held.parent});
    case kOpen:
    case kFirst:
    case kColon:
    case kAfterColon:
    case kAfterValue:
    case kAfterComma:
      DA_CHECK(false);
  }
}

// a: node of the trie; keys: count and b are the first and last property that may be named.
void Machine::step_literal(Step& s, Config config, uint8_t byte) const {
  const LiteralRule& rule = program_->literals[program_->nodes[config.top.node].rule];
  const uint32_t next = rule.set.child(config.top.a, byte);
  if (next == LiteralSet::kNone) return;
  const bool is_key = rule.object >= 0;
  if (is_key) {
    const uint32_t depth = s.held[static_cast<size_t>(config.parent)].depth;
    if (!key_viable(rule, next, config.top.count, config.top.b, depth)) return;
  }
  const int32_t list = is_key ? -1 : unique_list(s.held, config.parent);
  const Used used = used_by(s.held, list);
  if (list >= 0 && !literal_unused(rule, next, used)) return;
  config.top.a = next;
  if (!rule.set.is_leaf(next)) add(s, config);
  const uint32_t ends = rule.set.ends(next);
  if (ends == LiteralSet::kNone) return;
  if (list < 0) return finish(s, config.parent, ends);
  const Frame literal{.node = config.top.node, .a = ends};
  if (!is_used(literal, used)) finish(s, add_used(s, literal, config.parent), ends);
}

void Machine::step_number(Step& s, Config config, uint8_t byte) const {
  const NumberRule& rule = program_->numbers[program_->nodes[config.top.node].rule];
  if (!step_number_byte(rule, config.top, byte)) return;
  if (number_may_go_on(rule, config.top)) add(s, config);
  if (number_may_end(rule, config.top)) finish(s, config.parent, 0);
}

uint32_t Machine::last_key(const ObjectRule& rule, uint32_t from) const {
  return std::min(rule.next_required[from], static_cast<uint32_t>(rule.properties.size()) - 1);
}

bool Machine::any_key(const ObjectRule& rule, uint32_t from, uint32_t depth) const {
  if (from < rule.properties.size()) {
    for (uint32_t i = from; i <= last_key(rule, from); ++i) {
      if (fits(rule.properties[i].value, depth)) return true;
    }
  }
  return rule.extra_key >= 0 && may_close(rule, from) && fits(rule.extra_value, depth);
}

bool Machine::key_viable(const LiteralRule& rule, uint32_t trie_node, uint32_t from, uint32_t last,
                         uint32_t depth) const {
  const ObjectRule& object = program_->objects[static_cast<size_t>(rule.object)];
  for (uint32_t i = rule.set.next_index(trie_node, from); i != LiteralSet::kNone && i <= last;
       i = rule.set.next_index(trie_node, i + 1)) {
    if (fits(object.properties[i].value, depth)) return true;
  }
  return false;
}

void Machine::enter_keys(Step& s, const Frame& object, int32_t parent) const {
  const ObjectRule& rule = program_->objects[program_->nodes[object.node].rule];
  const uint32_t depth = (parent < 0 ? 0 : s.held[static_cast<size_t>(parent)].depth) + 1;
  Frame held = object;
  if (rule.keys >= 0 && object.count < rule.properties.size()) {
    held.phase = kInKey;
    const auto keys = static_cast<uint32_t>(rule.keys);
    const uint32_t last = last_key(rule, object.count);
    const LiteralRule& literals = program_->literals[program_->nodes[keys].rule];
    if (key_viable(literals, LiteralSet::kRoot, object.count, last, depth)) {
      add(s, {{.node = keys, .count = object.count, .b = last}, push(s, held, parent)});
    }
  }
  if (rule.extra_key >= 0 && may_close(rule, object.count) && fits(rule.extra_value, depth)) {
    held.phase = kInExtraKey;
    add(s, {{.node = static_cast<uint32_t>(rule.extra_key)}, push(s, held, parent)});
  }
}

void Machine::step_object(Step& s, Config config, uint8_t byte) const {
  Frame& f = config.top;
  const ObjectRule& rule = program_->objects[program_->nodes[f.node].rule];
  const uint32_t depth = (config.parent < 0 ? 0 : s.held[static_cast<size_t>(config.parent)].depth) + 1;
  const auto enter_extra_value = [&] {
    f.phase = kInValue;
    enter(s, rule.extra_value, push(s, f, config.parent));
  };
  switch (static_cast<ContainerPhase>(f.phase)) {
    case kOpen:
      if (byte != '{') return;
      f.phase = kFirst;
      if (may_close(rule, 0)) add(s, config);
      return enter_keys(s, f, config.parent);
    case kAfterValue:
      if (byte == ',' && any_key(rule, f.count, depth)) {
        f.phase = kAfterComma;
        if (rule.spaces) add(s, config);
        return enter_keys(s, f, config.parent);
      }
      [[fallthrough]];
    case kFirst:
      if (byte == '}' && may_close(rule, f.count)) finish(s, config.parent, 0);
      return;
    case kAfterComma:
      if (byte == ' ') enter_keys(s, f, config.parent);
      return;
    case kColon:
      if (byte != ':') return;
      f.phase = kAfterColon;
      if (rule.spaces) add(s, config);
      return enter_extra_value();
    case kAfterColon:
      if (byte == ' ') enter_extra_value();
      return;
    case kInKey:
    case kInExtraKey:
    case kInValue:
      DA_CHECK(false);
  }
}

void Machine::step_array(Step& s, Config config, uint8_t byte) const {
  Frame& f = config.top;
  const ArrayRule& rule = program_->arrays[program_->nodes[f.node].rule];
  const uint32_t depth = (config.parent < 0 ? 0 : s.held[static_cast<size_t>(config.parent)].depth) + 1;
  const bool room = f.count < rule.max && fits(rule.items, depth) && any_unused(rule, s.held, f);
  const auto enter_item = [&] {
    f.phase = kInValue;
    enter(s, rule.items, push(s, f, config.parent));
  };
  switch (static_cast<ContainerPhase>(f.phase)) {
    case kOpen:
      if (byte != '[') return;
      f.phase = kFirst;
      if (rule.min == 0) add(s, config);
      if (room) enter_item();
      return;
    case kAfterValue:
      if (byte == ',' && room) {
        f.phase = kAfterComma;
        if (rule.spaces) add(s, config);
        return enter_item();
      }
      [[fallthrough]];
    case kFirst:
      if (byte == ']' && f.count >= rule.min) finish(s, config.parent, 0);
      return;
    case kAfterComma:
      if (byte == ' ') enter_item();
      return;
    case kInKey:
    case kInExtraKey:
    case kColon:
    case kAfterColon:
    case kInValue:
      DA_CHECK(false);
  }
}

}  // namespace da::grammar
