#include <chrono>
#include <nlohmann/json.hpp>

#include "server/app.h"
#include "server/ollama_common.h"

// GET /health and /ready: whether the process answers, whether it takes requests, and whether its GPUs are all there.
namespace da::server {
namespace {

using Json = nlohmann::ordered_json;

const char* state_of(const scheduler::GpuHealth::Gpu& gpu) { return gpu.trouble.empty() ? "ok" : "lost"; }

Json gpu_json(const scheduler::GpuHealth::Gpu& gpu) {
  Json json = {{"uuid", gpu.uuid}, {"name", gpu.name}, {"state", state_of(gpu)}};
  if (!gpu.trouble.empty()) {
    json["reason"] = gpu.trouble;
    json["since"] = ollama::local_time(gpu.since);
  }
  if (gpu.n_faults > 0) json["faults"] = gpu.n_faults;
  return json;
}

Json health_json(const scheduler::GpuHealth& health) {
  Json json = {{"status", health.degraded ? "degraded" : "ok"}};
  if (health.degraded) {
    std::string why = health.driver_trouble;
    for (const auto& gpu : health.gpus) {
      if (!gpu.trouble.empty()) why += (why.empty() ? "" : "; ") + gpu.name + " (" + gpu.uuid + "): " + gpu.trouble;
    }
    json["reason"] = why;
    json["models"] = health.refuses ? "models that would use GPUs are refused (gpu_loss)" : "models run on what is left";
  }
  for (const auto& gpu : health.gpus) json["gpus"].push_back(gpu_json(gpu));
  if (health.gpus.empty() && !health.none.empty()) json["no_gpu"] = health.none;
  return json;
}

// The process answers, so the status is 200: what restarts a server because of its health would mend nothing here.
Awaitable<void> handle_health(App& app, Exchange& exchange) {
  Response response = ollama::json_response(health_json(app.scheduler.stats().gpu_health));
  co_await exchange.send(std::move(response));
}

Awaitable<void> handle_ready(App& app, Exchange& exchange) {
  const scheduler::GpuHealth health = app.scheduler.stats().gpu_health;
  Response response = ollama::json_response(health.refuses ? health_json(health) : Json{{"status", "ready"}});
  if (health.refuses) response.status = 503;
  co_await exchange.send(std::move(response));
}

}  // namespace

void add_health_routes(App& app, Router& router) {
  router.add({.method = "GET", .path = "/health", .handler = bind_handler(app, handle_health)});
  router.add({.method = "GET", .path = "/ready", .handler = bind_handler(app, handle_ready)});
}

}  // namespace da::server
