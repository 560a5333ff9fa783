#include "server/json_body.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "base/utf8.h"
#include "server/http.h"

namespace da::server {
namespace {

constexpr size_t kMaxDepth = 64;
// The ordered object looks keys up one by one, and a value takes more memory than its text: both need a bound of their
// own beside the body's. A context of token ids is the longest honest list.
constexpr size_t kMaxKeys = 1024;
constexpr size_t kMaxValues = 1'000'000;

// Builds the value while nlohmann's parser reads; refuses deep nesting before it is built.
class Builder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return add(Json(nullptr)); }
  bool boolean(bool value) override { return add(Json(value)); }
  bool number_integer(number_integer_t value) override { return add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return add(Json(value)); }
  bool number_float(number_float_t value, const string_t&) override {
    if (!std::isfinite(value)) return fail("a number is beyond the range of a double");
    return add(Json(value));
  }
  bool string(string_t& value) override { return add(Json(std::move(value))); }
  bool binary(binary_t&) override { return fail("binary values are not JSON"); }
  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    key_ = std::move(value);
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    error_position = position;
    number_overflow = error.id == 406;
    return false;
  }

  Json take() { return std::move(root_); }
  std::optional<size_t> error_position;  // 1-based, of the last byte read
  bool number_overflow = false;
  std::string refusal;

 private:
  bool fail(std::string message) {
    refusal = std::move(message);
    return false;
  }
  // nullptr: refused.
  Json* place(Json value) {
    if (++n_values_ > kMaxValues) {
      fail("the request has more than " + std::to_string(kMaxValues) + " JSON values");
      return nullptr;
    }
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    if (parent.size() >= kMaxKeys) {
      fail("a JSON object has more than " + std::to_string(kMaxKeys) + " keys");
      return nullptr;
    }
    Json& slot = parent[key_];
    slot = std::move(value);
    return &slot;
  }
  bool add(Json value) { return place(std::move(value)) != nullptr; }
  // Pointers into the tree stay good: only the innermost container grows.
  bool open(Json container) {
    if (stack_.size() >= kMaxDepth) return fail("JSON is nested deeper than " + std::to_string(kMaxDepth) + " levels");
    Json* const placed = place(std::move(container));
    if (placed != nullptr) stack_.push_back(placed);
    return placed != nullptr;
  }
  bool close() {
    stack_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Json*> stack_;
  std::string key_;
  size_t n_values_ = 0;
};

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// The decoder's words: by position only, with at most the one character that was wrong.
std::string syntax_error(std::string_view body, const Builder& builder) {
  const size_t position = builder.error_position.value_or(0);
  if (builder.number_overflow)
    return "a number that ends at byte " + std::to_string(position) + " is beyond the range of a double";
  if (position == 0 || position > body.size()) return "unexpected EOF";
  const auto bad = static_cast<unsigned char>(body[position - 1]);
  if (bad < 0x20 || bad >= 0x7f) {
    return "invalid character at byte offset " + std::to_string(position - 1) + " of the JSON body";
  }
  return "invalid character '" + std::string(1, static_cast<char>(bad)) + "' at byte offset " +
         std::to_string(position - 1) + " of the JSON body";
}

std::string_view go_type(const Json& value) {
  switch (value.type()) {
    case Json::value_t::string:
      return "string";
    case Json::value_t::boolean:
      return "bool";
    case Json::value_t::array:
      return "array";
    case Json::value_t::object:
      return "object";
    case Json::value_t::null:
      return "null";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
      return "number";
    case Json::value_t::binary:
    case Json::value_t::discarded:
      break;
  }
  return "value";
}

template <class AnyJson>
void wipe_value(AnyJson& value) {
  if (value.is_string()) {
    wipe(value.template get_ref<std::string&>());
  } else if (value.is_structured()) {
    for (auto& child : value) wipe_value(child);
  }
}

}  // namespace

Result<Json> parse_object(std::string_view body, std::string_view type_name) {
  size_t start = 0;
  while (start < body.size() && is_space(body[start])) ++start;
  if (start == body.size()) return {ErrorCode::kInvalidArgument, "missing request body"};
  if (const auto offset = utf8::find_invalid(body)) {
    return {ErrorCode::kInvalidArgument,
            "the request body is not valid UTF-8 at byte offset " + std::to_string(*offset)};
  }
  Builder builder;
  // Not strict: bytes after the first value are ignored.
  const bool parsed = Json::sax_parse(body, &builder, Json::input_format_t::json, false);
  if (!builder.refusal.empty()) return {ErrorCode::kInvalidArgument, builder.refusal};
  if (!parsed) return {ErrorCode::kInvalidArgument, syntax_error(body, builder)};
  Json value = builder.take();
  if (!value.is_object()) {
    return {ErrorCode::kInvalidArgument, "json: cannot unmarshal " + std::string(go_type(value)) +
                                             " into Go value of type api." + std::string(type_name)};
  }
  return value;
}

std::string to_text(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }
std::string to_text(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void wipe(Json& value) { wipe_value(value); }
void wipe(nlohmann::json& value) { wipe_value(value); }

const Json* Fields::find(std::string_view key) const {
  const auto found = object_.find(std::string(key));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void Fields::fail(std::string message) {
  if (!error_) error_ = std::move(message);
}

void Fields::wrong_type(std::string_view key, const Json& found, std::string_view wanted) {
  fail("json: cannot unmarshal " + std::string(go_type(found)) + " into Go struct field " + type_name_ + "." +
       std::string(key) + " of type " + std::string(wanted));
}

std::string Fields::text(std::string_view key, std::string fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_string()) return value->get_ref<const std::string&>();
  wrong_type(key, *value, "string");
  return fallback;
}

bool Fields::boolean(std::string_view key, bool fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  wrong_type(key, *value, "bool");
  return fallback;
}

int64_t Fields::integer(std::string_view key, int64_t fallback) {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (value->is_number_unsigned() && value->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX))
    return value->get<int64_t>();
  if (value->is_number_integer() && !value->is_number_unsigned()) return value->get<int64_t>();
  if (value->is_number()) {
    fail("json: cannot unmarshal number " + value->dump().substr(0, 32) + " into Go struct field " + type_name_ + "." +
         std::string(key) + " of type int");
  } else {
    wrong_type(key, *value, "int");
  }
  return fallback;
}

const Json* Fields::object(std::string_view key) {
  const Json* value = find(key);
  if (value != nullptr && !value->is_object()) {
    wrong_type(key, *value, "map[string]interface {}");
    return nullptr;
  }
  return value;
}

const Json* Fields::array(std::string_view key) {
  const Json* value = find(key);
  if (value != nullptr && !value->is_array()) {
    wrong_type(key, *value, "[]interface {}");
    return nullptr;
  }
  return value;
}

}  // namespace da::server
