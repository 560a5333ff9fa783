// The program with the plugin on emulated GPUs: a model cut between two GPUs and the CPU gives what the CPU gives.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/golden.h"

namespace {

std::vector<float> eval(const std::string& environment, const std::string& flags, std::string* said) {
  const auto folder = std::filesystem::temp_directory_path() / ("placement-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string out = folder / "logits", log = folder / "log";
  const std::string command = environment + " " + std::getenv("DEEPANALYZE_BINARY") + " eval logits " +
                              da::test::golden_path("stories/stories260K.gguf") + " --tokens 1,403,407,261,378 --out " +
                              out + " " + flags + " 2> " + log;
  const int status = std::system(command.c_str());
  std::ifstream log_in(log), in(out, std::ios::binary);
  *said = {std::istreambuf_iterator<char>(log_in), {}};
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::vector<float> values(status == 0 ? bytes.size() / 4 : 0);
  std::copy_n(bytes.data(), values.size() * 4, reinterpret_cast<char*>(values.data()));
  std::filesystem::remove_all(folder);
  return values;
}

const std::string kGpus = "DEEPANALYZE_CUDA_PLUGIN=" EMULATED_PLUGIN " DEEPANALYZE_EMULATED_GPUS=2x290";

TEST(ProgramOnGpus, GivesTheLogitsOfTheCpu) {
  std::string said;
  const auto expected = eval("", "", &said);
  ASSERT_EQ(expected.size(), 5U * 512) << said;
  for (const auto& [flags, says] : {std::pair{"--gpu-layers -1", "5 of 5 layers on 2 GPUs"},
                                    std::pair{"--gpu-layers 3", "3 of 5 layers on 2 GPUs"}}) {
    const auto found = eval(kGpus, flags, &said);
    EXPECT_NE(said.find(says), std::string::npos) << said;
    ASSERT_EQ(found.size(), expected.size()) << said;
    for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 2e-3) << flags;
  }
}

TEST(ProgramOnGpus, SaysWhyNot) {
  std::string said;
  EXPECT_TRUE(eval("OLLAMA_NO_CUDA=1 " + kGpus, "--gpu-layers 2", &said).empty());
  EXPECT_NE(said.find("no GPU: OLLAMA_NO_CUDA is set"), std::string::npos) << said;
  EXPECT_TRUE(eval(kGpus + " DEEPANALYZE_EMULATED_FAULT=kernel:30", "--gpu-layers -1", &said).empty());
  EXPECT_NE(said.find("cudaErrorIllegalAddress"), std::string::npos)
      << "a fault is an error, not a quiet change to the CPU: " << said;
  EXPECT_TRUE(eval(kGpus + " DEEPANALYZE_EMULATED_FAULT=exhausted:12", "--gpu-layers -1", &said).empty());
  EXPECT_NE(said.find("bytes"), std::string::npos) << said;
}

}  // namespace
