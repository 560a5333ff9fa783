#include "vocab.h"

#include <fstream>
#include <stdexcept>

Vocab Vocab::load(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot open vocabulary " + path);
  Vocab vocab;
  for (std::string line; std::getline(in, line);) {
    const size_t a = line.find('\t'), b = line.find('\t', a + 1);
    if (a == std::string::npos || b == std::string::npos) throw std::runtime_error("bad vocabulary line: " + line);
    vocab.types.push_back(std::stoi(line));
    vocab.scores.push_back(std::stof(line.substr(a + 1)));
    vocab.pieces.push_back(line.substr(b + 1));
    vocab.ids.emplace(vocab.pieces.back(), int(vocab.ids.size()));
  }
  return vocab;
}

int Vocab::id(const std::string& piece) const {
  const auto it = ids.find(piece);
  if (it == ids.end()) throw std::runtime_error("no token " + piece);
  return it->second;
}

std::string Vocab::text(int token) const {
  const std::string& piece = pieces[size_t(token)];
  switch (types[size_t(token)]) {
    case kControl:
    case kUnknown:
      return "";
    case kByte:
      return std::string(1, char(std::stoi(piece.substr(3, 2), nullptr, 16)));
  }
  std::string out;
  for (size_t i = 0; i < piece.size();) {
    if (piece.compare(i, 3, "\xE2\x96\x81") == 0) {
      out += ' ';
      i += 3;
    } else {
      out += piece[i++];
    }
  }
  return out;
}
