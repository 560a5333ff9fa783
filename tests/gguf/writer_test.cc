#include "gguf/writer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "gguf/gguf.h"

namespace da::gguf {
namespace {

std::unique_ptr<File> parse(const std::string& bytes) {
  auto file = File::parse(std::as_bytes(std::span(bytes)), "test");
  EXPECT_TRUE(file.is_ok()) << file.status().message();
  return file.is_ok() ? std::move(*file) : nullptr;
}

Writer example(uint32_t alignment = 32) {
  Writer writer(alignment);
  writer.add_string("general.architecture", "llama");
  writer.add_uint32("u32", 7);
  writer.add_int32("i32", -7);
  writer.add_uint64("u64", uint64_t{1} << 63);
  writer.add_float32("f32", 0.5F);
  writer.add_bool("yes", true);
  writer.add_strings("strings", std::vector<std::string>{"a", "", "中文"});
  writer.add_int32s("ints", std::vector<int32_t>{1, -2, 3});
  writer.add_float32s("floats", std::vector<float>{1.5F, -2.5F});
  writer.add_bools("bools", {true, false});
  std::vector<float> values(6);
  std::iota(values.begin(), values.end(), 1.0F);
  writer.add_tensor_f32("w", {3, 2}, values);
  writer.add_tensor_f32("b", {1}, std::vector<float>{9.0F});
  return writer;
}

void expect_example(const File& file) {
  EXPECT_EQ(file.architecture(), "llama");
  EXPECT_EQ(*file.get_uint("u32"), 7u);
  EXPECT_EQ(file.get_uint("i32").code(), ErrorCode::kCorruptData);
  EXPECT_EQ(*file.get_float("i32"), -7.0);
  EXPECT_EQ(*file.get_uint("u64"), uint64_t{1} << 63);
  EXPECT_EQ(*file.get_float("f32"), 0.5);
  EXPECT_TRUE(*file.get_bool("yes"));
  EXPECT_EQ(file.get_bool("u32").code(), ErrorCode::kCorruptData);
  EXPECT_EQ(file.get_uint("absent").code(), ErrorCode::kNotFound);
  EXPECT_EQ(*file.get_uint_or("absent", 5), 5u);
  EXPECT_EQ(file.get_uint_or("f32", 5).code(), ErrorCode::kCorruptData);
  EXPECT_EQ((*file.get_array("strings"))->strings[2], "中文");
  EXPECT_EQ((*file.get_array("ints"))->integers[1], -2);
  EXPECT_EQ((*file.get_array("floats"))->floats[1], -2.5);
  EXPECT_EQ((*file.get_array("bools"))->size(), 2u);
  ASSERT_EQ(file.tensors().size(), 2u);
  const Tensor* w = file.find_tensor("w");
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(w->n_dims, 2u);
  EXPECT_EQ(w->n_values(), 6u);
  EXPECT_EQ(w->size_bytes, 24u);
  EXPECT_EQ(reinterpret_cast<const float*>(w->data.data())[5], 6.0F);
  EXPECT_EQ(reinterpret_cast<const float*>(file.find_tensor("b")->data.data())[0], 9.0F);
  EXPECT_EQ(file.find_tensor("c"), nullptr);
}

TEST(Writer, WhatIsWrittenIsRead) {
  for (const uint32_t alignment : {8u, 32u, 4096u}) {
    const auto bytes = example(alignment).serialize();
    ASSERT_TRUE(bytes.is_ok()) << bytes.status().message();
    const auto file = parse(*bytes);
    ASSERT_NE(file, nullptr);
    EXPECT_EQ(file->alignment(), alignment);
    expect_example(*file);
  }
}

TEST(Writer, MetadataCopiesUnchanged) {
  const auto bytes = example().serialize();
  const auto file = parse(*bytes);
  Writer copy;
  for (const KeyValue& entry : file->metadata()) copy.add(entry.key, entry.value);
  for (const Tensor& tensor : file->tensors()) {
    copy.add_tensor(tensor.name, tensor.type, std::span(tensor.dims).first(tensor.n_dims), tensor.data);
  }
  EXPECT_EQ(*copy.serialize(), *bytes);
}

TEST(Writer, WritesAtomically) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("gguf_writer_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::string path = folder / "model.gguf";
  std::ofstream(path) << "old";
  ASSERT_TRUE(example().write(path).is_ok());
  {
    const auto file = File::open(path);
    ASSERT_TRUE(file.is_ok()) << file.status().message();
    expect_example(**file);
  }
  Writer broken = example();
  broken.add_uint32("u32", 1);
  EXPECT_EQ(broken.write(path).code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(File::open(path).is_ok());
  EXPECT_EQ(example().write(folder / "no" / "such.gguf").code(), ErrorCode::kIo);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1) << "a temporary file was left behind";
  std::filesystem::remove_all(folder);
}

TEST(Writer, SourcesAreAskedWhenItWrites) {
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  const auto bytes = std::as_bytes(std::span(values));
  int n_calls = 0;
  Writer streamed, whole;
  const std::vector<uint64_t> dims = {3, 2};
  streamed.add_tensor("w", TensorType::kF32, dims, [&](const Sink& sink) {
    ++n_calls;
    for (size_t at = 0; at < bytes.size(); at += 5) {
      DA_RETURN_IF_ERROR(sink(bytes.subspan(at, std::min<size_t>(5, bytes.size() - at))));
    }
    return Status::ok();
  });
  whole.add_tensor("w", TensorType::kF32, dims, bytes);
  EXPECT_EQ(n_calls, 0);
  EXPECT_EQ(*streamed.serialize(), *whole.serialize());
  EXPECT_EQ(n_calls, 1);
  EXPECT_EQ(streamed.size_bytes(), whole.serialize()->size());
}

TEST(Writer, SourcesThatFailLeaveNothing) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("gguf_sources_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  const std::vector<std::byte> bytes(64);
  const std::vector<uint64_t> dims = {16};
  const auto outcome = [&](TensorSource source) {
    Writer writer;
    writer.add_tensor("w", TensorType::kF32, dims, std::move(source));
    const Status status = writer.write(folder / "x.gguf");
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    return status;
  };
  EXPECT_EQ(outcome([](const Sink&) { return Status(ErrorCode::kCancelled, "stop"); }).code(), ErrorCode::kCancelled);
  const Status few = outcome([&](const Sink& sink) { return sink(std::span(bytes).first(63)); });
  EXPECT_NE(few.message().find("\"w\": expected 64 bytes, found 63"), std::string::npos) << few.message();
  const Status many = outcome([&](const Sink& sink) {
    DA_RETURN_IF_ERROR(sink(bytes));
    return sink(bytes);
  });
  EXPECT_NE(many.message().find("found 128"), std::string::npos) << many.message();
  std::filesystem::remove_all(folder);
}

TEST(Writer, AFullDiskIsSaidAndNothingIsLeft) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("gguf_full_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  Writer huge;
  const std::vector<uint64_t> dims = {uint64_t{1} << 56};
  huge.add_tensor("w", TensorType::kF32, dims, [](const Sink&) -> Status { std::abort(); });
  const Status status = huge.write(folder / "x.gguf");
  EXPECT_EQ(status.code(), ErrorCode::kResourceExhausted);
  EXPECT_NE(status.message().find("needs 288230376151711"), std::string::npos) << status.message();
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  // A limit of the process, met in the middle.
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1 << 16, 1 << 16};
    setrlimit(RLIMIT_FSIZE, &limit);
    Writer large;
    large.add_tensor_f32("w", {1 << 16}, std::vector<float>(1 << 16));
    _exit(large.write(folder / "x.gguf").code() == ErrorCode::kResourceExhausted ? 0 : 1);
  }
  int wait_status = -1;
  ASSERT_EQ(waitpid(child, &wait_status, 0), child);
  EXPECT_EQ(wait_status, 0);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

TEST(Writer, RefusesMistakes) {
  const std::vector<float> values(32);
  const auto bytes = std::as_bytes(std::span(values));
  const auto message_of = [](const auto& mistake) {
    Writer writer;
    mistake(writer);
    const auto result = writer.serialize();
    EXPECT_EQ(result.code(), ErrorCode::kInvalidArgument);
    return result.status().message();
  };
  EXPECT_NE(message_of([](Writer& w) { w.add_uint32("", 1); }).find("empty"), std::string::npos);
  EXPECT_NE(message_of([](Writer& w) { w.add_bool("k", true), w.add_bool("k", true); }).find("twice"),
            std::string::npos);
  EXPECT_NE(message_of([&](Writer& w) { w.add_tensor("t", TensorType::kF32, {31}, bytes); }).find("expected 124 bytes"),
            std::string::npos);
  EXPECT_NE(message_of([&](Writer& w) { w.add_tensor("t", TensorType::kQ4_0, {31}, bytes); }).find("Q4_0"),
            std::string::npos);
  EXPECT_NE(message_of([&](Writer& w) { w.add_tensor("t", TensorType::kF32, {0}, bytes); }).find("do not fit"),
            std::string::npos);
  EXPECT_NE(message_of([&](Writer& w) {
              w.add_tensor("t", TensorType::kF32, {1, 1, 1, 1, 32}, bytes);
            }).find("found 5"),
            std::string::npos);
  EXPECT_NE(message_of([&](Writer& w) {
              w.add_tensor("t", TensorType::kF32, {uint64_t{1} << 62, 4}, bytes);
            }).find("do not fit"),
            std::string::npos);
  EXPECT_NE(message_of([&](Writer& w) {
              w.add_tensor_f32("t", {32}, values);
              w.add_tensor_f32("t", {32}, values);
            }).find("twice"),
            std::string::npos);
  Writer misaligned(12);
  EXPECT_EQ(misaligned.serialize().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace da::gguf
