// A text and, after a zero byte, what a model answers: at every moment there is a result that can be sent and shown, it
// only grows while the answer does, and every offset points at its quote.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "analysis/analysis.h"
#include "base/utf8.h"

namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

void check_evidence(const nlohmann::ordered_json& item, const std::vector<char32_t>& text) {
  const auto& evidence = item["evidence"];
  if (!evidence.contains("start")) return;
  const size_t start = evidence["start"], end = evidence["end"];
  check(start < end && end <= text.size());
  const std::vector<char32_t> quote(text.begin() + static_cast<std::ptrdiff_t>(start), text.begin() + static_cast<std::ptrdiff_t>(end));
  check(da::utf8::from_code_points(quote) == evidence["quote"].get<std::string>());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace da;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string text(input.substr(0, input.find('\0')));
  const std::string_view answer = text.size() < input.size() ? input.substr(text.size() + 1) : std::string_view();
  if (!analysis::prepare({text, "auto"}, "compact-1", nullptr).is_ok()) return 0;
  const auto points = utf8::to_code_points(text);
  analysis::ReportBuilder builder(text, analysis::detect_language(text));
  for (size_t at = 0; at < answer.size(); at += 7) {
    builder.push(answer.substr(at, 7));
    const auto result = builder.partial_result();
    (void)result.dump();  // throws if a text is no UTF-8
    check(utf8::is_valid(analysis::to_markdown(result)));
    for (const char* part : {"core_viewpoints", "key_information"}) {
      if (!result.contains(part)) continue;
      for (const auto& item : result[part]) check_evidence(item, points);
    }
    if (result.contains("underlying_sentiment")) check_evidence(result["underlying_sentiment"], points);
  }
  (void)builder.finish();
  return 0;
}
