#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "chat/jinja/value.h"

namespace da::chat::jinja {

enum class TokenType : uint8_t {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenType type = TokenType::kEnd;
  uint32_t line = 1;
  std::string text;  // data, name, string contents, operator
  BigInt integer = 0;
  double real = 0;
};

// Newlines become \n and one newline at the end is dropped, as Jinja does before anything else.
std::string normalize_source(std::string_view source);

// Splits a normalised template into tokens with trim_blocks and lstrip_blocks on. Errors name the line.
Result<std::vector<Token>> tokenize(std::string_view source);

}  // namespace da::chat::jinja
