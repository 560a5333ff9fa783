#include "tokenizer/pretokenizer.h"

#include <algorithm>
#include <array>

#include "tokenizer/scanners.h"

namespace da::tokenizer {
namespace {

constexpr ScanStage kLlama3[] = {scan_llama3};
constexpr ScanStage kQwen2[] = {scan_qwen2};
constexpr ScanStage kQwen35[] = {scan_qwen35};
constexpr ScanStage kGpt2[] = {scan_gpt2};
constexpr ScanStage kGpt4o[] = {scan_gpt4o};
constexpr ScanStage kTekken[] = {scan_tekken};
constexpr ScanStage kSeedCoder[] = {scan_seed_coder};
constexpr ScanStage kKimi[] = {scan_kimi};
constexpr ScanStage kBloom[] = {isolate_unstopped};
constexpr ScanStage kViking[] = {isolate_unstopped, isolate_number};
constexpr ScanStage kStarcoder[] = {isolate_number, scan_gpt2};
constexpr ScanStage kDefault[] = {isolate_punctuation, scan_gpt2, isolate_numbers, isolate_ascii_triples};
constexpr ScanStage kFalcon[] = {isolate_punctuation_or_grave, scan_gpt2, isolate_ascii_triples};
constexpr ScanStage kDeepseekLlm[] = {isolate_newline,        isolate_cased_letters, isolate_fullwidth_punctuation,
                                      isolate_trailing_space, isolate_cjk,           isolate_numbers};
constexpr ScanStage kDeepseekCoder[] = {isolate_newline, isolate_letters, isolate_punctuation_after_space, isolate_cjk,
                                        isolate_number};
constexpr ScanStage kJais2[] = {scan_jais2};
constexpr ScanStage kMinicpm5[] = {isolate_number_triples, scan_llama3};
constexpr ScanStage kExaoneMoe[] = {scan_exaone_moe};
constexpr ScanStage kYoutu[] = {isolate_scripts, scan_youtu};
constexpr ScanStage kTinyAya[] = {isolate_bounded_thousands, scan_gpt4o};
constexpr ScanStage kSuperBpe[] = {isolate_numbers, cut_before_thousands};
constexpr ScanStage kAfmoe[] = {isolate_thousands, isolate_asian, scan_deepseek3};
constexpr ScanStage kChameleon[] = {isolate_sentinels, isolate_images,    isolate_wide_space,
                                    isolate_number,    isolate_each_sign, scan_gpt2};
constexpr ScanStage kDeepseek3[] = {isolate_number_triples, isolate_cjk_kana, scan_deepseek3};

struct Entry {
  std::string_view name;
  std::span<const ScanStage> stages;
  bool ignores_merges = false, adds_bos_by_default = false, cleans_spaces = true;
};

// Names as converters write them; "" is an old file without the key, which the reference reads as "default".
constexpr auto kEntries = std::to_array<Entry>({
    {"", kDefault},
    {"default", kDefault},
    {"llama3", kLlama3, true, true},
    {"llama-v3", kLlama3, true, true},
    {"llama-bpe", kLlama3, true, true},
    {"falcon3", kLlama3, true, true},
    {"falcon-h1", kLlama3, true, true},
    {"pixtral", kLlama3, true, true},
    {"midm-2.0", kLlama3, true, true},
    {"jina-v5-nano", kLlama3, true, true},
    {"lfm2", kLlama3, true, true},
    {"dbrx", kLlama3},
    {"smaug-bpe", kLlama3},
    {"chatglm-bpe", kLlama3},
    {"glm4", kLlama3},
    {"qwen2", kQwen2, false, false, false},
    {"deepseek-r1-qwen", kQwen2, false, false, false},
    {"kormo", kQwen2, false, false, false},
    {"f2llmv2", kQwen2, false, false, false},
    {"hunyuan", kQwen2, false, false, false},
    {"solar-open", kQwen2, false, false, false},
    {"grok-2", kQwen2, false, false, false},
    {"bailingmoe", kQwen2, false, false, false},
    {"bailingmoe2", kQwen2, false, false, false},
    {"llada-moe", kQwen2, false, false, false},
    {"stablelm2", kQwen2},
    {"megrez", kQwen2},
    {"qwen35", kQwen35, false, false, false},
    {"gpt-2", kGpt2},
    {"phi-2", kGpt2},
    {"mpt", kGpt2},
    {"olmo", kGpt2},
    {"jais", kGpt2},
    {"gigachat", kGpt2},
    {"a.x-4.0", kGpt2},
    {"mellum", kGpt2},
    {"modern-bert", kGpt2},
    {"exaone4", kGpt2},
    {"trillion", kGpt2, false, false, false},
    {"granite-docling", kGpt2, false, false, false},
    {"roberta-bpe", kGpt2},
    {"jina-es", kGpt2},
    {"jina-de", kGpt2},
    {"jina-v1-en", kGpt2},
    {"jina-v2-es", kGpt2},
    {"jina-v2-de", kGpt2},
    {"jina-v2-code", kGpt2},
    {"starcoder", kStarcoder},
    {"refact", kStarcoder},
    {"smollm", kStarcoder, false, false, false},
    {"minerva-7b", kStarcoder},
    {"codeshell", kStarcoder},
    {"exaone", kStarcoder},
    {"command-r", kStarcoder, false, false, false},
    {"seed-coder", kSeedCoder, false, false, false},
    {"kimi-k2", kKimi, false, false, false},
    {"bloom", kBloom},
    {"gpt3-finnish", kBloom},
    {"poro-chat", kBloom, false, false, false},
    {"viking", kViking, false, false, false},
    {"falcon", kFalcon},
    {"gpt-4o", kGpt4o, false, false, false},
    {"o200k_harmony", kGpt4o, false, false, false},
    {"llama4", kGpt4o, false, false, false},
    {"talkie", kGpt4o, false, false, false},
    {"kanana2", kGpt4o, false, false, false},
    {"minimax-m2", kGpt4o, false, false, false},
    {"tekken", kTekken, true, true, false},
    {"deepseek-llm", kDeepseekLlm, false, false, false},
    {"deepseek-coder", kDeepseekCoder, false, false, false},
    {"deepseek-v3", kDeepseek3, false, false, false},
    {"hunyuan-dense", kDeepseek3, false, false, false},
    {"joyai-llm", kDeepseek3, false, false, false},
    {"jais-2", kJais2},
    {"minicpm5", kMinicpm5, true},
    {"exaone-moe", kExaoneMoe},
    {"youtu", kYoutu, true, false, false},
    {"tiny_aya", kTinyAya, false, false, false},
    {"cohere2moe", kTinyAya, false, false, false},
    {"superbpe", kSuperBpe, false, false, false},
    {"afmoe", kAfmoe, false, false, false},
    {"chameleon", kChameleon, false, true, false},
});

}  // namespace

Result<PreTokenizer> PreTokenizer::from_name(std::string_view name) {
  std::string known;
  for (const Entry& entry : kEntries) {
    if (entry.name == name) {
      PreTokenizer found;
      found.stages_ = entry.stages;
      found.ignores_merges_ = entry.ignores_merges;
      found.adds_bos_by_default_ = entry.adds_bos_by_default;
      found.cleans_spaces_ = entry.cleans_spaces;
      return found;
    }
    if (!entry.name.empty()) (known += known.empty() ? "" : ", ") += entry.name;
  }
  return Status(ErrorCode::kUnsupported, "unknown pre-tokenizer \"" + std::string(name.substr(0, 64)) +
                                             "\" (tokenizer.ggml.pre); known: " + known);
}

std::vector<std::string_view> PreTokenizer::rules() {
  std::vector<std::string_view> names;
  std::vector<const ScanStage*> seen;
  for (const Entry& entry : kEntries) {
    if (entry.name.empty() || std::find(seen.begin(), seen.end(), entry.stages.data()) != seen.end()) continue;
    seen.push_back(entry.stages.data());
    names.push_back(entry.name);
  }
  return names;
}

}  // namespace da::tokenizer
