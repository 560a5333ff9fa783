#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// The analysis protocol (docs/analysis-protocol.md): from a text to the runner's request, and from the model's growing
// answer to the report. Pure: no I/O, no threads.
namespace da::analysis {

enum class Language { kChinese, kEnglish };
std::string_view language_code(Language language);   // "zh", "en"

// Chinese if a fair share of the letters are Han characters, else English.
Language detect_language(std::string_view text);

struct Request {
  std::string text;
  std::string language = "auto";   // "auto", "zh", "en"
};

struct Prepared {
  Language language = Language::kChinese;   // of the report
  nlohmann::json runner_request;            // op "generate": messages, format (schema), source, options
  std::vector<std::string> warnings;        // e.g. the model cannot write in the language asked for
};

// Checks the text (kInvalidArgument: empty or only white space; not UTF-8, with the byte offset; NUL; unknown language)
// and builds the request; the model reads the text with LF line ends and without a byte-order mark. `protocol` is the model's `deepanalyze.protocol` ("" for general models); `options` are
// sampling options of the user's, merged over ours.
Result<Prepared> prepare(const Request& request, std::string_view protocol, const nlohmann::json& options);

// Reads the model's JSON as it grows, in pieces of any size. Every quote is looked up in the source; an item whose quote
// is not there verbatim is left out and counted, a time or figure that is not there is blanked or left out. The text may
// have a byte-order mark and any line ends: offsets and quotes are of the text as submitted.
class ReportBuilder {
 public:
  ReportBuilder(std::string source_text, Language language);
  ~ReportBuilder();
  void push(std::string_view model_text);
  // The result so far in the API's shape; the item being written is included as far as it goes. Evidence has no offsets
  // until its quote is complete. What is there once stays or grows (unless a quote turns out not to be verbatim).
  nlohmann::ordered_json partial_result() const;
  // The whole: kCorruptData if the JSON is incomplete or breaks the schema (e.g. num_predict was too small). If the
  // quote of the sentiment was rejected, `underlying_sentiment` is missing.
  Result<nlohmann::ordered_json> finish() const;
  int rejected_quotes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The report as Markdown in its language; takes partial results too.
std::string to_markdown(const nlohmann::ordered_json& result);

}  // namespace da::analysis
