#pragma once

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace da {

enum class ErrorCode {
  kOk,
  kInvalidArgument,    // the caller's input is wrong
  kNotFound,           // the named thing does not exist
  kCorruptData,        // a file or message breaks its format
  kUnsupported,        // sound, but not something we do
  kResourceExhausted,  // memory, queue, context
  kUnavailable,        // try again later; a process is gone
  kCancelled,
  kIo,        // the operating system refused
  kInternal,  // a bug of ours
};

// Stable lower-case word for an error code, e.g. "not_found".
std::string_view error_code_name(ErrorCode code);

// Outcome of an operation without a value. The message names the operation, the object, the expected and the found;
// it never holds text of a user's document, prompt or answer.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  static Status ok() { return {}; }

  bool is_ok() const { return code_ == ErrorCode::kOk; }
  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  // The same error with the context in front: "context: message".
  Status with_context(std::string_view context) const {
    return {code_, std::string(context) + ": " + message_};
  }

 private:
  ErrorCode code_ = ErrorCode::kOk;
  std::string message_;
};

// A value or the error that stood in its way.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}              // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}       // NOLINT(google-explicit-constructor)
  Result(ErrorCode code, std::string message) : Result(Status(code, std::move(message))) {}

  bool is_ok() const { return state_.index() == 0; }
  explicit operator bool() const { return is_ok(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Status status() const { return is_ok() ? Status::ok() : std::get<1>(state_); }
  ErrorCode code() const { return is_ok() ? ErrorCode::kOk : std::get<1>(state_).code(); }

 private:
  std::variant<T, Status> state_;
};

[[noreturn]] void check_failed(const char* file, int line, const char* condition);

}  // namespace da

// A broken promise of our own code, never a user's input: ends the process.
#define DA_CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::da::check_failed(__FILE__, __LINE__, #condition))

#define DA_CONCAT_INNER(a, b) a##b
#define DA_CONCAT(a, b) DA_CONCAT_INNER(a, b)

#define DA_RETURN_IF_ERROR(expression)                         \
  do {                                                         \
    if (auto da_status_ = (expression); !da_status_.is_ok()) { \
      return da_status_;                                       \
    }                                                          \
  } while (false)

// DA_ASSIGN_OR_RETURN(auto x, make_x()): x is the value, or the enclosing function returns the error.
#define DA_ASSIGN_OR_RETURN(target, expression) DA_ASSIGN_OR_RETURN_INNER(DA_CONCAT(da_result_, __LINE__), target, expression)
#define DA_ASSIGN_OR_RETURN_INNER(result, target, expression) \
  auto result = (expression);                                 \
  if (!result.is_ok()) {                                      \
    return result.status();                                   \
  }                                                           \
  target = std::move(result).value()
