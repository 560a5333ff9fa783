// Faults G08 to G10: hyper-parameters, vocabulary and tensors that cannot be are refused by name.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>

#include "backend/cpu/cpu_backend.h"
#include "gguf/writer.h"
#include "model/architecture.h"
#include "model/model.h"
#include "support/golden.h"

namespace da::model {
namespace {

using Edit = std::function<void(gguf::Writer&)>;

std::unique_ptr<gguf::File> golden(const std::string& name) {
  auto file = gguf::File::open(test::golden_path("models/" + name + ".gguf"));
  return std::move(file).value();
}

// The golden model without `dropped` keys and tensors and with what `edit` adds, loaded.
Status load_edited(const std::string& name, const std::vector<std::string>& dropped, const Edit& edit) {
  const auto source = golden(name);
  gguf::Writer writer;
  const auto is_dropped = [&](std::string_view what) {
    return std::find(dropped.begin(), dropped.end(), what) != dropped.end();
  };
  for (const gguf::KeyValue& entry : source->metadata()) {
    if (!is_dropped(entry.key)) writer.add(entry.key, entry.value);
  }
  for (const gguf::Tensor& tensor : source->tensors()) {
    if (!is_dropped(tensor.name))
      writer.add_tensor(tensor.name, tensor.type, std::span(tensor.dims.data(), tensor.n_dims), tensor.data);
  }
  if (edit) edit(writer);
  const auto bytes = writer.serialize();
  EXPECT_TRUE(bytes.is_ok()) << bytes.status().message();
  auto file = gguf::File::parse(std::as_bytes(std::span(*bytes)), "edited");
  EXPECT_TRUE(file.is_ok()) << file.status().message();
  auto backend = backend::make_cpu_backend({.n_threads = 1});
  return Model::load(std::shared_ptr<const gguf::File>(std::move(file).value()), std::move(backend).value()).status();
}

struct KeyFault {
  std::string key;
  Edit edit;
  ErrorCode code = ErrorCode::kCorruptData;
};

TEST(ModelFaults, HyperparametersThatCannotBe) {
  const auto u32 = [](std::string key, uint32_t value) {
    return KeyFault{key, [=](gguf::Writer& writer) { writer.add_uint32(key, value); }};
  };
  const auto u64 = [](std::string key, uint64_t value) {
    return KeyFault{key, [=](gguf::Writer& writer) { writer.add_uint64(key, value); }};
  };
  const auto f32 = [](std::string key, float value) {
    return KeyFault{key, [=](gguf::Writer& writer) { writer.add_float32(key, value); }};
  };
  std::vector<KeyFault> faults = {
      u32("llama.attention.head_count", 0),
      u32("llama.attention.head_count", 3),
      u32("llama.attention.head_count", 1 << 30),
      u32("llama.attention.head_count_kv", 0),
      u32("llama.attention.head_count_kv", 3),
      u32("llama.attention.head_count_kv", 8),
      u32("llama.block_count", 0),
      u32("llama.block_count", 1000000000),
      u32("llama.embedding_length", 0),
      u64("llama.embedding_length", uint64_t{1} << 40),
      u32("llama.feed_forward_length", 0),
      u64("llama.context_length", uint64_t{1} << 63),
      u32("llama.context_length", 0),
      u32("llama.rope.dimension_count", 0),
      u32("llama.rope.dimension_count", 31),
      u32("llama.rope.dimension_count", 64),
      f32("llama.rope.freq_base", 0.0F),
      f32("llama.rope.freq_base", -1.0F),
      f32("llama.rope.freq_base", NAN),
      f32("llama.attention.layer_norm_rms_epsilon", -1.0F),
      f32("llama.attention.layer_norm_rms_epsilon", NAN),
      u32("llama.attention.key_length", 0),
      u32("llama.attention.key_length", 100000),
      {"llama.block_count", [](gguf::Writer& writer) { writer.add_string("llama.block_count", "two"); }},
      {"llama.block_count", [](gguf::Writer& writer) { writer.add_int32("llama.block_count", -2); }},
      {"llama.block_count", {}},
      {"llama.rope.scaling.type", [](gguf::Writer& writer) { writer.add_string("llama.rope.scaling.type", "magic"); },
       ErrorCode::kUnsupported},
      {"llama.attention.wobble", [](gguf::Writer& writer) { writer.add_uint32("llama.attention.wobble", 1); },
       ErrorCode::kUnsupported},
      {"llama.expert_count", [](gguf::Writer& writer) { writer.add_uint32("llama.expert_count", 100000); }},
  };
  for (const KeyFault& fault : faults) {
    const Status status = load_edited("llama", {fault.key}, fault.edit);
    EXPECT_EQ(status.code(), fault.code) << fault.key << ": " << status.message();
    EXPECT_NE(status.message().find(fault.key), std::string::npos) << status.message();
  }
}

TEST(ModelFaults, VocabularyAndEmbeddingRowsDiffer) {
  const std::vector<std::string> tokens(500, "a");
  const Status status = load_edited("llama", {"tokenizer.ggml.tokens"},
                                    [&](gguf::Writer& writer) { writer.add_strings("tokenizer.ggml.tokens", tokens); });
  EXPECT_EQ(status.code(), ErrorCode::kCorruptData);
  EXPECT_NE(status.message().find("500"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("512"), std::string::npos) << status.message();
}

TEST(ModelFaults, EachTensorMissingOrMisshapen) {
  for (const std::string name : {"llama", "qwen2", "qwen3"}) {
    const auto source = golden(name);
    for (const gguf::Tensor& tensor : source->tensors()) {
      if (tensor.name.starts_with("blk.1")) continue;  // as blk.0
      const Status missing = load_edited(name, {tensor.name}, {});
      if (tensor.name != "output.weight") {  // absent means tied
        EXPECT_EQ(missing.code(), ErrorCode::kCorruptData) << name << " " << tensor.name << ": " << missing.message();
        EXPECT_NE(missing.message().find(tensor.name), std::string::npos) << missing.message();
      }
      const Status misshapen = load_edited(name, {tensor.name}, [&](gguf::Writer& writer) {
        writer.add_tensor_f32(tensor.name, {1, 3}, std::vector<float>(3));
      });
      EXPECT_EQ(misshapen.code(), ErrorCode::kCorruptData) << tensor.name;
      EXPECT_NE(misshapen.message().find(tensor.name), std::string::npos) << misshapen.message();
      if (tensor.name != "token_embd.weight") {
        EXPECT_NE(misshapen.message().find("found [1, 3]"), std::string::npos) << misshapen.message();
      }
    }
  }
}

TEST(ModelFaults, TensorsNobodyAskedFor) {
  const Status status = load_edited("llama", {}, [](gguf::Writer& writer) {
    writer.add_tensor_f32("blk.0.attn_q_norm.weight", {32}, std::vector<float>(32));
  });
  EXPECT_EQ(status.code(), ErrorCode::kCorruptData);
  EXPECT_NE(status.message().find("blk.0.attn_q_norm.weight"), std::string::npos) << status.message();
}

TEST(ModelFaults, WrongTypeForTheRole) {
  const std::vector<std::byte> q8(128 / 32 * 34);
  const Status status = load_edited("llama", {"output_norm.weight"}, [&](gguf::Writer& writer) {
    writer.add_tensor("output_norm.weight", gguf::TensorType::kQ8_0, {128}, q8);
  });
  EXPECT_EQ(status.code(), ErrorCode::kCorruptData);
  EXPECT_NE(status.message().find("Q8_0"), std::string::npos) << status.message();
}

TEST(ModelFaults, UnknownArchitectureListsTheKnown) {
  const Status status = load_edited("llama", {"general.architecture"}, [](gguf::Writer& writer) {
    writer.add_string("general.architecture", "perceptron");
  });
  EXPECT_EQ(status.code(), ErrorCode::kUnsupported);
  for (const std::string_view known : known_architectures())
    EXPECT_NE(status.message().find(known), std::string::npos) << status.message();
}

TEST(ModelLoad, ReportsProgressAndCanBeCancelled) {
  const std::shared_ptr<const gguf::File> file = golden("llama");
  uint64_t last = 0, total = 0;
  auto model = Model::load(file, std::move(backend::make_cpu_backend({.n_threads = 1})).value(), {},
                           [&](uint64_t done, uint64_t all) {
                             EXPECT_GT(done, last);
                             last = done;
                             total = all;
                             return true;
                           });
  ASSERT_TRUE(model.is_ok());
  EXPECT_EQ(last, total);
  EXPECT_GT((*model)->weight_bytes(), 0U);
  EXPECT_EQ(Model::load(file, std::move(backend::make_cpu_backend({.n_threads = 1})).value(), {},
                        [](uint64_t, uint64_t) { return false; })
                .code(),
            ErrorCode::kCancelled);
}

}  // namespace
}  // namespace da::model
