// The vocabulary as tokenizer.py writes it: one "type<TAB>score<TAB>piece" line a token, the id is the line number.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

enum TokenType { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6 };

struct Vocab {
  static Vocab load(const std::string& path);
  int id(const std::string& piece) const;  // throws on an unknown piece
  // The bytes that the token stands for; nothing for control tokens.
  std::string text(int token) const;

  std::vector<std::string> pieces;
  std::vector<float> scores;
  std::vector<int> types;
  std::unordered_map<std::string, int> ids;
};
