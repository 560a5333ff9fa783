#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/grammar.h"

// What the grammar's tests share. The validator here knows nothing of the compiler: it reads schema and document anew.
namespace da::grammar::testing {

using Json = nlohmann::ordered_json;
using Random = std::mt19937_64;

inline size_t pick(Random& random, size_t n) { return static_cast<size_t>(random() % n); }

// The compiled schema; a failure of the test if it is refused.
std::shared_ptr<const Grammar> compile(const Json& schema, std::string_view source = {});
// The error of a schema that must be refused.
Status refusal(const Json& schema, std::string_view source = {});

// Whether the whole text is accepted and complete.
bool accepts(const std::shared_ptr<const Grammar>& grammar, std::string_view text);

// Bytes that may come next.
std::vector<uint8_t> next_bytes(const Matcher& matcher);

// A text the matcher can write, byte by byte at random; after `patience` bytes it heads for the end. Fails the test at a
// dead end, or if the end does not come.
std::string random_text(const std::shared_ptr<const Grammar>& grammar, Random& random, size_t patience);

// Whether `value` is valid, by JSON Schema, x-source included. Only keywords the grammar enforces.
bool valid(const Json& schema, const Json& value, const Json& root, std::string_view source = {});

// A schema of the kinds the grammar takes, and a document that is valid for it, with members in the schema's order.
Json random_schema(Random& random, int depth);
Json random_instance(const Json& schema, Random& random);

// Whether the text may be quoted: it stands somewhere in the source as whole words, not blank at its ends, and has a
// letter or digit unless the source has none. Words and numbers here are those of random_source's alphabet.
bool quotable(std::u32string_view quote, std::u32string_view source);
std::u32string to_u32(std::string_view text);

// Text of `length` code points from a small alphabet with characters of every UTF-8 length, quotes, controls and spaces.
std::u32string random_source(Random& random, size_t length);

}  // namespace da::grammar::testing
