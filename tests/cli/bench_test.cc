// `deepanalyze bench` as a user calls it, in this process, on a model of a few megabytes.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "backend/cpu/peaks.h"
#include "cli/bench/subject.h"
#include "cli/bench/synthetic.h"
#include "cli/commands.h"
#include "gguf/gguf.h"
#include "tokenizer/tokenizer.h"

namespace da::cli {
namespace {

using Json = nlohmann::json;

class BenchCommand : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / ("cli_bench_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    options_.synthetic = "tiny:Q4_K_M";
    options_.folder = folder_;
    options_.threads = 2;
    options_.peaks = false;
    options_.json = true;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  size_t n_files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  std::pair<int, std::string> call() const {
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    const int status = bench_model(options_);
    out_ = testing::internal::GetCapturedStdout();
    return {status, testing::internal::GetCapturedStderr()};
  }
  std::unique_ptr<gguf::File> kept(const std::string& spec) {
    options_ = {.synthetic = spec, .keep = folder_ / "kept.gguf", .prompt = {0}, .gen = {0}, .peaks = false};
    EXPECT_EQ(call(), std::make_pair(0, std::string()));
    auto file = gguf::File::open(options_.keep);
    EXPECT_TRUE(file.is_ok()) << file.status().message();
    return file.is_ok() ? std::move(*file) : nullptr;
  }
  std::filesystem::path folder_;
  BenchOptions options_;
  mutable std::string out_;
};

TEST_F(BenchCommand, MeasuresASweep) {
  options_.prompt = {16, 40};
  options_.gen = {9};
  options_.depth = {0, 70};
  options_.streams = {1, 3};
  options_.repeat = 2;
  options_.peaks = true;
  const auto [status, error] = call();
  ASSERT_EQ(status, 0) << error;
  EXPECT_EQ(n_files(), 0U);
  const Json report = Json::parse(out_);
  ASSERT_EQ(report["results"].size(), 8U);
  for (const Json& row : report["results"]) {
    EXPECT_EQ(row["runs"].size(), 2U);
    const bool is_prompt = row["test"] == "prompt";
    const int n = row["tokens"], depth = row["depth"], streams = row["streams"];
    for (const Json& run : row["runs"]) {
      // A prompt's tokens with those before that share no whole page; all but the first generated of each stream, and
      // a step or two until the last of them had text to tell of.
      if (is_prompt) {
        EXPECT_EQ(run["tokens"], n + depth % 32) << row;
      } else {
        EXPECT_GE(run["tokens"], (n - 1) * streams) << row;
        EXPECT_LE(run["tokens"], (n + 3) * streams) << row;
      }
      EXPECT_GT(run["seconds"], 0.0);
    }
    EXPECT_GT(row["tokens_per_s"], 0.0);
    EXPECT_LE(row["low"], row["high"]);
  }
  const Json& memory = report["memory"];
  EXPECT_GE(memory["weight_bytes"], 2 << 20);
  EXPECT_GE(memory["peak_rss_bytes"], memory["weight_bytes"].get<uint64_t>());
  // Keys and values of 4 layers x 4 heads x 32 values in two bytes.
  EXPECT_EQ(report["work"]["kv_bytes_per_token"], 2 * 4 * 4 * 32 * 2);
  EXPECT_GT(report["load"]["seconds"], 0.0);
  EXPECT_GT(report["peaks"]["read_gb_per_s"], 0.0);
}

TEST_F(BenchCommand, AnswersLinesOfStandardInput) {
  options_.from_stdin = true;
  options_.depth = {64};
  std::istringstream lines(
      "{\"test\": \"prompt\", \"tokens\": 20}\n{\"test\": \"generate\", \"tokens\": 5, \"depth\": 64}\n{\"test\": "
      "\"x\"}\n");
  std::streambuf* const before = std::cin.rdbuf(lines.rdbuf());
  const auto [status, error] = call();
  std::cin.rdbuf(before);
  EXPECT_EQ(status, 1);
  EXPECT_EQ(error, "Error: bench: a line on standard input is no test\n");
  std::istringstream answers(out_);
  std::vector<Json> read;
  for (std::string line; std::getline(answers, line);) read.push_back(Json::parse(line));
  ASSERT_EQ(read.size(), 3U);
  EXPECT_EQ(read[0]["vocabulary"], 2048);
  EXPECT_EQ(read[1]["tokens"], 20);
  EXPECT_GE(read[2]["tokens"], 4);
}

TEST_F(BenchCommand, SyntheticModelsHaveTheRealMix) {
  const auto file = kept("tiny:q4_k_m");
  ASSERT_NE(file, nullptr);
  std::map<std::string, int> counts;
  for (const gguf::Tensor& tensor : file->tensors()) {
    ++counts[std::string(gguf::tensor_type_info(tensor.type).name)];
    // Random everywhere: no two neighbouring rows are alike.
    if (tensor.n_dims < 2) continue;
    const size_t row_bytes = tensor.size_bytes / tensor.dims[1];
    EXPECT_FALSE(std::equal(tensor.data.begin(), tensor.data.begin() + static_cast<std::ptrdiff_t>(row_bytes),
                            tensor.data.begin() + static_cast<std::ptrdiff_t>(row_bytes)))
        << tensor.name;
  }
  // Tied embeddings, and values and down projections of the layers that the published rule calls sensitive (2 and 3 of
  // 4); 9 norms.
  EXPECT_EQ(counts, (std::map<std::string, int>{{"F32", 9}, {"Q4_K", 24}, {"Q6_K", 5}}));
  const bench::Work work = bench::work_of(*file);
  EXPECT_EQ(work.type, gguf::TensorType::kQ4_K);
  EXPECT_EQ(work.output_values, 256U * 2048U);
  EXPECT_EQ(work.row_values, 4U * (256U * (256U + 128U + 128U + 256U) + 3U * 256U * 768U));
}

TEST_F(BenchCommand, SyntheticVocabularyIsOneThatTokenizersTake) {
  const auto file = kept("tiny:F16");
  ASSERT_NE(file, nullptr);
  const auto tokenizer = tokenizer::Tokenizer::from_gguf(*file);
  ASSERT_TRUE(tokenizer.is_ok()) << tokenizer.status().message();
  EXPECT_EQ((*tokenizer)->n_tokens(), 2048);
  const std::string text = "abc zz \xE6\xB7\xB1\n\x01";
  const auto ids = (*tokenizer)->encode(text, {});
  EXPECT_EQ((*tokenizer)->decode(ids).value(), text);
  EXPECT_EQ((*tokenizer)->encode("abc", {}).size(), 1U);
  EXPECT_TRUE((*tokenizer)->is_end_of_generation(2047));
}

TEST_F(BenchCommand, EveryTypeRuns) {
  options_.prompt = {8};
  options_.gen = {4};
  options_.repeat = 1;
  for (const char* type : {"F32", "BF16", "Q8_0", "Q4_0", "Q5_1", "Q2_K", "Q5_K_M", "Q6_K", "IQ4_XS", "MXFP4"}) {
    options_.synthetic = std::string("tiny:") + type;
    EXPECT_EQ(call().first, 0) << type;
  }
}

TEST_F(BenchCommand, RefusesWithOneClearLine) {
  options_.synthetic = "enormous:Q4_0";
  EXPECT_NE(call().second.find("unknown shape \"enormous\"; expected SHAPE:TYPE, shapes: tiny, llama3.2-1b"),
            std::string::npos);
  options_.synthetic = "tiny";
  EXPECT_NE(call().second.find("unknown quantization type \"\"; known: F32"), std::string::npos);
  options_.synthetic = "tiny:Q4_0";
  options_.folder = folder_ / "absent";
  EXPECT_EQ(call().first, 1);
  options_ = {};
  EXPECT_EQ(call(), std::make_pair(2, std::string("Error: bench: expected MODEL or --synthetic SHAPE:TYPE\n")));
}

TEST_F(BenchCommand, CtrlCLeavesNoFile) {
  options_.synthetic = "llama3.2-3b:F32";  // a good while of writing
  options_.keep = folder_ / "kept.gguf";
  const pid_t child = fork();
  if (child == 0) _exit(bench_model(options_));
  for (int i = 0; i < 3000 && n_files() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(n_files(), 1U);
  kill(child, SIGINT);
  int wait_status = -1;
  ASSERT_EQ(waitpid(child, &wait_status, 0), child);
  EXPECT_EQ(n_files(), 0U);
}

TEST(Peaks, StandInTheOrderOfTheirInstructions) {
  const backend::CpuPeaks peaks = backend::measure_cpu_peaks(1);
  EXPECT_GT(peaks.read_bytes_per_s, 1e8);
#ifdef __x86_64__
  EXPECT_GT(peaks.f32_ops_per_s, 1e8);
  EXPECT_GT(peaks.int8_ops_per_s, peaks.f32_ops_per_s);
#endif
}

}  // namespace
}  // namespace da::cli
