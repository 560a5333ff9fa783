// T01, T02: no text, however long and monotonous, overflows a stack or takes more than linear time.
#include <gtest/gtest.h>
#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tokenizer/golden_vocabulary.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/tiny_vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace da::tokenizer {
namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Runs `body` on a thread whose stack has 256 KiB.
void on_small_stack(const std::function<void()>& body) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, size_t{256} << 10), 0);
  pthread_t thread{};
  const auto run = [](void* argument) -> void* {
    (*static_cast<const std::function<void()>*>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, const_cast<std::function<void()>*>(&body)), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

std::string repeated(std::string_view piece, size_t n_bytes) {
  std::string text;
  text.reserve(n_bytes + piece.size());
  while (text.size() < n_bytes) text += piece;
  return text;
}

const char* const kClasses[] = {"A", "中", " ", "\n", "=", "1", "\u0301", "\u200d", "\u3000", "'", "\xff", "😀"};

TEST(LongTextT01, EveryRuleCutsEveryClassOnASmallStack) {
  on_small_stack([] {
    for (const std::string_view name : PreTokenizer::rules()) {
      const auto pre_tokenizer = PreTokenizer::from_name(name);
      ASSERT_TRUE(pre_tokenizer.is_ok());
      for (const char* piece : kClasses) {
        if (std::string_view(piece) == "\xff") continue;  // mended before the rules see it
        const std::string text = repeated(piece, size_t{2} << 20);
        size_t n_bytes = 0;
        const double begin = cpu_seconds();
        pre_tokenizer->for_each_word(text, [&](std::string_view word) { n_bytes += word.size(); });
        EXPECT_EQ(n_bytes, text.size());
        EXPECT_LT(cpu_seconds() - begin, 4.0) << name << ": " << piece;
      }
    }
  });
}

TEST(LongTextT01, EveryVocabularyEncodesEveryClassOnASmallStack) {
  on_small_stack([] {
    for (const char* name : {"llama-spm", "llama-bpe", "qwen2", "gpt-2", "phi-3", "deepseek-llm", "bert-bge"}) {
      const test::GoldenVocabulary vocabulary(std::string("tokenizers/") + name + ".gguf.gz");
      for (const char* piece : kClasses) {
        const std::string text = repeated(piece, size_t{256} << 10);
        const auto ids = vocabulary.tokenizer->encode(text, {});
        if (vocabulary.tokenizer->model() == "bert" || piece[0] == '\xff') continue;
        EXPECT_EQ(*vocabulary.tokenizer->decode(ids), text) << name << ": " << piece;
      }
    }
  });
}

size_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

// A small unigram vocabulary; "aaaa" beside "a" makes ways that never meet, the worst case for memory.
std::unique_ptr<Tokenizer> small_unigram() {
  test::TinyVocabulary vocabulary;
  vocabulary.model = "t5";
  vocabulary.add("<pad>", 3);
  vocabulary.add("</s>", 3);
  vocabulary.add("<unk>", 2);
  for (const char* text : {"▁", "A", "AAAA", "▁A", "中", "中中中"})
    vocabulary.add(text, 1, -static_cast<float>(vocabulary.tokens.size()));
  return std::move(*vocabulary.make());
}

// Each kind of tokenizer. DEEPANALYZE_LONG=1 takes the slower two through 100 MB as well.
TEST(LongTextT01, HundredMegabytesInLinearTimeAndBoundedMemory) {
  const test::GoldenVocabulary bpe("tokenizers/llama-bpe.gguf.gz"), spm("stories/stories260K.gguf"),
      wordpiece("tokenizers/bert-bge.gguf.gz");
  const auto unigram = small_unigram();
  const auto seconds = [](const Tokenizer& tokenizer, const char* piece, size_t n_bytes) {
    double elapsed = 0;
    on_small_stack([&] {
      const std::string text = repeated(piece, n_bytes);
      std::ofstream("/proc/self/clear_refs") << 5;  // the peak starts anew
      const size_t before = peak_memory_bytes();
      const double begin = cpu_seconds();
      const size_t n_ids = tokenizer.encode(text, {}).size();
      elapsed = cpu_seconds() - begin;
      EXPECT_GT(n_ids, 0u);
      // Ids of four bytes, the text once more with longer marks for spaces, and what cannot be decided yet.
      EXPECT_LT(peak_memory_bytes() - before, text.size() * 13 + (size_t{64} << 20))
          << tokenizer.model() << ": " << piece;
    });
    return elapsed;
  };
  const bool is_long = std::getenv("DEEPANALYZE_LONG") != nullptr;
  struct Case {
    const Tokenizer& tokenizer;
    const char* piece;
    size_t n_bytes;
  };
  const size_t slow_bytes = is_long ? 100'000'000 : 10'000'000;
  for (const Case& test_case :
       {Case{*bpe.tokenizer, "A", 100'000'000}, Case{*bpe.tokenizer, "中", 100'000'000},
        Case{*spm.tokenizer, "中", 100'000'000}, Case{*spm.tokenizer, "A", slow_bytes}, Case{*unigram, "A", slow_bytes},
        Case{*unigram, "中", slow_bytes}, Case{*wordpiece.tokenizer, "a", slow_bytes},
        Case{*wordpiece.tokenizer, "中", slow_bytes}}) {
    const double tenth = seconds(test_case.tokenizer, test_case.piece, test_case.n_bytes / 10);
    const double whole = seconds(test_case.tokenizer, test_case.piece, test_case.n_bytes);
    EXPECT_LT(whole, 10 * tenth * 2.5 + 0.05) << test_case.piece;  // the slack is for caches and a busy machine
    std::printf("%s: %s x %zu MB: %.2f s, a tenth: %.3f s\n", std::string(test_case.tokenizer.model()).c_str(),
                test_case.piece, test_case.n_bytes / 1'000'000, whole, tenth);
  }
}

// Words without a cut: the cost of a byte does not depend on the word's length.
TEST(LongTextT02, MergingIsLinear) {
  std::mt19937 random(1);
  std::string letters, few;
  for (int i = 0; i < 2'000'000; ++i) {
    letters += static_cast<char>('a' + random() % 26);
    few += "etaoinshrdlu"[random() % 12];
  }
  for (const char* name : {"qwen2", "llama-spm"}) {
    const test::GoldenVocabulary vocabulary(std::string("tokenizers/") + name + ".gguf.gz");
    double worst = 0;
    for (const std::string& text : {letters, few, repeated("a", letters.size()), repeated("=", letters.size()),
                                    repeated("the", letters.size())}) {
      const auto ms_per_mb = [&](size_t n_bytes) {
        const std::string_view part = std::string_view(text).substr(0, n_bytes);
        double best = 1e9;
        for (int round = 0; round < 2; ++round) {
          const double begin = cpu_seconds();
          EXPECT_FALSE(vocabulary.tokenizer->encode(part, {}).empty());
          best = std::min(best, (cpu_seconds() - begin) * 1e9 / static_cast<double>(n_bytes));
        }
        return best;
      };
      const double small = ms_per_mb(100'000), large = ms_per_mb(2'000'000);
      EXPECT_LT(large, small * 4 + 50) << name;  // quadratic would be twenty times
      worst = std::max(worst, large);
    }
    std::printf("%s: worst case %.0f ms a MB\n", name, worst);
  }
}

}  // namespace
}  // namespace da::tokenizer
