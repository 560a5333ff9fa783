// The published mixes, and models written in them.
#include "quant/mix.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "gguf/writer.h"
#include "quant/model_writer.h"
#include "quant/quant.h"
#include "support/golden.h"

namespace da::quant {
namespace {

using gguf::TensorType;

std::unique_ptr<gguf::File> golden(const std::string& name) {
  auto file = gguf::File::open(test::golden_path("quants/" + name + ".gguf"));
  EXPECT_TRUE(file.is_ok()) << file.status().message();
  return std::move(*file);
}

struct Written {
  std::string bytes;
  std::unique_ptr<gguf::File> file;
};

Result<Written> write(const gguf::File& file, const Mix* mix, const QuantizeOptions& options) {
  DA_ASSIGN_OR_RETURN(const auto writer, model_writer(file, mix, options));
  Written out;
  DA_ASSIGN_OR_RETURN(out.bytes, writer->serialize());
  EXPECT_EQ(writer->size_bytes(), out.bytes.size());
  DA_ASSIGN_OR_RETURN(out.file, gguf::File::parse(std::as_bytes(std::span(out.bytes)), "written"));
  return out;
}

TEST(Mix, TypesAsTheReferenceChoseThem) {
  const std::pair<const char*, const char*> files[] = {
      {"two-mix-Q2_K", "Q2_K"},     {"two-mix-Q3_K_M", "Q3_K_M"}, {"two-mix-Q3_K_L", "Q3_K_L"},
      {"two-mix-Q4_K_S", "Q4_K_S"}, {"two-mix-Q4_K_M", "Q4_K_M"}, {"two-mix-Q5_K_S", "Q5_K_S"},
      {"two-mix-Q5_K_M", "Q5_K_M"}, {"moe-mix-Q4_K_M", "Q4_K_M"}, {"gpt-oss-MXFP4_MOE", "MXFP4_MOE"},
      {"two-mix-IQ3_M", "IQ3_M"},   {"two-mix-IQ2_M", "IQ2_M"}};
  for (const auto& [name, mix_name] : files) {
    const auto file = golden(name);
    const auto types = choose_types(*file, **find_mix(mix_name));
    ASSERT_TRUE(types.is_ok()) << types.status().message();
    for (size_t i = 0; i < types->size(); ++i) {
      const gguf::Tensor& tensor = file->tensors()[i];
      EXPECT_EQ(gguf::tensor_type_info((*types)[i]).name, gguf::tensor_type_info(tensor.type).name)
          << name << " " << tensor.name;
    }
  }
}

TEST(Mix, NamesInAnyCase) {
  EXPECT_EQ((*find_mix("q4_k"))->name, "Q4_K_M");
  EXPECT_EQ((*find_mix("Q5_K"))->name, "Q5_K_M");
  EXPECT_EQ((*find_mix("f16"))->name, "F16");
  EXPECT_EQ((*find_mix("Q6_K"))->name, "Q6_K");
  for (const char* unknown : {"", "Q9", "Q4", "Q4_K_", "IQ2"}) {
    const auto mix = find_mix(unknown);
    EXPECT_EQ(mix.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(mix.status().message().find("Q4_K_M, Q5_K_S"), std::string::npos) << mix.status().message();
  }
}

// A small model whose rows are not whole blocks of 256.
gguf::Writer odd_model() {
  gguf::Writer writer;
  writer.add_string("general.architecture", "llama");
  writer.add_uint32("general.file_type", 0);
  writer.add_uint32("llama.block_count", 1);
  writer.add_uint32("llama.attention.head_count", 4);
  writer.add_uint32("llama.attention.head_count_kv", 4);
  const auto add = [&](const char* name, std::initializer_list<uint64_t> dims) {
    uint64_t n_values = 1;
    for (const uint64_t extent : dims) n_values *= extent;
    std::vector<float> values(n_values);
    for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i));
    writer.add_tensor_f32(name, dims, values);
  };
  add("token_embd.weight", {96, 8});
  add("output.weight", {96, 8});
  add("blk.0.attn_norm.weight", {96});
  add("blk.0.attn_q.weight", {96, 8});
  add("blk.0.ffn_gate_inp.weight", {96, 8});
  add("blk.0.ffn_up.weight", {80, 8});
  add("blk.0.attn_q.bias", {8});
  return writer;
}

TEST(Mix, RowsThatAreNotWholeBlocksTakeSmallerOnes) {
  const std::string bytes = *odd_model().serialize();
  const auto file = gguf::File::parse(std::as_bytes(std::span(bytes)), "odd");
  const auto types = *choose_types(**file, **find_mix("Q4_K_M"));
  const std::vector<TensorType> expected = {TensorType::kQ5_0, TensorType::kQ8_0, TensorType::kF32, TensorType::kQ5_0,
                                            TensorType::kF32,  TensorType::kF16,  TensorType::kF32};
  EXPECT_EQ(types, expected);
}

TEST(ModelWriter, EveryMixOfAnUnquantizedModel) {
  const std::string bytes = *odd_model().serialize();
  const auto source = *gguf::File::parse(std::as_bytes(std::span(bytes)), "odd");
  std::string names = mix_names();
  std::set<std::string> seen;
  for (size_t at = 0; at < names.size();) {
    const size_t end = std::min(names.find(", ", at), names.size());
    const std::string name = names.substr(at, end - at);
    at = end + 2;
    ASSERT_TRUE(seen.insert(name).second);
    const Mix& mix = **find_mix(name);
    for (const int n_threads : {1, 3}) {
      const auto written = write(*source, &mix, {.n_threads = n_threads});
      ASSERT_TRUE(written.is_ok()) << written.status().message();
      EXPECT_EQ(*written->file->get_uint("general.file_type"), mix.file_type);
      EXPECT_EQ(*written->file->get_uint("llama.block_count"), 1U);
      const auto types = *choose_types(*source, mix);
      for (size_t i = 0; i < types.size(); ++i) {
        const gguf::Tensor &from = source->tensors()[i], &to = written->file->tensors()[i];
        EXPECT_EQ(to.name, from.name);
        EXPECT_EQ(to.type, types[i]);
        EXPECT_EQ(to.dims, from.dims);
        std::vector<std::byte> direct(to.size_bytes);
        ASSERT_TRUE(quantize(to.type, reinterpret_cast<const float*>(from.data.data()), direct.data(), from.n_values())
                        .is_ok());
        EXPECT_TRUE(std::equal(direct.begin(), direct.end(), to.data.begin())) << name << " " << to.name;
      }
    }
  }
  EXPECT_EQ(seen.size(), 36U);
}

// Its mean squares under the names of a model's tensors, in the older form of the file.
std::string importance_list(const std::vector<std::pair<std::string, std::vector<float>>>& entries) {
  std::string bytes;
  const auto put = [&](int32_t number) { bytes.append(reinterpret_cast<const char*>(&number), sizeof(number)); };
  put(static_cast<int32_t>(entries.size()));
  for (const auto& [name, values] : entries) {
    put(static_cast<int32_t>(name.size()));
    bytes += name;
    put(2);  // calls
    put(static_cast<int32_t>(values.size()));
    for (const float value : values) {
      const float sum = value * 2;
      bytes.append(reinterpret_cast<const char*>(&sum), sizeof(sum));
    }
  }
  put(7);  // chunks, and the name of the text
  put(4);
  return bytes + "text";
}

std::string importance_gguf(const std::vector<std::pair<std::string, std::vector<float>>>& entries) {
  gguf::Writer writer;
  writer.add_string("general.type", "imatrix");
  for (const auto& [name, values] : entries) {
    std::vector<float> sums = values;
    for (float& sum : sums) sum *= 5;
    writer.add_tensor_f32(name + ".in_sum2", {values.size()}, sums);
    writer.add_tensor_f32(name + ".counts", {1}, std::vector<float>{5});
  }
  return *writer.serialize();
}

class ImportanceFile : public testing::Test {
 protected:
  std::string write_file(const std::string& bytes) const {
    std::ofstream(path_, std::ios::binary) << bytes;
    return path_;
  }
  void TearDown() override { std::remove(path_.c_str()); }
  const std::string path_ = testing::TempDir() + "importance_" + std::to_string(::getpid());
};

TEST_F(ImportanceFile, BothFormsSayTheSame) {
  const std::vector<float> squares = {1, 2, 3, 6};
  const gguf::Tensor tensor{.name = "blk.0.attn_q.weight", .n_dims = 2, .dims = {4, 8, 1, 1}};
  for (const std::string& bytes :
       {importance_list({{tensor.name, squares}}), importance_gguf({{tensor.name, squares}})}) {
    const auto importance = Importance::open(write_file(bytes));
    ASSERT_TRUE(importance.is_ok()) << importance.status().message();
    EXPECT_EQ(importance->n_entries(), 1U);
    const auto weights = importance->weights(tensor);
    ASSERT_TRUE(weights.is_ok());
    ASSERT_EQ(weights->size(), 4U);
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR((*weights)[i], squares[i] / 3 + 1e-3F, 1e-6F);
    EXPECT_TRUE(importance->weights({.name = "other", .dims = {4, 8, 1, 1}})->empty());
    const auto misfit = importance->weights({.name = tensor.name, .dims = {8, 8, 1, 1}});
    EXPECT_EQ(misfit.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(misfit.status().message().find("another model"), std::string::npos) << misfit.status().message();
  }
}

TEST_F(ImportanceFile, WhatIsBrokenIsRefused) {
  const std::string good = importance_list({{"a", {1, 2, 3, 4}}});
  EXPECT_EQ(Importance::open(path_ + "-absent").code(), ErrorCode::kNotFound);
  for (size_t size = 1; size < good.size() - 12; ++size) {
    EXPECT_FALSE(Importance::open(write_file(good.substr(0, size))).is_ok()) << size;
  }
  EXPECT_TRUE(Importance::open(write_file(good.substr(0, good.size() - 12))).is_ok());  // the oldest have no chunks
  for (const float bad : {-1.0F, static_cast<float>(NAN), static_cast<float>(INFINITY)}) {
    const auto status = Importance::open(write_file(importance_list({{"a", {1, bad}}}))).status();
    EXPECT_EQ(status.code(), ErrorCode::kCorruptData);
    EXPECT_NE(status.message().find("value 1 "), std::string::npos) << status.message();
  }
  EXPECT_FALSE(Importance::open(write_file(importance_list({{"a", {1}}, {"a", {1}}}))).is_ok());
  EXPECT_NE(Importance::open(write_file(*odd_model().serialize())).status().message().find("is it a model?"),
            std::string::npos);
}

TEST_F(ImportanceFile, TypesOfFewBitsNeedOne) {
  gguf::Writer model;
  model.add_string("general.architecture", "llama");
  model.add_uint32("llama.block_count", 1);
  std::vector<float> values(256 * 4), squares(256);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i * i));
  for (size_t i = 0; i < squares.size(); ++i) squares[i] = i % 8 == 0 ? 10.0F : 0.1F;
  model.add_tensor_f32("token_embd.weight", {256, 4}, values);
  model.add_tensor_f32("blk.0.ffn_up.weight", {256, 4}, values);
  const std::string bytes = *model.serialize();
  const auto source = *gguf::File::parse(std::as_bytes(std::span(bytes)), "plain");
  const auto other = Importance::open(write_file(importance_list({{"blk.0.ffn_gate.weight", squares}})));
  const auto importance = Importance::open(write_file(importance_gguf({{"blk.0.ffn_up.weight", squares}})));
  ASSERT_TRUE(other.is_ok() && importance.is_ok());
  for (const char* name : {"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "IQ3_XXS", "Q2_K_S"}) {
    const Mix& mix = **find_mix(name);
    for (const Importance* given : {static_cast<const Importance*>(nullptr), &*other}) {
      const auto refused = write(*source, &mix, {.n_threads = 1, .importance = given});
      EXPECT_EQ(refused.code(), ErrorCode::kInvalidArgument) << name;
      EXPECT_NE(refused.status().message().find("blk.0.ffn_up.weight"), std::string::npos)
          << refused.status().message();
      EXPECT_NE(refused.status().message().find("importance matrix"), std::string::npos) << refused.status().message();
    }
    const auto written = write(*source, &mix, {.n_threads = 2, .importance = &*importance});
    ASSERT_TRUE(written.is_ok()) << written.status().message();
    EXPECT_EQ(*written->file->get_uint("quantize.imatrix.entries_count"), 1U);
    const gguf::Tensor& tensor = *written->file->find_tensor("blk.0.ffn_up.weight");
    std::vector<float> back(values.size());
    ASSERT_TRUE(dequantize(tensor.type, tensor.data.data(), back.data(), back.size()).is_ok());
    double counted = 0, rest = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const auto difference = static_cast<double>(values[i] - back[i]);
      (squares[i % 256] > 1 ? counted : rest) += difference * difference / (squares[i % 256] > 1 ? 1 : 7);
    }
    EXPECT_LT(counted, rest * 0.8) << name;  // of as many values each
  }
}

// A model is read piece by piece, and what is written is the same (G14: nothing is mapped in the server).
TEST(ModelWriterG14, ReadsWithoutMapping) {
  const std::string path = test::golden_path("quants/half-F16.gguf");
  const Mix& mix = **find_mix("Q8_0");
  const auto mapped = write(**gguf::File::open(path), &mix, {.n_threads = 1});
  const auto unmapped_file = gguf::File::open_header(path);
  const auto unmapped = write(**unmapped_file, &mix, {.n_threads = 2});
  ASSERT_TRUE(mapped.is_ok() && unmapped.is_ok()) << unmapped.status().message();
  EXPECT_EQ(mapped->bytes, unmapped->bytes);
}

TEST(ModelWriterG14, AFileThatShrinksIsAnError) {
  const std::string path = testing::TempDir() + "shrinking_" + std::to_string(::getpid());
  std::filesystem::copy_file(test::golden_path("quants/half-F16.gguf"), path,
                             std::filesystem::copy_options::overwrite_existing);
  const auto file = gguf::File::open_header(path);
  ASSERT_TRUE(file.is_ok());
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  const auto written = write(**file, *find_mix("Q8_0"), {.n_threads = 1});
  EXPECT_EQ(written.code(), ErrorCode::kIo);
  EXPECT_NE(written.status().message().find("has become shorter"), std::string::npos) << written.status().message();
  std::filesystem::remove(path);
}

TEST(ModelWriter, RequantizingMustBeAllowed) {
  const auto source = golden("one-Q8_0");
  const Mix& mix = **find_mix("Q4_K_M");
  const auto refused = write(*source, &mix, {});
  EXPECT_EQ(refused.code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.status().message().find("8 tensors are quantized already"), std::string::npos)
      << refused.status().message();
  EXPECT_NE(refused.status().message().find("--allow-requantize"), std::string::npos);
  const auto written = write(*source, &mix, {.n_threads = 2, .allow_requantize = true});
  ASSERT_TRUE(written.is_ok()) << written.status().message();
  EXPECT_LT(written->bytes.size(), source->size_bytes() * 3 / 4);
}

TEST(ModelWriter, WithoutAMixTheModelStaysAndItsPartsAreJoined) {
  std::vector<std::string> parts;
  for (uint32_t number = 0; number < 2; ++number) {
    gguf::Writer writer;
    if (number == 0) writer.add_string("general.architecture", "llama");
    writer.add_uint32("split.no", number);
    writer.add_uint32("split.count", 2);
    writer.add_tensor_f32("t" + std::to_string(number), {3}, std::vector<float>{1, 2, static_cast<float>(number)});
    parts.push_back(*writer.serialize());
  }
  const std::span<const std::byte> spans[] = {std::as_bytes(std::span(parts[0])), std::as_bytes(std::span(parts[1]))};
  const auto source = gguf::File::parse_parts(spans, "split");
  ASSERT_TRUE(source.is_ok()) << source.status().message();
  const auto written = write(**source, nullptr, {.n_threads = 1});
  ASSERT_TRUE(written.is_ok()) << written.status().message();
  EXPECT_EQ(written->file->metadata().size(), 1U);
  for (const gguf::Tensor& tensor : (*source)->tensors()) {
    const gguf::Tensor* copy = written->file->find_tensor(tensor.name);
    ASSERT_NE(copy, nullptr);
    EXPECT_TRUE(std::equal(tensor.data.begin(), tensor.data.end(), copy->data.begin(), copy->data.end()));
  }
}

TEST(ModelWriterG11, WeightsThatAreNoNumbersAreNamed) {
  for (const float bad : {static_cast<float>(NAN), static_cast<float>(-INFINITY), 1e6F}) {
    gguf::Writer writer;
    writer.add_string("general.architecture", "llama");
    std::vector<float> values(64 * 4, 1.0F);
    values[64 * 2 + 5] = bad;
    writer.add_tensor_f32("blk.0.attn_q.weight", {64, 4}, values);
    const std::string bytes = *writer.serialize();
    const auto source = *gguf::File::parse(std::as_bytes(std::span(bytes)), "bad");
    for (const char* name : {"Q8_0", "F16"}) {
      const auto written = write(*source, *find_mix(name), {.n_threads = 1});
      EXPECT_EQ(written.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(written.status().message().find("tensor blk.0.attn_q.weight row 2: "), std::string::npos)
          << written.status().message();
      EXPECT_NE(written.status().message().find("value 5 "), std::string::npos) << written.status().message();
    }
  }
}

TEST(ModelWriter, ProgressCountsUpAndMayStop) {
  const std::string bytes = *odd_model().serialize();
  const auto source = *gguf::File::parse(std::as_bytes(std::span(bytes)), "odd");
  uint64_t last = 0, total = 0;
  const auto done = write(*source, *find_mix("Q8_0"), {.n_threads = 1, .progress = [&](const QuantizeProgress& at) {
                                                         EXPECT_GT(at.bytes_done, last);
                                                         last = at.bytes_done;
                                                         total = at.bytes_total;
                                                         return true;
                                                       }});
  ASSERT_TRUE(done.is_ok());
  EXPECT_EQ(last, total);
  const auto stopped =
      write(*source, *find_mix("Q8_0"), {.n_threads = 1, .progress = [](const QuantizeProgress&) { return false; }});
  EXPECT_EQ(stopped.code(), ErrorCode::kCancelled);
}

}  // namespace
}  // namespace da::quant
