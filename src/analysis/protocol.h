#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

// The words and bounds of docs/analysis-protocol.md, for the schema, the check of the answer, and the reports.
namespace da::analysis {

constexpr std::array<std::string_view, 3> kKinds = {"stance", "judgement", "claim"};
constexpr std::array<std::string_view, 4> kPolarities = {"positive", "negative", "neutral", "mixed"};
constexpr std::array<std::string_view, 3> kConfidences = {"low", "medium", "high"};
constexpr size_t kMinViewpoints = 1, kMaxViewpoints = 6, kMaxFacts = 12, kMaxFigures = 6;
constexpr int kMinIntensity = 1, kMaxIntensity = 5;
constexpr std::string_view kCompactProtocol = "compact-1";

// The JSON Schema that decoding is bound to. `compact`: subject, action and result are from the source too.
nlohmann::json protocol_schema(bool compact);

}  // namespace da::analysis
