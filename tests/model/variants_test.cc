// Variants of the architectures that the golden data does not have, against forward passes written from the models' own
// published code with the pieces of naive.h.
#include <gtest/gtest.h>

#include <cmath>

#include "model/model.h"
#include "model/naive.h"
#include "model/run_model.h"

namespace da::model {
namespace {

using namespace naive;

constexpr size_t kVocab = 96, kEmbd = 64;
constexpr double kEps = 1e-3;
using Tokens = std::vector<int32_t>;

// What most files say, and the sizes of nearly all models here: 4 heads of 16 (2 of keys and values).
gguf::Writer begin(const std::string& arch, size_t n_layers, bool is_rms = true) {
  gguf::Writer writer;
  writer.add_string("general.architecture", arch);
  writer.add_uint32(arch + ".context_length", 256);
  writer.add_uint32(arch + ".block_count", static_cast<uint32_t>(n_layers));
  writer.add_uint32(arch + ".embedding_length", kEmbd);
  writer.add_uint32(arch + ".attention.head_count", 4);
  writer.add_float32(arch + (is_rms ? ".attention.layer_norm_rms_epsilon" : ".attention.layer_norm_epsilon"),
                     static_cast<float>(kEps));
  return writer;
}

Tokens some_tokens() {
  Tokens tokens(24);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>((i * 37 + 11) % kVocab);
  return tokens;
}

// The model that `writer` and `weights` make gives `expected`, in one batch and in several.
void expect_rows(gguf::Writer& writer, const Weights& weights, const Tokens& tokens, const Rows& expected,
                 Output output = Output::kLogits) {
  weights.write_to(writer);
  const auto bytes = writer.serialize();
  ASSERT_TRUE(bytes.is_ok()) << bytes.status().message();
  auto parsed = gguf::File::parse(std::as_bytes(std::span(*bytes)), "variant");
  ASSERT_TRUE(parsed.is_ok()) << parsed.status().message();
  const std::shared_ptr<const gguf::File> file = std::move(parsed).value();
  std::vector<float> flat;
  for (const Row& row : expected) flat.insert(flat.end(), row.begin(), row.end());
  for (const size_t chunk : {size_t{0}, size_t{7}}) {
    if (chunk > 0 && output == Output::kHidden) continue;  // encoders take their text whole
    const auto found = test::run_model(file, tokens, output, chunk);
    ASSERT_TRUE(found.is_ok()) << found.status().message();
    EXPECT_LE(test::nmse(*found, flat), 1e-10) << "chunk " << chunk;
  }
}

std::string blk(size_t i) { return "blk." + std::to_string(i) + "."; }

Rows embed_all(Weights& w, const Tokens& tokens, double scale = 1.0) {
  Rows x;
  for (const int32_t id : tokens) x.push_back(scaled(embed(w, "token_embd.weight", id, kEmbd, kVocab), scale));
  return x;
}

Rows logits_of(Weights& w, const Rows& x, double scale = 1.0, const std::string& head = "output.weight") {
  Rows out;
  for (const Row& row : x) {
    const Row normed = rms(w, "output_norm.weight", row, kEps);
    out.push_back(scaled(times(w.matrix(head, kEmbd, kVocab).data(), normed, kVocab), scale));
  }
  return out;
}

struct Heads {
  size_t n = 4, n_kv = 2, dim = 16;
  double scale = 0.25;
  bool neox = false, has_bias = false, causal = true;
  int window = 0;
  Row rates = plain_rates(16, 10000.0);
  double magnitude = 1.0;
  // Of a row of all heads, before the rotation; null: none.
  std::function<void(const std::string& name, Row& row)> norm;
};

// Attention of the normed rows `h`, with the output product.
Rows self_attention(Weights& w, const std::string& p, const Rows& h, const Heads& a) {
  Rows q, k, v;
  for (size_t at = 0; at < h.size(); ++at) {
    q.push_back(linear(w, p + "attn_q", h[at], a.n * a.dim, a.has_bias));
    k.push_back(linear(w, p + "attn_k", h[at], a.n_kv * a.dim, a.has_bias));
    v.push_back(linear(w, p + "attn_v", h[at], a.n_kv * a.dim, a.has_bias));
    if (a.norm) a.norm(p + "attn_q_norm.weight", q.back());
    if (a.norm) a.norm(p + "attn_k_norm.weight", k.back());
    rotate(q.back(), a.dim, a.neox, a.rates, a.magnitude, static_cast<int32_t>(at));
    rotate(k.back(), a.dim, a.neox, a.rates, a.magnitude, static_cast<int32_t>(at));
  }
  Rows out = attend({a.n, a.n_kv, a.scale, a.window, a.causal}, q, k, v);
  for (Row& row : out) row = linear(w, p + "attn_output", row, kEmbd, a.has_bias);
  return out;
}

Rows normed(Weights& w, const std::string& name, const Rows& x) {
  Rows h;
  for (const Row& row : x) h.push_back(rms(w, name, row, kEps));
  return h;
}

// Router logits -> the chosen and their shares of a softmax, normalized or not.
Row softmax_experts(Weights& w, const std::string& p, const Row& h, size_t n, size_t n_used, size_t n_ff,
                    bool normalize) {
  const Row shares = softmax(linear(w, p + "ffn_gate_inp", h, n));
  const auto chosen = largest(shares, n_used);
  Row weights;
  double sum = 0;
  for (const size_t expert : chosen) sum += shares[expert];
  for (const size_t expert : chosen) weights.push_back(normalize ? shares[expert] / sum : shares[expert]);
  return experts(w, p, h, n, n_ff, silu, true, chosen, weights);
}

// Granite 3 MoE with a shared expert: multipliers everywhere, the head tied.
TEST(Variants, GraniteMoeWithASharedExpert) {
  const Tokens tokens = some_tokens();
  Weights w;
  Rows x = embed_all(w, tokens, 6.0);
  for (size_t layer = 0; layer < 2; ++layer) {
    const std::string p = blk(layer);
    const Rows attended =
        self_attention(w, p, normed(w, p + "attn_norm.weight", x), {.scale = 0.11, .rates = plain_rates(16, 5000.0)});
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = plus(x[i], attended[i], 0.3);
      const Row h = rms(w, p + "ffn_norm.weight", x[i], kEps);
      Row y = softmax_experts(w, p, h, 6, 2, 48, true);
      y = plus(y, feed_forward(w, p, h, 80, silu, "_shexp"));
      x[i] = plus(x[i], y, 0.3);
    }
  }
  const Rows expected = logits_of(w, x, 1.0 / 4.0, "token_embd.weight");
  gguf::Writer file = begin("granitemoe", 2);
  file.add_uint32("granitemoe.attention.head_count_kv", 2);
  file.add_uint32("granitemoe.feed_forward_length", 48);
  file.add_uint32("granitemoe.expert_count", 6);
  file.add_uint32("granitemoe.expert_used_count", 2);
  file.add_uint32("granitemoe.expert_shared_feed_forward_length", 80);
  file.add_float32("granitemoe.rope.freq_base", 5000.0F);
  file.add_float32("granitemoe.embedding_scale", 6.0F);
  file.add_float32("granitemoe.residual_scale", 0.3F);
  file.add_float32("granitemoe.attention.scale", 0.11F);
  file.add_float32("granitemoe.logit_scale", 4.0F);
  expect_rows(file, w, tokens, expected);
}

// The rates of YaRN as Hugging Face computes them.
Row yarn_rates(size_t n_dims, double base, double factor, double original, double beta_fast, double beta_slow) {
  const auto dims = static_cast<double>(n_dims);
  const auto correction = [&](double turns) {
    return dims * std::log(original / (turns * 2 * M_PI)) / (2 * std::log(base));
  };
  const double low = std::max(std::floor(correction(beta_fast)), 0.0);
  const double high = std::min(std::ceil(correction(beta_slow)), dims - 1);
  Row rates = plain_rates(n_dims, base);
  for (size_t i = 0; i < rates.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / std::max(high - low, 0.001), 0.0, 1.0);
    rates[i] = rates[i] / factor * ramp + rates[i] * (1 - ramp);
  }
  return rates;
}

// OLMo 3 in a file of OLMo 2's name: three layers with a window and plain rotations, then one that sees all with YaRN.
TEST(Variants, Olmo3) {
  const Tokens tokens = some_tokens();
  Weights w;
  Rows x = embed_all(w, tokens);
  for (size_t layer = 0; layer < 4; ++layer) {
    const std::string p = blk(layer);
    Heads heads{.neox = true};
    heads.norm = [&](const std::string& name, Row& row) { row = rms(w, name, row, kEps); };
    heads.rates = layer == 3 ? yarn_rates(16, 500.0, 8.0, 16.0, 32.0, 1.0) : plain_rates(16, 500.0);
    heads.magnitude = layer == 3 ? 0.1 * std::log(8.0) + 1.0 : 1.0;
    heads.window = layer == 3 ? 0 : 6;
    const Rows attended = self_attention(w, p, x, heads);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = plus(x[i], rms(w, p + "post_attention_norm.weight", attended[i], kEps));
      x[i] = plus(x[i], rms(w, p + "post_ffw_norm.weight", feed_forward(w, p, x[i], 96, silu), kEps));
    }
  }
  const Rows expected = logits_of(w, x);
  for (const std::string arch : {"olmo2", "olmo3"}) {  // the second as Ollama's converter calls it
    gguf::Writer file = begin(arch, 4);
    file.add_uint32(arch + ".attention.head_count_kv", 2);
    file.add_uint32(arch + ".feed_forward_length", 96);
    file.add_float32(arch + ".rope.freq_base", 500.0F);
    file.add_string(arch + ".rope.scaling.type", "yarn");
    file.add_float32(arch + ".rope.scaling.factor", 8.0F);
    file.add_uint32(arch + ".rope.scaling.original_context_length", 16);
    file.add_uint32(arch + ".attention.sliding_window", 6);
    if (arch == "olmo3") file.add_bools(arch + ".attention.sliding_window_pattern", {true, true, true, false});
    expect_rows(file, w, tokens, expected);
  }
}

// Gemma 4's mixture: experts beside the dense feed-forward, each path and the router with norms of its own; wider
// heads, one for keys and values, whose values are the keys, and a partial rotation in layers that see all.
TEST(Variants, Gemma4WithExperts) {
  const Tokens tokens = some_tokens();
  Weights w;
  Rows x = embed_all(w, tokens, std::sqrt(static_cast<double>(kEmbd)));
  std::vector<float> factors(16, 1.0F);
  std::fill(factors.begin() + 4, factors.end(), 1e30F);
  w.set("rope_freqs.weight", factors);
  for (size_t layer = 0; layer < 3; ++layer) {
    const std::string p = blk(layer);
    const bool is_full = layer == 1;
    const size_t dim = is_full ? 32 : 16, n_kv = is_full ? 1 : 2;
    Row rates = is_full ? plain_rates(32, 1e6) : plain_rates(16, 10000.0);
    for (size_t i = 0; is_full && i < rates.size(); ++i) rates[i] /= static_cast<double>(factors[i]);
    const Rows h = normed(w, p + "attn_norm.weight", x);
    Rows q, k, v;
    const auto each_head = [&](Row& row, const float* weight) {
      for (size_t head = 0; head < row.size() / dim; ++head) {
        const auto from = row.begin() + static_cast<std::ptrdiff_t>(head * dim);
        const Row one = rms(Row(from, from + static_cast<std::ptrdiff_t>(dim)), weight, kEps);
        std::copy(one.begin(), one.end(), from);
      }
    };
    for (size_t at = 0; at < h.size(); ++at) {
      q.push_back(linear(w, p + "attn_q", h[at], 4 * dim));
      k.push_back(linear(w, p + "attn_k", h[at], n_kv * dim));
      v.push_back(is_full ? k.back() : linear(w, p + "attn_v", h[at], n_kv * dim));
      each_head(q.back(), w.around_one(p + "attn_q_norm.weight", {dim}).data());
      each_head(k.back(), w.around_one(p + "attn_k_norm.weight", {dim}).data());
      each_head(v.back(), nullptr);
      rotate(q.back(), dim, true, rates, 1.0, static_cast<int32_t>(at));
      rotate(k.back(), dim, true, rates, 1.0, static_cast<int32_t>(at));
    }
    const Rows attended = attend({4, n_kv, 1.0, is_full ? 0 : 5, true}, q, k, v);
    for (size_t i = 0; i < x.size(); ++i) {
      const Row projected = linear(w, p + "attn_output", attended[i], kEmbd);
      x[i] = plus(x[i], rms(w, p + "post_attention_norm.weight", projected, kEps));
      Row dense = feed_forward(w, p, rms(w, p + "ffn_norm.weight", x[i], kEps), 96, gelu);
      if (layer != 2) {  // the last layer of this one has no experts
        dense = rms(w, p + "post_ffw_norm_1.weight", dense, kEps);
        Row r = scaled(rms(x[i], nullptr, kEps), 1.0 / std::sqrt(static_cast<double>(kEmbd)));
        const auto& router_scale = w.around_one(p + "ffn_gate_inp.scale", {kEmbd});
        for (size_t j = 0; j < r.size(); ++j) r[j] *= static_cast<double>(router_scale[j]) * 20;  // see below
        const Row shares = softmax(linear(w, p + "ffn_gate_inp", r, 6));
        const auto chosen = largest(shares, 2);
        const auto& own_scale = w.around_one(p + "ffn_down_exps.scale", {6});
        Row weights;
        for (const size_t expert : chosen) {
          weights.push_back(shares[expert] / (shares[chosen[0]] + shares[chosen[1]]) *
                            static_cast<double>(own_scale[expert]));
        }
        const Row h2 = rms(w, p + "pre_ffw_norm_2.weight", x[i], kEps);
        const Row mixed = experts(w, p, h2, 6, 48, gelu, true, chosen, weights);
        dense = plus(dense, rms(w, p + "post_ffw_norm_2.weight", mixed, kEps));
      }
      x[i] = plus(x[i], rms(w, p + "post_ffw_norm.weight", dense, kEps));
      if (layer == 1) x[i] = scaled(x[i], static_cast<double>(w.around_one(p + "layer_output_scale.weight", {1})[0]));
    }
  }
  Rows expected = logits_of(w, x, 1.0, "token_embd.weight");
  for (Row& row : expected) {
    for (double& value : row) value = 8.0 * std::tanh(value / 8.0);
  }
  // The router's scale is large, so that its choices are clear.
  for (const std::string layer : {"blk.0.", "blk.1."}) {
    std::vector<float> scale = w.around_one(layer + "ffn_gate_inp.scale", {kEmbd});
    for (float& value : scale) value *= 20;
    w.set(layer + "ffn_gate_inp.scale", scale);
  }
  gguf::Writer file = begin("gemma4", 3);
  const std::vector<int32_t> kv_heads = {2, 1, 2};
  file.add_int32s("gemma4.attention.head_count_kv", kv_heads);
  file.add_uint32("gemma4.feed_forward_length", 96);
  file.add_uint32("gemma4.attention.key_length", 32);
  file.add_uint32("gemma4.attention.value_length", 32);
  file.add_uint32("gemma4.attention.key_length_swa", 16);
  file.add_uint32("gemma4.attention.value_length_swa", 16);
  file.add_uint32("gemma4.attention.sliding_window", 5);
  file.add_bools("gemma4.attention.sliding_window_pattern", {true, false, true});
  file.add_uint32("gemma4.attention.shared_kv_layers", 0);
  file.add_uint32("gemma4.embedding_length_per_layer_input", 0);
  file.add_float32("gemma4.rope.freq_base", 1e6F);
  file.add_float32("gemma4.rope.freq_base_swa", 10000.0F);
  file.add_uint32("gemma4.rope.dimension_count", 32);
  file.add_uint32("gemma4.rope.dimension_count_swa", 16);
  file.add_float32("gemma4.final_logit_softcapping", 8.0F);
  file.add_uint32("gemma4.expert_count", 6);
  file.add_uint32("gemma4.expert_used_count", 2);
  file.add_uint32("gemma4.expert_feed_forward_length", 48);
  expect_rows(file, w, tokens, expected);
}

// nomic-embed-text-v2: every second layer has experts without a gate, whose shares are not normalized.
TEST(Variants, NomicBertMoe) {
  const Tokens tokens = some_tokens();
  Weights w;
  const auto norm = [&](const std::string& name, const Row& row) {
    return layer_norm(row, w.around_one(name + ".weight", {kEmbd}).data(), w.bias(name + ".bias", {kEmbd}).data(),
                      kEps);
  };
  Rows x = embed_all(w, tokens);
  for (Row& row : x) row = norm("token_embd_norm", plus(row, embed(w, "token_types.weight", 0, kEmbd, 2)));
  for (size_t layer = 0; layer < 4; ++layer) {
    const std::string p = blk(layer);
    const Rows attended = self_attention(
        w, p, x, {.n_kv = 4, .neox = true, .has_bias = true, .causal = false, .rates = plain_rates(16, 1000.0)});
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = norm(p + "attn_output_norm", plus(x[i], attended[i]));
      Row y;
      if (layer % 2 == 1) {
        const Row shares = softmax(linear(w, p + "ffn_gate_inp", x[i], 4));
        const auto chosen = largest(shares, 2);
        y = experts(w, p, x[i], 4, 96, gelu, false, chosen, {shares[chosen[0]], shares[chosen[1]]});
      } else {
        y = linear(w, p + "ffn_down", activated(linear(w, p + "ffn_up", x[i], 96, true), gelu), kEmbd, true);
      }
      x[i] = norm(p + "layer_output_norm", plus(x[i], y));
    }
  }
  gguf::Writer file = begin("nomic-bert-moe", 4, false);
  file.add_uint32("nomic-bert-moe.feed_forward_length", 96);
  file.add_uint32("nomic-bert-moe.expert_count", 4);
  file.add_uint32("nomic-bert-moe.expert_used_count", 2);
  file.add_uint32("nomic-bert-moe.moe_every_n_layers", 2);
  file.add_uint32("nomic-bert-moe.pooling_type", 1);
  file.add_float32("nomic-bert-moe.rope.freq_base", 1000.0F);
  file.add_bool("nomic-bert-moe.attention.causal", false);
  file.add_uint32("tokenizer.ggml.token_type_count", 2);
  expect_rows(file, w, tokens, x, Output::kHidden);
}

// DeepSeek V3's choice of experts in groups: the best two of a group speak for it.
TEST(Variants, DeepseekV3Groups) {
  const Tokens tokens = some_tokens();
  constexpr size_t kRank = 32, kPlain = 16, kRope = 8, kValue = 16;
  Weights w;
  Rows x = embed_all(w, tokens);
  for (size_t layer = 0; layer < 2; ++layer) {
    const std::string p = blk(layer);
    const Rows h = normed(w, p + "attn_norm.weight", x);
    Rows q, k, v;
    for (size_t at = 0; at < h.size(); ++at) {
      const auto position = static_cast<int32_t>(at);
      const Row query =
          linear(w, p + "attn_q_b", rms(w, p + "attn_q_a_norm.weight", linear(w, p + "attn_q_a", h[at], 24), kEps),
                 4 * (kPlain + kRope));
      const Row both = linear(w, p + "attn_kv_a_mqa", h[at], kRank + kRope);
      const Row latent = rms(w, p + "attn_kv_a_norm.weight", Row(both.begin(), both.begin() + kRank), kEps);
      Row key_rope(both.begin() + kRank, both.end());
      rotate(key_rope, kRope, false, plain_rates(kRope, 10000.0), 1.0, position);
      const Row expanded = linear(w, p + "attn_kv_b", latent, 4 * (kPlain + kValue));
      q.emplace_back();
      k.emplace_back();
      v.emplace_back();
      for (size_t head = 0; head < 4; ++head) {
        const auto q_from = query.begin() + static_cast<std::ptrdiff_t>(head * (kPlain + kRope));
        Row query_rope(q_from + kPlain, q_from + kPlain + kRope);
        rotate(query_rope, kRope, false, plain_rates(kRope, 10000.0), 1.0, position);
        q[at].insert(q[at].end(), q_from, q_from + kPlain);
        q[at].insert(q[at].end(), query_rope.begin(), query_rope.end());
        const auto from = expanded.begin() + static_cast<std::ptrdiff_t>(head * (kPlain + kValue));
        k[at].insert(k[at].end(), from, from + kPlain);
        k[at].insert(k[at].end(), key_rope.begin(), key_rope.end());
        v[at].insert(v[at].end(), from + kPlain, from + kPlain + kValue);
      }
    }
    const Rows attended = attend({4, 4, 1.0 / std::sqrt(24.0)}, q, k, v);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = plus(x[i], linear(w, p + "attn_output", attended[i], kEmbd));
      const Row hf = rms(w, p + "ffn_norm.weight", x[i], kEps);
      if (layer == 0) {
        x[i] = plus(x[i], feed_forward(w, p, hf, 96, silu));
        continue;
      }
      Row scores = linear(w, p + "ffn_gate_inp", hf, 8);
      for (double& score : scores) score = 1.0 / (1.0 + std::exp(-score));
      Row choice = scores;
      const auto& bias = w.bias(p + "exp_probs_b.bias", {8});
      for (size_t j = 0; j < 8; ++j) choice[j] += static_cast<double>(bias[j]);
      Row groups;
      for (size_t g = 0; g < 4; ++g) groups.push_back(choice[2 * g] + choice[2 * g + 1]);
      const auto best = largest(groups, 2);
      for (size_t j = 0; j < 8; ++j) {
        if (j / 2 != best[0] && j / 2 != best[1]) choice[j] = -1e9;
      }
      const auto chosen = largest(choice, 3);
      double sum = 0;
      for (const size_t expert : chosen) sum += scores[expert];
      Row weights;
      for (const size_t expert : chosen) weights.push_back(scores[expert] / sum * 2.5);
      x[i] = plus(x[i], experts(w, p, hf, 8, 48, silu, true, chosen, weights));
      x[i] = plus(x[i], feed_forward(w, p, hf, 48, silu, "_shexp"));
    }
  }
  const Rows expected = logits_of(w, x);
  gguf::Writer file = begin("deepseek2", 2);
  file.add_uint32("deepseek2.attention.head_count_kv", 4);
  file.add_uint32("deepseek2.feed_forward_length", 96);
  file.add_uint32("deepseek2.attention.key_length", kPlain + kRope);
  file.add_uint32("deepseek2.attention.value_length", kValue);
  file.add_uint32("deepseek2.attention.kv_lora_rank", kRank);
  file.add_uint32("deepseek2.attention.q_lora_rank", 24);
  file.add_uint32("deepseek2.rope.dimension_count", kRope);
  file.add_uint32("deepseek2.leading_dense_block_count", 1);
  file.add_uint32("deepseek2.expert_count", 8);
  file.add_uint32("deepseek2.expert_used_count", 3);
  file.add_uint32("deepseek2.expert_shared_count", 1);
  file.add_uint32("deepseek2.expert_feed_forward_length", 48);
  file.add_uint32("deepseek2.expert_group_count", 4);
  file.add_uint32("deepseek2.expert_group_used_count", 2);
  file.add_uint32("deepseek2.expert_gating_func", 2);
  file.add_bool("deepseek2.expert_weights_norm", true);
  file.add_float32("deepseek2.expert_weights_scale", 2.5F);
  // What Ollama's converter writes of a model without scaling.
  file.add_string("deepseek2.rope.scaling.type", "");
  file.add_float32("deepseek2.rope.scaling.factor", 0.0F);
  file.add_uint32("deepseek2.rope.scaling.original_context_length", 0);
  expect_rows(file, w, tokens, expected);
}

// Command R+: LayerNorms of queries and keys, each head with weights of its own.
TEST(Variants, CommandRPlusNormsOfHeads) {
  const Tokens tokens = some_tokens();
  Weights w;
  const auto norm = [&](const std::string& name, const Row& row) {
    return layer_norm(row, w.around_one(name, {kEmbd}).data(), nullptr, kEps);
  };
  Rows x = embed_all(w, tokens);
  for (size_t layer = 0; layer < 2; ++layer) {
    const std::string p = blk(layer);
    Rows h;
    for (const Row& row : x) h.push_back(norm(p + "attn_norm.weight", row));
    Heads heads{.rates = plain_rates(16, 20000.0)};
    heads.norm = [&](const std::string& name, Row& row) {
      const size_t n_heads = row.size() / 16;
      const float* weights = w.around_one(name, {16, n_heads}).data();
      for (size_t head = 0; head < n_heads; ++head) {
        const auto from = row.begin() + static_cast<std::ptrdiff_t>(head * 16);
        const Row one = layer_norm(Row(from, from + 16), weights + head * 16, nullptr, kEps);
        std::copy(one.begin(), one.end(), from);
      }
    };
    const Rows attended = self_attention(w, p, h, heads);
    for (size_t i = 0; i < x.size(); ++i) x[i] = plus(plus(x[i], attended[i]), feed_forward(w, p, h[i], 96, silu));
  }
  Rows expected;
  for (const Row& row : x) {
    const Row out = norm("output_norm.weight", row);
    expected.push_back(scaled(times(w.matrix("token_embd.weight", kEmbd, kVocab).data(), out, kVocab), 0.8));
  }
  gguf::Writer file = begin("command-r", 2, false);
  file.add_uint32("command-r.attention.head_count_kv", 2);
  file.add_uint32("command-r.feed_forward_length", 96);
  file.add_float32("command-r.rope.freq_base", 20000.0F);
  file.add_float32("command-r.logit_scale", 0.8F);
  file.add_string("command-r.rope.scaling.type", "none");
  expect_rows(file, w, tokens, expected);
}

// Llama with biases on every product and heads narrower than their share, as some made like it have.
TEST(Variants, LlamaWithBiasesAndNarrowHeads) {
  const Tokens tokens = some_tokens();
  Weights w;
  Rows x = embed_all(w, tokens);
  for (size_t layer = 0; layer < 2; ++layer) {
    const std::string p = blk(layer);
    const Rows attended =
        self_attention(w, p, normed(w, p + "attn_norm.weight", x),
                       {.dim = 8, .scale = 1.0 / std::sqrt(8.0), .has_bias = true, .rates = plain_rates(8, 10000.0)});
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = plus(x[i], attended[i]);
      const Row h = rms(w, p + "ffn_norm.weight", x[i], kEps);
      const Row inner = gated(linear(w, p + "ffn_gate", h, 96, true), linear(w, p + "ffn_up", h, 96, true), silu);
      x[i] = plus(x[i], linear(w, p + "ffn_down", inner, kEmbd, true));
    }
  }
  const Rows expected = logits_of(w, x);
  gguf::Writer file = begin("llama", 2);
  file.add_uint32("llama.attention.head_count_kv", 2);
  file.add_uint32("llama.feed_forward_length", 96);
  file.add_uint32("llama.attention.head_dim", 8);  // as Ollama's converter has it
  file.add_uint32("llama.rope.dimension_count", 8);
  expect_rows(file, w, tokens, expected);
}

// The 27B of Gemma 2 and 3, told by the number of layers, scale by the share of a head and not by its width.
TEST(Variants, GemmasLargestScaleByTheShareOfAHead) {
  const Tokens tokens = {5, 80, 33, 7, 7, 61, 2, 19};
  for (const std::string arch : {"gemma2", "gemma3"}) {
    const size_t n_layers = arch == "gemma2" ? 46 : 62, period = arch == "gemma2" ? 2 : 6;
    Weights w;
    Rows x = embed_all(w, tokens, std::sqrt(static_cast<double>(kEmbd)));
    for (size_t layer = 0; layer < n_layers; ++layer) {
      const std::string p = blk(layer);
      const bool has_window = layer % period != period - 1;
      Heads heads{.n_kv = 4, .dim = 8, .scale = 0.25, .neox = true, .window = has_window ? 3 : 0};
      heads.rates = plain_rates(8, arch == "gemma2" || has_window ? 10000.0 : 1e6);
      if (arch == "gemma3") {
        heads.norm = [&](const std::string& name, Row& row) {
          for (auto from = row.begin(); from != row.end(); from += 8) {
            const Row one = rms(w, name, Row(from, from + 8), kEps);
            std::copy(one.begin(), one.end(), from);
          }
        };
      }
      const Rows attended = self_attention(w, p, normed(w, p + "attn_norm.weight", x), heads);
      for (size_t i = 0; i < x.size(); ++i) {
        x[i] = plus(x[i], rms(w, p + "post_attention_norm.weight", attended[i], kEps));
        const Row h = rms(w, p + "ffn_norm.weight", x[i], kEps);
        x[i] = plus(x[i], rms(w, p + "post_ffw_norm.weight", feed_forward(w, p, h, 32, gelu), kEps));
      }
    }
    const Rows expected = logits_of(w, x, 1.0, "token_embd.weight");
    gguf::Writer file = begin(arch, n_layers);
    file.add_uint32(arch + ".feed_forward_length", 32);
    file.add_uint32(arch + ".attention.key_length", 8);
    file.add_uint32(arch + ".attention.value_length", 8);
    file.add_uint32(arch + ".attention.sliding_window", 3);
    if (arch == "gemma2") file.add_float32("gemma2.attn_logit_softcapping", 0.0F);
    if (arch == "gemma2") file.add_float32("gemma2.final_logit_softcapping", 0.0F);
    if (arch == "gemma3") file.add_float32("gemma3.rope.freq_base", 1e6F);
    expect_rows(file, w, tokens, expected);
  }
}

// Early files of Qwen's mixtures name no width of the experts: they share the dense one.
TEST(Variants, QwenMoeWithoutAWidthOfExperts) {
  const Tokens tokens = some_tokens();
  Weights w;
  Rows x = embed_all(w, tokens);
  for (size_t layer = 0; layer < 2; ++layer) {
    const std::string p = blk(layer);
    Heads heads{.neox = true, .rates = plain_rates(16, 1e6)};
    heads.norm = [&](const std::string& name, Row& row) {
      for (auto from = row.begin(); from != row.end(); from += 16) {
        const Row one = rms(w, name, Row(from, from + 16), kEps);
        std::copy(one.begin(), one.end(), from);
      }
    };
    const Rows attended = self_attention(w, p, normed(w, p + "attn_norm.weight", x), heads);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = plus(x[i], attended[i]);
      x[i] = plus(x[i], softmax_experts(w, p, rms(w, p + "ffn_norm.weight", x[i], kEps), 6, 2, 48, false));
    }
  }
  const Rows expected = logits_of(w, x);
  gguf::Writer file = begin("qwen3moe", 2);
  file.add_uint32("qwen3moe.attention.head_count_kv", 2);
  file.add_uint32("qwen3moe.feed_forward_length", 96);
  file.add_uint32("qwen3moe.expert_count", 6);
  file.add_uint32("qwen3moe.expert_used_count", 2);
  file.add_bool("qwen3moe.norm_top_k_prob", false);  // as Ollama's converter calls it
  file.add_float32("qwen3moe.rope.freq_base", 1e6F);
  expect_rows(file, w, tokens, expected);
}

}  // namespace
}  // namespace da::model
