// Faults G08 to G10 and G13: hyper-parameters, vocabulary and tensors that cannot be are refused by name.
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
Result<std::unique_ptr<Model>> try_load(const std::string& name, const std::vector<std::string>& dropped,
                                        const Edit& edit) {
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
  return Model::load(std::shared_ptr<const gguf::File>(std::move(file).value()), on_one(std::move(backend).value()));
}

Status load_edited(const std::string& name, const std::vector<std::string>& dropped, const Edit& edit) {
  return try_load(name, dropped, edit).status();
}

struct KeyFault {
  std::string key;
  Edit edit;
  ErrorCode code = ErrorCode::kCorruptData;
};

TEST(ModelFaultsG08, HyperparametersThatCannotBe) {
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

TEST(ModelFaultsG09, VocabularyAndEmbeddingRowsDiffer) {
  const std::vector<std::string> tokens(500, "a");
  const Status status = load_edited("llama", {"tokenizer.ggml.tokens"},
                                    [&](gguf::Writer& writer) { writer.add_strings("tokenizer.ggml.tokens", tokens); });
  EXPECT_EQ(status.code(), ErrorCode::kCorruptData);
  EXPECT_NE(status.message().find("500"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("512"), std::string::npos) << status.message();
}

// Tensors that a model may do without, by the golden models that have them.
bool may_be_missing(std::string_view model, std::string_view tensor) {
  if (tensor.ends_with("layer_output_scale.weight")) return true;
  if (tensor == "output.weight") return model != "phi2";  // absent means tied, but not beside a bias of its own
  if (tensor == "rope_freqs.weight") return model != "gemma4";
  // Full layers of this family may make their values from the keys.
  return model == "gemma4" && tensor == "blk.2.attn_v.weight";
}

TEST(ModelFaultsG10, EachTensorMissingOrMisshapen) {
  for (const std::string name :
       {"llama-ropefreqs", "llama-moe", "qwen2", "qwen3", "qwen2moe", "gemma3", "gemma4", "phi2", "phi3-longrope-short",
        "deepseek2", "deepseek2-kvb", "gpt-oss", "command-r", "olmo2", "starcoder2", "gpt2", "bert", "nomic-bert"}) {
    const auto source = golden(name);
    std::vector<std::string> seen;
    for (const gguf::Tensor& tensor : source->tensors()) {
      // Each kind once, and each shape of it.
      const size_t dot = tensor.name.starts_with("blk.") ? tensor.name.find('.', 4) : 0;
      const std::string kind = tensor.name.substr(dot) + std::to_string(tensor.dims[1]);
      if (std::find(seen.begin(), seen.end(), kind) != seen.end()) continue;
      seen.push_back(kind);
      const Status missing = load_edited(name, {tensor.name}, {});
      if (may_be_missing(name, tensor.name)) {
        EXPECT_TRUE(missing.is_ok()) << missing.message();
      } else {
        EXPECT_EQ(missing.code(), ErrorCode::kCorruptData) << name << " " << tensor.name << ": " << missing.message();
        // What holds several in one is missed under their own names.
        const bool fused =
            tensor.name.find("attn_qkv") != std::string::npos || tensor.name.ends_with("attn_kv_b.weight");
        EXPECT_TRUE(fused || missing.message().find(tensor.name) != std::string::npos) << missing.message();
      }
      const Status misshapen = load_edited(name, {tensor.name}, [&](gguf::Writer& writer) {
        writer.add_tensor_f32(tensor.name, {1, 3}, std::vector<float>(3));
      });
      EXPECT_EQ(misshapen.code(), ErrorCode::kCorruptData) << name << " " << tensor.name;
      EXPECT_NE(misshapen.message().find(tensor.name), std::string::npos) << misshapen.message();
      if (tensor.name != "token_embd.weight") {
        EXPECT_NE(misshapen.message().find("found [1, 3]"), std::string::npos) << misshapen.message();
      }
    }
  }
}

TEST(ModelFaultsG08, KeysOfFamiliesThatCannotBe) {
  const auto u32 = [](std::string key, uint32_t value) {
    return KeyFault{key, [=](gguf::Writer& writer) { writer.add_uint32(key, value); }};
  };
  const std::pair<std::string, std::vector<KeyFault>> families[] = {
      {"llama-moe",
       {u32("llama.expert_count", 100000),
        u32("llama.expert_used_count", 5),
        u32("llama.expert_used_count", 0),
        {"llama.expert_used_count", {}}}},
      {"qwen2moe", {u32("qwen2moe.expert_feed_forward_length", 0), u32("qwen2moe.expert_gating_func", 9)}},
      {"gemma2", {u32("gemma2.attention.sliding_window", 0)}},
      {"gemma4",
       {u32("gemma4.attention.shared_kv_layers", 6), u32("gemma4.attention.key_length_swa", 0),
        u32("gemma4.attention.head_count_kv", 3)}},
      {"cohere2", {{"cohere2.attention.sliding_window", {}}, {"cohere2.logit_scale", {}}}},
      {"granite", {{"granite.logit_scale", {}}}},
      {"deepseek2",
       {u32("deepseek2.attention.kv_lora_rank", 0),
        u32("deepseek2.attention.kv_lora_rank", 1020),
        {"deepseek2.attention.kv_lora_rank", {}},
        u32("deepseek2.leading_dense_block_count", 9),
        u32("deepseek2.rope.dimension_count", 48),
        u32("deepseek2.expert_group_count", 3)}},
      {"mistral3", {{"mistral3.rope.scaling.factor", {}}}},
      {"bert", {u32("bert.pooling_type", 7), {"bert.attention.layer_norm_epsilon", {}}}},
      {"gpt2", {u32("gpt2.context_length", 0)}},
  };
  for (const auto& [name, faults] : families) {
    for (const KeyFault& fault : faults) {
      const Status status = load_edited(name, {fault.key}, fault.edit);
      EXPECT_EQ(status.code(), fault.code) << fault.key << ": " << status.message();
      EXPECT_NE(status.message().find(fault.key), std::string::npos) << status.message();
    }
  }
  const Status ranker = load_edited("bert", {"bert.pooling_type"},
                                    [](gguf::Writer& writer) { writer.add_uint32("bert.pooling_type", 4); });
  EXPECT_EQ(ranker.code(), ErrorCode::kUnsupported) << ranker.message();
  const Status experts =
      load_edited("gemma3", {}, [](gguf::Writer& writer) { writer.add_uint32("gemma3.expert_count", 8); });
  EXPECT_EQ(experts.code(), ErrorCode::kUnsupported) << experts.message();
  const Status nowhere = load_edited("gemma4", {}, [](gguf::Writer& writer) {
    writer.add_uint32("gemma4.expert_count", 8);
    writer.add_uint32("gemma4.expert_used_count", 2);
  });
  EXPECT_EQ(nowhere.code(), ErrorCode::kCorruptData) << nowhere.message();
  EXPECT_NE(nowhere.message().find("gemma4.expert_count"), std::string::npos) << nowhere.message();
}

// docs/model-files.md
TEST(ModelFaultsG10, UnknownKeysAndTensorsByTheirRisk) {
  const auto with = [](const Edit& edit) {
    const auto loaded = try_load("llama", {}, edit);
    EXPECT_TRUE(loaded.is_ok()) << loaded.status().message();
    return loaded.is_ok() ? (*loaded)->warnings() : std::vector<std::string>{"refused"};
  };
  EXPECT_TRUE(with([](gguf::Writer& writer) {
                writer.add_uint32("llama.vocab_size", 512);
                writer.add_bool("llama.normalize_embeddings", true);
                writer.add_uint32("llama.vision.block_count", 27);
                writer.add_uint32("llama.attention.sliding_window", 512);
                writer.add_float32("llama.attention.wobble", 0.0F);
                writer.add_float32("llama.wobble_scale", 1.0F);
                writer.add_tensor_f32("v.patch_embd.weight", {4, 4}, std::vector<float>(16));
              }).empty());
  const auto warnings = with([](gguf::Writer& writer) {
    writer.add_uint32("llama.favourite_colour", 7);
    writer.add_tensor_f32("decoration.weight", {4}, std::vector<float>(4));
  });
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_NE(warnings[0].find("llama.favourite_colour"), std::string::npos) << warnings[0];
  EXPECT_NE(warnings[1].find("decoration.weight"), std::string::npos) << warnings[1];
  for (const std::string key : {"llama.attention.wobble", "llama.rope.wobble", "llama.logit_scale",
                                "llama.expert_wobble", "llama.attention.sliding_window"}) {
    const Status status = load_edited("llama", {}, [&](gguf::Writer& writer) { writer.add_uint32(key, 7); });
    EXPECT_EQ(status.code(), ErrorCode::kUnsupported) << key;
    EXPECT_NE(status.message().find(key), std::string::npos) << status.message();
  }
}

TEST(ModelFaultsG10, TensorsNobodyAskedFor) {
  const Status status = load_edited("llama", {}, [](gguf::Writer& writer) {
    writer.add_tensor_f32("blk.0.attn_q_norm.weight", {32}, std::vector<float>(32));
  });
  EXPECT_EQ(status.code(), ErrorCode::kCorruptData);
  EXPECT_NE(status.message().find("blk.0.attn_q_norm.weight"), std::string::npos) << status.message();
}

TEST(ModelFaultsG10, WrongTypeForTheRole) {
  const std::vector<std::byte> q8(128 / 32 * 34);
  const Status status = load_edited("llama", {"output_norm.weight"}, [&](gguf::Writer& writer) {
    writer.add_tensor("output_norm.weight", gguf::TensorType::kQ8_0, {128}, q8);
  });
  EXPECT_EQ(status.code(), ErrorCode::kCorruptData);
  EXPECT_NE(status.message().find("Q8_0"), std::string::npos) << status.message();
}

// Neither projectors nor adapters are models, and a model does not take one of another's: before any weight is read.
TEST(ModelFaultsG13, FilesThatServeAModelAreNone) {
  for (const char* type : {"mmproj", "adapter", "imatrix", "vocab"}) {
    const Status status = load_edited("llama", {"general.type", "output_norm.weight"},
                                      [&](gguf::Writer& writer) { writer.add_string("general.type", type); });
    EXPECT_EQ(status.code(), ErrorCode::kUnsupported) << status.message();
    EXPECT_NE(status.message().find("general.type"), std::string::npos) << status.message();
  }
  const Status clip = load_edited("llama", {"general.architecture"},
                                  [](gguf::Writer& writer) { writer.add_string("general.architecture", "clip"); });
  EXPECT_EQ(clip.code(), ErrorCode::kUnsupported);
  EXPECT_NE(clip.message().find("projector"), std::string::npos) << clip.message();
  const Status adapter = load_edited("llama", {}, [](gguf::Writer& writer) {
    writer.add_tensor_f32("blk.0.attn_q.weight.lora_a", {128, 4}, std::vector<float>(512));
  });
  EXPECT_EQ(adapter.code(), ErrorCode::kCorruptData);
  EXPECT_NE(adapter.message().find("lora_a"), std::string::npos) << adapter.message();
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
  auto model = Model::load(file, on_one(std::move(backend::make_cpu_backend({.n_threads = 1})).value()),
                           [&](uint64_t done, uint64_t all) {
                             EXPECT_GT(done, last);
                             last = done;
                             total = all;
                             return true;
                           });
  ASSERT_TRUE(model.is_ok());
  EXPECT_EQ(last, total);
  EXPECT_GT((*model)->weight_bytes(), 0U);
  EXPECT_EQ(Model::load(file, on_one(std::move(backend::make_cpu_backend({.n_threads = 1})).value()),
                        [](uint64_t, uint64_t) { return false; })
                .code(),
            ErrorCode::kCancelled);
}

}  // namespace
}  // namespace da::model
