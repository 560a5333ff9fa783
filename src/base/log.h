#pragma once

#include <atomic>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace da {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

struct LogField {
  LogField(std::string_view name, std::string_view text) : key(name), value(text) {}
  LogField(std::string_view name, const char* text) : key(name), value(text) {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  LogField(std::string_view name, Number number) : key(name), value(std::to_string(number)) {}
  std::string_view key;
  std::string value;
};

// Where a room's messages go; handed in by the host. Messages and fields carry facts about the work (names, counts,
// times), never text of a document, prompt or answer.
class Logger {
 public:
  using Sink = std::function<void(LogLevel, std::string_view message, std::initializer_list<LogField>)>;
  Logger() = default;  // drops everything
  explicit Logger(Sink sink) : sink_(std::move(sink)) {}
  void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {}) const {
    if (sink_) sink_(level, message, fields);
  }
  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) const { log(LogLevel::kDebug, message, fields); }
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) const { log(LogLevel::kInfo, message, fields); }
  void warn(std::string_view message, std::initializer_list<LogField> fields = {}) const { log(LogLevel::kWarn, message, fields); }
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) const { log(LogLevel::kError, message, fields); }

 private:
  Sink sink_;
};

// A sink that writes one line a message to stderr: time, level, message, key=value. Thread-safe.
Logger stderr_logger(LogLevel minimum);
// The same with a level that may change meanwhile.
Logger stderr_logger(std::shared_ptr<const std::atomic<LogLevel>> minimum);

}  // namespace da
