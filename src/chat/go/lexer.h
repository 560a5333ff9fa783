#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace da::chat::go {

enum class TokenType : uint8_t {
  kText,
  kLeft,
  kRight,
  kSpace,
  kIdentifier,
  kKeyword,
  kBool,
  kField,
  kVariable,
  kDot,
  kNumber,
  kCharacter,
  kString,
  kAssign,
  kDeclare,
  kPipe,
  kLeftParen,
  kRightParen,
  kOther,
  kEnd,
};

struct Token {
  TokenType type = TokenType::kEnd;
  uint32_t line = 1;
  std::string text;  // strings and text without their quotes and escapes
};

// Splits a template into tokens, trim markers and comments applied.
Result<std::vector<Token>> tokenize(std::string_view source);

}  // namespace da::chat::go
