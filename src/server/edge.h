#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http.h"

namespace da::server {

// Who may talk to a port: guards against web pages that reach for a service on the user's own machine.
struct EdgeRules {
  // Set on loopback binds: a name that resolves to this machine only by the DNS owner's grace (rebinding) is refused.
  bool check_host = true;
  std::string host_name;                   // this machine's
  std::vector<std::string> own_addresses;  // of its interfaces, as text
  // The web page's port: no origin but its own. Else `origins` and the built-in list count too.
  bool same_origin_only = false;
  std::vector<std::string> origins;  // "*" allows all; one "*" inside an entry stands for any text
  bool page_headers = false;         // the web page's port: its security headers on every answer
};

// The refusal, or nullopt if the request may pass. Looks at the head only.
std::optional<Response> refuse_at_edge(const EdgeRules& rules, const Request& request);

// Answer to a CORS preflight, or nullopt if the request is none. Call after refuse_at_edge.
std::optional<Response> answer_preflight(const Request& request);

// What is added to every answer: CORS fields for an allowed foreign origin, the page's security headers.
std::vector<Header> edge_headers(const EdgeRules& rules, const Request& request);

bool host_is_allowed(const EdgeRules& rules, std::string_view host_field);
bool origin_is_allowed(const EdgeRules& rules, std::string_view origin, std::string_view host_field);

// Addresses of this machine's interfaces and its name.
std::vector<std::string> interface_addresses();
std::string machine_name();
bool is_loopback_address(std::string_view address);

}  // namespace da::server
