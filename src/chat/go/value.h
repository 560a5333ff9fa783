#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace da::chat::go {

// kInvalid is Go's "no value" (what a pipeline makes of nil); kNil is a nil interface inside a map, slice or call.
enum class Kind : uint8_t { kInvalid, kNil, kBool, kInt, kFloat, kText, kList, kMap, kRecord };

struct List;
struct Map;
struct Record;

// A value of a Go template: small, copied freely. What it points to belongs to the Heap or to the caller's JSON.
struct Value {
  Kind kind = Kind::kInvalid;
  union {
    bool boolean;
    int64_t integer;
    double real;
    struct {
      const char* data;
      size_t size;
    } text;
    const List* list;
    const Map* map;
    const Record* record;
  };

  Value() : text{nullptr, 0} {}
  static Value nil() {
    Value v;
    v.kind = Kind::kNil;
    return v;
  }
  static Value of_bool(bool value) {
    Value v;
    v.kind = Kind::kBool;
    v.boolean = value;
    return v;
  }
  static Value of_int(int64_t value) {
    Value v;
    v.kind = Kind::kInt;
    v.integer = value;
    return v;
  }
  static Value of_float(double value) {
    Value v;
    v.kind = Kind::kFloat;
    v.real = value;
    return v;
  }
  // Not copied.
  static Value of_text(std::string_view value) {
    Value v;
    v.kind = Kind::kText;
    v.text = {value.data(), value.size()};
    return v;
  }
  static Value of_list(const List* value) {
    Value v;
    v.kind = Kind::kList;
    v.list = value;
    return v;
  }
  static Value of_map(const Map* value) {
    Value v;
    v.kind = Kind::kMap;
    v.map = value;
    return v;
  }
  static Value of_record(const Record* value) {
    Value v;
    v.kind = Kind::kRecord;
    v.record = value;
    return v;
  }

  std::string_view str() const { return {text.data, text.size}; }
  bool has_value() const { return kind != Kind::kInvalid && kind != Kind::kNil; }
};

// How a list or map shows itself.
enum class Shape : uint8_t {
  kPlain,         // as Go prints slices and maps
  kJson,          // its String() is JSON: tools, properties, arguments
  kPropertyType,  // the type of a schema property: one word alone, or a list
};

struct List {
  Shape shape = Shape::kPlain;
  bool nil = false;  // a nil slice: JSON null
  const char* type = "[]interface {}";
  std::vector<Value> items;
};

struct Map {
  Shape shape = Shape::kPlain;
  bool nil = false;
  std::vector<std::pair<std::string_view, Value>> entries;  // sorted by key, except in nested schema properties

  const Value* find(std::string_view key) const {
    for (const auto& [name, value] : entries) {
      if (name == key) {
        return &value;
      }
    }
    return nullptr;
  }
};

struct FieldType {
  std::string_view name;
  std::string_view json_name;
  bool omit_empty;
};

// A Go struct.
struct RecordType {
  const char* name;
  std::vector<FieldType> fields;
  bool prints_json;
};

struct Record {
  const RecordType* type = nullptr;
  std::vector<Value> fields;
};

// Owns what a rendering creates. Lists and maps may be nested, their pointers stay valid.
class Heap {
 public:
  explicit Heap(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  List* list() { return charge(sizeof(List)), &lists_.emplace_back(); }
  Map* map() { return charge(sizeof(Map)), &maps_.emplace_back(); }
  Record* record() { return charge(sizeof(Record)), &records_.emplace_back(); }
  std::string_view keep(std::string text) {
    charge(text.size() + sizeof(std::string));
    return texts_.emplace_back(std::move(text));
  }
  void charge(size_t bytes) { used_bytes_ += bytes; }
  bool exhausted() const { return used_bytes_ > limit_bytes_; }

 private:
  size_t limit_bytes_;
  size_t used_bytes_ = 0;
  std::deque<List> lists_;
  std::deque<Map> maps_;
  std::deque<Record> records_;
  std::deque<std::string> texts_;
};

// Go's name of the dynamic type, as %T prints it.
std::string type_name(const Value& value);
// Whether `if` takes the branch.
bool is_true(const Value& value);
// The value as fmt's %v prints it; nil inside another value is <nil>, an absent value alone "<no value>".
void append_printed(std::string& out, const Value& value, bool top_level = false);
// encoding/json's Marshal.
void append_json(std::string& out, const Value& value);
// Whether a value has a String method, which %v and %s use.
bool is_stringer(const Value& value);
// The text of that method.
std::string stringer_text(const Value& value);

}  // namespace da::chat::go
