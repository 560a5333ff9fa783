#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/grammar/decimal_range.h"
#include "engine/grammar/grammar.h"
#include "engine/grammar/literal_set.h"
#include "engine/grammar/pattern.h"
#include "engine/grammar/source_index.h"

// A schema compiled for the machine (machine.h). Everything refers to everything by index.
namespace da::grammar {

constexpr uint32_t kUnbounded = UINT32_MAX;
// Objects and arrays within each other, in what is generated.
constexpr uint32_t kMaxDepth = 64;
// "min_depth" of what can never be completed.
constexpr uint32_t kNever = UINT32_MAX;
// Counts of bytes stop here.
constexpr uint32_t kFar = 1u << 30;

enum class NodeKind : uint8_t { kLiteral, kString, kPattern, kSource, kNumber, kObject, kArray };

struct Node {
  NodeKind kind;
  uint32_t rule;              // into the list of the kind
  uint32_t min_depth = 0;     // levels of objects and arrays its smallest value has; kNever if it has none
  uint32_t min_bytes = kFar;  // of its shortest value, about
};

// What may stand in one place of a document: any of the nodes.
struct Choice {
  std::vector<uint32_t> nodes;
  std::vector<uint32_t> includes;  // other choices, until they are folded in
  uint32_t min_depth = kNever;
  uint32_t min_bytes = kFar;
  std::string pointer;
};

struct LiteralRule {
  LiteralSet set;
  int32_t object = -1;  // the object whose keys these are ("name": with quotes and colon), or -1
};

struct StringRule {
  uint32_t min = 0, max = kUnbounded;  // code points
  int32_t excluded = -1;               // literal rule of the keys it must differ from
};

struct SourceRule {
  uint32_t min = 1, max = kUnbounded;
  bool allow_empty = false;
};

struct NumberRule {
  bool bounded = false;  // else any JSON number of at most 15 + 15 digits and a two-digit exponent
  DecimalRange range = *DecimalRange::integers(INT64_MIN, INT64_MAX);
};

struct Property {
  uint32_t value;  // choice
  bool required;
};

struct ObjectRule {
  std::vector<Property> properties;
  std::vector<uint32_t> next_required;   // [i]: first required property >= i, or kUnbounded; one entry past the end
  std::vector<uint32_t> required_bytes;  // [i]: of the shortest way to write those from i on, with a comma before each
  int32_t keys = -1;                     // node (kLiteral) of the keys, -1 if there are no properties
  int32_t extra_key = -1;                // node (kString) of further keys, -1: none
  uint32_t extra_value = 0;              // choice
  bool closed = false;                   // the schema itself forbids other keys
  bool spaces = false;                   // one space may follow ':' and ','
};

// What may not repeat in an array: an item (quotes and literals only), or one member of its items (quotes only).
enum class Unique : uint8_t { kNothing, kItems, kMember };

struct ArrayRule {
  uint32_t items = 0;  // choice
  uint32_t min = 0, max = kUnbounded;
  bool spaces = false;
  Unique unique = Unique::kNothing;
  std::string unique_name;       // kMember: the member
  uint32_t unique_property = 0;  // its place in the items' object
};

struct Program {
  std::vector<Node> nodes;
  std::vector<Choice> choices;
  std::vector<LiteralRule> literals;
  std::vector<StringRule> strings;
  std::vector<Pattern> patterns;
  std::vector<SourceRule> sources;
  std::vector<NumberRule> numbers;
  std::vector<ObjectRule> objects;
  std::vector<ArrayRule> arrays;
  std::unique_ptr<SourceIndex> source;
  uint32_t root = 0;
  uint32_t growth = 0;  // at most so much longer the shortest way to the end becomes by one more byte
};

struct Grammar::Impl {
  Program program;
};

}  // namespace da::grammar
