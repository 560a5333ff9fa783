#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base/cpu_limits.h"
#include "base/mapped_file.h"
#include "base/result.h"

namespace da {
namespace {

Result<int> half(int x) {
  if (x % 2 != 0) return Status(ErrorCode::kInvalidArgument, "half of 3: expected an even number");
  return x / 2;
}
Result<int> quarter(int x) {
  DA_ASSIGN_OR_RETURN(const int h, half(x));
  return half(h);
}

TEST(Result, CarriesAValueOrAnError) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(quarter(6).status().with_context("quarter").message(), "quarter: half of 3: expected an even number");
}

class MappedFileTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() / ("deepanalyze-base-" + std::to_string(getpid()));
};

TEST_F(MappedFileTest, MapsBytesAndRefusesWhatIsNoRegularFile) {
  const auto path = folder_ / "文件.bin";
  std::ofstream(path) << "hello";
  const auto file = MappedFile::open(path.string());
  ASSERT_TRUE(file.is_ok());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()), "hello");
  std::ofstream(folder_ / "empty");
  EXPECT_TRUE(MappedFile::open((folder_ / "empty").string())->bytes().empty());
  EXPECT_EQ(MappedFile::open((folder_ / "none").string()).code(), ErrorCode::kNotFound);
  EXPECT_EQ(MappedFile::open(folder_.string()).code(), ErrorCode::kInvalidArgument);
  ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  EXPECT_EQ(MappedFile::open((folder_ / "fifo").string()).code(), ErrorCode::kInvalidArgument);  // and does not hang
  EXPECT_EQ(MappedFile::open("/dev/zero").code(), ErrorCode::kInvalidArgument);
}

TEST(CpuLimits, AtLeastOneAndNoMoreThanOnline) {
  EXPECT_GE(available_cpus(), 1);
  EXPECT_LE(available_cpus(), sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace
}  // namespace da
