// Any bytes as a Jinja template, and a second half as its variables: neither may crash, hang or leak.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

#include "chat/jinja.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  size_t split = input.find('\0');
  auto variables = nlohmann::ordered_json::parse(
      split == std::string_view::npos ? std::string_view(R"({"messages":[{"role":"user","content":"é"}],"tools":null})")
                                      : input.substr(split + 1),
      nullptr, false);
  auto parsed = da::chat::JinjaTemplate::parse(input.substr(0, split));
  if (parsed.is_ok() && variables.is_object()) {
    da::chat::RenderOptions options;
    options.now = {2026, 1, 15, 12, 0, 0};
    options.limits.max_steps = 20'000;
    (void)(*parsed)->render(variables, options).is_ok();
  }
  return 0;
}
