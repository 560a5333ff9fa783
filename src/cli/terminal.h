#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/api_client.h"

namespace da::cli {

// "Error: message" on stderr; 2 for a wrong call, 130 after Ctrl-C, else 1.
int fail(const Status& status);

// All of stdin, or of a file ("-" is stdin). Errors: kNotFound, kIo, kResourceExhausted above `max_bytes`.
Result<std::string> read_input(const std::string& path, size_t max_bytes = 64U << 20);

// Left-aligned columns, four spaces between; widths count terminal cells (a Chinese character takes two).
void print_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);
void print_json(const nlohmann::ordered_json& json);

std::string human_bytes(uint64_t bytes);                 // "4.7 GB", decimal units
std::string human_age(std::string_view rfc3339);         // "5 minutes ago", "4 minutes from now"; "" if unreadable

// A status line on stderr that rewrites itself; silent when stderr is no terminal. Shown only after a second.
class ProgressLine {
 public:
  explicit ProgressLine(bool enabled = true);
  ~ProgressLine() { clear(); }
  void show(std::string_view text);
  void clear();

 private:
  bool enabled_, shown_ = false;
  int64_t started_ms_;
};

// A client of the running server; exits with the "could not connect" error if there is none.
Result<ApiClient> connect();
// Path of the bundled model: DEEPANALYZE_BUNDLED_MODEL, beside the source tree the binary was built in, or installed.
std::string bundled_model_path();

}  // namespace da::cli
