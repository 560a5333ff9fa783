// Any bytes as HTTP requests, whole and in small pieces: both must come to the same head, body and fault.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/http_parser.h"
#include "server/json_body.h"

namespace {

struct Outcome {
  bool head = false, body = false;
  int fault = 0;
  std::string text;
  bool operator==(const Outcome&) const = default;
};

Outcome read(std::string_view input, size_t piece) {
  da::server::HttpParser parser({});
  std::string pending;
  Outcome outcome;
  while (!input.empty() && !parser.error() && !parser.body_done()) {
    const size_t n = std::min(piece, input.size());
    pending.append(input.substr(0, n));
    input.remove_prefix(n);
    for (size_t used = 1; used > 0 && !parser.error() && !parser.body_done();) {
      used = parser.put(pending);
      if (used > pending.size()) std::abort();
      pending.erase(0, used);
      if (parser.head_done()) outcome.text += parser.take_body();
    }
  }
  outcome.head = parser.head_done();
  outcome.body = parser.body_done();
  outcome.fault = parser.error() ? parser.error()->status : 0;
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Outcome whole = read(input, input.size() + 1), torn = read(input, 3);
  // A head that is not whole yet may show its fault earlier or later. A request that one reading accepts as complete, the
  // other must accept too, and as the same.
  if (whole.body != torn.body || (whole.body && !(whole == torn))) std::abort();
  (void)da::server::parse_object(whole.text, "FuzzRequest").is_ok();
  return 0;
}
