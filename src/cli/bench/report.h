#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "backend/cpu/peaks.h"
#include "cli/bench/measure.h"
#include "cli/bench/subject.h"

namespace da::cli::bench {

struct Row {
  Case what;
  std::vector<Sample> samples;  // at least one
};

struct Report {
  std::string model;  // as the user named it
  std::string description;
  int n_threads = 0;
  backend::CpuPeaks peaks;
  const Subject* subject = nullptr;
  ProcessMemory memory;
  std::vector<Row> rows;
};

// "prompt 512 at 4096", "8 x generate 64"
std::string name_of(const Case& what);
nlohmann::ordered_json to_json(const Report& report);
void print(const Report& report);

}  // namespace da::cli::bench
