#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "server/http.h"
#include "server/json_body.h"
#include "store/store.h"

// The grammar shared by Ollama's endpoints.
namespace da::server::ollama {

inline constexpr const char* kJsonType = "application/json; charset=utf-8";
inline constexpr const char* kNdjsonType = "application/x-ndjson";

// "5m", 300, -1, …: nullopt if absent or null; negative: for ever (-1 ms).
Result<std::optional<std::chrono::milliseconds>> parse_keep_alive(const Json* value);
Result<std::chrono::nanoseconds> parse_go_duration(std::string_view text);  // "1h30m"

// The model's parameters overlaid by the request's options, each of the type the runner expects. kInvalidArgument with
// Ollama's text for a wrong type (it answers 500 to that); unknown keys are dropped.
Result<nlohmann::json> merge_options(const Json& model_parameters, const Json* request_options);
// Of merged options, those that belong to the weights (num_gpu), for the load.
void take_load_options(const nlohmann::json& options, store::ModelInfo& model);

// "json" or a schema (as JSON text) for the runner, null for no constraint. kInvalidArgument for anything else.
Result<nlohmann::json> parse_format(const Json* value);

// null (absent), a bool or a level; kInvalidArgument otherwise.
Result<nlohmann::json> parse_think(const Json* value);

// The name without spaces and source suffix. kInvalidArgument: contradictory suffixes; kUnsupported: a cloud model.
Result<std::string> parse_model_reference(std::string_view text);

bool has_capability(const store::ModelInfo& model, std::string_view capability);

std::string created_at();                                            // now, RFC 3339, nanoseconds, UTC
std::string local_time(std::chrono::system_clock::time_point time);  // RFC 3339 with this machine's offset

Json details(const store::ModelInfo& model);

Response json_response(const Json& body);
// The error matrix: a failed name look-up, a failed load or runner message.
Response resolve_error(const Status& status, std::string_view name);
Response load_error(const Status& status);
Response runner_error(std::string_view code, std::string_view message);
std::string runner_error_text(std::string_view code, std::string_view message);

}  // namespace da::server::ollama
