#pragma once

#include "server/app.h"

namespace da::server {

// GET of each file of the web page; index.html at "/" too. Without an index the page says how to build it.
void add_static_routes(const ServerConfig& config, Router& router);

}  // namespace da::server
