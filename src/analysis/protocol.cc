#include "analysis/protocol.h"

#include <string>
#include <utility>
#include <vector>

namespace da::analysis {
namespace {

using Json = nlohmann::json;

// Upper bounds of lengths in code points: far beyond what a good report needs, so that a model that loops still ends.
constexpr int kQuoteLength = 300, kStatementLength = 240, kTimeLength = 60, kPartyLength = 100, kOutcomeLength = 160;
constexpr int kFigureLength = 40, kToneLength = 160;

Json source_text(int max_length, bool allow_empty) {
  Json schema = {{"type", "string"}, {"x-source", true}, {"maxLength", max_length}};
  if (allow_empty) schema["x-allow-empty"] = true;
  return schema;
}

Json free_text(int max_length, int min_length) {
  return {{"type", "string"}, {"minLength", min_length}, {"maxLength", max_length}};
}

template <size_t n>
Json one_of(const std::array<std::string_view, n>& words) {
  return {{"enum", Json(std::vector<std::string>(words.begin(), words.end()))}};
}

// An object of exactly these members. JSON objects on the way to the runner do not keep their order, so it is listed.
Json object(const std::vector<std::pair<std::string, Json>>& members) {
  Json schema = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}, {"additionalProperties", false}};
  for (const auto& [name, value] : members) {
    schema["properties"][name] = value;
    schema["required"].push_back(name);
  }
  schema["x-property-order"] = schema["required"];
  return schema;
}

Json list(Json items, size_t min, size_t max) {
  return {{"type", "array"}, {"items", std::move(items)}, {"minItems", min}, {"maxItems", max}};
}

}  // namespace

Json protocol_schema(bool compact) {
  const auto part = [&](int max_length) { return compact ? source_text(max_length, true) : free_text(max_length, 0); };
  const Json viewpoint = object({
      {"quote", source_text(kQuoteLength, false)},
      {"kind", one_of(kKinds)},
      {"statement", free_text(kStatementLength, 1)},
  });
  const Json fact = object({
      {"quote", source_text(kQuoteLength, false)},
      {"time", source_text(kTimeLength, true)},
      {"subject", part(kPartyLength)},
      {"action", part(kOutcomeLength)},
      {"result", part(kOutcomeLength)},
      {"figures", list(source_text(kFigureLength, false), 0, kMaxFigures)},
  });
  const Json sentiment = object({
      {"quote", source_text(kQuoteLength, false)},
      {"surface_tone", free_text(kToneLength, 1)},
      {"underlying_attitude", free_text(kToneLength, 1)},
      {"polarity", one_of(kPolarities)},
      {"intensity", {{"type", "integer"}, {"minimum", kMinIntensity}, {"maximum", kMaxIntensity}}},
      {"confidence", one_of(kConfidences)},
  });
  return object({
      {"core_viewpoints", list(viewpoint, kMinViewpoints, kMaxViewpoints)},
      {"key_information", list(fact, 0, kMaxFacts)},
      {"underlying_sentiment", sentiment},
  });
}

}  // namespace da::analysis
