// list, ps, show, create, rm, cp, stop, version: thin clients of the API.
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/version.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "store/store.h"

namespace da::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

uint64_t number_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number_unsigned() ? it->get<uint64_t>() : 0;
}

// Models of /api/tags or /api/ps whose name starts with the prefix.
Result<Json> models_at(const std::string& path, const std::string& prefix) {
  DA_ASSIGN_OR_RETURN(ApiClient client, connect());
  DA_ASSIGN_OR_RETURN(const Json answer, client.call("GET", path));
  Json models = Json::array();
  if (!answer.contains("models") || !answer["models"].is_array()) return models;
  for (const Json& model : answer["models"]) {
    if (strncasecmp(text_of(model, "name").c_str(), prefix.c_str(), prefix.size()) == 0) models.push_back(model);
  }
  return models;
}

std::string processor_of(uint64_t size, uint64_t vram) {
  if (vram == 0) return "100% CPU";
  if (vram >= size) return "100% GPU";
  const auto cpu = static_cast<int>(100.0 * static_cast<double>(size - vram) / static_cast<double>(size) + 0.5);
  return std::to_string(cpu) + "%/" + std::to_string(100 - cpu) + "% CPU/GPU";
}

// A section of `show`: a title and rows of name and value.
void print_section(const char* title, const std::vector<std::pair<std::string, std::string>>& rows) {
  if (rows.empty()) return;
  std::printf("  %s\n", title);
  for (const auto& [name, value] : rows) std::printf("    %-20s %s\n", name.c_str(), value.c_str());
  std::puts("");
}

}  // namespace

int list(const ListOptions& options) {
  const auto models = models_at("/api/tags", options.prefix);
  if (!models.is_ok()) return fail(models.status());
  if (options.json) return print_json({{"models", *models}}), 0;
  std::vector<std::vector<std::string>> rows;
  for (const Json& model : *models) {
    rows.push_back({text_of(model, "name"), text_of(model, "digest").substr(0, 12), human_bytes(number_of(model, "size")), human_age(text_of(model, "modified_at"))});
  }
  print_table({"NAME", "ID", "SIZE", "MODIFIED"}, rows);
  return 0;
}

int ps(const ListOptions& options) {
  const auto models = models_at("/api/ps", options.prefix);
  if (!models.is_ok()) return fail(models.status());
  if (options.json) return print_json({{"models", *models}}), 0;
  std::vector<std::vector<std::string>> rows;
  for (const Json& model : *models) {
    const uint64_t size = number_of(model, "size");
    rows.push_back({text_of(model, "name"), text_of(model, "digest").substr(0, 12), human_bytes(size), processor_of(size, number_of(model, "size_vram")),
                    std::to_string(number_of(model, "context_length")), human_age(text_of(model, "expires_at"))});
  }
  print_table({"NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"}, rows);
  return 0;
}

int show(const ShowOptions& options) {
  auto client = connect();
  if (!client.is_ok()) return fail(client.status());
  const auto answer = client->call("POST", "/api/show", {{"model", options.model}, {"verbose", options.verbose}});
  if (!answer.is_ok()) return fail(answer.status());
  if (options.json) return print_json(*answer), 0;
  const std::pair<bool, const char*> parts[] = {{options.license, "license"}, {options.modelfile, "modelfile"}, {options.parameters, "parameters"},
                                                {options.show_template, "template"}, {options.system, "system"}};
  for (const auto& [wanted, key] : parts) {
    if (wanted) return std::puts(text_of(*answer, key).c_str()), 0;
  }
  const Json info = answer->value("model_info", Json::object()), details = answer->value("details", Json::object());
  const std::string architecture = text_of(info, "general.architecture");
  const auto length = [&](const char* key) { return std::to_string(number_of(info, (architecture + key).c_str())); };
  print_section("Model", {{"architecture", architecture}, {"parameters", text_of(details, "parameter_size")}, {"context length", length(".context_length")},
                          {"embedding length", length(".embedding_length")}, {"quantization", text_of(details, "quantization_level")}});
  std::vector<std::pair<std::string, std::string>> capabilities;
  for (const Json& capability : answer->value("capabilities", Json::array())) {
    if (capability.is_string()) capabilities.emplace_back(capability.get<std::string>(), "");
  }
  print_section("Capabilities", capabilities);
  for (const auto& [title, key] : {std::pair{"Parameters", "parameters"}, {"System", "system"}, {"License", "license"}}) {
    const std::string text = text_of(*answer, key);
    if (!text.empty()) std::printf("  %s\n    %s\n\n", title, text.substr(0, text.find("\n\n")).c_str());
  }
  return 0;
}

int create(const CreateOptions& options) {
  const auto text = read_input(options.file);
  if (!text.is_ok()) return fail(text.status());
  const std::string folder = options.file == "-" ? "." : std::filesystem::path(options.file).parent_path().string();
  const auto request = store::parse_modelfile(*text, std::filesystem::absolute(folder.empty() ? "." : folder).string());
  if (!request.is_ok()) return fail(request.status().with_context(options.file));
  Json body = {{"model", options.model}, {"from", request->from}};
  const std::pair<const char*, const std::string&> texts[] = {{"template", request->go_template}, {"system", request->system}, {"license", request->license}};
  for (const auto& [key, value] : texts) {
    if (!value.empty()) body[key] = value;
  }
  if (!request->parameters.empty()) body["parameters"] = request->parameters;
  if (!request->messages.empty()) body["messages"] = request->messages;
  if (!options.quantize.empty()) body["quantize"] = options.quantize;
  auto client = connect();
  if (!client.is_ok()) return fail(client.status());
  const Status status = client->stream("POST", "/api/create", body, [](std::string_view line) {
    const Json event = Json::parse(line, nullptr, false);
    if (event.is_object() && event.contains("status")) std::fprintf(stderr, "%s\n", text_of(event, "status").c_str());
    return true;
  });
  return status.is_ok() ? 0 : fail(status);
}

int remove_models(const std::vector<std::string>& models) {
  auto client = connect();
  if (!client.is_ok()) return fail(client.status());
  for (const std::string& model : models) {
    // Unload first, so that the runner does not keep the file's blocks.
    (void)client->call("POST", "/api/generate", {{"model", model}, {"keep_alive", 0}});
    const auto answer = client->call("DELETE", "/api/delete", {{"model", model}});
    if (!answer.is_ok()) return fail(answer.status());
    std::printf("deleted '%s'\n", model.c_str());
  }
  return 0;
}

int copy_model(const std::string& source, const std::string& destination) {
  auto client = connect();
  if (!client.is_ok()) return fail(client.status());
  const auto answer = client->call("POST", "/api/copy", {{"source", source}, {"destination", destination}});
  if (!answer.is_ok()) return fail(answer.status());
  std::printf("copied '%s' to '%s'\n", source.c_str(), destination.c_str());
  return 0;
}

int stop_model(const std::string& model) {
  auto client = connect();
  if (!client.is_ok()) return fail(client.status());
  const auto answer = client->call("POST", "/api/generate", {{"model", model}, {"keep_alive", 0}});
  if (answer.code() == ErrorCode::kNotFound) return fail({ErrorCode::kNotFound, "couldn't find model \"" + model + "\" to stop"});
  return answer.is_ok() ? 0 : fail(answer.status());
}

int version(const VersionOptions& options) {
  std::string server;
  if (auto client = connect(); client.is_ok()) {
    const auto answer = client->call("GET", "/api/version");
    if (answer.is_ok()) server = text_of(*answer, "version");
  }
  if (options.json) return print_json({{"version", kVersion}, {"server", server.empty() ? Json(nullptr) : Json(server)}}), 0;
  std::printf("deepanalyze version is %s\n", kVersion);
  if (server.empty()) std::puts("Warning: could not connect to a running deepanalyze server");
  if (!server.empty() && server != kVersion) std::printf("Warning: server version is %s\n", server.c_str());
  return 0;
}

}  // namespace da::cli
