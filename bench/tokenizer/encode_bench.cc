// How fast texts are encoded and what the worst ones cost: processor time of one thread, so that a busy machine does
// not count. Every text is decoded again and compared.
//   bench_tokenizer [--only NAME] [--ordinary] [FILE…]    --ordinary: not the worst cases; without files: the project's
//   own English and Chinese texts
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "gguf/writer.h"
#include "tokenizer/golden_vocabulary.h"

namespace {

using da::tokenizer::Tokenizer;

struct Text {
  std::string name, bytes;
};

double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

bool is_chinese(const std::string& text) {
  const auto points = da::utf8::to_code_points(text);
  const auto n = std::count_if(points.begin(), points.end(), [](char32_t c) { return c >= 0x4E00 && c <= 0x9FFF; });
  return static_cast<size_t>(n) * 10 > points.size();
}

// The project's pages and samples, sorted into two languages.
std::vector<Text> own_texts() {
  const std::filesystem::path root = DEEPANALYZE_SOURCE_DIR;
  Text english{"English", ""}, chinese{"Chinese", ""};
  for (const char* folder : {"", "docs", "samples"}) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(root / folder)) {
      if (entry.path().extension() == ".md" || entry.path().extension() == ".txt") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      const std::string bytes = read_file(file);
      (is_chinese(bytes) ? chinese : english).bytes += bytes;
    }
  }
  return {english, chinese};
}

// Words without a cut, for which merging pair by pair is quadratic.
std::vector<Text> worst_texts() {
  std::mt19937 random(1);
  constexpr size_t kBytes = 1'000'000;
  std::vector<Text> texts = {{"random letters", ""}, {"frequent letters", ""}, {"a…", ""}, {"=…", ""},
                             {"the…", ""},           {"random Chinese", ""}};
  while (texts[0].bytes.size() < kBytes) {
    texts[0].bytes += static_cast<char>('a' + random() % 26);
    texts[1].bytes += "etaoinshrdlu"[random() % 12];
  }
  texts[2].bytes.assign(kBytes, 'a');
  texts[3].bytes.assign(kBytes, '=');
  while (texts[4].bytes.size() < kBytes) texts[4].bytes += "the";
  while (texts[5].bytes.size() < kBytes) da::utf8::append(texts[5].bytes, 0x4E00 + random() % 3000);
  return texts;
}

// The published vocabularies of the golden data have no unigram model: the pieces and scores of Llama 2's serve as one.
std::unique_ptr<Tokenizer> unigram_of(const da::gguf::File& file) {
  da::gguf::Writer writer;
  writer.add_string("tokenizer.ggml.model", "t5");
  const auto array = [&](const char* key) { return *file.get_array(key); };
  const auto& texts = array("tokenizer.ggml.tokens")->strings;
  writer.add_strings("tokenizer.ggml.tokens", std::vector<std::string>(texts.begin(), texts.end()));
  std::vector<float> scores;
  for (const double score : array("tokenizer.ggml.scores")->floats) scores.push_back(static_cast<float>(score));
  std::vector<int32_t> types;
  for (const int64_t type : array("tokenizer.ggml.token_type")->integers) types.push_back(static_cast<int32_t>(type));
  writer.add_float32s("tokenizer.ggml.scores", scores);
  writer.add_int32s("tokenizer.ggml.token_type", types);
  writer.add_uint32("tokenizer.ggml.unknown_token_id", 0);
  const auto bytes = writer.serialize();
  const auto parsed = da::gguf::File::parse(std::as_bytes(std::span(*bytes)), "unigram");
  auto made = Tokenizer::from_gguf(**parsed);
  if (!made.is_ok()) throw std::runtime_error(made.status().message());
  return std::move(*made);
}

// Seconds of the fastest of some runs.
double measure(const Tokenizer& tokenizer, const Text& text, size_t& n_tokens) {
  double best = 1e9, total = 0;
  for (int round = 0; round < 30 && (round < 3 || total < 0.4); ++round) {
    const double begin = thread_seconds();
    const auto ids = tokenizer.encode(text.bytes, {});
    const double seconds = thread_seconds() - begin;
    best = std::min(best, seconds);
    total += seconds;
    n_tokens = ids.size();
    const auto back = tokenizer.decode(ids);
    if (round == 0 && tokenizer.model() != "bert" && tokenizer.model() != "t5" &&
        (!back.is_ok() || *back != text.bytes)) {
      std::fprintf(stderr, "%s: what is decoded is not what was encoded\n", text.name.c_str());
      std::exit(1);
    }
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const char* only = "";
  std::vector<Text> texts, worst = worst_texts();
  bool with_worst = true;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
      only = argv[++i];
    } else if (std::strcmp(argv[i], "--ordinary") == 0) {
      with_worst = false;
    } else {
      texts.push_back({std::filesystem::path(argv[i]).filename(), read_file(argv[i])});
    }
  }
  if (texts.empty()) texts = own_texts();
  if (!with_worst) worst.clear();
  std::printf("| vocabulary | load, ms |");
  for (const Text& text : texts) std::printf(" %s (%zu kB), MB/s |", text.name.c_str(), text.bytes.size() / 1000);
  for (const Text& text : worst) std::printf(" %s, ms/MB |", text.name.c_str());
  std::printf("\n");
  for (const char* name :
       {"llama-spm", "phi-3", "llama-bpe", "qwen2", "gpt-2", "deepseek-llm", "bert-bge", "unigram"}) {
    if (*only != '\0' && std::strcmp(only, name) != 0) continue;
    const bool is_unigram = std::strcmp(name, "unigram") == 0;
    const da::test::GoldenVocabulary vocabulary("tokenizers/" + std::string(is_unigram ? "llama-spm" : name) +
                                                ".gguf.gz");
    const double begin = thread_seconds();
    const auto tokenizer =
        is_unigram ? unigram_of(*vocabulary.file) : std::move(*Tokenizer::from_gguf(*vocabulary.file));
    std::printf("| %s | %.0f |", name, (thread_seconds() - begin) * 1e3);
    size_t n_tokens = 0;
    for (const Text& text : texts) {
      const double seconds = measure(*tokenizer, text, n_tokens);
      std::printf(" %.1f |", static_cast<double>(text.bytes.size()) * 1e-6 / seconds);
    }
    for (const Text& text : worst) {
      const double seconds = measure(*tokenizer, text, n_tokens);
      std::printf(" %.0f |", seconds * 1e9 / static_cast<double>(text.bytes.size()));
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  return 0;
}
