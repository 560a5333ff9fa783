#pragma once

#include <string>

#include "server/http.h"

namespace da::server {

// Who a request is counted for and shares computed beginnings with: "key:…", a fingerprint of the API key it brings
// (Authorization: Bearer), else the address it comes from. `salt`: of this process, so that a fingerprint says nothing
// elsewhere. No proof of anything: whoever makes up a key is a client of that name.
std::string caller_of(const Request& request, const std::string& address, const std::string& salt);
std::string make_salt();

}  // namespace da::server
