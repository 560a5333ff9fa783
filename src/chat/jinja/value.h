#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "chat/jinja/ast_fwd.h"

namespace da::chat::jinja {

// Python's integers, cut at 127 bits; what overflows is an error, never a wrong digit.
__extension__ typedef __int128 BigInt;

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kSeq,
  kDict,
  kNamespace,
  kCallable,
  kLoop
};

// Why a value is undefined; chooses the message if somebody uses it.
enum class Missing : uint8_t { kName, kAttribute, kHint, kUnsafe };

struct Object {
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;
};
struct Seq;
struct Dict;
struct Callable;
struct Loop;

// A template value: small, copied freely. Text and objects belong to the rendering's Arena, to the template, or to the
// caller's variables; all of them outlive the rendering's values.
struct Value {
  Kind kind = Kind::kUndefined;
  bool markup = false;  // a string marked safe: Python's Markup
  Missing missing = Missing::kName;
  Kind missing_owner = Kind::kUndefined;  // for kAttribute: the kind of the object asked
  union {
    bool boolean;
    BigInt integer;
    double real;
    struct {
      const char* data;
      size_t size;
    } text;
    Object* object;
  };

  Value() : text{nullptr, 0} {}
  static Value none() { return of_kind(Kind::kNone); }
  static Value of_bool(bool value) {
    Value v = of_kind(Kind::kBool);
    v.boolean = value;
    return v;
  }
  static Value of_int(BigInt value) {
    Value v = of_kind(Kind::kInt);
    v.integer = value;
    return v;
  }
  static Value of_float(double value) {
    Value v = of_kind(Kind::kFloat);
    v.real = value;
    return v;
  }
  // `text` is not copied.
  static Value of_text(std::string_view text, bool markup = false) {
    Value v = of_kind(Kind::kString);
    v.text = {text.data(), text.size()};
    v.markup = markup;
    return v;
  }
  // `what` (not copied) is the missing name, or the whole message for kHint.
  static Value undefined(Missing missing, std::string_view what, Kind owner = Kind::kUndefined) {
    Value v;
    v.text = {what.data(), what.size()};
    v.missing = missing;
    v.missing_owner = owner;
    return v;
  }
  static Value of_object(Kind kind, Object* object) {
    Value v = of_kind(kind);
    v.object = object;
    return v;
  }
  static Value of_seq(Seq* seq);
  static Value of_dict(Dict* dict);

  bool is_undefined() const { return kind == Kind::kUndefined; }
  bool is_none() const { return kind == Kind::kNone; }
  bool is_string() const { return kind == Kind::kString; }
  bool is_number() const { return kind == Kind::kInt || kind == Kind::kFloat || kind == Kind::kBool; }
  bool is_integral() const { return kind == Kind::kInt || kind == Kind::kBool; }
  std::string_view str() const { return {text.data, text.size}; }
  BigInt as_int() const { return kind == Kind::kBool ? BigInt(boolean) : integer; }
  double as_double() const { return kind == Kind::kFloat ? real : static_cast<double>(as_int()); }
  Seq* seq() const;
  Dict* dict() const;  // of kDict and kNamespace
  Callable* callable() const;
  Loop* loop() const;

 private:
  static Value of_kind(Kind kind) {
    Value v;
    v.kind = kind;
    return v;
  }
};

// All the sequences of Python that templates meet.
enum class SeqType : uint8_t { kList, kTuple, kRange, kKeys, kValues, kItems, kIterator };

struct Seq : Object {
  SeqType type = SeqType::kList;
  std::vector<Value> items;
  size_t next = 0;              // kIterator: items before it are consumed
  BigInt range[3] = {0, 0, 1};  // kRange: start, stop, step, for printing
  // kIterator: reading past the last item is this error (the item that could not be computed).
  std::string failure;
  bool is_group = false;  // a pair of groupby: also has .grouper and .list
  uint32_t depth = 1;     // nesting of containers
};

struct Dict : Object {
  std::vector<std::pair<Value, Value>> entries;
  uint32_t depth = 1;

  // Keys compare as in Python: 1, 1.0 and True are one key. nullptr: absent.
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(const Value& key, const Value& value);

 private:
  const Value* find_text(std::string_view key) const;
  // Text keys to entry positions, kept once there are many.
  mutable std::unordered_map<std::string_view, size_t> index_;
  mutable size_t indexed_ = 0;
};

struct Scope;
struct NativeSpec;
enum class CallableType : uint8_t { kNative, kMethod, kMacro, kCycler, kJoiner, kBlock, kLoopMethod };

struct Callable : Object {
  CallableType type = CallableType::kNative;
  std::string_view name;
  const NativeSpec* native = nullptr;     // kNative, kMethod
  Value self;                             // kMethod; the separator of a joiner; the loop of a kLoopMethod
  const Statement* definition = nullptr;  // kMacro (a macro or a call block), kBlock
  Scope* scope = nullptr;                 // kMacro: where it was defined
  std::vector<Value> items;               // kCycler
  size_t position = 0;                    // kCycler; kJoiner: 1 once used
};

// Owns everything a rendering creates; freed at once, so neither cycles nor depth matter.
class Arena {
 public:
  explicit Arena(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

  template <class T>
  T* make() {
    charge(sizeof(T) + sizeof(void*));
    auto owned = std::make_unique<T>();
    T* object = owned.get();
    objects_.push_back(std::move(owned));
    return object;
  }
  std::string_view keep(std::string text);
  std::string_view copy(std::string_view text) { return keep(std::string(text)); }
  // Counts memory about to be used; false, from then on, once the limit is passed.
  bool charge(size_t bytes) {
    used_bytes_ += bytes;
    return used_bytes_ <= limit_bytes_;
  }
  bool exhausted() const { return used_bytes_ > limit_bytes_; }

 private:
  size_t limit_bytes_;
  size_t used_bytes_ = 0;
  std::vector<std::unique_ptr<Object>> objects_;
  std::deque<std::string> texts_;
};

// Whether two values are ==; `depth` bounds the recursion, deeper values compare as unequal.
bool equal(const Value& a, const Value& b, int depth = 0);
bool truthy(const Value& value);
// Python's name of the type: "str", "dict", "NoneType".
std::string_view type_name(const Value& value);
// "'x' is undefined", "'dict object' has no attribute 'x'".
std::string undefined_message(const Value& value);
std::string int_text(BigInt value);
// Nesting of containers in the value: 0 for scalars.
uint32_t depth_of(const Value& value);

// Python's str() and repr(), appended; false if `out` would pass `max_bytes` or the value nests too deeply.
bool append_str(std::string& out, const Value& value, size_t max_bytes);
bool append_repr(std::string& out, const Value& value, size_t max_bytes);
void append_text_repr(std::string& out, std::string_view text);

inline Value Value::of_seq(Seq* seq) { return of_object(Kind::kSeq, seq); }
inline Value Value::of_dict(Dict* dict) { return of_object(Kind::kDict, dict); }
inline Seq* Value::seq() const { return static_cast<Seq*>(object); }
inline Dict* Value::dict() const { return static_cast<Dict*>(object); }
inline Callable* Value::callable() const { return static_cast<Callable*>(object); }

}  // namespace da::chat::jinja
