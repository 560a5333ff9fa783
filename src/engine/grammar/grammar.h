#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Constraints on decoding: which bytes, and so which tokens, may come next.
namespace da::grammar {

// The vocabulary as a byte trie, built once per model. Token ids whose bytes are empty (control tokens) are never
// allowed by a mask; the caller adds the end-of-generation tokens where `Matcher::can_end` holds. Immutable.
class TokenTrie {
 public:
  explicit TokenTrie(const std::vector<std::string_view>& token_bytes);
  ~TokenTrie();
  TokenTrie(TokenTrie&&) noexcept;
  size_t n_tokens() const;

 private:
  friend class Matcher;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A compiled constraint. Immutable, shared by matchers.
class Grammar {
 public:
  // From a JSON Schema (text). White space between tokens is not produced. Keys are written in the order of
  // `properties`, or that of `x-property-order` (a list of names, for JSON libraries that sort members); keys that are
  // not `required` are optional. Other keys are only written where `additionalProperties` asks for them or nothing is
  // said of properties at all. Objects and arrays nest at most 64 deep. The keyword `"x-source": true` on a string
  // makes its value a substring of `source` (UTF-8, at most 16 Mi code points; each character in its canonical JSON
  // form), not empty unless `"x-allow-empty": true`, neither starting nor ending with white space or inside a word
  // (of scripts that space words) or number, and with a letter or digit if the source has any; `minLength` and `maxLength` hold too. `uniqueItems` is enforced of arrays of
  // quotes or of one enum's values; `"x-unique": "name"` on an array of objects makes their members of that name,
  // quotes, differ from each other. Errors: kInvalidArgument (not JSON; a fault, or a place no value can fill, by JSON
  // pointer), kUnsupported (JSON pointer to the keyword that cannot be enforced), kResourceExhausted (size, values,
  // members, depth; schema_reader.h).
  static Result<std::shared_ptr<const Grammar>> from_json_schema(std::string_view schema, std::string_view source = {});
  // Any JSON object (Ollama's format "json"); one space may follow ':' and ','.
  static Result<std::shared_ptr<const Grammar>> any_json_object();
  ~Grammar();

  struct Impl;
  const Impl& impl() const { return *impl_; }

 private:
  explicit Grammar(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One sequence's place in a grammar. Cheap to copy (for speculation). Not thread-safe.
class Matcher {
 public:
  explicit Matcher(std::shared_ptr<const Grammar> grammar);
  ~Matcher();
  Matcher(const Matcher&);
  Matcher& operator=(const Matcher&);

  // Advances over all of `bytes`, or changes nothing and returns false.
  bool accept(std::string_view bytes);
  // True where the text so far is complete.
  bool can_end() const;
  // True if nothing but the end may follow.
  bool must_end() const;
  // Sets bit id of `mask` ((n_tokens + 63) / 64 words) for each token that may come next; clears the others. With
  // `room_tokens`, what may come after this token at most, tokens are left out after which the text could not be
  // completed any more (a byte is counted as a token, so this starts in good time); where it cannot be completed
  // anyhow, only the shortest way is left.
  static constexpr uint32_t kUnlimited = UINT32_MAX;
  void allowed_tokens(const TokenTrie& trie, std::span<uint64_t> mask, uint32_t room_tokens = kUnlimited) const;
  // The bytes that are forced from here (at most `max_bytes`), "" if there is a choice.
  std::string forced(size_t max_bytes = 256) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace da::grammar
