// Ollama's endpoints about models that run nothing: version, tags, ps, show, copy, delete.
#include <algorithm>
#include <array>
#include <memory>

#include "gguf/gguf.h"
#include "server/app.h"
#include "server/ollama_common.h"

namespace da::server {
namespace {

using namespace ollama;  // NOLINT(google-build-using-namespace): this file is its dialect
using std::chrono::system_clock;

// "model", or "name" as older clients say.
std::string model_field(Fields& fields) {
  std::string model = fields.text("model");
  std::string name = fields.text("name");
  return model.empty() ? name : model;
}

// Answers are made outside the coroutines: GCC 12 destroys temporaries of braced lists inside them twice.
Response object_response(const char* key, Json value) {
  Json body = Json::object();
  body[key] = std::move(value);
  return json_response(body);
}

Json listed(const store::ModelInfo& model) {
  Json entry = {{"name", model.name},
                {"model", model.name},
                {"modified_at", local_time(system_clock::from_time_t(model.modified_unix_s))},
                {"size", model.size_bytes},
                {"digest", model.digest},
                {"details", details(model)}};
  if (model.context_length > 0) entry["details"]["context_length"] = model.context_length;
  if (model.embedding_length > 0) entry["details"]["embedding_length"] = model.embedding_length;
  if (!model.capabilities.empty()) entry["capabilities"] = model.capabilities;
  return entry;
}

Json loaded_entry(const scheduler::LoadedModel& entry, system_clock::time_point expires_at) {
  return {{"name", entry.model.name},           {"model", entry.model.name},
          {"size", entry.size_bytes},           {"digest", entry.model.digest},
          {"details", details(entry.model)},    {"expires_at", local_time(expires_at)},
          {"size_vram", entry.size_vram_bytes}, {"context_length", entry.context_tokens}};
}

Awaitable<void> handle_version(App& app, Exchange& exchange) {
  co_await exchange.send(object_response("version", app.config.version));
}

Awaitable<void> handle_tags(App& app, Exchange& exchange) {
  std::optional<Result<std::vector<store::ModelInfo>>> models;
  co_await app.pool.run_blocking([&] { models = app.store.list(); });
  if (!models->is_ok()) {
    co_await exchange.send(error_response(500, models->status().message()));
    co_return;
  }
  Json list = Json::array();
  for (const store::ModelInfo& model : **models) {
    list.push_back(listed(model));
  }
  co_await exchange.send(object_response("models", std::move(list)));
}

Awaitable<void> handle_ps(App& app, Exchange& exchange) {
  std::vector<scheduler::LoadedModel> loaded = app.scheduler.loaded();
  // "For ever" is shown as Ollama shows it, as a time some centuries ahead.
  const auto far = system_clock::now() + std::chrono::hours(24 * 365 * 200);
  std::stable_sort(loaded.begin(), loaded.end(), [&far](const auto& a, const auto& b) {
    return a.expires_at.value_or(far) > b.expires_at.value_or(far);
  });
  Json list = Json::array();
  for (const scheduler::LoadedModel& entry : loaded) {
    list.push_back(loaded_entry(entry, entry.expires_at.value_or(far)));
  }
  co_await exchange.send(object_response("models", std::move(list)));
}

Json array_json(const gguf::Array& array) {
  Json list = Json::array();
  for (const std::string_view text : array.strings) list.push_back(text);
  for (const double number : array.floats) list.push_back(number);
  for (const int64_t number : array.integers) list.push_back(number);
  for (const auto& inner : array.arrays) list.push_back(array_json(*inner));
  return list;
}

struct FileFacts {
  Json model_info = Json::object();
  Json tensors = Json::array();
  std::string chat_template;
};

// Arrays (a vocabulary has a hundred thousand entries) only where asked for.
Result<FileFacts> read_file_facts(const std::string& path, bool verbose) {
  DA_ASSIGN_OR_RETURN(const auto file, gguf::File::open_header(path));
  FileFacts facts;
  for (const gguf::KeyValue& entry : file->metadata()) {
    if (entry.key == "general.name") continue;
    if (entry.key == "tokenizer.chat_template") {
      if (const auto* text = std::get_if<std::string_view>(&entry.value.data)) facts.chat_template = *text;
      continue;
    }
    Json& slot = facts.model_info[std::string(entry.key)];
    if (const auto* array = std::get_if<std::shared_ptr<gguf::Array>>(&entry.value.data)) {
      if (verbose && *array) slot = array_json(**array);
    } else if (const auto* text = std::get_if<std::string_view>(&entry.value.data)) {
      slot = *text;
    } else {
      std::visit(
          [&slot](const auto& value) {
            if constexpr (std::is_arithmetic_v<std::decay_t<decltype(value)>>) slot = value;
          },
          entry.value.data);
    }
  }
  uint64_t parameter_count = 0;
  for (const gguf::Tensor& tensor : file->tensors()) {
    parameter_count += tensor.n_values();
    Json shape = Json::array();
    for (uint32_t i = 0; i < tensor.n_dims && i < tensor.dims.size(); ++i) shape.push_back(tensor.dims[i]);
    Json entry = {{"name", tensor.name}, {"type", gguf::tensor_type_info(tensor.type).name}};
    entry["shape"] = std::move(shape);
    facts.tensors.push_back(std::move(entry));
  }
  facts.model_info["general.parameter_count"] = parameter_count;
  return facts;
}

// The lines of `show --parameters`: the key in 30 columns, then the value, strings quoted; a line for each of a list.
std::string parameter_lines(const Json& parameters) {
  std::string lines;
  for (const auto& [key, value] : parameters.items()) {
    const Json values = value.is_array() ? value : Json::array({value});
    for (const Json& element : values) {
      if (!lines.empty()) lines += '\n';
      std::string name = key;
      name.resize(std::max<size_t>(30, name.size()), ' ');
      lines += name + " " + to_text(element);
    }
  }
  return lines;
}

// Here, unlike elsewhere, a model that is not there is named in its normal form.
Response show_error(const Status& status, const std::string& name) {
  const auto normal = store::ModelName::parse(name);
  return resolve_error(status, normal.is_ok() ? normal->display() : name);
}

Awaitable<void> handle_show(App& app, Exchange& exchange) {
  const Result<Json> parsed = parse_object(exchange.request().body, "ShowRequest");
  if (!parsed.is_ok()) {
    co_await exchange.send(error_response(400, parsed.status().message()));
    co_return;
  }
  Fields fields(*parsed, "ShowRequest");
  const std::string asked = model_field(fields);
  const bool verbose = fields.boolean("verbose", false);
  const Json* const options = fields.object("options");
  Result<std::string> name = parse_model_reference(asked);
  std::optional<Response> refusal;
  if (!fields.status().is_ok())
    refusal = error_response(400, fields.status().message());
  else if (asked.empty())
    refusal = error_response(400, "model is required");
  else if (name.code() == ErrorCode::kUnsupported)
    refusal = error_response(403, "ollama cloud is disabled: remote model details are unavailable");
  else if (!name.is_ok())
    refusal = error_response(400, name.status().message());
  if (refusal) {
    co_await exchange.send(std::move(*refusal));
    co_return;
  }
  Result<store::ModelInfo> model = co_await app.resolve(*name);
  if (!model.is_ok()) {
    co_await exchange.send(show_error(model.status(), *name));
    co_return;
  }
  if (options != nullptr) {
    for (const auto& [key, value] : options->items()) model->parameters[key] = value;
  }
  model->system = fields.text("system", model->system);
  std::optional<Result<FileFacts>> facts;
  co_await app.pool.run_blocking([&] { facts = read_file_facts(model->gguf_path, verbose); });
  if (!facts->is_ok()) {
    co_await exchange.send(error_response(500, facts->status().message()));
    co_return;
  }
  const std::string template_text = model->go_template.empty() ? (*facts)->chat_template : model->go_template;
  Json body = Json::object();
  if (!model->license.empty()) body["license"] = model->license;
  body["modelfile"] = store::to_modelfile(*model);
  if (!model->parameters.empty()) body["parameters"] = parameter_lines(model->parameters);
  if (!template_text.empty()) body["template"] = template_text;
  if (!model->system.empty()) body["system"] = model->system;
  body["details"] = details(*model);
  if (!model->messages.empty()) body["messages"] = model->messages;
  body["model_info"] = std::move((*facts)->model_info);
  body["tensors"] = std::move((*facts)->tensors);
  if (!model->capabilities.empty()) body["capabilities"] = model->capabilities;
  body["modified_at"] = local_time(system_clock::from_time_t(model->modified_unix_s));
  co_await exchange.send(json_response(body));
}

Awaitable<void> handle_copy(App& app, Exchange& exchange) {
  const Result<Json> parsed = parse_object(exchange.request().body, "CopyRequest");
  if (!parsed.is_ok()) {
    co_await exchange.send(error_response(400, parsed.status().message()));
    co_return;
  }
  Fields fields(*parsed, "CopyRequest");
  const std::string source = fields.text("source"), destination = fields.text("destination");
  std::optional<Response> refusal;
  if (!fields.status().is_ok())
    refusal = error_response(400, fields.status().message());
  else if (!store::ModelName::parse(source).is_ok())
    refusal = error_response(400, "source \"" + source + "\" is invalid");
  else if (!store::ModelName::parse(destination).is_ok())
    refusal = error_response(400, "destination \"" + destination + "\" is invalid");
  if (refusal) {
    co_await exchange.send(std::move(*refusal));
    co_return;
  }
  Status status;
  co_await app.pool.run_blocking([&] { status = app.store.copy(source, destination); });
  Response response;
  if (status.code() == ErrorCode::kNotFound)
    response = error_response(404, "model \"" + source + "\" not found");
  else if (!status.is_ok())
    response = error_response(500, status.message());
  co_await exchange.send(std::move(response));
}

Awaitable<void> handle_delete(App& app, Exchange& exchange) {
  const Result<Json> parsed = parse_object(exchange.request().body, "DeleteRequest");
  if (!parsed.is_ok()) {
    co_await exchange.send(error_response(400, parsed.status().message()));
    co_return;
  }
  Fields fields(*parsed, "DeleteRequest");
  const std::string model = model_field(fields);
  std::optional<Response> refusal;
  if (!fields.status().is_ok())
    refusal = error_response(400, fields.status().message());
  else if (model.empty())
    refusal = error_response(400, "model is required");
  else if (!store::ModelName::parse(model).is_ok())
    refusal = error_response(400, "name \"" + model + "\" is invalid");
  if (refusal) {
    co_await exchange.send(std::move(*refusal));
    co_return;
  }
  Status status;
  co_await app.pool.run_blocking([&] { status = app.store.remove(model); });
  Response response;
  if (status.code() == ErrorCode::kNotFound)
    response = error_response(404, "model '" + model + "' not found");
  else if (status.code() == ErrorCode::kUnsupported)
    response = error_response(400, status.message());
  else if (!status.is_ok())
    response = error_response(500, status.message());
  co_await exchange.send(std::move(response));
}

Response cloud_status() { return json_response({{"cloud", {{"disabled", true}, {"source", "config"}}}}); }

Awaitable<void> handle_status(App&, Exchange& exchange) { co_await exchange.send(cloud_status()); }

}  // namespace

void add_ollama_model_routes(App& app, Router& router) {
  router.add({.method = "GET", .path = "/api/version", .handler = bind_handler(app, handle_version)});
  router.add({.method = "GET", .path = "/api/tags", .handler = bind_handler(app, handle_tags)});
  router.add({.method = "GET", .path = "/api/ps", .handler = bind_handler(app, handle_ps)});
  router.add({.method = "GET", .path = "/api/status", .handler = bind_handler(app, handle_status)});
  router.add({.method = "POST", .path = "/api/show", .handler = bind_handler(app, handle_show)});
  router.add({.method = "POST", .path = "/api/copy", .handler = bind_handler(app, handle_copy)});
  router.add({.method = "DELETE", .path = "/api/delete", .handler = bind_handler(app, handle_delete)});
}

}  // namespace da::server
