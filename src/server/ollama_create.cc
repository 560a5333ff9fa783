// Ollama's POST /api/create and the upload of blobs.
#include <memory>

#include "server/app.h"
#include "server/mailbox.h"
#include "quant/mix.h"
#include "server/ollama_common.h"

namespace da::server {
namespace {

using namespace ollama;  // NOLINT(google-build-using-namespace): this file is its dialect

// Models beyond any that exists; uploads go to the disk piece by piece, not to memory.
constexpr uint64_t kBlobLimitBytes = 4ull << 40;

std::string joined_license(Fields& fields) {
  const Json* value = fields.find("license");
  if (value == nullptr) return "";
  if (value->is_string()) return value->get<std::string>();
  std::string text;
  if (!value->is_array()) {
    fields.wrong_type("license", *value, "[]string");
    return text;
  }
  for (const Json& part : *value) {
    if (!part.is_string())
      fields.wrong_type("license", part, "string");
    else
      text += (text.empty() ? "" : "\n") + part.get<std::string>();
  }
  return text;
}

// A relative path that stays below its folder.
bool is_local_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('\\') != std::string_view::npos ||
      path.find('\0') != std::string_view::npos)
    return false;
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    if (path.substr(start, end - start) == "..") return false;
    start = end + 1;
  }
  return true;
}

// The refusal, or nullopt with the request read.
std::optional<Response> read_request(const Json& body, const App& app, store::CreateRequest& request, bool& stream) {
  Fields fields(body, "CreateRequest");
  request.model = fields.text("model", fields.text("name"));
  request.from = fields.text("from");
  request.go_template = fields.text("template");
  request.system = fields.text("system");
  request.license = joined_license(fields);
  if (const Json* parameters = fields.object("parameters")) request.parameters = *parameters;
  if (const Json* messages = fields.array("messages")) {
    for (const Json& message : *messages) {
      const bool sound = message.is_object() && message.contains("role") && message["role"].is_string() &&
                         message.contains("content") && message["content"].is_string();
      if (!sound) fields.wrong_type("messages", message, "api.Message");
    }
    request.messages = *messages;
  }
  stream = fields.boolean("stream", true);
  const Json* files = fields.object("files");
  if (files != nullptr) {
    for (const auto& [path, digest] : files->items()) {
      if (!is_local_path(path)) return error_response(400, "file path must be relative");
      if (!digest.is_string())
        fields.wrong_type("files", digest, "string");
      else if (digest.get_ref<const std::string&>().empty())
        return error_response(400, "invalid digest format");
      else
        request.files.emplace_back(path, digest.get<std::string>());
    }
  }
  if (!fields.status().is_ok()) return error_response(400, fields.status().message());
  if (!store::ModelName::parse(request.model).is_ok()) return error_response(400, "invalid model name");
  request.quantize = fields.text("quantize", fields.text("quantization"));
  if (const auto mix = quant::find_mix(request.quantize); !request.quantize.empty() && !mix.is_ok()) {
    return error_response(400, "unsupported quantization type " + request.quantize + " - supported types are " + quant::mix_names());
  }
  for (const char* key : {"adapters", "draft_files", "draft_quantize", "remote_host"}) {
    const Json* value = fields.find(key);
    if (value != nullptr && !value->empty() && *value != "") {
      return error_response(501, "create: '" + std::string(key) + "' is not supported yet");
    }
  }
  if (request.from.empty() && request.files.empty()) {
    return error_response(
        400, files != nullptr ? "no files provided to convert" : "neither 'from' or 'files' was specified");
  }
  // Elsewhere than on this machine a path would let strangers read its files.
  const bool is_file = request.from.find('/') != std::string::npos || request.from.ends_with(".gguf");
  if (!app.may_name_files() && is_file && !store::ModelName::parse(request.from).is_ok()) {
    return error_response(400, "invalid model name");
  }
  return std::nullopt;
}

Response create_reply(const Status& status) {
  switch (status.code()) {
    case ErrorCode::kOk:
      return json_response({{"status", "success"}});
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
    case ErrorCode::kCorruptData:
      return error_response(400, status.message());
    case ErrorCode::kNotFound:
      return error_response(404, status.message());
    default:
      return error_response(500, status.message());
  }
}

Json progress_json(const Event& event) {
  Json line = {{"status", event.status.message()}};
  // Work on bytes that have no digest yet is told as Ollama does.
  if (event.status.message().starts_with("quantizing ")) line["digest"] = "0000000000000000000";
  if (event.total > 0) line["total"] = event.total;
  if (event.done > 0) line["completed"] = event.done;
  return line;
}

Awaitable<void> handle_create(App& app, Exchange& exchange) {
  const Result<Json> parsed = parse_object(exchange.request().body, "CreateRequest");
  if (!parsed.is_ok()) {
    co_await exchange.send(error_response(400, parsed.status().message()));
    co_return;
  }
  auto request = std::make_shared<store::CreateRequest>();
  bool stream = true;
  std::optional<Response> refusal = read_request(*parsed, app, *request, stream);
  if (refusal) {
    co_await exchange.send(std::move(*refusal));
    co_return;
  }
  // The work goes on if the client leaves: a half-made model helps nobody, and the next create would begin again.
  const auto mailbox = Mailbox::create(exchange.executor());
  const auto work = [&app, mailbox, request]() -> Awaitable<void> {
    Status status;
    co_await app.pool.run_blocking([&] {
      status = app.store.create(*request, [&mailbox](std::string_view text, uint64_t done, uint64_t total) {
        Event event;
        event.kind = Event::Kind::kProgress;
        event.status = Status(ErrorCode::kOk, std::string(text));
        event.done = done;
        event.total = total;
        mailbox->push(std::move(event));
      });
    });
    Event end;
    end.kind = Event::Kind::kFailed;
    end.status = status;
    mailbox->push(std::move(end));
  };
  // The lambda outlives the coroutine: both wait for the end below.
  app.pool.spawn(exchange.executor(), work());
  const std::string type = kNdjsonType;
  Status outcome;
  bool listening = true;
  for (;;) {
    std::optional<Event> event = co_await mailbox->next(std::nullopt);
    if (!event) continue;
    if (event->kind == Event::Kind::kFailed) {
      outcome = event->status;
      break;
    }
    if (event->kind != Event::Kind::kProgress || !stream || !listening || event->status.message() == "success")
      continue;
    if (!exchange.started()) listening = co_await exchange.start_stream(type);
    const std::string line = to_text(progress_json(*event)) + "\n";
    if (listening) listening = co_await exchange.write(line);
  }
  mailbox->close();
  const Response last = create_reply(outcome);
  if (!stream || (!exchange.started() && !outcome.is_ok())) {
    co_await exchange.send(last);
    co_return;
  }
  if (!exchange.started()) listening = co_await exchange.start_stream(type);
  const std::string last_line = last.body + "\n";
  if (listening) listening = co_await exchange.write(last_line);
  if (listening) co_await exchange.finish();
}

Awaitable<void> handle_blob_head(App& app, Exchange& exchange) {
  const std::string digest = exchange.request().path_tail;
  std::optional<Result<bool>> there;
  co_await app.pool.run_blocking([&] { there = app.store.has_blob(digest); });
  Response response;
  if (!there->is_ok())
    response = error_response(there->code() == ErrorCode::kInvalidArgument ? 400 : 500, there->status().message());
  else if (!**there)
    response.status = 404;
  co_await exchange.send(std::move(response));
}

// The body into a temporary file; the refusal, or nullopt if it is stored.
Awaitable<std::optional<Response>> receive_blob(App& app, Exchange& exchange, const std::string& digest) {
  Result<store::BlobUpload> upload = app.store.begin_upload();
  if (!upload.is_ok()) co_return error_response(500, upload.status().message());
  for (;;) {
    Result<std::string> piece = co_await exchange.read_body();
    if (!piece.is_ok()) co_return error_response(400, piece.status().message());
    Status status;
    const bool last = piece->empty();
    co_await app.pool.run_blocking([&] {
      status = last ? upload->finish(digest) : upload->append(std::as_bytes(std::span(piece->data(), piece->size())));
    });
    if (!status.is_ok()) {
      const int code = status.code() == ErrorCode::kInvalidArgument     ? 400
                       : status.code() == ErrorCode::kResourceExhausted ? 507
                                                                        : 500;
      co_return error_response(code, status.message());
    }
    if (last) co_return std::nullopt;
  }
}

Awaitable<void> handle_blob_post(App& app, Exchange& exchange) {
  const std::string digest = exchange.request().path_tail;
  std::optional<Result<bool>> there;
  co_await app.pool.run_blocking([&] { there = app.store.has_blob(digest); });
  Response response;
  response.status = 201;
  if (there->code() == ErrorCode::kInvalidArgument) {
    response = error_response(400, "invalid digest format");
  } else if (!there->is_ok()) {
    response = error_response(500, there->status().message());
  } else if (**there) {
    response.status = 200;
  } else {
    std::optional<Response> refusal = co_await receive_blob(app, exchange, digest);
    if (refusal) response = std::move(*refusal);
  }
  co_await exchange.send(std::move(response));
}

}  // namespace

void add_ollama_create_routes(App& app, Router& router) {
  router.add({.method = "POST", .path = "/api/create", .handler = bind_handler(app, handle_create)});
  router.add({.method = "HEAD", .path = "/api/blobs/*", .handler = bind_handler(app, handle_blob_head)});
  router.add({.method = "POST",
              .path = "/api/blobs/*",
              .handler = bind_handler(app, handle_blob_post),
              .streams_body = true,
              .body_limit_bytes = kBlobLimitBytes});
}

}  // namespace da::server
