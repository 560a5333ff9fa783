#pragma once

#include <array>
#include <functional>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace da::server {

// The server's settings, each from the highest place that names it: default < file < environment < flag < API. Values
// are kept as text in the one form that the row's check gives them. Thread-safe.
class Config {
 public:
  enum class Source { kDefault, kFile, kEnvironment, kFlag, kApi };
  static constexpr size_t kSources = 5;

  struct Row {
    std::string_view name, environment, fallback, help;
    // The value in its one form, or what was expected instead.
    Result<std::string> (*check)(const std::string& text);
    bool live = false;   // may be changed while the server runs
  };
  static std::span<const Row> rows();

  using Environment = std::function<std::optional<std::string>(const char* name)>;
  // Errors name the variable, the value and what was expected.
  Status read_environment(const Environment& environment);
  // Puts the file's settings in the place of those read before; on an error nothing changes. A JSON object, comments
  // allowed. Errors name file, line, what was found, and the setting that may have been meant.
  Status read_file(const std::string& path);
  Status set(Source source, const std::string& name, const std::string& text);
  struct Change {
    std::string name, from, to;
  };
  struct Reread {
    std::vector<Change> changed;              // what is another than before
    std::vector<std::string_view> next_time;  // other in the file now, but only a new start takes them
  };
  // The same while the server runs.
  Result<Reread> reread_file(const std::string& path);
  // All or nothing, of live settings only; nullopt takes an earlier change back. Gives what is another than before.
  Result<std::vector<Change>> change(const std::map<std::string, std::optional<std::string>>& values);
  // A JSON value as a variable would hold it; null: nullopt.
  static Result<std::optional<std::string>> text_of(std::string_view name, const nlohmann::json& value);

  std::string value(std::string_view name) const;
  int64_t number(std::string_view name) const;   // of settings that are whole numbers
  Source source(std::string_view name) const;

 private:
  using Layers = std::array<std::optional<std::string>, kSources>;
  using Values = std::map<std::string, std::string, std::less<>>;
  static Result<Values> parse_file(const std::string& path);
  const Layers& layers(std::string_view name) const;   // under mutex_

  mutable std::mutex mutex_;
  std::map<std::string, Layers, std::less<>> values_;
};

std::string_view source_name(Config::Source source);
// The configuration file to read: `DEEPANALYZE_CONFIG`, else the user's, else the machine's; "" if there is none.
std::string config_file_path(const Config::Environment& environment);

}  // namespace da::server
