// Rows that are no outputs end in the last layer's attention: the outputs must not show it.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "model/run_model.h"
#include "support/golden.h"

namespace da::model {
namespace {

using nlohmann::json;

TEST(OutputRows, AreTheSameWhicheverAreAskedFor) {
  const json index = json::parse(da::test::golden_bytes("models/index.json"));
  for (const json& entry : index["models"]) {
    if (entry["kind"] == "embedding") continue;  // all rows are outputs
    SCOPED_TRACE(entry["name"].get<std::string>());
    const std::shared_ptr<const gguf::File> file =
        std::move(gguf::File::open(da::test::golden_path(entry["file"].get<std::string>()))).value();
    const std::vector<int32_t> tokens = entry["token_ids"];
    const auto n_tokens = static_cast<int32_t>(tokens.size());
    std::vector<float> all = da::test::golden_floats(entry["logits"].get<std::string>());
    if (test::rows_keep_their_bits()) {
      auto own = test::run_model(file, tokens, Output::kLogits);
      ASSERT_TRUE(own.is_ok()) << own.status().message();
      all = std::move(*own);
    }
    const size_t width = all.size() / tokens.size();
    // One row, or some and batches without any.
    const std::pair<std::vector<int32_t>, size_t> cases[] = {{{n_tokens - 1}, 0}, {{1, n_tokens / 2, n_tokens - 2}, 7}};
    for (const auto& [wanted, chunk] : cases) {
      const auto some = test::run_model(file, tokens, Output::kLogits, chunk, &wanted);
      ASSERT_TRUE(some.is_ok()) << some.status().message();
      std::vector<float> expected;
      for (const int32_t row : wanted) {
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(row) * width);
        expected.insert(expected.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
      }
      if (test::rows_keep_their_bits()) {
        EXPECT_EQ(*some, expected) << wanted.size() << " rows, " << chunk << " tokens a batch";
      } else {
        EXPECT_LE(test::nmse(*some, expected), 1e-8) << wanted.size() << " rows, " << chunk << " tokens a batch";
      }
    }
  }
}

}  // namespace
}  // namespace da::model
