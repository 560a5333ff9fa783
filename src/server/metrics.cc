#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <nlohmann/json.hpp>

#include "server/app.h"

namespace da::server {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Histogram;
using Boundaries = Histogram::BucketBoundaries;

const Boundaries kWaits = {0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300};
const Boundaries kTokenTimes = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5};

const char* outcome_name(Metrics::Outcome outcome) {
  switch (outcome) {
    case Metrics::Outcome::kOk:
      return "ok";
    case Metrics::Outcome::kRefused:
      return "refused";
    case Metrics::Outcome::kFailed:
      return "failed";
    case Metrics::Outcome::kCancelled:
      return "cancelled";
    case Metrics::Outcome::kExpired:
      return "expired";
  }
  return "failed";
}

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// Of a loaded model, from its runner's latest stats message (runner/protocol.md).
struct ModelGauge {
  const char *name, *help, *key, *label_name, *label;
  double scale = 1;
  bool counts = false;  // from the load on: a counter
};
constexpr std::array kModelGauges = {
    ModelGauge{"deepanalyze_model_sequences", "Requests of a model in its engine", "running", "state", "running"},
    ModelGauge{"deepanalyze_model_sequences", "", "waiting", "state", "waiting"},
    ModelGauge{"deepanalyze_model_sequences", "", "held", "state", "held"},
    ModelGauge{"deepanalyze_kv_pages", "Pages of keys and values by use; max is what the pool may grow to", "kv_pages_in_use", "use", "in_use"},
    ModelGauge{"deepanalyze_kv_pages", "", "kv_pages_retained", "use", "retained"},
    ModelGauge{"deepanalyze_kv_pages", "", "kv_pages_committed", "use", "committed"},
    ModelGauge{"deepanalyze_kv_pages", "", "kv_pages_max", "use", "max"},
    ModelGauge{"deepanalyze_model_memory_bytes", "Memory of a model by device (cpu, or a GPU's UUID) and kind", "host_weight_bytes", "kind", "weights"},
    ModelGauge{"deepanalyze_model_memory_bytes", "", "host_kv_bytes", "kind", "kv"},
    ModelGauge{"deepanalyze_model_memory_bytes", "", "host_buffer_bytes", "kind", "buffers"},
    ModelGauge{"deepanalyze_model_preemptions_total", "Requests that stepped back for others since the load", "preemptions", "", "", 1, true},
    ModelGauge{"deepanalyze_model_evicted_pages_total", "Retained pages given up since the load", "evicted_pages", "", "", 1, true},
    ModelGauge{"deepanalyze_model_steps_total", "Steps of a model's engine since the load", "steps", "", "", 1, true},
    ModelGauge{"deepanalyze_model_step_seconds_total", "Time of these steps, and of it in the model; the rest is the engine's own", "step_ns", "part", "all", 1e-9, true},
    ModelGauge{"deepanalyze_model_step_seconds_total", "", "forward_ns", "part", "model", 1e-9, true},
    ModelGauge{"deepanalyze_model_speculated_tokens_total", "Tokens guessed and checked since the load; accepted: of them right", "drafted_tokens", "kind", "drafted", 1, true},
    ModelGauge{"deepanalyze_model_speculated_tokens_total", "", "accepted_tokens", "kind", "accepted", 1, true},
};

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      BuildCounter().Name("deepanalyze_requests_total").Help("Uses of a model by kind and outcome").Register(registry);
  prometheus::Family<prometheus::Counter>& tokens =
      BuildCounter().Name("deepanalyze_tokens_total").Help("Tokens of finished requests; cached ones are prompt tokens that were found computed").Register(registry);
  prometheus::Counter& prompt_tokens = tokens.Add({{"kind", "prompt"}});
  prometheus::Counter& cached_tokens = tokens.Add({{"kind", "cached"}});
  prometheus::Counter& generated_tokens = tokens.Add({{"kind", "generated"}});
  Histogram& waits = histogram("deepanalyze_queue_seconds", "From a request to its model: waiting and loading", kWaits);
  Histogram& first_tokens = histogram("deepanalyze_first_token_seconds", "From a request to its first text", kWaits);
  Histogram& token_times = histogram("deepanalyze_inter_token_seconds", "Time per token after the first text", kTokenTimes);

  Histogram& histogram(const char* name, const char* help, const Boundaries& boundaries) {
    return BuildHistogram().Name(name).Help(help).Register(registry).Add({}, boundaries);
  }
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::request_ended(const char* kind, Outcome outcome) {
  impl_->requests.Add({{"kind", kind}, {"outcome", outcome_name(outcome)}}).Increment();
}
void Metrics::waited_for_model(std::chrono::nanoseconds time) { impl_->waits.Observe(seconds(time)); }
void Metrics::first_token_after(std::chrono::nanoseconds time) { impl_->first_tokens.Observe(seconds(time)); }
void Metrics::token_after(std::chrono::nanoseconds time) { impl_->token_times.Observe(seconds(time)); }
void Metrics::tokens_done(int64_t prompt, int64_t cached, int64_t generated) {
  impl_->prompt_tokens.Increment(static_cast<double>(prompt));
  impl_->cached_tokens.Increment(static_cast<double>(cached));
  impl_->generated_tokens.Increment(static_cast<double>(generated));
}

std::string Metrics::text(scheduler::Scheduler& scheduler) {
  // Of this moment only: a registry of its own, so that a model that was unloaded leaves no line behind.
  prometheus::Registry now;
  const auto gauge = [&now](const char* name, const char* help, const prometheus::Labels& labels, double value) {
    BuildGauge().Name(name).Help(help).Register(now).Add(labels).Set(value);
  };
  const scheduler::Stats stats = scheduler.stats();
  gauge("deepanalyze_queue_length", "Requests waiting for a model to load or for their turn", {}, static_cast<double>(stats.n_waiting));
  const auto counter = [&now](const char* name, const char* help, const prometheus::Labels& labels, int64_t value) {
    BuildCounter().Name(name).Help(help).Register(now).Add(labels).Increment(static_cast<double>(value));
  };
  const char* const loads_help = "Loads of models by outcome";
  counter("deepanalyze_model_loads_total", loads_help, {{"outcome", "ok"}}, stats.loads);
  counter("deepanalyze_model_loads_total", loads_help, {{"outcome", "failed"}}, stats.failed_loads);
  counter("deepanalyze_model_unloads_total", "Models unloaded: idle, asked for, or for another's sake", {}, stats.unloads);
  counter("deepanalyze_not_finite_total", "Requests that ended because the model's results were no finite numbers", {}, stats.not_finite);
  counter("deepanalyze_runner_crashes_total", "Runner processes that ended unasked", {}, stats.crashes);
  for (const scheduler::LoadedModel& model : scheduler.loaded()) {
    for (const ModelGauge& row : kModelGauges) {
      if (!model.runner_stats.is_object() || !model.runner_stats.contains(row.key)) continue;
      prometheus::Labels labels{{"model", model.model.name}};
      if (*row.label_name != '\0') labels.emplace(row.label_name, row.label);
      if (std::string_view(row.name) == "deepanalyze_model_memory_bytes") labels.emplace("device", "cpu");
      const double value = model.runner_stats.value(row.key, 0.0) * row.scale;
      if (row.counts) {
        BuildCounter().Name(row.name).Help(row.help).Register(now).Add(labels).Increment(value);
      } else {
        gauge(row.name, row.help, labels, value);
      }
    }
    for (size_t i = 0; i < model.gpus.size() && model.runner_stats.is_object(); ++i) {
      constexpr std::pair<const char*, const char*> kKinds[] = {{"weights", "_weight_bytes"}, {"kv", "_kv_bytes"}, {"buffers", "_buffer_bytes"}};
      for (const auto& [kind, key] : kKinds) {
        const double bytes = model.runner_stats.value("gpu" + std::to_string(i) + key, 0.0);
        gauge("deepanalyze_model_memory_bytes", "", {{"model", model.model.name}, {"device", model.gpus[i]}, {"kind", kind}}, bytes);
      }
    }
  }
  for (const scheduler::GpuHealth::Gpu& gpu : stats.gpu_health.gpus) {
    gauge("deepanalyze_device_up", "Whether a GPU can be used: 0 when it is lost or has failed", {{"device", gpu.uuid}}, gpu.trouble.empty() ? 1 : 0);
    counter("deepanalyze_device_faults_total", "Times a GPU was lost or failed", {{"device", gpu.uuid}}, gpu.n_faults);
  }
  gauge("deepanalyze_degraded", "1 while a GPU that was there cannot be used; see /health", {}, stats.gpu_health.degraded ? 1 : 0);
  for (const scheduler::DeviceMemory& device : stats.devices) {
    const char* const help = "Memory of a GPU: room for our models, and what they hold of it";
    gauge("deepanalyze_device_memory_bytes", help, {{"device", device.uuid}, {"state", "room"}}, static_cast<double>(device.room_bytes));
    gauge("deepanalyze_device_memory_bytes", help, {{"device", device.uuid}, {"state", "held"}}, static_cast<double>(device.held_bytes));
  }
  auto families = impl_->registry.Collect();
  const auto more = now.Collect();
  families.insert(families.end(), more.begin(), more.end());
  return prometheus::TextSerializer().Serialize(families);
}

namespace {

Awaitable<void> handle_metrics(App& app, Exchange& exchange) {
  Response response{200, "text/plain; version=0.0.4; charset=utf-8", app.metrics.text(app.scheduler), {}};
  co_await exchange.send(std::move(response));
}

}  // namespace

void add_metrics_routes(App& app, Router& router) {
  router.add({.method = "GET", .path = "/metrics", .handler = bind_handler(app, handle_metrics)});
}

}  // namespace da::server
