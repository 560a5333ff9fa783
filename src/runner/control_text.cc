#include "runner/control_text.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

namespace da::runner {
namespace {

std::vector<std::string> control_tokens(const tokenizer::Tokenizer& tokenizer) {
  std::vector<std::string> written;
  for (tokenizer::TokenId id = 0; id < tokenizer.n_tokens(); ++id) {
    const tokenizer::TokenKind kind = tokenizer.kind(id);
    if (kind == tokenizer::TokenKind::kControl || kind == tokenizer::TokenKind::kUnknown) written.emplace_back(tokenizer.written(id));
  }
  return written;
}

std::string reversed(std::string_view text) { return {text.rbegin(), text.rend()}; }

// Strings of sorted `words` that begin with `prefix`.
auto range_of(const std::vector<std::string>& words, std::string_view prefix) {
  const auto before = [](std::string_view a, std::string_view b) { return a < b; };
  const auto first = std::lower_bound(words.begin(), words.end(), prefix, before);
  auto last = first;
  while (last != words.end() && std::string_view(*last).starts_with(prefix)) ++last;
  return std::pair(first, last);
}

bool begins_longer_word(const std::vector<std::string>& words, std::string_view prefix) {
  const auto [first, last] = range_of(words, prefix);
  return std::any_of(first, last, [&](const std::string& word) { return word.size() > prefix.size(); });
}

size_t longest(const std::vector<std::string>& words) {
  size_t length = 0;
  for (const std::string& word : words) length = std::max(length, word.size());
  return length;
}

std::string random_word() {
  std::array<unsigned char, 12> bytes{};
  DA_CHECK(getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  // Letters and digits only: nothing a template would escape, trim or split.
  std::string word = "Q";
  for (const unsigned char byte : bytes) {
    word += static_cast<char>('a' + (byte >> 4));
    word += static_cast<char>('a' + (byte & 15));
  }
  return word;
}

}  // namespace

ControlText::ControlText(const tokenizer::Tokenizer& tokenizer) : ControlText(control_tokens(tokenizer)) {}

ControlText::ControlText(std::vector<std::string> written) : written_(std::move(written)) {
  std::erase_if(written_, [](const std::string& word) { return word.empty(); });
  std::sort(written_.begin(), written_.end());
  written_.erase(std::unique(written_.begin(), written_.end()), written_.end());
  for (const std::string& word : written_) {
    reversed_.push_back(reversed(word));
    starts_[static_cast<unsigned char>(word[0])] = true;
  }
  std::sort(reversed_.begin(), reversed_.end());
}

size_t ControlText::match(std::string_view text) const {
  if (text.empty() || !starts_[static_cast<unsigned char>(text[0])]) return 0;
  // Narrows the words that begin as the text does, one byte at a time.
  size_t found = 0;
  auto first = written_.begin();
  auto last = written_.end();
  for (size_t i = 0; i < text.size() && first != last; ++i) {
    const auto byte_at = [i](const std::string& word) { return i < word.size() ? static_cast<unsigned char>(word[i]) : -1; };
    const int byte = static_cast<unsigned char>(text[i]);
    first = std::partition_point(first, last, [&](const std::string& word) { return byte_at(word) < byte; });
    last = std::partition_point(first, last, [&](const std::string& word) { return byte_at(word) <= byte; });
    if (first != last && first->size() == i + 1) found = i + 1;
  }
  return found;
}

size_t ControlText::half_at_end(std::string_view text) const {
  for (size_t size = std::min(text.size(), longest(written_)); size >= 2; --size) {
    if (begins_longer_word(written_, text.substr(text.size() - size))) return size;
  }
  return 0;
}

size_t ControlText::half_at_begin(std::string_view text) const {
  for (size_t size = std::min(text.size(), longest(written_)); size >= 2; --size) {
    if (begins_longer_word(reversed_, reversed(text.substr(0, size)))) return size;
  }
  return 0;
}

ControlTextMask::ControlTextMask(const ControlText& control) : control_(control), word_(random_word()) {}

std::string ControlTextMask::hide(std::string_view text) {
  hidden_.emplace_back(text);
  return word_ + std::to_string(hidden_.size() - 1) + "Z";
}

std::string ControlTextMask::mask(std::string_view text, const std::vector<std::string_view>& keep) {
  std::string result;
  if (const size_t half = control_.half_at_begin(text); half > 0 && control_.match(text) < half) {
    result = hide(text.substr(0, half));
    text.remove_prefix(half);
  }
  const size_t half = control_.half_at_end(text);
  std::string_view tail = text.substr(text.size() - half);
  text.remove_suffix(half);
  size_t plain_from = 0;
  for (size_t at = 0; at < text.size();) {
    // The tail takes part in matching: a token may end in what looks like the start of another.
    const size_t length = control_.match(std::string_view(text.data() + at, text.size() - at + tail.size()));
    const std::string_view token(text.data() + at, length);
    if (length == 0 || std::find(keep.begin(), keep.end(), token) != keep.end()) {
      at += std::max<size_t>(length, 1);
      continue;
    }
    result += text.substr(plain_from, at - plain_from);
    result += hide(token);
    at += length;
    plain_from = at;
    if (at > text.size()) {
      tail.remove_prefix(at - text.size());
      plain_from = text.size();
    }
  }
  result += text.substr(std::min(plain_from, text.size()));
  if (!tail.empty()) result += hide(tail);
  return result;
}

void ControlTextMask::mask_strings(nlohmann::ordered_json& json, const std::vector<std::string_view>& keep) {
  if (json.is_string()) {
    std::string& text = json.get_ref<std::string&>();
    text = mask(text, keep);
  } else if (json.is_array()) {
    for (nlohmann::ordered_json& element : json) mask_strings(element, keep);
  } else if (json.is_object()) {
    nlohmann::ordered_json masked = nlohmann::ordered_json::object();
    for (auto& [name, value] : json.items()) {
      mask_strings(value, keep);
      masked[mask(name, keep)] = std::move(value);
    }
    json = std::move(masked);
  }
}

std::vector<Piece> ControlTextMask::unmask(std::string_view rendered) const {
  std::vector<Piece> pieces;
  const auto add = [&pieces](std::string_view text, bool parse_special) {
    if (!text.empty()) pieces.push_back({std::string(text), parse_special});
  };
  size_t plain_from = 0;
  for (size_t at = rendered.find(word_); at != rendered.npos; at = rendered.find(word_, at + 1)) {
    const char* begin = rendered.data() + at + word_.size();
    const char* end = rendered.data() + rendered.size();
    size_t number = 0;
    const auto [after, error] = std::from_chars(begin, end, number);
    // A template may have cut a replacement in two; what is left of it is a word without meaning.
    if (error != std::errc() || after == end || *after != 'Z' || number >= hidden_.size()) continue;
    add(rendered.substr(plain_from, at - plain_from), true);
    add(hidden_[number], false);
    plain_from = static_cast<size_t>(after - rendered.data()) + 1;
  }
  add(rendered.substr(plain_from), true);
  return pieces;
}

}  // namespace da::runner
