#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "backend/cpu/cpu_backend.h"
#include "base/utf8.h"
#include "engine/not_finite.h"
#include "engine/support.h"

namespace da::engine {
namespace {

using nlohmann::json;
using test::Answer;
using test::generate;
using test::greedy;
using test::load_stories;
using test::Pending;

struct Story {
  std::vector<int32_t> prompt, tokens;
  std::string text;
};
Story golden_story() {
  const json stories = json::parse(test::golden_bytes("stories/stories260K.json"));
  const json& greedy_run = stories["greedy"];
  Story story;
  story.prompt = greedy_run["prompt_ids"].get<std::vector<int32_t>>();
  for (const auto& [key, value] : greedy_run.items()) {
    if (value.is_array() && value.size() == 200) story.tokens = value.get<std::vector<int32_t>>();
  }
  story.text = greedy_run["text"];
  return story;
}

TEST(Engine, TellsTheGoldenStoryOnEveryInstructionSet) {
  const Story story = golden_story();
  ASSERT_EQ(story.tokens.size(), 200U);
  for (const std::string_view isa : backend::cpu_isa_names()) {
    if (!backend::cpu_isa_supported(isa)) continue;
    auto loaded = load_stories({.isa = std::string(isa), .kv_type = backend::KvType::kF32});
    const Answer answer = generate(*loaded.engine, {.prompt = story.prompt, .sampling = greedy(), .max_tokens = 200});
    EXPECT_EQ(answer.tokens, story.tokens) << isa;
    EXPECT_EQ(answer.reason, FinishReason::kLength);
    EXPECT_EQ(answer.generated_tokens, 200);
    EXPECT_NE(story.text.find(answer.text.substr(1, 100)), std::string::npos) << answer.text;
    ASSERT_FALSE(answer.prefill.empty());
    EXPECT_EQ(answer.prefill.back(), static_cast<int32_t>(story.prompt.size()));
  }
}

TEST(Engine, WeightsLeftInTheFileTellTheSameStory) {
  const Story story = golden_story();
  auto loaded = load_stories({.map_weights = true, .kv_type = backend::KvType::kF32});
  const Answer answer = generate(*loaded.engine, {.prompt = story.prompt, .sampling = greedy(), .max_tokens = 200});
  EXPECT_EQ(answer.tokens, story.tokens);
}

std::vector<GenerateRequest> varied_requests(const std::vector<int32_t>& words) {
  std::vector<GenerateRequest> requests;
  for (int i = 0; i < 7; ++i) {
    GenerateRequest request;
    request.prompt = {1};
    request.prompt.insert(request.prompt.end(), words.begin() + i * 3, words.begin() + i * 9 + 5);
    request.sampling = greedy();
    request.max_tokens = 20 + 11 * i;
    if (i % 3 == 1)
      request.sampling = {
          .temperature = 1.1F, .top_k = 50, .top_p = 0.95F, .min_p = 0.01F, .repeat_penalty = 1.2F, .seed = 7 + i};
    if (i % 3 == 2) request.sampling.repeat_penalty = 1.3F;
    requests.push_back(request);
  }
  return requests;
}

TEST(Engine, GivesTheSameTokensAloneAndInCompany) {
  const Story story = golden_story();
  const auto requests = varied_requests(story.tokens);
  for (const backend::KvTypes kv_type :
       std::initializer_list<backend::KvTypes>{backend::KvType::kF32,
                                               backend::KvType::kF16,
                                               {backend::KvType::kQ8_0, backend::KvType::kBF16},
                                               backend::KvType::kQ4_0}) {
    auto alone = load_stories({.max_sequences = 1, .batch_tokens = 512, .kv_type = kv_type});
    auto company = load_stories({.max_sequences = 4, .batch_tokens = 9, .kv_type = kv_type});
    std::vector<Pending> pending(requests.size());
    for (size_t i = 0; i < requests.size(); ++i)
      ASSERT_TRUE(company.engine->submit(requests[i], pending[i].callback()).is_ok());
    for (size_t i = 0; i < requests.size(); ++i) {
      const Answer expected = generate(*alone.engine, requests[i]), got = pending[i].wait();
      EXPECT_EQ(got.tokens, expected.tokens) << i;
      EXPECT_EQ(got.text, expected.text) << i;
      if (requests[i].prompt.size() > 9) {
        EXPECT_GT(got.prefill.size(), expected.prefill.size()) << "the prompt was to be cut";
      }
    }
    EXPECT_TRUE(company.engine->check_integrity().is_ok());
  }
}

TEST(Engine, CancelsRunningAndWaitingRequests) {
  const Story story = golden_story();
  auto loaded = load_stories({.max_sequences = 1});
  Pending running, waiting;
  const GenerateRequest request{.prompt = story.prompt, .sampling = greedy()};
  const auto running_id = loaded.engine->submit(request, running.callback());
  const auto waiting_id = loaded.engine->submit(request, waiting.callback());
  loaded.engine->cancel(*waiting_id);
  loaded.engine->cancel(*running_id);
  loaded.engine->cancel(12345);
  EXPECT_EQ(waiting.wait().reason, FinishReason::kCancelled);
  EXPECT_EQ(running.wait().reason, FinishReason::kCancelled);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
  EXPECT_EQ(generate(*loaded.engine, {.prompt = story.prompt, .sampling = greedy(), .max_tokens = 5}).tokens.size(),
            5U);
}

TEST(Engine, CancelsWhatIsLeftWhenItEnds) {
  const Story story = golden_story();
  auto loaded = load_stories({.max_sequences = 1});
  std::vector<Pending> pending(3);
  for (Pending& one : pending)
    ASSERT_TRUE(loaded.engine->submit({.prompt = story.prompt, .sampling = greedy()}, one.callback()).is_ok());
  loaded.engine.reset();
  int cancelled = 0;
  for (Pending& one : pending) cancelled += one.wait().reason == FinishReason::kCancelled ? 1 : 0;
  EXPECT_GE(cancelled, 2);
}

TEST(Engine, StopsAtAStringAcrossTokens) {
  const Story story = golden_story();
  auto loaded = load_stories({.kv_type = backend::KvType::kF32});
  const Answer whole = generate(*loaded.engine, {.prompt = story.prompt, .sampling = greedy(), .max_tokens = 60});
  // Every cut of the known text: the answer ends just before its first occurrence.
  for (size_t begin = 5; begin < 60; begin += 7) {
    const std::string stop = whole.text.substr(begin, 9);
    const Answer answer = generate(
        *loaded.engine, {.prompt = story.prompt, .sampling = greedy(), .max_tokens = 60, .stop = {"\x01", stop, ""}});
    EXPECT_EQ(answer.text, whole.text.substr(0, whole.text.find(stop))) << stop;
    EXPECT_EQ(answer.reason, FinishReason::kStop);
  }
  // A stop string that almost comes is held back and then sent.
  const Answer almost =
      generate(*loaded.engine,
               {.prompt = story.prompt, .sampling = greedy(), .max_tokens = 60, .stop = {whole.text.substr(10) + "#"}});
  EXPECT_EQ(almost.text, whole.text);
  EXPECT_EQ(almost.reason, FinishReason::kLength);
}

TEST(Engine, RefusesWhatDoesNotFit) {
  auto loaded = load_stories({.context_tokens = 40});
  EXPECT_EQ(loaded.engine->context_tokens(), 40);
  const auto submit = [&](GenerateRequest request) {
    return loaded.engine->submit(std::move(request), [](const Update&) {}).status();
  };
  EXPECT_EQ(submit({}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(submit({.prompt = {1, 512}}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(submit({.prompt = {1, -1}}).code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(submit({.prompt = {1}, .sampling = {.temperature = NAN}}).code(), ErrorCode::kInvalidArgument);
  const Status too_long = submit({.prompt = std::vector<int32_t>(55, 1)});
  EXPECT_EQ(too_long.code(), ErrorCode::kResourceExhausted);
  EXPECT_NE(too_long.message().find("55"), std::string::npos) << too_long.message();
  EXPECT_NE(too_long.message().find("40"), std::string::npos) << too_long.message();
  // The longest prompt that fits leaves room for one token.
  const Answer one = generate(*loaded.engine, {.prompt = std::vector<int32_t>(39, 1), .sampling = greedy()});
  EXPECT_EQ(one.reason, FinishReason::kLength);
  EXPECT_EQ(one.generated_tokens, 1);
}

TEST(Engine, FillsTheContextAndKeepsItsPages) {
  const Story story = golden_story();
  auto loaded = load_stories({.context_tokens = 128, .max_sequences = 3, .batch_tokens = 16});
  const uint64_t before = loaded.engine->memory_bytes();
  std::mt19937 random(3);
  std::vector<Pending> pending(40);
  std::vector<uint64_t> ids;
  for (Pending& one : pending) {
    GenerateRequest request{.prompt = {1}, .sampling = greedy()};
    request.prompt.insert(request.prompt.end(), story.tokens.begin(), story.tokens.begin() + random() % 100);
    if (random() % 2 == 0) request.max_tokens = static_cast<int32_t>(random() % 40) + 1;
    ids.push_back(*loaded.engine->submit(request, one.callback()));
    if (random() % 4 == 0) loaded.engine->cancel(ids[random() % ids.size()]);
    if (random() % 5 == 0) {
      EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
    }
    if (random() % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
  }
  int ended[4] = {};
  for (Pending& one : pending) ++ended[static_cast<int>(one.wait().reason)];
  EXPECT_EQ(ended[static_cast<int>(FinishReason::kError)], 0);
  EXPECT_GT(ended[static_cast<int>(FinishReason::kLength)], 0);
  EXPECT_TRUE(loaded.engine->check_integrity().is_ok());
  EXPECT_GT(loaded.engine->memory_bytes(), before) << "pages are committed as they are needed";
}

TEST(Engine, WritesWhatTheSchemaAsksFor) {
  auto loaded = load_stories({});
  const auto schema = grammar::Grammar::from_json_schema(R"({"type":"object","properties":{
      "mood":{"enum":["happy","sad"]},"count":{"type":"integer","minimum":0,"maximum":9},
      "quote":{"type":"string","x-source":true,"maxLength":30}},"required":["mood","count","quote"],"additionalProperties":false})",
                                                         "Once upon a time there was a little girl.");
  ASSERT_TRUE(schema.is_ok()) << schema.status().message();
  for (const int seed : {1, 2, 3}) {
    SamplingParams sampling;
    sampling.seed = seed;
    const Answer answer = generate(
        *loaded.engine, {.prompt = {1, 403, 407}, .sampling = sampling, .max_tokens = 200, .grammar = *schema});
    EXPECT_EQ(answer.reason, FinishReason::kStop) << answer.error.message();
    const json value = json::parse(answer.text, nullptr, false);
    ASSERT_TRUE(value.is_object()) << answer.text;
    EXPECT_TRUE(value["mood"] == "happy" || value["mood"] == "sad") << answer.text;
    EXPECT_TRUE(value["count"].is_number_integer()) << answer.text;
    EXPECT_NE(std::string("Once upon a time there was a little girl.").find(value["quote"].get<std::string>()),
              std::string::npos)
        << answer.text;
  }
}

TEST(Engine, ClosesTheDocumentInTheTokensItHas) {
  auto loaded = load_stories({});
  // Lists and texts without bounds: this model never ends them by itself in so few tokens.
  const auto schema = grammar::Grammar::from_json_schema(R"({"type":"object","properties":{
      "list":{"type":"array","items":{"type":"string","minLength":5},"minItems":1},"end":{"enum":["here"]}},"required":["list","end"]})");
  ASSERT_TRUE(schema.is_ok());
  for (const int max_tokens : {60, 90, 200}) {
    for (const int seed : {1, 2, 3}) {
      SamplingParams sampling;
      sampling.seed = seed;
      const Answer answer =
          generate(*loaded.engine,
                   {.prompt = {1, 403, 407}, .sampling = sampling, .max_tokens = max_tokens, .grammar = *schema});
      EXPECT_EQ(answer.reason, FinishReason::kStop) << answer.text;
      const json value = json::parse(answer.text, nullptr, false);
      ASSERT_TRUE(value.is_object()) << answer.text;
      EXPECT_EQ(value["end"], "here");
    }
  }
}

// Numbers, so that they pass one by one, but products with them are none.
std::shared_ptr<const gguf::File> with_huge(const std::string& tensor_name, std::string& bytes) {
  bytes = test::golden_bytes("models/llama.gguf");
  auto parsed = gguf::File::parse(std::as_bytes(std::span(bytes)), "poisoned");
  const gguf::Tensor* tensor = (*parsed)->find_tensor(tensor_name);
  const std::vector<float> huge(tensor->n_values(), 3e38F);
  std::memcpy(const_cast<std::byte*>(tensor->data.data()), huge.data(), tensor->size_bytes);
  return std::move(parsed).value();
}

TEST(Engine, EndsARequestWhoseLogitsAreNoNumbers) {
  std::string bytes;
  const auto file = with_huge("output_norm.weight", bytes);
  // As the probe that load_engine() makes would not let it.
  auto model = model::Model::load(file, model::on_one(std::move(backend::make_cpu_backend({.n_threads = 1})).value()));
  ASSERT_TRUE(model.is_ok()) << model.status().message();
  const auto engine = Engine::create(std::move(model).value(),
                                     std::move(tokenizer::Tokenizer::from_gguf(*file)).value(), {.n_threads = 1});
  ASSERT_TRUE(engine.is_ok()) << engine.status().message();
  for (const float temperature : {0.0F, 1.0F}) {
    const Answer answer =
        generate(**engine, {.prompt = {1, 5}, .sampling = {.temperature = temperature}, .max_tokens = 3});
    EXPECT_EQ(answer.reason, FinishReason::kError);
    EXPECT_NE(answer.error.message().find("finite"), std::string::npos) << answer.error.message();
  }
  EXPECT_EQ((*engine)->stats().not_finite, 2);
}

TEST(EngineU08, ARequestWithoutNumbersHarmsNoOther) {
  test::check_not_finite([] { return model::on_one(std::move(backend::make_cpu_backend({.n_threads = 1})).value()); });
}

TEST(EngineG11, AModelWhoseFirstLogitsAreNoNumbersIsRefused) {
  const std::pair<const char*, const char*> kPlaces[] = {{"output_norm.weight", "output norm or head"},
                                                         {"blk.0.ffn_up.weight", "layer 0"},
                                                         {"blk.1.attn_v.weight", "layer 1"}};
  for (const auto& [tensor, where] : kPlaces) {
    std::string bytes;
    const auto loaded = load_engine(with_huge(tensor, bytes), {.n_threads = 1});
    EXPECT_EQ(loaded.code(), ErrorCode::kCorruptData) << tensor;
    EXPECT_NE(loaded.status().message().find(where), std::string::npos) << loaded.status().message();
  }
}

TEST(EngineG11, WeightsThatAreNoNumbersAreRefusedByName) {
  for (const std::string name :
       {"output_norm.weight", "blk.1.attn_norm.weight", "blk.0.ffn_up.weight", "output.weight"}) {
    std::string bytes = test::golden_bytes("models/llama.gguf");
    auto parsed = gguf::File::parse(std::as_bytes(std::span(bytes)), "poisoned");
    ASSERT_TRUE(parsed.is_ok());
    // A flipped bit is enough: the highest of an exponent that is all ones below it.
    const gguf::Tensor* tensor = (*parsed)->find_tensor(name);
    const float infinity = INFINITY;
    std::memcpy(const_cast<std::byte*>(tensor->data.data()) + 4 * 3, &infinity, sizeof(infinity));
    const auto loaded = load_engine(std::shared_ptr<const gguf::File>(std::move(*parsed)), {.n_threads = 1});
    EXPECT_EQ(loaded.code(), ErrorCode::kCorruptData) << name;
    EXPECT_NE(loaded.status().message().find(name), std::string::npos) << loaded.status().message();
  }
}

TEST(Engine, SendsOnlyWholeCharacters) {
  auto loaded = load_stories({});
  Pending pending;
  const auto collect = pending.callback();
  bool valid = true;
  // Hot sampling over a vocabulary with byte tokens: broken and split characters come up.
  ASSERT_TRUE(
      loaded.engine
          ->submit(
              {.prompt = {1}, .sampling = {.temperature = 50, .top_k = 0, .top_p = 1, .seed = 11}, .max_tokens = 300},
              [&](const Update& update) {
                valid = valid && utf8::is_valid(update.text);
                collect(update);
              })
          .is_ok());
  pending.wait();
  EXPECT_TRUE(valid);
}

}  // namespace
}  // namespace da::engine
