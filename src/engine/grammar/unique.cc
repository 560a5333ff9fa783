#include <algorithm>

#include "engine/grammar/machine.h"
#include "engine/grammar/phases.h"

// Lists that have nothing twice.
namespace da::grammar {

uint32_t* Machine::used_link(Frame& frame) const {
  if (frame.node >= kUsedNode || kind(frame) != NodeKind::kArray) return nullptr;
  return program_->arrays[program_->nodes[frame.node].rule].unique == Unique::kNothing ? nullptr : &frame.a;
}

int32_t Machine::unique_list(const std::vector<Held>& held, int32_t parent) const {
  const auto rule_of = [&](int32_t place) -> const ArrayRule* {
    if (place < 0) return nullptr;
    const Frame& frame = held[static_cast<size_t>(place)].frame;
    return kind(frame) == NodeKind::kArray ? &program_->arrays[program_->nodes[frame.node].rule] : nullptr;
  };
  if (parent < 0) return -1;
  if (const ArrayRule* rule = rule_of(parent)) return rule->unique == Unique::kItems ? parent : -1;
  const Held& object = held[static_cast<size_t>(parent)];
  const ArrayRule* rule = rule_of(object.parent);
  const bool is_member =
      rule != nullptr && rule->unique == Unique::kMember && object.frame.count == rule->unique_property + 1;
  return is_member ? object.parent : -1;
}

Used Machine::used_by(const std::vector<Held>& held, int32_t list) const {
  return {&held, list < 0 ? -1 : static_cast<int32_t>(held[static_cast<size_t>(list)].frame.a) - 1};
}

// Below the list's new frame stands what the closed value returns to.
int32_t Machine::add_used(Step& s, const Frame& value, int32_t parent) const {
  const int32_t list = unique_list(s.held, parent);
  if (list < 0) return parent;
  Frame used = value;
  used.node = kUsedNode;
  used.phase = 0;
  Frame array = s.held[static_cast<size_t>(list)].frame;
  const int32_t below = s.held[static_cast<size_t>(list)].parent;
  array.a = static_cast<uint32_t>(push(s, used, static_cast<int32_t>(array.a) - 1)) + 1;
  const int32_t place = push(s, array, below);
  if (list == parent) return place;
  const Frame object = s.held[static_cast<size_t>(parent)].frame;
  return push(s, object, place);
}

bool Machine::is_used(const Frame& literal, Used used) {
  for (int32_t i = used.newest; i >= 0; i = (*used.held)[static_cast<size_t>(i)].parent) {
    if ((*used.held)[static_cast<size_t>(i)].frame.a == literal.a) return true;
  }
  return false;
}

bool Machine::literal_unused(const LiteralRule& rule, uint32_t trie_node, Used used) {
  const auto below = rule.set.below(trie_node);
  return std::any_of(below.begin(), below.end(), [&](uint32_t index) { return !is_used({.a = index}, used); });
}

bool Machine::any_unused(const ArrayRule& rule, const std::vector<Held>& held, const Frame& array) const {
  if (rule.unique == Unique::kNothing || array.a == 0) return true;
  const Used used{&held, static_cast<int32_t>(array.a) - 1};
  const Node* node = &program_->nodes[program_->choices[rule.items].nodes.front()];
  if (rule.unique == Unique::kMember) {
    const ObjectRule& object = program_->objects[node->rule];
    node = &program_->nodes[program_->choices[object.properties[rule.unique_property].value].nodes.front()];
  }
  if (node->kind == NodeKind::kLiteral) return literal_unused(program_->literals[node->rule], LiteralSet::kRoot, used);
  return has_unused_quote(*program_, program_->sources[node->rule], used);
}

}  // namespace da::grammar
