#include "cli/terminal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utf8proc.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "base/unique_fd.h"
#include "base/utf8.h"

namespace da::cli {
namespace {

size_t cell_width(std::string_view text) {
  size_t width = 0;
  for (const char32_t c : utf8::to_code_points(text)) {
    const int cells = utf8proc_charwidth(static_cast<utf8proc_int32_t>(c));
    width += cells > 0 ? static_cast<size_t>(cells) : 0;
  }
  return width;
}

int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int fail(const Status& status) {
  if (status.code() == ErrorCode::kCancelled) return 130;
  std::string message = status.message();
  for (char& c : message) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';  // one line, whatever a file or server said
  }
  std::fprintf(stderr, "Error: %s\n", message.c_str());
  return 1;
}

Result<std::string> read_input(const std::string& path, size_t max_bytes) {
  UniqueFd file;
  int fd = STDIN_FILENO;
  if (path != "-") {
    file = UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) {
      return Status(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, "open " + path + ": " + std::strerror(errno));
    }
    struct stat info {};
    if (fstat(file.get(), &info) == 0 && S_ISDIR(info.st_mode)) return Status(ErrorCode::kInvalidArgument, "open " + path + ": is a directory, expected a text file");
    fd = file.get();
  }
  std::string text;
  char buffer[1 << 16];
  while (true) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR && !interrupted()) continue;
    if (n < 0) return Status(interrupted() ? ErrorCode::kCancelled : ErrorCode::kIo, "read " + path + ": " + std::strerror(errno));
    if (n == 0) return text;
    if (text.size() + static_cast<size_t>(n) > max_bytes) {
      return Status(ErrorCode::kResourceExhausted, "read " + path + ": longer than the limit of " + std::to_string(max_bytes) + " bytes");
    }
    text.append(buffer, static_cast<size_t>(n));
  }
}

void print_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& cell : header) widths.push_back(cell_width(cell));
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], cell_width(row[i]));
  }
  const auto print_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += row[i] + std::string(widths[i] - cell_width(row[i]) + 4, ' ');
    std::puts(line.c_str());
  };
  print_row(header);
  for (const auto& row : rows) print_row(row);
}

void print_json(const nlohmann::ordered_json& json) {
  std::puts(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

std::string human_bytes(uint64_t bytes) {
  const char* units[] = {"B", "KB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1000 && unit < 4) {
    value /= 1000;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof text, value >= 10 || unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  return text;
}

std::string human_age(std::string_view rfc3339) {
  std::tm tm{};
  int offset_hours = 0, offset_minutes = 0;
  const std::string text(rfc3339);
  const char* rest = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &tm);
  if (rest == nullptr) return "";
  if (*rest == '.') {
    ++rest;
    while (*rest >= '0' && *rest <= '9') ++rest;
  }
  int64_t offset = 0;
  if (*rest == '+' || *rest == '-') {
    if (std::sscanf(rest + 1, "%2d:%2d", &offset_hours, &offset_minutes) != 2) return "";
    offset = (offset_hours * 60 + offset_minutes) * 60 * (*rest == '-' ? -1 : 1);
  }
  int64_t seconds = static_cast<int64_t>(std::time(nullptr)) - (static_cast<int64_t>(timegm(&tm)) - offset);
  const char* suffix = seconds >= 0 ? "ago" : "from now";
  seconds = std::abs(seconds);
  if (seconds > 100LL * 365 * 86400) return "Forever";
  const struct { int64_t seconds; const char* name; } units[] = {
      {365 * 86400, "year"}, {30 * 86400, "month"}, {7 * 86400, "week"}, {86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
  for (const auto& unit : units) {
    if (const int64_t n = seconds / unit.seconds; n >= 1) return std::to_string(n) + " " + unit.name + (n == 1 ? " " : "s ") + suffix;
  }
  return "Less than a second " + std::string(suffix);
}

ProgressLine::ProgressLine(bool enabled) : enabled_(enabled && isatty(STDERR_FILENO) != 0), started_ms_(now_ms()) {}

void ProgressLine::show(std::string_view text) {
  if (!enabled_ || now_ms() - started_ms_ < 1000) return;
  std::fprintf(stderr, "\r\x1b[K%.*s", static_cast<int>(text.size()), text.data());
  shown_ = true;
}

void ProgressLine::clear() {
  if (shown_) std::fputs("\r\x1b[K", stderr);
  shown_ = false;
}

Result<ApiClient> connect() {
  DA_ASSIGN_OR_RETURN(Address address, address_from_environment());
  ApiClient client(std::move(address));
  DA_ASSIGN_OR_RETURN(const bool up, client.ping());
  if (!up) {
    return Status(ErrorCode::kUnavailable, "could not connect to a deepanalyze server at " + client.address().url() + ", run 'deepanalyze serve' to start it");
  }
  return client;
}

std::string bundled_model_path() {
  if (const char* path = std::getenv("DEEPANALYZE_BUNDLED_MODEL"); path != nullptr && *path != '\0') return path;
  std::error_code error;
  const auto binary = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto folder = binary.parent_path();
  // build/release/bin/deepanalyze in a source tree, bin/deepanalyze when installed.
  for (const char* relative : {"../../../models/starter/starter.gguf", "../share/deepanalyze/models/starter/starter.gguf"}) {
    const auto path = (folder / relative).lexically_normal();
    if (std::filesystem::is_regular_file(path, error)) return path.string();
  }
  return "";
}

}  // namespace da::cli
