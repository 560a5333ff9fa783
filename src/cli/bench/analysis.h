#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"
#include "gguf/gguf.h"

namespace da::cli::bench {

// The analysis of one document, decoded without guessed tokens and with them.
struct AnalysisRow {
  std::string file;
  int64_t n_tokens = 0, n_drafted = 0, n_accepted = 0;
  int64_t plain_steps = 0, speculative_steps = 0;          // of one run, its prompt's included
  double plain_forward = 0, speculative_forward = 0;       // share of the steps' time that is the model's
  std::vector<double> plain_seconds, speculative_seconds;  // of decoding, by turns
  double ratio() const;                                    // medians
};

struct AnalysisOptions {
  std::vector<std::string> files;
  int repeat = 3, n_threads = 0;
  std::string isa;
};

// By turns on one engine of the model in `file`. Errors: those of loading, of the documents, and kInternal if the two
// ways do not give the same tokens.
Result<std::vector<AnalysisRow>> measure_analysis(std::shared_ptr<const gguf::File> file,
                                                  const AnalysisOptions& options);
nlohmann::ordered_json to_json(const std::vector<AnalysisRow>& rows);
void print(const std::vector<AnalysisRow>& rows);

}  // namespace da::cli::bench
