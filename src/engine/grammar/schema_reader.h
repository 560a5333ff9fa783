#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Reading a schema's text and its keywords, each fault named by JSON pointer.
namespace da::grammar {

using Json = nlohmann::ordered_json;

struct SchemaLimits {
  static constexpr size_t kMaxBytes = 1 << 20;
  static constexpr size_t kMaxDepth = 128;     // brackets within brackets
  static constexpr size_t kMaxValues = 50000;  // of all kinds, enum values included
  static constexpr size_t kMaxMembers = 1000;  // of one object
};

// Parses within the limits. kInvalidArgument, kResourceExhausted.
Result<Json> read_schema(std::string_view text);

// `pointer` with one more step.
std::string pointer_to(const std::string& pointer, std::string_view step);
Status schema_error(ErrorCode code, const std::string& pointer, std::string_view message);

// What a keyword is to us.
enum class Keyword { kAnnotation, kAssertion, kUnknown };
Keyword keyword_class(std::string_view name);

// A count such as minLength: kInvalidArgument unless it is a whole number >= 0; larger ones than 2^32 - 2 are cut.
Result<uint32_t> read_count(const Json& schema, const char* key, uint32_t absent, const std::string& pointer);
// A flag such as x-allow-empty: kInvalidArgument unless true or false.
Result<bool> read_flag(const Json& schema, const char* key, const std::string& pointer);

struct Bounds {
  double low = -1.0 / 0.0, high = 1.0 / 0.0;
  bool exclude_low = false, exclude_high = false;
  bool given = false;
};
// minimum, maximum and the exclusive ones (as numbers, or as the flags of draft 4).
Result<Bounds> read_bounds(const Json& schema, const std::string& pointer);

// The types a value may have: of "type" (a name or a list), or those the keywords speak of; empty: any.
Result<std::vector<std::string>> read_types(const Json& schema, const std::string& pointer);

}  // namespace da::grammar
