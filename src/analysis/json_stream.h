#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace da::analysis {

// JSON read as it arrives, in any pieces: at every moment there is a tree of what is known, with open ends marked.
class JsonStream {
 public:
  struct Value {
    enum class Kind { kNull, kBoolean, kNumber, kString, kArray, kObject };
    Kind kind = Kind::kNull;
    bool complete = false;
    std::string text;  // kString: decoded so far; kNumber, kBoolean, kNull: as written
    std::vector<std::unique_ptr<Value>> items;                            // kArray
    std::vector<std::pair<std::string, std::unique_ptr<Value>>> members;  // kObject

    // The member's value, or null. Of equal keys the last counts.
    const Value* find(std::string_view key) const;
    bool is(Kind k) const { return kind == k; }
  };
  static constexpr size_t kMaxDepth = 16;

  // Valid UTF-8 in whole characters. What comes after a fault is ignored.
  void push(std::string_view text);
  // Null before the first byte of the value.
  const Value* root() const { return root_.get(); }
  bool complete() const { return root_ && root_->complete && !failed_; }
  // True once the text is no JSON, or goes on after its end.
  bool failed() const { return failed_; }
  size_t bytes_read() const { return bytes_read_; }

 private:
  enum class Expect { kValue, kValueOrEnd, kKey, kKeyOrEnd, kColon, kCommaOrEnd, kEnd };
  bool step(char c);
  bool step_structure(char c);
  bool step_string(char c);
  bool step_escape(char c);
  bool step_word(char c);
  bool begin_value(char c);
  bool close(Value::Kind kind);
  void end_value();
  void end_string();
  std::unique_ptr<Value>* place_for_value();

  std::unique_ptr<Value> root_;
  std::vector<Value*> open_;         // arrays and objects around the current place
  Value* word_ = nullptr;            // number or literal being read
  std::string* string_ = nullptr;    // string being read: a value's text, or key_
  std::string key_;
  Value* string_value_ = nullptr;    // null while reading a key
  int escape_ = 0;                   // 0: none; 1: after the backslash; 2..5: digits of \u
  uint32_t unit_ = 0, high_surrogate_ = 0;
  Expect expect_ = Expect::kValue;
  bool failed_ = false;
  size_t bytes_read_ = 0;
};

}  // namespace da::analysis
