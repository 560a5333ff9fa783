#include "server/edge.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace da::server {
namespace {

std::string lower_case(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// "host:port", "[v6]:port" or either without a port -> the host in lower case, without brackets; nullopt if malformed.
std::optional<std::string> host_without_port(std::string_view field) {
  std::string_view host = field;
  if (host.starts_with('[')) {
    const size_t close = host.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view rest = host.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
    return lower_case(host.substr(1, close - 1));
  }
  const size_t colon = host.find(':');
  if (colon != std::string_view::npos) {
    // More than one colon is an IPv6 address without brackets: no valid Host, but harmless.
    if (host.find(':', colon + 1) != std::string_view::npos) return lower_case(host);
    const std::string_view port = host.substr(colon + 1);
    if (port.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    host = host.substr(0, colon);
  }
  return lower_case(host);
}

struct Address {
  bool v6 = false;
  std::array<uint8_t, 16> bytes{};
};

std::optional<Address> parse_address(std::string_view text) {
  const std::string copy(text);
  Address address;
  if (inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) return address;
  address.v6 = true;
  if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) != 1) return std::nullopt;
  static constexpr std::array<uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes.begin())) {
    Address mapped;
    std::copy(address.bytes.begin() + 12, address.bytes.end(), mapped.bytes.begin());
    return mapped;
  }
  return address;
}

bool is_unspecified(const Address& a) {
  return std::all_of(a.bytes.begin(), a.bytes.end(), [](uint8_t byte) { return byte == 0; });
}

bool is_loopback(const Address& a) {
  if (!a.v6) return a.bytes[0] == 127;
  return std::all_of(a.bytes.begin(), a.bytes.end() - 1, [](uint8_t byte) { return byte == 0; }) && a.bytes[15] == 1;
}

bool is_private(const Address& a) {
  if (a.v6) return (a.bytes[0] & 0xfe) == 0xfc;
  return a.bytes[0] == 10 || (a.bytes[0] == 172 && (a.bytes[1] & 0xf0) == 16) ||
         (a.bytes[0] == 192 && a.bytes[1] == 168);
}

// Glob with at most one '*'.
bool matches_pattern(std::string_view pattern, std::string_view text) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == text;
  const std::string_view front = pattern.substr(0, star), back = pattern.substr(star + 1);
  return text.size() >= front.size() + back.size() && text.starts_with(front) && text.ends_with(back);
}

// Local pages with any port, and the schemes of desktop shells and editors (their origin cannot be a web site's).
bool is_built_in_origin(std::string_view origin) {
  static constexpr std::array<std::string_view, 5> kSchemes{"app://", "file://", "tauri://", "vscode-webview://",
                                                            "vscode-file://"};
  for (const std::string_view scheme : kSchemes) {
    if (origin.starts_with(scheme)) return true;
  }
  for (const std::string_view scheme : {std::string_view("http://"), std::string_view("https://")}) {
    if (!origin.starts_with(scheme)) continue;
    const std::string_view authority = origin.substr(scheme.size());
    for (const std::string_view host : {"localhost", "127.0.0.1", "0.0.0.0"}) {
      if (!authority.starts_with(host)) continue;
      const std::string_view rest = authority.substr(host.size());
      if (rest.empty()) return true;
      if (rest.front() == ':' && rest.size() > 1 && rest.find_first_not_of("0123456789", 1) == std::string_view::npos) {
        return true;
      }
    }
  }
  return false;
}

bool is_same_origin(std::string_view origin, std::string_view host) {
  return !host.empty() && (origin == "http://" + std::string(host) || origin == "https://" + std::string(host));
}

// Types a page may send across origins without a preflight; a body of such a type beside an Origin is an attack's
// shape.
bool is_simple_type(std::string_view content_type) {
  const std::string type = lower_case(content_type.substr(0, content_type.find(';')));
  const std::string_view trimmed = std::string_view(type).substr(0, type.find_last_not_of(" \t") + 1);
  return trimmed.empty() || trimmed == "text/plain" || trimmed == "application/x-www-form-urlencoded" ||
         trimmed == "multipart/form-data";
}

}  // namespace

bool host_is_allowed(const EdgeRules& rules, std::string_view host_field) {
  const std::optional<std::string> host = host_without_port(host_field);
  if (!host) return false;
  if (host->empty() || *host == "localhost" || *host == lower_case(rules.host_name)) return true;
  if (const auto address = parse_address(*host)) {
    return is_loopback(*address) || is_private(*address) || is_unspecified(*address) ||
           std::find(rules.own_addresses.begin(), rules.own_addresses.end(), *host) != rules.own_addresses.end();
  }
  return host->ends_with(".localhost") || host->ends_with(".local") || host->ends_with(".internal");
}

bool origin_is_allowed(const EdgeRules& rules, std::string_view origin, std::string_view host_field) {
  const std::string lower = lower_case(origin);
  if (is_same_origin(lower, lower_case(host_field))) return true;
  if (rules.same_origin_only) return false;
  if (is_built_in_origin(lower)) return true;
  return std::any_of(rules.origins.begin(), rules.origins.end(),
                     [&](const std::string& pattern) { return matches_pattern(lower_case(pattern), lower); });
}

std::optional<Response> refuse_at_edge(const EdgeRules& rules, const Request& request) {
  const std::string* host = request.header("host");
  const std::string_view host_field = host ? std::string_view(*host) : std::string_view();
  if (rules.check_host && !host_is_allowed(rules, host_field)) {
    return error_response(403,
                          "this Host is not allowed: use localhost, an address of this machine, or set the proxy's "
                          "Host field to it");
  }
  const std::string* origin = request.header("origin");
  if (origin == nullptr) return std::nullopt;
  if (!origin_is_allowed(rules, *origin, host_field)) {
    return error_response(403, "this Origin is not allowed; OLLAMA_ORIGINS names more");
  }
  if (request.has_body) {
    const std::string* type = request.header("content-type");
    if (is_simple_type(type ? std::string_view(*type) : std::string_view())) {
      return error_response(403, "a request with an Origin needs Content-Type: application/json");
    }
  }
  return std::nullopt;
}

std::optional<Response> answer_preflight(const Request& request) {
  if (request.method != "OPTIONS" || request.header("origin") == nullptr ||
      request.header("access-control-request-method") == nullptr) {
    return std::nullopt;
  }
  Response response{204, "", "", {}};
  response.headers.push_back({"Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"});
  response.headers.push_back(
      {"Access-Control-Allow-Headers",
       "Authorization, Content-Type, User-Agent, Accept, X-Requested-With, OpenAI-Beta, x-stainless-arch, "
       "x-stainless-async, x-stainless-custom-poll-interval, x-stainless-helper-method, x-stainless-lang, "
       "x-stainless-os, "
       "x-stainless-package-version, x-stainless-poll-helper, x-stainless-retry-count, x-stainless-runtime, "
       "x-stainless-runtime-version, x-stainless-timeout"});
  response.headers.push_back({"Access-Control-Max-Age", "43200"});
  return response;
}

std::vector<Header> edge_headers(const EdgeRules& rules, const Request& request) {
  std::vector<Header> headers{{"X-Content-Type-Options", "nosniff"}};
  if (const std::string* origin = request.header("origin")) {
    const std::string* host = request.header("host");
    // The one origin that asked, never "*": the list above stays the only gate.
    if (!rules.same_origin_only &&
        origin_is_allowed(rules, *origin, host ? std::string_view(*host) : std::string_view())) {
      headers.push_back({"Access-Control-Allow-Origin", *origin});
    }
    headers.push_back({"Vary", "Origin"});
  }
  if (rules.page_headers) {
    headers.push_back(
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; "
         "connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; "
         "frame-ancestors 'none'; require-trusted-types-for 'script'"});
    headers.push_back({"Referrer-Policy", "no-referrer"});
    headers.push_back({"Cross-Origin-Opener-Policy", "same-origin"});
    headers.push_back({"Cross-Origin-Resource-Policy", "same-origin"});
    headers.push_back({"X-DNS-Prefetch-Control", "off"});
    headers.push_back(
        {"Permissions-Policy",
         "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), "
         "geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), "
         "picture-in-picture=(), publickey-credentials-get=(), screen-wake-lock=(), usb=(), "
         "xr-spatial-tracking=()"});
  }
  return headers;
}

std::vector<std::string> interface_addresses() {
  std::vector<std::string> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* address = nullptr;
    if (entry->ifa_addr->sa_family == AF_INET) {
      address = &reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr;
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      address = &reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr;
    } else {
      continue;
    }
    if (inet_ntop(entry->ifa_addr->sa_family, address, text.data(), text.size()) != nullptr) {
      addresses.emplace_back(text.data());
    }
  }
  freeifaddrs(list);
  return addresses;
}

std::string machine_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

bool is_loopback_address(std::string_view address) {
  const auto parsed = parse_address(address);
  return address == "localhost" || (parsed && is_loopback(*parsed));
}

}  // namespace da::server
