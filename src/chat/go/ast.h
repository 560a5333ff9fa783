#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "chat/go/value.h"

namespace da::chat::go {

struct Node;
using NodePtr = std::unique_ptr<Node>;

enum class NodeType : uint8_t {
  kList,    // children
  kText,    // text
  kAction,  // pipe
  kIf,
  kWith,
  kRange,     // pipe, list, otherwise
  kTemplate,  // text is the name; pipe may be null
  kBreak,
  kContinue,
  kPipe,        // names (declared or assigned), children are commands
  kCommand,     // children: the operand and its arguments
  kIdentifier,  // text: a function
  kField,       // names
  kVariable,    // names; the first is the variable with its $
  kChain,       // children[0], names
  kDot,
  kNil,
  kConstant,  // constant
};

struct Node {
  NodeType type = NodeType::kList;
  uint32_t line = 1;
  bool assigns = false;  // kPipe: = rather than :=
  std::string text;
  std::vector<std::string> names;
  std::vector<NodePtr> children;
  NodePtr pipe;
  NodePtr list;
  NodePtr otherwise;
  Value constant;
};

struct Program {
  NodePtr root;
  std::map<std::string, NodePtr> defined;
};

}  // namespace da::chat::go
