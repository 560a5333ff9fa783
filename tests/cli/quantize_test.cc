// `deepanalyze quantize` as a user calls it, in this process; Ctrl-C in one of its own.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "cli/commands.h"
#include "gguf/gguf.h"
#include "gguf/writer.h"

namespace da::cli {
namespace {

class QuantizeCommand : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / ("cli_quantize_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    options_ = {.in = folder_ / "in.gguf", .out = folder_ / "out.gguf", .type = "Q4_0", .threads = 1};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write_model(uint64_t n_rows) const {
    gguf::Writer writer;
    writer.add_string("general.architecture", "llama");
    std::vector<float> values(256 * n_rows);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7919 % 1000) / 1000.0F - 0.5F;
    writer.add_tensor_f32("blk.0.attn_q.weight", {256, n_rows}, values);
    ASSERT_TRUE(writer.write(options_.in).is_ok());
  }
  // Status and standard error of the command.
  std::pair<int, std::string> call() const {
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    const int status = quantize(options_);
    out_ = testing::internal::GetCapturedStdout();
    return {status, testing::internal::GetCapturedStderr()};
  }
  size_t n_files() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  std::filesystem::path folder_;
  QuantizeFileOptions options_;
  mutable std::string out_;
};

TEST_F(QuantizeCommand, WritesAndReports) {
  write_model(64);
  options_.json = true;
  const auto [status, error] = call();
  ASSERT_EQ(status, 0) << error;
  EXPECT_EQ(error, "");
  EXPECT_NE(out_.find("\"type\": \"Q4_0\""), std::string::npos) << out_;
  const auto file = gguf::File::open(options_.out);
  ASSERT_TRUE(file.is_ok());
  EXPECT_EQ((*file)->tensors()[0].type, gguf::TensorType::kQ4_0);
}

TEST_F(QuantizeCommand, RefusesWithOneClearLine) {
  write_model(4);
  std::ofstream(options_.out) << "precious";
  EXPECT_NE(call().second.find("exists (--force replaces it)"), std::string::npos);
  options_.force = true;
  EXPECT_EQ(call().first, 0);
  options_.type = "Q4_Z";
  const auto [status, error] = call();
  EXPECT_EQ(status, 1);
  EXPECT_NE(error.find("unknown quantization type \"Q4_Z\"; known: F32, F16"), std::string::npos) << error;
  options_.type = "Q8_0";
  options_.in = options_.out;  // Q4_0 now
  EXPECT_NE(call().second.find("--allow-requantize"), std::string::npos);
  options_.in = folder_ / "absent.gguf";
  EXPECT_EQ(call().first, 1);
  options_.in = folder_ / "in.gguf";
  options_.out = folder_;
  EXPECT_NE(call().second.find("is a directory"), std::string::npos);
  options_.out = folder_ / "no/such/folder.gguf";
  EXPECT_EQ(call().first, 1);
  EXPECT_EQ(n_files(), 2U);
}

TEST_F(QuantizeCommand, CtrlCLeavesNoHalfFile) {
  write_model(1 << 15);  // a good while of work
  options_.type = "Q3_K_S";
  const pid_t child = fork();
  if (child == 0) _exit(quantize(options_));
  // As soon as the temporary file is there.
  for (int i = 0; i < 3000 && n_files() < 2; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(n_files(), 2U);
  kill(child, SIGINT);
  int wait_status = -1;
  ASSERT_EQ(waitpid(child, &wait_status, 0), child);
  EXPECT_TRUE(WIFEXITED(wait_status)) << wait_status;
  EXPECT_EQ(WEXITSTATUS(wait_status), 130);
  EXPECT_EQ(n_files(), 1U);
}

}  // namespace
}  // namespace da::cli
