#include <algorithm>

#include "engine/grammar/machine.h"
#include "engine/grammar/phases.h"
#include "engine/grammar/schema_compiler.h"

// How far it is to the end of the document, in bytes, so that a text can be closed before its room runs out. The counts
// are of one short way, not of the shortest there is; from each place some byte makes them smaller.
namespace da::grammar {
namespace {

uint32_t sum(std::initializer_list<uint64_t> parts) {
  uint64_t total = 0;
  for (const uint64_t part : parts) total += part;
  return static_cast<uint32_t>(std::min<uint64_t>(total, kFar));
}

uint32_t number_bytes_left(const NumberRule& rule, const Frame& f) {
  const auto phase = static_cast<NumberPhase>(f.phase & ~kNegative);
  if (!rule.bounded)
    return phase == kStart || phase == kMinus || phase == kPoint || phase == kExponent || phase == kExponentSign ? 1
                                                                                                                 : 0;
  const bool negative = (f.phase & kNegative) != 0;
  const uint64_t value = uint64_t{f.b} << 32 | f.a;
  if (phase == kStart) return std::min(rule.range.bytes_from_start(false), 1 + rule.range.bytes_from_start(true));
  if (phase == kMinus) return rule.range.bytes_from_start(true);
  if (phase == kPoint || phase == kFraction)
    return rule.range.bytes_from_fraction(negative, value, static_cast<int>(f.count));
  return rule.range.bytes_from_integer(negative, value);
}

// The rest of an array of at least `min` items after `count` of them.
uint32_t items_left(const ArrayRule& rule, const Program& p, uint32_t count, bool comma) {
  const uint64_t missing = rule.min > count ? rule.min - count : 0;
  return sum({missing * (uint64_t{p.choices[rule.items].min_bytes} + 1), missing > 0 && !comma ? 0u : 1u});
}

}  // namespace

// Of an open object or array once the value inside is closed; for a key under way, see key_bytes_left.
uint32_t Machine::held_bytes_left(const Frame& f) const {
  if (f.node == kUsedNode) return 0;
  const Program& p = *program_;
  if (kind(f) == NodeKind::kArray) return items_left(p.arrays[p.nodes[f.node].rule], p, f.count + 1, true);
  const ObjectRule& rule = p.objects[p.nodes[f.node].rule];
  if (f.phase == kInKey) return 0;
  const uint32_t members = sum({rule.required_bytes[f.count], 1});
  return f.phase == kInExtraKey ? sum({1, p.choices[rule.extra_value].min_bytes, members}) : members;
}

uint32_t Machine::key_bytes_left(const Config& config, const std::vector<Held>& held) const {
  const LiteralRule& rule = program_->literals[program_->nodes[config.top.node].rule];
  const ObjectRule& object = program_->objects[static_cast<size_t>(rule.object)];
  uint32_t least = kFar;
  for (const uint32_t i : rule.set.below(config.top.a)) {
    if (i < config.top.count || i > config.top.b) continue;
    const uint64_t key = rule.set.texts()[i].size() - rule.set.depth(config.top.a);
    least = std::min(
        least, sum({key, program_->choices[object.properties[i].value].min_bytes, object.required_bytes[i + 1], 1}));
  }
  return sum({least, held[static_cast<size_t>(config.parent)].bytes_left});
}

uint32_t Machine::bytes_left(const Config& config, const std::vector<Held>& held) const {
  const Frame& f = config.top;
  if (f.node == kDoneNode) return 0;
  const Program& p = *program_;
  const Node& node = p.nodes[f.node];
  const uint32_t below = config.parent < 0 ? 0 : held[static_cast<size_t>(config.parent)].bytes_left;
  switch (node.kind) {
    case NodeKind::kLiteral:
      if (p.literals[node.rule].object >= 0) return key_bytes_left(config, held);
      return sum({p.literals[node.rule].set.shortest(f.a), below});
    case NodeKind::kString:
      return sum({string_bytes_left(p, f), below});
    case NodeKind::kPattern:
      return sum({pattern_bytes_left(p, f), below});
    case NodeKind::kSource:
      return sum({source_bytes_left(p, used_by(held, unique_list(held, config.parent)), f), below});
    case NodeKind::kNumber:
      return sum({number_bytes_left(p.numbers[node.rule], f), below});
    case NodeKind::kArray: {
      const ArrayRule& rule = p.arrays[node.rule];
      if (f.phase == kOpen) return sum({1, items_left(rule, p, 0, false), below});
      if (f.phase == kAfterComma) return sum({1, p.choices[rule.items].min_bytes, held_bytes_left(f), below});
      return sum({items_left(rule, p, f.count, true), below});
    }
    case NodeKind::kObject: {
      const ObjectRule& rule = p.objects[node.rule];
      const uint32_t members = sum({rule.required_bytes[f.count], 1});
      if (f.phase == kOpen) return sum({1, members - (members > 1 ? 1u : 0u), below});
      if (f.phase == kColon) return sum({1, p.choices[rule.extra_value].min_bytes, members, below});
      if (f.phase == kAfterColon) return sum({1, p.choices[rule.extra_value].min_bytes, members, below});
      // The space after a comma is there only in objects of any keys.
      if (f.phase == kAfterComma) return sum({4, p.choices[rule.extra_value].min_bytes, members, below});
      return sum({members, below});
    }
  }
  return kFar;
}

uint32_t SchemaCompiler::node_bytes(const Node& node) const {
  switch (node.kind) {
    case NodeKind::kLiteral:
      return p_.literals[node.rule].set.shortest(LiteralSet::kRoot);
    case NodeKind::kString:
      return string_bytes_left(p_, {.node = static_cast<uint32_t>(&node - p_.nodes.data())});
    case NodeKind::kPattern:
      return pattern_bytes_left(p_, {.node = static_cast<uint32_t>(&node - p_.nodes.data())});
    case NodeKind::kSource:
      return node.min_bytes;
    case NodeKind::kNumber:
      return number_bytes_left(p_.numbers[node.rule], {});
    case NodeKind::kArray:
      return sum({1, items_left(p_.arrays[node.rule], p_, 0, false)});
    case NodeKind::kObject: {
      const uint32_t members = p_.objects[node.rule].required_bytes[0];
      return sum({2, members - (members > 0 ? 1u : 0u)});
    }
  }
  return kFar;
}

// Like find_depths: a pass settles at least one more level.
void SchemaCompiler::find_lengths() {
  for (const Node& node : p_.nodes) {
    if (node.kind == NodeKind::kObject)
      p_.objects[node.rule].required_bytes.assign(p_.objects[node.rule].properties.size() + 1, 0);
  }
  for (uint32_t pass = 0; pass <= kMaxDepth; ++pass) {
    bool changed = false;
    for (Node& node : p_.nodes) {
      if (node.kind == NodeKind::kObject) {
        ObjectRule& rule = p_.objects[node.rule];
        for (size_t i = rule.properties.size(); i-- > 0;) {
          const Property& property = rule.properties[i];
          rule.required_bytes[i] =
              property.required
                  ? sum({rule.required_bytes[i + 1], 1, key_bytes(rule, i), p_.choices[property.value].min_bytes})
                  : rule.required_bytes[i + 1];
        }
      }
      if (node.min_depth != kNever) node.min_bytes = node_bytes(node);
    }
    for (Choice& choice : p_.choices) {
      uint32_t least = kFar;
      for (const uint32_t node : choice.nodes) least = std::min(least, p_.nodes[node].min_bytes);
      changed = changed || least != choice.min_bytes;
      choice.min_bytes = least;
    }
    if (!changed && pass > 0) break;
  }
  find_growth();
}

size_t SchemaCompiler::key_bytes(const ObjectRule& rule, size_t property) const {
  return p_.literals[p_.nodes[static_cast<size_t>(rule.keys)].rule].set.texts()[property].size();
}

// By one byte a value may be begun that was not due, or a longer one than the shortest.
void SchemaCompiler::find_growth() {
  uint64_t most = 32;
  for (const LiteralRule& rule : p_.literals) {
    for (const std::string& text : rule.set.texts()) most = std::max<uint64_t>(most, text.size());
  }
  for (const SourceRule& rule : p_.sources)
    most = std::max(most, 6 * (uint64_t{rule.min} + p_.source->longest_gap() + 2));
  for (const Pattern& pattern : p_.patterns) most = std::max<uint64_t>(most, pattern.growth() + 16);
  uint64_t value = 0, key = 0;
  for (const Choice& choice : p_.choices) {
    if (choice.min_bytes < kFar) value = std::max<uint64_t>(value, choice.min_bytes);
  }
  for (const ObjectRule& rule : p_.objects) {
    for (size_t i = 0; i < rule.properties.size(); ++i) key = std::max<uint64_t>(key, key_bytes(rule, i));
  }
  p_.growth = sum({most, value, key});
}

}  // namespace da::grammar
