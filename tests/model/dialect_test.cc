// Golden models rewritten as other converters write them give the golden logits still.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "gguf/writer.h"
#include "model/run_model.h"
#include "support/golden.h"

namespace da::model {
namespace {

using nlohmann::json;
using Rename = std::function<std::string(const std::string& name)>;

struct Rewrite {
  Rename key, tensor;                       // "": left out
  std::function<void(gguf::Writer&)> more;  // keys and tensors added
};

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

Status run(const std::string& name, const Rewrite& rewrite, double* error) {
  const auto source = std::move(gguf::File::open(da::test::golden_path("models/" + name + ".gguf"))).value();
  gguf::Writer writer;
  for (const gguf::KeyValue& entry : source->metadata()) {
    const std::string key = rewrite.key ? rewrite.key(std::string(entry.key)) : std::string(entry.key);
    if (!key.empty()) writer.add(key, entry.value);
  }
  for (const gguf::Tensor& tensor : source->tensors()) {
    const std::string to = rewrite.tensor ? rewrite.tensor(tensor.name) : tensor.name;
    if (!to.empty()) writer.add_tensor(to, tensor.type, std::span(tensor.dims.data(), tensor.n_dims), tensor.data);
  }
  if (rewrite.more) rewrite.more(writer);
  DA_ASSIGN_OR_RETURN(const std::string bytes, writer.serialize());
  DA_ASSIGN_OR_RETURN(std::unique_ptr<gguf::File> file,
                      gguf::File::parse(std::as_bytes(std::span(bytes)), "rewritten"));
  const json index = json::parse(da::test::golden_bytes("models/index.json"));
  for (const json& entry : index["models"]) {
    if (entry["name"] != name) continue;
    const std::vector<int32_t> tokens = entry["token_ids"];
    const auto expected = da::test::golden_floats(entry["logits"].get<std::string>());
    DA_ASSIGN_OR_RETURN(const std::vector<float> found, test::run_model(std::move(file), tokens, Output::kLogits));
    *error = test::nmse(found, expected);
    return Status::ok();
  }
  return {ErrorCode::kNotFound, name};
}

void expect_golden(const std::string& name, const Rewrite& rewrite) {
  double error = INFINITY;
  const Status status = run(name, rewrite, &error);
  EXPECT_TRUE(status.is_ok()) << name << ": " << status.message();
  EXPECT_LE(error, 1e-8) << name;
}

Rename prefix(const std::string& from, const std::string& to) {
  return [=](const std::string& key) {
    if (key == "general.architecture") return std::string();
    return key.starts_with(from + ".") ? to + key.substr(from.size()) : key;
  };
}

TEST(Dialect, GptOssUnderOllamasNames) {
  Rewrite rewrite{.key =
                      [rename = prefix("gpt-oss", "gptoss")](const std::string& key) {
                        if (key == "gpt-oss.rope.scaling.type" || key == "gpt-oss.expert_feed_forward_length")
                          return std::string();
                        return rename(key);
                      },
                  .tensor =
                      [](std::string name) {
                        name = replaced(name, ".attn_output.", ".attn_out.");
                        name = replaced(name, ".attn_sinks.weight", ".attn_sinks");
                        return replaced(name, ".post_attention_norm.", ".ffn_norm.");
                      },
                  .more = [](gguf::Writer& writer) { writer.add_string("general.architecture", "gptoss"); }};
  // The file's width of experts, under the name that Ollama's has.
  const auto file = std::move(gguf::File::open(da::test::golden_path("models/gpt-oss.gguf"))).value();
  const uint64_t width = *file->get_uint("gpt-oss.expert_feed_forward_length");
  if (file->find("gpt-oss.feed_forward_length") == nullptr || *file->get_uint("gpt-oss.feed_forward_length") != width) {
    rewrite.key = [inner = rewrite.key](const std::string& key) {
      return key == "gpt-oss.feed_forward_length" ? std::string() : inner(key);
    };
    rewrite.more = [=](gguf::Writer& writer) {
      writer.add_string("general.architecture", "gptoss");
      writer.add_uint32("gptoss.feed_forward_length", static_cast<uint32_t>(width));
    };
  }
  expect_golden("gpt-oss", rewrite);
}

TEST(Dialect, Gemma3UnderOllamasNames) {
  expect_golden("gemma3", {.key =
                               [](std::string key) {
                                 key = replaced(key, "gemma3.rope.freq_base_swa", "gemma3.rope.local.freq_base");
                                 return key == "gemma3.rope.freq_base" ? "gemma3.rope.global.freq_base" : key;
                               },
                           .more =
                               [](gguf::Writer& writer) {
                                 writer.add_uint32("gemma3.mm.tokens_per_image", 256);
                                 writer.add_uint32("gemma3.vision.block_count", 27);
                                 writer.add_tensor_f32("mm.mm_input_projection.weight", {4, 4}, std::vector<float>(16));
                                 writer.add_tensor_f32("v.patch_embedding.weight", {4, 4}, std::vector<float>(16));
                               }});
}

TEST(Dialect, Gemma3WithMoreTokensThanRows) {
  const auto file = std::move(gguf::File::open(da::test::golden_path("models/gemma3.gguf"))).value();
  const gguf::Array* tokens = *file->get_array("tokenizer.ggml.tokens");
  std::vector<std::string> more(tokens->strings.begin(), tokens->strings.end());
  more.emplace_back("<image_soft_token>");
  expect_golden("gemma3", {.key = [](const std::string& key) { return key == "tokenizer.ggml.tokens" ? "" : key; },
                           .more =
                               [&](gguf::Writer& writer) {
                                 writer.add_strings("tokenizer.ggml.tokens", more);
                                 writer.add_uint32("gemma3.mm.tokens_per_image", 256);
                               }});
}

TEST(Dialect, Mistral3UnderOllamasNames) {
  expect_golden("mistral3", {.key = [](std::string key) {
                  key = replaced(key, "attention.temperature_scale", "rope.scaling_beta");
                  key = replaced(key, "rope.scaling.yarn_log_multiplier", "rope.scaling.mscale_all_dim");
                  key = replaced(key, "rope.scaling.yarn_beta_fast", "rope.scaling.beta_fast");
                  return replaced(key, "rope.scaling.yarn_beta_slow", "rope.scaling.beta_slow");
                }});
}

// Their text is what the models without images compute.
TEST(Dialect, ModelsThatSeeImages) {
  const std::pair<const char*, const char*> kPairs[] = {
      {"qwen2", "qwen2vl"}, {"qwen2", "qwen25vl"}, {"qwen3", "qwen3vl"}, {"qwen3moe", "qwen3vlmoe"}};
  for (const auto& [from, to] : kPairs) {
    const std::string arch = to;
    expect_golden(from, {.key = prefix(from, to), .more = [&](gguf::Writer& writer) {
                           const std::vector<int32_t> sections = {24, 20, 20, 0};
                           writer.add_string("general.architecture", arch);
                           if (arch == "qwen25vl") {
                             writer.add_int32s("qwen25vl.rope.mrope_section", sections);
                           } else {
                             writer.add_int32s(arch + ".rope.dimension_sections", sections);
                           }
                           writer.add_uint32(arch + ".n_deepstack_layers", 3);
                           writer.add_tensor_f32("v.blk.0.attn_q.weight", {4, 4}, std::vector<float>(16));
                         }});
  }
}

// Experts in a tensor each, as the first files of Mixtral have them, and gate and up in one, as the newest do.
TEST(Dialect, ExpertsInOtherForms) {
  const auto source = std::move(gguf::File::open(da::test::golden_path("models/llama-moe.gguf"))).value();
  const auto without = [](std::initializer_list<const char*> names) {
    return [=](const std::string& tensor) {
      for (const char* name : names) {
        if (tensor.find(name) != std::string::npos) return std::string();
      }
      return tensor;
    };
  };
  expect_golden("llama-moe", {.tensor = without({"_exps."}), .more = [&](gguf::Writer& writer) {
                                for (const gguf::Tensor& tensor : source->tensors()) {
                                  const size_t at = tensor.name.find("_exps.");
                                  if (at == std::string::npos) continue;
                                  const uint64_t n = tensor.dims[2], bytes = tensor.size_bytes / n;
                                  for (uint64_t i = 0; i < n; ++i) {
                                    writer.add_tensor(tensor.name.substr(0, at) + "." + std::to_string(i) + ".weight",
                                                      tensor.type, {tensor.dims[0], tensor.dims[1]},
                                                      tensor.data.subspan(i * bytes, bytes));
                                  }
                                }
                              }});
  std::vector<std::vector<std::byte>> kept;
  expect_golden("llama-moe", {.tensor = without({"ffn_gate_exps.", "ffn_up_exps."}), .more = [&](gguf::Writer& writer) {
                                for (const gguf::Tensor& gate : source->tensors()) {
                                  if (gate.name.find("ffn_gate_exps.") == std::string::npos) continue;
                                  const gguf::Tensor& up =
                                      *source->find_tensor(replaced(gate.name, "ffn_gate", "ffn_up"));
                                  const uint64_t n = gate.dims[2], bytes = gate.size_bytes / n;
                                  std::vector<std::byte>& both = kept.emplace_back();
                                  for (uint64_t i = 0; i < n; ++i) {
                                    for (const gguf::Tensor* one : {&gate, &up}) {
                                      const auto part = one->data.subspan(i * bytes, bytes);
                                      both.insert(both.end(), part.begin(), part.end());
                                    }
                                  }
                                  writer.add_tensor(replaced(gate.name, "ffn_gate", "ffn_gate_up"), gate.type,
                                                    {gate.dims[0], 2 * gate.dims[1], n}, both);
                                }
                              }});
}

TEST(Dialect, WhatDiffersInMoreThanNamesIsRefused) {
  const auto refused = [](const std::string& name, const Rewrite& rewrite, const std::string& word) {
    double error = 0;
    const Status status = run(name, rewrite, &error);
    EXPECT_EQ(status.code(), ErrorCode::kUnsupported) << status.message();
    EXPECT_NE(status.message().find(word), std::string::npos) << status.message();
  };
  refused("gemma3",
          {.more =
               [](gguf::Writer& writer) {
                 writer.add_tensor_f32("dense.0.weight", {4, 4}, std::vector<float>(16));
               }},
          "embeddinggemma");
  refused("gpt-oss",
          {.more =
               [](gguf::Writer& writer) {
                 writer.add_tensor_f32("blk.0.ffn_gate_up_exps.weight", {4, 4}, std::vector<float>(16));
               }},
          "blk.0.ffn_gate_up_exps.weight");
  for (const std::string arch : {"mllama", "gemma3n", "llama4", "qwen3next", "qwen35", "gemma-embedding", "lfm2"}) {
    refused("llama",
            {.key = prefix("llama", arch),
             .more = [&](gguf::Writer& writer) { writer.add_string("general.architecture", arch); }},
            "\"" + arch + "\" is not supported");
  }
}

TEST(Dialect, OneThingUnderTwoNames) {
  double error = 0;
  const Status status = run("gpt-oss",
                            {.more =
                                 [](gguf::Writer& writer) {
                                   writer.add_tensor_f32("blk.0.attn_out.weight", {4, 4}, std::vector<float>(16));
                                 }},
                            &error);
  EXPECT_EQ(status.code(), ErrorCode::kCorruptData);
  EXPECT_NE(status.message().find("blk.0.attn_output.weight"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace da::model
