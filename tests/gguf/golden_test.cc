#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "gguf/gguf.h"
#include "gguf/tensor_type.h"
#include "support/golden.h"

namespace da::gguf {
namespace {

TEST(TensorTypes, SizesMatchTheGoldenBlocks) {
  const auto index = nlohmann::json::parse(test::golden_bytes("blocks/index.json"));
  ASSERT_GT(index["types"].size(), 20u);
  for (const auto& entry : index["types"]) {
    const std::string name = entry["type"];
    const TensorTypeInfo* info = tensor_type_info(entry["type_id"].get<uint32_t>());
    ASSERT_NE(info, nullptr) << name;
    EXPECT_EQ(info->name, name);
    EXPECT_EQ(info->values_per_block, entry["values_per_block"].get<uint32_t>()) << name;
    EXPECT_EQ(info->bytes_per_block, entry["bytes_per_block"].get<uint32_t>()) << name;
    EXPECT_EQ(tensor_type_from_name(name), info->type);
  }
}

TEST(TensorTypes, UnknownNumbersAndNamesAreNone) {
  for (const uint32_t type_id : {4u, 5u, 31u, 33u, 36u, 38u, 43u, 255u, 0xFFFFFFFFu}) {
    EXPECT_EQ(tensor_type_info(type_id), nullptr) << type_id;
  }
  EXPECT_FALSE(tensor_type_from_name("Q9_9").has_value());
}

TEST(GoldenFiles, EveryModelParses) {
  int n_files = 0;
  for (const char* folder : {"models", "quants", "stories"}) {
    for (const auto& entry : std::filesystem::directory_iterator(test::golden_path(folder))) {
      if (entry.path().extension() != ".gguf") continue;
      const auto file = File::open(entry.path().string());
      ASSERT_TRUE(file.is_ok()) << file.status().message();
      EXPECT_FALSE((*file)->architecture().empty()) << entry.path();
      EXPECT_FALSE((*file)->tensors().empty()) << entry.path();
      for (const Tensor& tensor : (*file)->tensors()) EXPECT_EQ(tensor.data.size(), tensor.size_bytes);
      ++n_files;
    }
  }
  EXPECT_GT(n_files, 20);
}

}  // namespace
}  // namespace da::gguf
