#include <algorithm>
#include <cstdio>

#include "cli/api_client.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace da::cli {
namespace {

using Json = nlohmann::ordered_json;

void print(const Json& settings, const std::vector<std::string>& names, const ConfigOptions& options) {
  const auto is_wanted = [&](const std::string& name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  if (options.json) {
    Json shown = Json::object();
    for (const auto& [name, row] : settings.items()) {
      if (is_wanted(name)) shown[name] = row;
    }
    std::printf("%s\n", shown.dump(2).c_str());
    return;
  }
  for (const auto& [name, row] : settings.items()) {
    if (!is_wanted(name)) continue;
    const std::string value = row.value("value", "");
    if (!options.explain) {
      std::printf("%-18s %s\n", name.c_str(), value.c_str());
      continue;
    }
    const std::string source = row.value("source", ""), variable = row.value("environment", "");
    const std::string where = source == "environment" ? variable : source;
    std::printf("%-18s %-16s %-26s %s (%s%s)\n", name.c_str(), value.empty() ? "-" : value.c_str(), where.c_str(), row.value("help", "").c_str(), variable.c_str(),
                row.value("live", false) ? "" : "; at the start only");
  }
}

Status show_or_change(const ConfigOptions& options) {
  Json changes = Json::object();
  std::vector<std::string> names;
  for (const std::string& text : options.changes) {
    const size_t equals = text.find('=');
    names.push_back(text.substr(0, equals));
    if (equals == std::string::npos) continue;
    if (equals + 1 == text.size()) {
      changes[names.back()] = nullptr;
    } else {
      changes[names.back()] = text.substr(equals + 1);
    }
  }
  DA_ASSIGN_OR_RETURN(const Address address, address_from_environment());
  ApiClient client(address);
  DA_ASSIGN_OR_RETURN(const bool up, client.ping());
  if (!up) return {ErrorCode::kUnavailable, "no server answers at " + address.url() + ": 'deepanalyze serve' starts one"};
  DA_ASSIGN_OR_RETURN(const Json settings, changes.empty() ? client.call("GET", "/api/admin/config") : client.call("PUT", "/api/admin/config", changes));
  for (const std::string& name : names) {
    if (settings.contains(name)) continue;
    const bool is_value = changes.empty() && names.size() == 2 && settings.contains(names[0]);
    return {ErrorCode::kInvalidArgument, "unknown setting \"" + name + "\"; " +
                                             (is_value ? "to set " + names[0] + " write " + names[0] + "=" + name
                                                       : "'deepanalyze config' lists them")};
  }
  print(settings, names, options);
  return Status::ok();
}

}  // namespace

int config(const ConfigOptions& options) {
  const Status status = show_or_change(options);
  return status.is_ok() ? 0 : fail(status);
}

}  // namespace da::cli
