#include "server/router.h"

#include <optional>

namespace da::server {
namespace {

// What the route's "*" stands for ("" for an exact route), or nullopt if the path is another.
std::optional<std::string> match_path(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with("/*")) return pattern == path ? std::optional<std::string>("") : std::nullopt;
  const std::string_view front = pattern.substr(0, pattern.size() - 1);
  if (!path.starts_with(front)) return std::nullopt;
  const std::string_view tail = path.substr(front.size());
  if (tail.empty() || tail.find('/') != std::string_view::npos) return std::nullopt;
  return std::string(tail);
}

}  // namespace

Router::Match Router::find(const Request& request) const {
  Match match;
  std::string allowed;
  for (const Route& route : routes_) {
    std::optional<std::string> tail = match_path(route.path, request.path);
    if (!tail) continue;
    if (route.method == request.method || (route.method == "GET" && route.answers_head && request.method == "HEAD")) {
      match.route = &route;
      match.path_tail = std::move(*tail);
      return match;
    }
    if (!allowed.empty()) allowed += ", ";
    allowed += route.method == "GET" && route.answers_head ? "GET, HEAD" : route.method;
  }
  if (!allowed.empty()) {
    match.refusal = {405, "text/plain", "405 method not allowed", {{"Allow", allowed}}};
    return match;
  }
  if (request.path.size() > 1 && request.path.ends_with('/') && request.raw_path.ends_with('/')) {
    const std::string shorter = request.path.substr(0, request.path.size() - 1);
    for (const Route& route : routes_) {
      if (!match_path(route.path, shorter)) continue;
      const bool is_get = request.method == "GET" || request.method == "HEAD";
      match.refusal = {is_get ? 301 : 307,
                       "text/plain",
                       "",
                       {{"Location", request.raw_path.substr(0, request.raw_path.size() - 1)}}};
      return match;
    }
  }
  match.refusal = {404, "text/plain", "404 page not found", {}};
  return match;
}

}  // namespace da::server
