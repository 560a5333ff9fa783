#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/http.h"

namespace da::server {

struct Route {
  std::string method;
  std::string path;  // exact, or ending in "/*": one more segment, handed over as Request::path_tail
  Handler handler;
  bool streams_body = false;  // the handler reads the body itself
  bool answers_head = true;   // a GET route serves HEAD too
  uint64_t body_limit_bytes = 64ull << 20;
};

// The routes of one port. Filled before the server starts, then only read.
class Router {
 public:
  void add(Route route) { routes_.push_back(std::move(route)); }

  struct Match {
    const Route* route = nullptr;  // nullptr: `refusal` is the answer
    std::string path_tail;
    Response refusal;  // 404, 405 or a redirect from a path with a slash too many
  };
  Match find(const Request& request) const;

 private:
  std::vector<Route> routes_;
};

}  // namespace da::server
