// OpenAI's POST /v1/embeddings
#include <algorithm>
#include <cctype>

#include "server/embed_call.h"

namespace da::server {
namespace {

using namespace ollama;  // NOLINT(google-build-using-namespace): its request becomes one of theirs

// A refusal in OpenAI's form.
Response openai_error(Response refusal) {
  const Json native = Json::parse(refusal.body, nullptr, false);
  const char* type = refusal.status == 400   ? "invalid_request_error"
                     : refusal.status == 404 ? "not_found_error"
                                             : "api_error";
  const std::string message = native.is_object() ? native.value("error", refusal.body) : refusal.body;
  const Json error = {{"message", message}, {"type", type}, {"param", nullptr}, {"code", nullptr}};
  refusal.body = to_text(Json{{"error", error}});
  return refusal;
}

// The texts. "" is one text here; no text at all is none.
std::optional<Response> read_texts(const Json* input, std::vector<std::string>& texts) {
  if (input == nullptr || input->is_null() || (input->is_array() && input->empty()))
    return error_response(400, "invalid input");
  if (input->is_string()) {
    texts.push_back(input->get<std::string>());
    return std::nullopt;
  }
  return read_inputs(input, texts);
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

// The floats' bytes, little-endian as this machine is.
std::string base64(const std::vector<float>& vector) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto* bytes = reinterpret_cast<const unsigned char*>(vector.data());
  const size_t n = vector.size() * sizeof(float);
  std::string text;
  for (size_t i = 0; i < n; i += 3) {
    uint32_t word = 0;
    for (size_t j = 0; j < 3; ++j) word = word << 8 | (i + j < n ? bytes[i + j] : 0U);
    for (size_t j = 0; j < 4; ++j) text += j <= n - i ? kDigits[word >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

std::optional<Response> read_embeddings(Fields& fields, EmbedFields& read) {
  read.truncate = fields.boolean("truncate", false);  // ours: nothing is cut unless asked for
  read.dimensions = fields.integer("dimensions", 0);
  const std::string format = fields.text("encoding_format");
  if (std::optional<Response> refusal = read_texts(fields.find("input"), read.inputs)) return refusal;
  read.encoding = lower(format);
  if (read.encoding.empty() || read.encoding == "float" || read.encoding == "base64") return std::nullopt;
  return error_response(400,
                        "Invalid value for 'encoding_format' = " + format + ". Supported values: ['float', 'base64'].");
}

void write_embeddings(const Call& call, const EmbedFields& read, Embedded& embedded, std::string& text) {
  text += R"({"object":"list","data":[)";
  for (size_t i = 0; i < embedded.vectors.size(); ++i) {
    text += i > 0 ? "," : "";
    text += R"({"object":"embedding","embedding":)";
    shorten(embedded.vectors[i], read.dimensions);
    if (read.encoding == "base64") {
      text += '"' + base64(embedded.vectors[i]) + '"';
    } else {
      append_vector(embedded.vectors[i], text);
    }
    text += R"(,"index":)" + std::to_string(i) + '}';
  }
  const std::string tokens = std::to_string(embedded.prompt_tokens);
  text += ']';
  if (!embedded.dropped.is_null()) text += R"(,"truncated":)" + to_text(embedded.dropped);
  text += R"(,"model":)" + to_text(Json(call.name)) + R"(,"usage":{"prompt_tokens":)" + tokens + R"(,"total_tokens":)" +
          tokens + "}}";
}

constexpr EmbedDialect kEmbeddings{"EmbedRequest", read_embeddings, write_embeddings, openai_error};

Awaitable<void> handle_embeddings(App& app, Exchange& exchange) { return answer_embed(app, exchange, kEmbeddings); }

}  // namespace

void add_openai_embeddings_route(App& app, Router& router) {
  router.add({.method = "POST", .path = "/v1/embeddings", .handler = bind_handler(app, handle_embeddings)});
}

}  // namespace da::server
