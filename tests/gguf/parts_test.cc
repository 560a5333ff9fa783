// Split models (G12), headers read without mapping (G14), and what may be opened (G15).
#include "gguf/parts.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "gguf/gguf.h"
#include "gguf/writer.h"
#include "support/golden.h"

namespace da::gguf {
namespace {

struct PartOptions {
  int number = 0, count = 3, n_tensors = 3;
  std::string architecture = "llama";
  std::string tensor;  // "" is the part's own
};

// One part, with one tensor of its own.
std::string part(const PartOptions& options) {
  Writer writer;
  if (options.number == 0) writer.add_string("general.name", "whole");
  if (!options.architecture.empty()) writer.add_string("general.architecture", options.architecture);
  writer.add_uint32("split.no", static_cast<uint32_t>(options.number));
  writer.add_uint32("split.count", static_cast<uint32_t>(options.count));
  if (options.n_tensors >= 0) writer.add_int32("split.tensors.count", options.n_tensors);
  const std::vector<float> values(8, static_cast<float>(options.number));
  writer.add_tensor_f32(options.tensor.empty() ? "t" + std::to_string(options.number) : options.tensor, {8}, values);
  return *writer.serialize();
}

Result<std::unique_ptr<File>> join(const std::vector<std::string>& parts) {
  std::vector<std::span<const std::byte>> spans;
  for (const std::string& bytes : parts) spans.push_back(std::as_bytes(std::span(bytes)));
  return File::parse_parts(spans, "test");
}

void expect_refused(const std::vector<std::string>& parts, std::string_view part_of_message) {
  const auto file = join(parts);
  ASSERT_FALSE(file.is_ok()) << "accepted; expected: " << part_of_message;
  EXPECT_EQ(file.code(), ErrorCode::kCorruptData);
  EXPECT_NE(file.status().message().find(part_of_message), std::string::npos) << file.status().message();
}

TEST(PartsG12, JoinedInOrder) {
  const std::vector<std::string> parts = {part({}), part({.number = 1}), part({.number = 2})};
  const auto file = join(parts);
  ASSERT_TRUE(file.is_ok()) << file.status().message();
  EXPECT_EQ((*file)->tensors().size(), 3U);
  EXPECT_EQ(*(*file)->get_string("general.name"), "whole");
  EXPECT_EQ((*file)->size_bytes(), parts[0].size() + parts[1].size() + parts[2].size());
  for (int i = 0; i < 3; ++i) {
    const Tensor* tensor = (*file)->find_tensor("t" + std::to_string(i));
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ(reinterpret_cast<const float*>(tensor->data.data())[7], static_cast<float>(i));
  }
  // A key that is no number is the same in every part all the same.
  std::vector<std::string> odd;
  for (uint32_t number = 0; number < 2; ++number) {
    Writer writer;
    writer.add_float32("nan", std::numeric_limits<float>::quiet_NaN());
    writer.add_float32s("nans", std::vector<float>{std::numeric_limits<float>::quiet_NaN(), 1});
    writer.add_uint32("split.no", number);
    writer.add_uint32("split.count", 2);
    writer.add_tensor_f32("t" + std::to_string(number), {1}, std::vector<float>{1});
    odd.push_back(*writer.serialize());
  }
  EXPECT_TRUE(join(odd).is_ok()) << join(odd).status().message();
  // Later parts need not repeat what the first says of the model.
  const std::vector<std::string> lean = {part({}), part({.number = 1, .architecture = ""}),
                                         part({.number = 2, .architecture = ""})};
  EXPECT_TRUE(join(lean).is_ok());
}

TEST(PartsG12, EveryOtherOrderIsRefused) {
  std::vector<int> order = {0, 1, 2};
  while (std::next_permutation(order.begin(), order.end())) {
    std::vector<std::string> parts;
    for (const int number : order) parts.push_back(part({.number = number}));
    expect_refused(parts, "split.no");
  }
}

TEST(PartsG12, MissingAndForeignParts) {
  expect_refused({part({})}, "the model has 3 parts (split.count), found 1");
  expect_refused({part({}), part({.number = 1})}, "found 2");
  expect_refused({part({}), part({.number = 1}), part({.number = 1})}, "expected 2, found 1");
  expect_refused({part({}), part({.number = 1}), part({.number = 2, .count = 4})}, "\"split.count\" has another value");
  expect_refused({part({}), part({.number = 1}), part({.number = 2, .architecture = "qwen2"})},
                 "\"general.architecture\" has another value");
  expect_refused({part({}), part({.number = 1}), part({.number = 2, .n_tensors = 5})},
                 "\"split.tensors.count\" has another value");
  expect_refused({part({}), part({.number = 1}), part({.number = 2, .n_tensors = -1})}, "is not in both");
  expect_refused({part({}), part({.number = 1}), part({.number = 2, .tensor = "t0"})}, "tensor \"t0\" occurs twice");
  const std::vector<std::string> miscounted = {part({.n_tensors = 4}), part({.number = 1, .n_tensors = 4}),
                                               part({.number = 2, .n_tensors = 4})};
  expect_refused(miscounted, "\"split.tensors.count\": expected 3");
  expect_refused({part({.count = 0})}, "\"split.count\": expected 1 to 512, found 0");
  expect_refused({part({.count = 100000})}, "found 100000");
  expect_refused({part({.number = 1, .count = 1, .n_tensors = 1})}, "expected 0, found 1");
}

TEST(Parts, PathsOfAModel) {
  using Paths = std::vector<std::string>;
  EXPECT_EQ(part_paths("a/m-00001-of-00003.gguf"),
            (Paths{"a/m-00001-of-00003.gguf", "a/m-00002-of-00003.gguf", "a/m-00003-of-00003.gguf"}));
  for (const std::string alone : {"m.gguf", "m-00001-of-00001.gguf", "m-00002-of-00003.gguf", "m-00001-of-0000x.gguf",
                                  "m-00001-of-99999.gguf", "-00001-of-00003.gguf", "", "m-00001-of-00003"}) {
    EXPECT_EQ(part_paths(alone), Paths{alone}) << alone;
  }
}

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / ("gguf_parts_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
    return folder_ / name;
  }
  std::filesystem::path folder_;
};

TEST_F(FilesTest, G12PartsAreFoundByTheirNames) {
  const std::string first = write("m-00001-of-00003.gguf", part({}));
  const std::string second = write("m-00002-of-00003.gguf", part({.number = 1}));
  const auto incomplete = File::open(first);
  EXPECT_EQ(incomplete.code(), ErrorCode::kNotFound);
  EXPECT_NE(incomplete.status().message().find("part 3 of 3: open "), std::string::npos)
      << incomplete.status().message();
  EXPECT_NE(incomplete.status().message().find("m-00003-of-00003.gguf"), std::string::npos);
  write("m-00003-of-00003.gguf", part({.number = 2}));
  for (const auto open : {File::open, File::open_header}) {
    const auto file = open(first);
    ASSERT_TRUE(file.is_ok()) << file.status().message();
    EXPECT_EQ((*file)->tensors().size(), 3U);
    EXPECT_GT((*file)->size_bytes(), 3U * 32);
    const auto from_second = open(second);
    EXPECT_EQ(from_second.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(from_second.status().message().find("-00001-of-00003.gguf"), std::string::npos)
        << from_second.status().message();
  }
  const std::string renamed = write("other.gguf", part({}));
  EXPECT_NE(File::open(renamed).status().message().find("expected its first part"), std::string::npos);
}

TEST_F(FilesTest, G14HeadersAreReadAsTheFileIs) {
  int n_files = 0;
  for (const char* folder : {"models", "quants"}) {
    for (const auto& entry : std::filesystem::directory_iterator(test::golden_path(folder))) {
      if (entry.path().extension() != ".gguf") continue;
      ++n_files;
      const auto whole = File::open(entry.path()), header = File::open_header(entry.path());
      ASSERT_TRUE(whole.is_ok() && header.is_ok()) << header.status().message();
      EXPECT_EQ((*header)->size_bytes(), (*whole)->size_bytes());
      ASSERT_EQ((*header)->metadata().size(), (*whole)->metadata().size());
      ASSERT_EQ((*header)->tensors().size(), (*whole)->tensors().size());
      for (size_t i = 0; i < (*whole)->tensors().size(); ++i) {
        const Tensor &a = (*whole)->tensors()[i], &b = (*header)->tensors()[i];
        EXPECT_TRUE(a.name == b.name && a.dims == b.dims && a.type == b.type && b.data.empty());
      }
    }
  }
  EXPECT_GT(n_files, 60);
}

TEST_F(FilesTest, G14LongHeadersAreReadInSteps) {
  Writer writer;
  std::vector<std::string> tokens(50'000, std::string(60, 'x'));  // 3.4 MB: more than one step
  writer.add_strings("tokens", tokens);
  writer.add_tensor_f32("w", {4}, std::vector<float>(4));
  const std::string bytes = *writer.serialize();
  const auto header = File::open_header(write("long.gguf", bytes));
  ASSERT_TRUE(header.is_ok()) << header.status().message();
  EXPECT_EQ((*(*header)->get_array("tokens"))->strings.back(), tokens.back());
  // Cut anywhere, the message has both sizes, as that of a mapped file.
  for (const size_t size : {size_t{10}, size_t{1} << 20, (size_t{1} << 20) + 5, bytes.size() - 30}) {
    const auto cut = File::open_header(write("cut.gguf", bytes.substr(0, size)));
    ASSERT_FALSE(cut.is_ok());
    EXPECT_EQ(cut.status().message(), File::open(folder_ / "cut.gguf").status().message());
    EXPECT_NE(cut.status().message().find("found " + std::to_string(size)), std::string::npos);
  }
}

TEST_F(FilesTest, G15OnlyRegularFilesAreOpened) {
  const std::string fifo = folder_ / "fifo", loop = folder_ / "loop", empty = write("empty", "");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  std::filesystem::create_symlink("loop", loop);
  for (const auto open : {File::open, File::open_header}) {
    EXPECT_EQ(open(folder_ / "absent").code(), ErrorCode::kNotFound);
    EXPECT_EQ(open(folder_).code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(open("/dev/null").code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(open("/dev/zero").code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(open(fifo).code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(open(loop).code(), ErrorCode::kIo);
    EXPECT_EQ(open(empty).code(), ErrorCode::kCorruptData);
  }
  // A link to a model is a model: Hugging Face's cache is made of them.
  write("model.gguf", part({.count = 1, .n_tensors = 1}));
  std::filesystem::create_symlink("model.gguf", folder_ / "link.gguf");
  EXPECT_TRUE(File::open(folder_ / "link.gguf").is_ok());
}

}  // namespace
}  // namespace da::gguf
