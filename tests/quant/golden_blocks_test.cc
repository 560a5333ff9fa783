// Every code and scale bit of the block formats against the reference's values.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "quant/code_books.h"
#include "quant/quant.h"
#include "support/golden.h"

namespace da::quant {
namespace {

using gguf::TensorType;
using nlohmann::json;

TEST(GoldenBlocks, DequantizeAsTheReference) {
  const json index = json::parse(test::golden_bytes("blocks/index.json"));
  int n_known = 0;
  for (const json& entry : index["types"]) {
    const auto type = static_cast<TensorType>(entry["type_id"].get<uint32_t>());
    const std::string data = test::golden_bytes(entry["data"].get<std::string>());
    const std::vector<float> expected = test::golden_floats(entry["dequantized"].get<std::string>());
    std::vector<float> values(expected.size());
    const Status status =
        dequantize(type, reinterpret_cast<const std::byte*>(data.data()), values.data(), values.size());
    ASSERT_TRUE(can_dequantize(type)) << entry["type"];
    ASSERT_TRUE(status.is_ok()) << status.message();
    ++n_known;
    const size_t block = entry["values_per_block"].get<size_t>();
    const bool exact = type == TensorType::kF16 || type == TensorType::kBF16;
    for (size_t begin = 0; begin < values.size(); begin += block) {
      float largest = 0;
      for (size_t i = begin; i < begin + block; ++i) largest = std::max(largest, std::fabs(expected[i]));
      for (size_t i = begin; i < begin + block; ++i) {
        ASSERT_NEAR(values[i], expected[i], exact ? 0.0F : 1e-6F * largest) << entry["type"] << " value " << i;
      }
    }
    // Blocks at an odd address.
    std::string shifted = "x" + data;
    std::vector<float> again(values.size());
    ASSERT_TRUE(
        dequantize(type, reinterpret_cast<const std::byte*>(shifted.data() + 1), again.data(), again.size()).is_ok());
    EXPECT_EQ(values, again) << entry["type"];
  }
  EXPECT_EQ(n_known, 27);
  test::count_golden("block types", static_cast<size_t>(n_known));
}

// FNV-1a of a book as its published table lies in memory.
template <class Book>
uint64_t hash_of(const Book& book) {
  uint64_t hash = 0xcbf29ce484222325;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&book);
  for (size_t i = 0; i < sizeof(book); ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  return hash;
}

// The golden blocks do not reach every point of the large books.
TEST(CodeBooks, HoldThePublishedPoints) {
  const CodeBooks& books = code_books();
  EXPECT_EQ(hash_of(books.iq2_xxs), 0xbb4ee025b5ac6e8eU);
  EXPECT_EQ(hash_of(books.iq2_xs), 0xc9b1ee61e79909bdU);
  EXPECT_EQ(hash_of(books.iq2_s), 0x123edd38a3b62b90U);
  EXPECT_EQ(hash_of(books.iq3_xxs), 0xdfa5dc83d6a155d5U);
  EXPECT_EQ(hash_of(books.iq3_s), 0xfa37020c25b44829U);
  EXPECT_EQ(hash_of(books.iq1_s), 0x6703ed863501ae2eU);
}

}  // namespace
}  // namespace da::quant
