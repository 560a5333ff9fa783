#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace da::server {

using Json = nlohmann::ordered_json;

// The first JSON value of a request body as an object; what follows it is ignored, as Ollama's clients may rely on. Key
// order is kept, of equal keys the last wins. Errors are kInvalidArgument with the text for the client: missing body,
// malformed JSON, invalid UTF-8 or lone surrogates (with the byte offset), nesting above 64, a number beyond double.
// `type_name` is the request's name in messages about a value that is no object.
Result<Json> parse_object(std::string_view body, std::string_view type_name);

// Compact text with invalid UTF-8 replaced; never throws.
std::string to_text(const Json& value);
std::string to_text(const nlohmann::json& value);

// Overwrites every string inside before the value is dropped.
void wipe(Json& value);
void wipe(nlohmann::json& value);

// Typed reads of an object's fields. A missing field or null gives the fallback; a wrong type gives the fallback and
// is remembered as the first error, worded as Ollama words it.
class Fields {
 public:
  Fields(const Json& object, std::string type_name) : object_(object), type_name_(std::move(type_name)) {}

  // nullptr if absent or null.
  const Json* find(std::string_view key) const;
  std::string text(std::string_view key, std::string fallback = "");
  bool boolean(std::string_view key, bool fallback);
  int64_t integer(std::string_view key, int64_t fallback);
  const Json* object(std::string_view key);  // nullptr: absent
  const Json* array(std::string_view key);
  void fail(std::string message);
  void wrong_type(std::string_view key, const Json& found, std::string_view wanted);

  Status status() const { return error_ ? Status(ErrorCode::kInvalidArgument, *error_) : Status::ok(); }

 private:
  const Json& object_;
  std::string type_name_;
  std::optional<std::string> error_;
};

}  // namespace da::server
