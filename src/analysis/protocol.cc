#include "analysis/protocol.h"

#include <string>
#include <utility>
#include <vector>

namespace da::analysis {
namespace {

using Json = nlohmann::json;

// Upper bounds, lengths in code points: beyond what a good report needs, so that a model that loops still ends.
struct Bounds {
  int quote, statement, time, party, outcome, figure, tone;
  size_t viewpoints, facts, figures;
};
constexpr Bounds kGeneral = {300, 240, 60, 100, 160, 40, 160, kMaxViewpoints, kMaxFacts, kMaxFigures};
// Models of compact-1 have a short context, and learnt reports of this size.
constexpr Bounds kCompact = {140, 100, 40, 60, 100, 24, 60, 3, 6, 4};

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
  Json schema = {
      {"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}, {"additionalProperties", false}};
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

// Objects no two of which have the same quote: a model that begins to repeat itself must go on or end the list.
Json quoted_list(Json items, size_t min, size_t max) {
  Json schema = list(std::move(items), min, max);
  schema["x-unique"] = "quote";
  return schema;
}

}  // namespace

Json protocol_schema(bool compact) {
  const Bounds& bounds = compact ? kCompact : kGeneral;
  const auto part = [&](int max_length) { return compact ? source_text(max_length, true) : free_text(max_length, 0); };
  const Json viewpoint = object({
      {"quote", source_text(bounds.quote, false)},
      {"kind", one_of(kKinds)},
      {"statement", free_text(bounds.statement, 1)},
  });
  Json figures = list(source_text(bounds.figure, false), 0, bounds.figures);
  figures["uniqueItems"] = true;
  const Json fact = object({
      {"quote", source_text(bounds.quote, false)},
      {"time", source_text(bounds.time, true)},
      {"subject", part(bounds.party)},
      {"action", part(bounds.outcome)},
      {"result", part(bounds.outcome)},
      {"figures", figures},
  });
  const Json sentiment = object({
      {"quote", source_text(bounds.quote, false)},
      {"surface_tone", free_text(bounds.tone, 1)},
      {"underlying_attitude", free_text(bounds.tone, 1)},
      {"polarity", one_of(kPolarities)},
      {"intensity", {{"type", "integer"}, {"minimum", kMinIntensity}, {"maximum", kMaxIntensity}}},
      {"confidence", one_of(kConfidences)},
  });
  return object({
      {"core_viewpoints", quoted_list(viewpoint, kMinViewpoints, bounds.viewpoints)},
      {"key_information", quoted_list(fact, 0, bounds.facts)},
      {"underlying_sentiment", sentiment},
  });
}

}  // namespace da::analysis
