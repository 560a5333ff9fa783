#include "server/static_files.h"

#include <array>
#include <charconv>
#include <memory>
#include <utility>

namespace da::server {
namespace {

std::string type_of(std::string_view path) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kTypes{{
      {".html", "text/html; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
      {".json", "application/json; charset=utf-8"},
      {".txt", "text/plain; charset=utf-8"},
      {".webmanifest", "application/manifest+json"},
  }};
  for (const auto& [suffix, type] : kTypes) {
    if (path.ends_with(suffix)) return std::string(type);
  }
  return "application/octet-stream";
}

// FNV-1a over the bytes: tells one build's file from another's, no more.
std::string entity_tag(std::string_view bytes) {
  uint64_t hash = 14695981039346656037ull;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), hash, 16).ptr;
  return "\"" + std::string(digits.data(), end) + "\"";
}

struct Served {
  std::string content_type, tag;
  std::string_view bytes;
};

Response file_response(const Served& file, const Request& request) {
  Response response{200, file.content_type, "", {{"Cache-Control", "no-cache"}, {"ETag", file.tag}}};
  const std::string* known = request.header("if-none-match");
  if (known && *known == file.tag) {
    response.status = 304;
  } else {
    response.body = file.bytes;
  }
  return response;
}

Awaitable<void> handle_file(std::shared_ptr<const Served> file, Exchange& exchange) {
  co_await exchange.send(file_response(*file, exchange.request()));
}

}  // namespace

void add_static_routes(const ServerConfig& config, Router& router) {
  const auto add = [&router](const std::string& path, const std::shared_ptr<const Served>& served) {
    router.add({.method = "GET", .path = path, .handler = [served](Exchange& exchange) {
                  return handle_file(served, exchange);
                }});
  };
  bool has_index = false;
  for (const StaticFile& file : config.static_files) {
    const auto served = std::make_shared<const Served>(
        Served{file.content_type.empty() ? type_of(file.path) : file.content_type, entity_tag(file.bytes), file.bytes});
    add(file.path, served);
    if (file.path == "/index.html") {
      add("/", served);
      has_index = true;
    }
  }
  if (has_index) return;
  static constexpr std::string_view kMissing =
      "DeepAnalyze is running, but its web page was not built into this program.\n"
      "Build it with 'npm ci && npm run build' in ui/, then build the program again.\n";
  add("/", std::make_shared<const Served>(Served{"text/plain; charset=utf-8", entity_tag(kMissing), kMissing}));
}

}  // namespace da::server
