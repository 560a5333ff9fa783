#pragma once

#include <zlib.h>

#include <memory>
#include <span>
#include <stdexcept>
#include <string>

#include "gguf/gguf.h"
#include "support/golden.h"
#include "tokenizer/tokenizer.h"

namespace da::test {

inline std::string gunzip(const std::string& path) {
  const gzFile in = gzopen(path.c_str(), "rb");
  if (in == nullptr) throw std::runtime_error("golden data cannot be opened: " + path);
  std::string bytes;
  char chunk[1 << 16];
  int n = 0;
  while ((n = gzread(in, chunk, sizeof(chunk))) > 0) bytes.append(chunk, static_cast<size_t>(n));
  gzclose(in);
  if (n < 0) throw std::runtime_error("golden data is damaged: " + path);
  return bytes;
}

// A vocabulary of the golden data, unzipped (plain files pass through gzread unchanged).
struct GoldenVocabulary {
  explicit GoldenVocabulary(const std::string& relative) : bytes(gunzip(golden_path(relative))) {
    auto parsed = gguf::File::parse(std::as_bytes(std::span(bytes)), relative);
    if (!parsed.is_ok()) throw std::runtime_error(parsed.status().message());
    file = std::move(*parsed);
    auto made = tokenizer::Tokenizer::from_gguf(*file);
    if (!made.is_ok()) throw std::runtime_error(made.status().message());
    tokenizer = std::move(*made);
  }
  std::string bytes;
  std::unique_ptr<gguf::File> file;
  std::unique_ptr<tokenizer::Tokenizer> tokenizer;
};

}  // namespace da::test
