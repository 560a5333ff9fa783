#include "server/app.h"

#include <algorithm>

#include "server/edge.h"
#include "server/ollama_common.h"

namespace da::server {
namespace {

constexpr std::string_view kStarter = "starter";

bool is_starter(const store::ModelInfo& model) {
  return model.built_in || model.name == kStarter || model.name.starts_with(std::string(kStarter) + ":");
}

// A model of unknown abilities is given the chance.
bool can_complete(const store::ModelInfo& model) {
  return model.capabilities.empty() ||
         std::find(model.capabilities.begin(), model.capabilities.end(), "completion") != model.capabilities.end();
}

}  // namespace

App::App(const ServerConfig& server_config, store::Store& model_store, scheduler::Scheduler& model_scheduler,
         IoPool& io_pool)
    : config(server_config), store(model_store), scheduler(model_scheduler), pool(io_pool) {}

bool App::may_name_files() const { return is_loopback_address(config.api_address); }

Awaitable<Result<store::ModelInfo>> App::resolve(std::string name) {
  // Only what says it is a model file: the error about any other would tell what that file begins with.
  const bool is_file = name.ends_with(".gguf") || name.find("/blobs/sha256") != std::string::npos;
  if (is_file ? !may_name_files() : !store::ModelName::parse(name).is_ok()) {
    co_return Status(ErrorCode::kInvalidArgument, "invalid model name");
  }
  std::optional<Result<store::ModelInfo>> result;
  co_await pool.run_blocking([&] { result = store.resolve(name); });
  co_return std::move(*result);
}

Awaitable<Result<store::ModelInfo>> App::default_model() {
  if (!config.default_model.empty()) {
    Result<store::ModelInfo> configured = co_await resolve(config.default_model);
    co_return configured;
  }
  std::string last;
  {
    const std::lock_guard lock(mutex_);
    last = last_used_;
  }
  if (!last.empty()) {
    Result<store::ModelInfo> used = co_await resolve(last);
    if (used.is_ok()) co_return used;  // else it was deleted since
  }
  std::optional<Result<std::vector<store::ModelInfo>>> models;
  co_await pool.run_blocking([&] { models = store.list(); });
  if (!models->is_ok()) co_return models->status();
  const store::ModelInfo* choice = nullptr;
  for (const store::ModelInfo& model : **models) {  // newest first
    if (!can_complete(model)) continue;
    if (choice == nullptr || (is_starter(*choice) && !is_starter(model))) choice = &model;
  }
  if (choice == nullptr) {
    co_return Status(ErrorCode::kNotFound,
                     "no model is installed: create one from a GGUF file with 'deepanalyze create'");
  }
  co_return *choice;
}

std::chrono::milliseconds App::request_timeout() const {
  if (!config.settings) return std::chrono::milliseconds(0);
  const auto duration = ollama::parse_go_duration(config.settings->value("request_timeout"));
  return duration.is_ok() ? std::chrono::duration_cast<std::chrono::milliseconds>(*duration) : std::chrono::milliseconds(0);
}

void App::note_use(const store::ModelInfo& model) {
  if (is_starter(model) || !can_complete(model)) return;
  const std::lock_guard lock(mutex_);
  last_used_ = model.name;
}

}  // namespace da::server
