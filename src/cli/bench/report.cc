#include "cli/bench/report.h"

#include <algorithm>
#include <cstdio>

#include "base/version.h"
#include "cli/terminal.h"

namespace da::cli::bench {
namespace {

using Json = nlohmann::ordered_json;

// What a row's samples say, the median run for the rest.
struct Figures {
  double median = 0, low = 0, high = 0;  // tokens a second
  double read_bytes_per_s = 0, ops_per_s = 0;
  double spread() const { return median > 0 ? (high - low) / median : 0; }
};

Figures figures_of(const Row& row, const Subject& subject) {
  std::vector<double> rates;
  for (const Sample& sample : row.samples) rates.push_back(sample.tokens_per_s());
  const auto [low, high] = std::minmax_element(rates.begin(), rates.end());
  Figures f{.median = median(rates), .low = *low, .high = *high};
  const Work& work = subject.work;
  const double tokens_per_step = row.what.streams;
  if (row.what.kind == CaseKind::kGenerate) {
    // In the middle of the run the context is half a run deeper.
    const double kv = subject.kv_bytes_per_token() * (row.what.depth + row.what.n_tokens / 2.0);
    f.read_bytes_per_s = f.median * (static_cast<double>(work.step_bytes) / tokens_per_step + kv);
    f.ops_per_s = f.median * 2 * static_cast<double>(work.row_values + work.output_values);
  } else {
    const double output_share = 1.0 / row.what.n_tokens;  // the last row only
    f.ops_per_s =
        f.median * 2 * (static_cast<double>(work.row_values) + output_share * static_cast<double>(work.output_values));
  }
  return f;
}

// The peak that the products of a type run against.
double ops_peak(const backend::CpuPeaks& peaks, gguf::TensorType type) {
  using enum gguf::TensorType;
  if (type == kF32 || type == kF16 || type == kF64) return peaks.f32_ops_per_s;
  if (type == kBF16) return peaks.bf16_ops_per_s > 0 ? peaks.bf16_ops_per_s : peaks.f32_ops_per_s;
  return peaks.int8_ops_per_s;
}

std::string number(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string with_share(const char* format, double value, double peak) {
  if (value <= 0) return "";
  return number(format, value) + (peak > 0 ? number(" (%.0f %%)", 100 * value / peak) : "");
}

Json row_json(const Row& row, const Report& report) {
  const Figures f = figures_of(row, *report.subject);
  const double peak = ops_peak(report.peaks, report.subject->work.type);
  Json runs = Json::array();
  for (const Sample& sample : row.samples)
    runs.push_back({{"seconds", sample.seconds}, {"tokens", sample.n_tokens}, {"tokens_per_s", sample.tokens_per_s()}});
  const bool is_prompt = row.what.kind == CaseKind::kPrompt;
  Json json = {{"test", is_prompt ? "prompt" : "generate"},
               {"tokens", row.what.n_tokens},
               {"depth", row.what.depth},
               {"streams", row.what.streams},
               {"tokens_per_s", f.median},
               {"low", f.low},
               {"high", f.high},
               {"spread", f.spread()},
               {"tops", f.ops_per_s * 1e-12}};
  if (peak > 0) json["ops_share"] = f.ops_per_s / peak;
  if (!is_prompt) json["read_gb_per_s"] = f.read_bytes_per_s * 1e-9;
  if (!is_prompt && report.peaks.read_bytes_per_s > 0)
    json["read_share"] = f.read_bytes_per_s / report.peaks.read_bytes_per_s;
  json["runs"] = std::move(runs);
  return json;
}

}  // namespace

std::string name_of(const Case& what) {
  std::string name = what.streams > 1 ? std::to_string(what.streams) + " x " : "";
  name += (what.kind == CaseKind::kPrompt ? "prompt " : "generate ") + std::to_string(what.n_tokens);
  return what.depth > 0 ? name + " at " + std::to_string(what.depth) : name;
}

Json to_json(const Report& report) {
  const Subject& subject = *report.subject;
  const LoadTimes& times = subject.times;
  Json rows = Json::array();
  for (const Row& row : report.rows) rows.push_back(row_json(row, report));
  return {{"model", report.model},
          {"version", kVersion},
          {"backend", report.description},
          {"threads", report.n_threads},
          {"vocabulary", subject.n_vocab},
          {"peaks",
           {{"read_gb_per_s", report.peaks.read_bytes_per_s * 1e-9},
            {"int8_tops", report.peaks.int8_ops_per_s * 1e-12},
            {"bf16_tflops", report.peaks.bf16_ops_per_s * 1e-12},
            {"f32_tflops", report.peaks.f32_ops_per_s * 1e-12}}},
          {"work",
           {{"type", gguf::tensor_type_info(subject.work.type).name},
            {"step_bytes", subject.work.step_bytes},
            {"row_weights", subject.work.row_values},
            {"output_weights", subject.work.output_values},
            {"kv_bytes_per_token", subject.kv_bytes_per_token()}}},
          {"load",
           {{"seconds", median(times.load_seconds)},
            {"read_seconds", median(times.read_seconds)},
            {"read_buffer_seconds", times.read_buffer_seconds},
            {"over_read", times.over_read()}}},
          {"memory",
           {{"file_bytes", subject.file_bytes},
            {"weight_bytes", subject.weight_bytes},
            {"buffer_bytes", subject.buffer_bytes},
            {"kv_bytes", subject.kv_bytes()},
            {"peak_rss_bytes", report.memory.peak_bytes},
            {"anonymous_bytes", report.memory.anonymous_bytes}}},
          {"results", std::move(rows)}};
}

void print(const Report& report) {
  const Subject& subject = *report.subject;
  const backend::CpuPeaks& peaks = report.peaks;
  const LoadTimes& times = subject.times;
  std::printf("%s  %s\n", report.model.c_str(), report.description.c_str());
  if (peaks.read_bytes_per_s > 0) std::printf("peaks   read %.1f GB/s", peaks.read_bytes_per_s * 1e-9);
  if (peaks.int8_ops_per_s > 0) std::printf(", int8 %.2f TOPS", peaks.int8_ops_per_s * 1e-12);
  if (peaks.bf16_ops_per_s > 0) std::printf(", bf16 %.2f TFLOPS", peaks.bf16_ops_per_s * 1e-12);
  if (peaks.f32_ops_per_s > 0) std::printf(", f32 %.2f TFLOPS", peaks.f32_ops_per_s * 1e-12);
  if (peaks.read_bytes_per_s > 0) std::printf("\n");
  std::printf("load    %.2f s; reading the file into new memory takes %.2f s (%.2f s into a buffer): %.1f times\n",
              median(times.load_seconds), median(times.read_seconds), times.read_buffer_seconds,
              median(times.over_read()));
  std::printf("memory  file %s, weights %s, buffers %s, KV %s, resident at most %s\n\n",
              human_bytes(subject.file_bytes).c_str(), human_bytes(subject.weight_bytes).c_str(),
              human_bytes(subject.buffer_bytes).c_str(), human_bytes(subject.kv_bytes()).c_str(),
              human_bytes(report.memory.peak_bytes).c_str());
  std::vector<std::vector<std::string>> rows;
  for (const Row& row : report.rows) {
    const Figures f = figures_of(row, subject);
    rows.push_back({name_of(row.what), number("%.1f", f.median), number("%.1f %%", 100 * f.spread()),
                    with_share("%.1f", f.read_bytes_per_s * 1e-9, peaks.read_bytes_per_s * 1e-9),
                    with_share("%.3f", f.ops_per_s * 1e-12, ops_peak(peaks, subject.work.type) * 1e-12)});
  }
  print_table({"TEST", "TOKENS/S", "SPREAD", "GB/S (OF PEAK)", "TOPS (OF PEAK)"}, rows);
}

}  // namespace da::cli::bench
