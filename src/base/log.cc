#include "base/log.h"

#include "base/stderr_log.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>

namespace da {
namespace {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "DEBUG";
    case LogLevel::kInfo: return "INFO";
    case LogLevel::kWarn: return "WARN";
    case LogLevel::kError: return "ERROR";
  }
  return "ERROR";
}

// logfmt: quoted when the value has a space, quote, '=' or control character.
void append_value(std::string& line, std::string_view value) {
  const bool plain = !value.empty() && value.find_first_of(" \"=\n\r\t\\") == std::string_view::npos;
  if (plain) {
    line.append(value);
    return;
  }
  line.push_back('"');
  for (const char c : value) {
    if (c == '"' || c == '\\') line.push_back('\\');
    line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  line.push_back('"');
}

void append_json(std::string& line, std::string_view text) {
  line.push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') line.push_back('\\');
    line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
  }
  line.push_back('"');
}

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const size_t n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + n, sizeof text - n, ".%03dZ", static_cast<int>(ms));
  return text;
}

}  // namespace

Logger stderr_logger(LogLevel minimum) { return stderr_logger(std::make_shared<const std::atomic<LogLevel>>(minimum)); }

namespace {

std::string text_line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  std::string line = "time=" + timestamp() + " level=" + std::string(level_name(level)) + " msg=";
  append_value(line, message);
  for (const LogField& field : fields) {
    line.push_back(' ');
    line.append(field.key);
    line.push_back('=');
    append_value(line, field.value);
  }
  return line + '\n';
}

std::string json_line(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  std::string line = "{\"time\":\"" + timestamp() + "\",\"level\":\"" + std::string(level_name(level)) + "\",\"msg\":";
  append_json(line, message);
  for (const LogField& field : fields) {
    line.push_back(',');
    append_json(line, field.key);
    line.push_back(':');
    append_json(line, field.value);
  }
  return line + "}\n";
}

}  // namespace

Logger stderr_logger(std::shared_ptr<const std::atomic<LogLevel>> minimum) { return stderr_logger(std::move(minimum), LogFormat::kText); }

Logger stderr_logger(std::shared_ptr<const std::atomic<LogLevel>> minimum, LogFormat format) {
  return Logger([minimum, format](LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    if (level < *minimum) return;
    const std::string line = format == LogFormat::kJson ? json_line(level, message, fields) : text_line(level, message, fields);
    // One write a line keeps lines of several threads and processes whole; a full or closed stderr drops the line.
    while (::write(STDERR_FILENO, line.data(), line.size()) < 0 && errno == EINTR) {
    }
  });
}

}  // namespace da
