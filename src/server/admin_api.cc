#include <nlohmann/json.hpp>

#include "server/app.h"
#include "server/config.h"
#include "server/edge.h"
#include "server/ollama_common.h"

// GET and PUT /api/admin/config: what is set and where it comes from; changes of what may change while the server runs.
namespace da::server {
namespace {

using Json = nlohmann::ordered_json;

Json settings_json(const Config& settings) {
  Json all = Json::object();
  for (const Config::Row& row : Config::rows()) {
    all[std::string(row.name)] = {{"value", settings.value(row.name)},
                                  {"source", source_name(settings.source(row.name))},
                                  {"environment", row.environment},
                                  {"live", row.live},
                                  {"help", row.help}};
  }
  return all;
}

// The wanted changes as text; nullopt takes an earlier change back.
Result<std::map<std::string, std::optional<std::string>>> read_changes(const std::string& body) {
  const nlohmann::json wanted = nlohmann::json::parse(body, nullptr, false);
  if (!wanted.is_object()) return {ErrorCode::kInvalidArgument, "expected a JSON object of settings, like {\"parallel\": 8}"};
  std::map<std::string, std::optional<std::string>> changes;
  for (const auto& [name, value] : wanted.items()) {
    DA_ASSIGN_OR_RETURN(changes[name], Config::text_of(name, value));
  }
  return changes;
}

// Settings reach beyond one request, so they are this machine's to change.
bool is_allowed(const Exchange& exchange) { return is_loopback_address(exchange.client()); }

Awaitable<void> get_config(App& app, Exchange& exchange) {
  Response response = is_allowed(exchange) ? ollama::json_response(settings_json(*app.config.settings))
                                           : error_response(403, "settings can be seen from this machine only");
  co_await exchange.send(std::move(response));
}

Response change_config(App& app, Exchange& exchange) {
  if (!is_allowed(exchange)) return error_response(403, "settings can be changed from this machine only");
  const auto changes = read_changes(exchange.request().body);
  if (!changes.is_ok()) return error_response(400, changes.status().message());
  Config& settings = *app.config.settings;
  const auto changed = settings.change(*changes);
  if (!changed.is_ok()) return error_response(400, changed.status().message());
  for (const Config::Change& one : *changed) {
    app.config.log.info("setting changed", {{"setting", one.name}, {"from", one.from}, {"to", one.to}, {"by", exchange.client()}});
  }
  if (app.config.apply_settings) app.config.apply_settings();
  return ollama::json_response(settings_json(settings));
}

Awaitable<void> put_config(App& app, Exchange& exchange) {
  Response response = change_config(app, exchange);
  co_await exchange.send(std::move(response));
}

}  // namespace

void add_admin_routes(App& app, Router& router) {
  router.add({.method = "GET", .path = "/api/admin/config", .handler = bind_handler(app, get_config)});
  router.add({.method = "PUT", .path = "/api/admin/config", .handler = bind_handler(app, put_config)});
}

}  // namespace da::server
