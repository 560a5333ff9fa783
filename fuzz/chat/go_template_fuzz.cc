// Any bytes as a Go template, and a second half as its data: neither may crash, hang or leak.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <nlohmann/json.hpp>

#include "chat/go_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  size_t split = input.find('\0');
  auto values = nlohmann::ordered_json::parse(
      split == std::string_view::npos ? std::string_view(R"({"messages":[{"role":"user","content":"é"}],"tools":null})")
                                      : input.substr(split + 1),
      nullptr, false);
  auto parsed = da::chat::GoTemplate::parse(input.substr(0, split));
  if (parsed.is_ok() && !values.is_discarded()) {
    da::chat::RenderOptions options;
    options.now = {2026, 1, 15, 12, 0, 0};
    options.limits.max_steps = 20'000;
    (void)(*parsed)->render(values, options).is_ok();
    (void)(*parsed)->render_chat(values, options).is_ok();
  }
  return 0;
}
