#include "gguf/parser.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gguf/gguf.h"
#include "gguf/writer.h"

namespace da::gguf {
namespace {

// Writes a file piece by piece, sound or not.
struct Raw {
  std::string bytes;
  template <class T>
  Raw& put(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }
  Raw& string(std::string_view text) {
    put<uint64_t>(text.size());
    bytes += text;
    return *this;
  }
  Raw& header(uint64_t n_tensors, uint64_t n_keys, uint32_t version = 3) {
    bytes += "GGUF";
    return put(version).put(n_tensors).put(n_keys);
  }
  Raw& key(std::string_view name, uint32_t type) { return string(name).put(type); }
  Raw& tensor(std::string_view name, const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset) {
    string(name).put(static_cast<uint32_t>(dims.size()));
    for (const uint64_t extent : dims) put(extent);
    return put(type).put(offset);
  }
  Raw& data(size_t n_bytes) {
    bytes.resize((bytes.size() + 31) / 32 * 32 + n_bytes, '\0');
    return *this;
  }
};

Result<std::unique_ptr<File>> parse(const std::string& bytes) {
  // A copy of exactly this size on the heap, so that AddressSanitizer sees any read past the end.
  const std::vector<std::byte> copy(reinterpret_cast<const std::byte*>(bytes.data()),
                                    reinterpret_cast<const std::byte*>(bytes.data()) + bytes.size());
  auto file = File::parse(copy, "test.gguf");
  if (file.is_ok()) {
    for (const Tensor& tensor : (*file)->tensors()) EXPECT_EQ(tensor.data.size(), tensor.size_bytes);
  }
  return file;
}

void expect_refused(const Raw& raw, std::string_view part_of_message, ErrorCode code = ErrorCode::kCorruptData) {
  const auto file = parse(raw.bytes);
  ASSERT_FALSE(file.is_ok()) << "accepted; expected: " << part_of_message;
  EXPECT_EQ(file.code(), code);
  EXPECT_NE(file.status().message().find(part_of_message), std::string::npos) << file.status().message();
  EXPECT_NE(file.status().message().find("test.gguf"), std::string::npos) << file.status().message();
}

std::string small_file() {
  Writer writer;
  writer.add_string("general.architecture", "llama");
  writer.add_uint32("n", 3);
  writer.add_strings("tokens", std::vector<std::string>{"a", "bc", ""});
  writer.add_float32s("scores", std::vector<float>{1, 2, 3});
  writer.add_tensor_f32("w", {4, 2}, std::vector<float>(8, 1.0F));
  writer.add_tensor_f32("v", {8}, std::vector<float>(8, 1.0F));
  return *writer.serialize();
}

// G01
TEST(ParserG01, EveryPrefixIsRefusedWithBothSizes) {
  const std::string whole = small_file();
  ASSERT_TRUE(parse(whole).is_ok());
  for (size_t n_bytes = 0; n_bytes < whole.size(); ++n_bytes) {
    const auto file = parse(whole.substr(0, n_bytes));
    ASSERT_FALSE(file.is_ok()) << n_bytes;
    EXPECT_EQ(file.code(), ErrorCode::kCorruptData);
    const std::string message = file.status().message();
    EXPECT_NE(message.find("truncated"), std::string::npos) << message;
    EXPECT_NE(message.find("found " + std::to_string(n_bytes)), std::string::npos) << message;
  }
}

TEST(ParserG01, PaddingMayBeAbsentButGarbageMayNotFollow) {
  Writer writer;
  writer.add_tensor_f32("w", {3}, std::vector<float>(3));
  const std::string whole = *writer.serialize();  // 12 bytes of data, 20 of padding
  for (size_t n_cut = 0; n_cut <= 20; ++n_cut)
    EXPECT_TRUE(parse(whole.substr(0, whole.size() - n_cut)).is_ok()) << n_cut;
  EXPECT_FALSE(parse(whole.substr(0, whole.size() - 21)).is_ok());
  expect_refused({whole + std::string(12, 'x')}, "bytes too many");
  expect_refused({whole + whole}, "bytes too many");
}

// G02
TEST(ParserG02, MagicAndVersion) {
  expect_refused({std::string("GGML").append(60, '\0')}, "expected it to begin with \"GGUF\", found \"GGML\"");
  expect_refused({std::string("\xFF\xFE\xFD\xFC").append(60, '\0')}, "found other bytes");
  expect_refused(Raw().header(0, 0, 1), "GGUF version 1", ErrorCode::kUnsupported);
  expect_refused(Raw().header(0, 0, 0), "GGUF version 0", ErrorCode::kUnsupported);
  expect_refused(Raw().header(0, 0, 4), "GGUF version 4", ErrorCode::kUnsupported);
  expect_refused(Raw().header(0, 0, 0x03000000), "big-endian", ErrorCode::kUnsupported);
  EXPECT_TRUE(parse(Raw().header(0, 0, 2).bytes).is_ok());
  EXPECT_TRUE(parse(Raw().header(0, 0, 3).bytes).is_ok());
}

// G03
TEST(ParserG03, CountsAreCappedBeforeAllocation) {
  for (const uint64_t count : {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{1} << 32, kMaxTensors + 1}) {
    expect_refused(Raw().header(count, 0), "tensors, limit");
    expect_refused(Raw().header(0, count), "keys, limit");
  }
  expect_refused(Raw().header(kMaxTensors, 0), "truncated");
  expect_refused(Raw().header(0, kMaxKeys), "truncated");
  expect_refused(Raw().header(1, 0), "truncated");
}

// G04
TEST(ParserG04, StringsAreCapped) {
  for (const uint64_t length : {uint64_t{1} << 60, ~uint64_t{0}, kMaxKeyBytes + 1}) {
    expect_refused(Raw().header(0, 1).put(length).put(uint64_t{0}), "limit 65536");
  }
  expect_refused(Raw().header(0, 1).put(kMaxKeyBytes).put(uint64_t{0}), "truncated");
  for (const uint64_t length : {uint64_t{1} << 60, ~uint64_t{0}, kMaxStringBytes + 1}) {
    expect_refused(Raw().header(0, 1).key("k", 8).put(length), "limit 16777216");
  }
  expect_refused(Raw().header(0, 1).key("k", 8).put(kMaxStringBytes), "truncated");
  EXPECT_TRUE(parse(Raw().header(0, 1).key("k", 8).string(std::string(kMaxStringBytes, 'x')).bytes).is_ok());
  EXPECT_TRUE(parse(Raw().header(0, 1).key(std::string(kMaxKeyBytes, 'k'), 0).put(uint8_t{1}).bytes).is_ok());
}

TEST(ParserG04, ArraysAreNoLongerThanTheBytesLeft) {
  for (uint32_t type = 0; type <= 12; ++type) {
    for (const uint64_t count : {uint64_t{1} << 60, uint64_t{1} << 61, ~uint64_t{0}, uint64_t{1} << 63, uint64_t{17}}) {
      expect_refused(Raw().header(0, 1).key("k", 9).put(type).put(count).put(uint64_t{0}), "truncated");
    }
  }
}

TEST(ParserG04, NestedArraysAreBounded) {
  Raw nested = Raw().header(0, 1).key("k", 9);
  for (int depth = 0; depth < kMaxArrayDepth - 1; ++depth) nested.put(uint32_t{9}).put(uint64_t{1});
  nested.put(uint32_t{4}).put(uint64_t{1}).put(uint32_t{42});
  const auto file = parse(nested.bytes);
  ASSERT_TRUE(file.is_ok()) << file.status().message();
  Raw deep = Raw().header(0, 1).key("k", 9);
  for (int depth = 0; depth < 100'000; ++depth) deep.put(uint32_t{9}).put(uint64_t{1});
  expect_refused(deep, "nested deeper than 4");
}

TEST(ParserG04, DecodedMetadataIsBounded) {
  // 40 MiB of single bytes would decode to 320 MiB of integers.
  Raw raw = Raw().header(0, 1).key("k", 9).put(uint32_t{0}).put(uint64_t{40} << 20);
  raw.bytes.resize(raw.bytes.size() + (size_t{40} << 20), '\1');
  expect_refused(raw, "metadata is larger than");
}

// G05
TEST(ParserG05, DuplicatesEmptyKeysUnknownTypes) {
  expect_refused(Raw().header(0, 2).key("k", 0).put('\1').key("k", 4).put(uint32_t{1}), "key \"k\" occurs twice");
  expect_refused(Raw().header(0, 1).key("", 4).put(uint32_t{1}), "key number 0 is empty");
  expect_refused(Raw().header(0, 1).key("a\xFF", 4).put(uint32_t{1}), "not UTF-8 at its byte 1");
  expect_refused(Raw().header(0, 1).key("k", 13).put(uint64_t{1}), "unknown value type 13");
  expect_refused(Raw().header(0, 1).key("k", 0xFFFFFFFF).put(uint64_t{1}), "unknown value type 4294967295");
  expect_refused(Raw().header(0, 1).key("k", 9).put(uint32_t{13}).put(uint64_t{0}), "unknown array element type 13");
  expect_refused(Raw().header(0, 1).key("k", 7).put(uint8_t{2}), "expected a bool");
  expect_refused(Raw().header(0, 1).key("k", 9).put(uint32_t{7}).put(uint64_t{2}).put('\1').put('\3'), "element 1");
  expect_refused(Raw().header(0, 1).key("k", 9).put(uint32_t{10}).put(uint64_t{1}).put(uint64_t{1} << 63), "element 0");
  expect_refused(Raw().header(2, 0).tensor("t", {8}, 0, 0).tensor("t", {8}, 0, 32).data(64),
                 "tensor \"t\" occurs twice");
  expect_refused(Raw().header(1, 0).tensor("", {8}, 0, 0).data(32), "tensor number 0 has an empty name");
  expect_refused(Raw().header(1, 0).tensor("\xC0", {8}, 0, 0).data(32), "not UTF-8");
  expect_refused(Raw().header(0, 1).key("general.architecture", 4).put(uint32_t{1}), "expected a string");
  for (const uint32_t type : {4u, 5u, 31u, 37u, 43u, 0xFFFFFFFFu}) {
    expect_refused(Raw().header(1, 0).tensor("t", {8}, type, 0).data(32),
                   "unknown tensor type " + std::to_string(type));
  }
}

TEST(ParserG05, MessagesEscapeAndCutNames) {
  expect_refused(Raw().header(0, 1).key("a\n\x1b", 13).put(uint64_t{1}), "\"a\\x0a\\x1b\"");
  expect_refused(Raw().header(0, 1).key(std::string(1000, 'k'), 13).put(uint64_t{1}), "kkk…\"");
}

// G06
TEST(ParserG06, DimensionsAreChecked) {
  expect_refused(Raw().header(1, 0).tensor("t", {}, 0, 0).data(32), "expected 1 to 4 dimensions, found 0");
  expect_refused(Raw().header(1, 0).tensor("t", {1, 1, 1, 1, 1}, 0, 0).data(32), "expected 1 to 4 dimensions, found 5");
  expect_refused(Raw().header(1, 0).tensor("t", {8, 0}, 0, 0).data(32), "dimension 1 is 0");
  expect_refused(Raw().header(1, 0).tensor("t", {~uint64_t{0}}, 0, 0).data(32), "dimension 0 is 18446744073709551615");
  expect_refused(Raw().header(1, 0).tensor("t", {31}, 2, 0).data(64), "expected a multiple of 32 for Q4_0");
}

TEST(ParserG06, ProductsNearPowersOfTwo) {
  // Whatever the product is, a tensor that claims more than the file holds must be refused, never wrapped round.
  const auto near = [](uint64_t power) {
    std::vector<uint64_t> values;
    for (int64_t delta = -2; delta <= 2; ++delta) values.push_back(power + static_cast<uint64_t>(delta));
    return values;
  };
  for (int a = 2; a < 64; ++a) {
    for (int b = 2; b < 64; b += 3) {
      if (a + b < 16) continue;
      for (const uint64_t x : near(uint64_t{1} << a)) {
        for (const uint64_t y : near(uint64_t{1} << b)) {
          const auto file = parse(Raw().header(1, 0).tensor("t", {x, y, 4, 4}, 0, 0).data(64).bytes);
          ASSERT_FALSE(file.is_ok()) << x << " x " << y;
        }
      }
    }
  }
}

// G07
TEST(ParserG07, OffsetsAndAlignment) {
  expect_refused(Raw().header(1, 0).tensor("t", {8}, 0, 16).data(64), "not a multiple of the alignment 32");
  expect_refused(Raw().header(2, 0).tensor("a", {16}, 0, 0).tensor("b", {8}, 0, 32).data(64),
                 "tensor \"b\" overlaps tensor \"a\"");
  expect_refused(Raw().header(2, 0).tensor("a", {8}, 0, 0).tensor("b", {8}, 0, 0).data(32), "overlaps");
  expect_refused(Raw().header(1, 0).tensor("t", {8}, 0, 32).data(32), "truncated");
  expect_refused(Raw().header(1, 0).tensor("t", {8}, 0, ~uint64_t{31}).data(32), "not below 2^64");
  expect_refused(Raw().header(1, 0).tensor("t", {8}, 0, uint64_t{1} << 63).data(32), "truncated");
  // The order in the file and gaps between tensors are free.
  EXPECT_TRUE(parse(Raw().header(2, 0).tensor("a", {8}, 0, 64).tensor("b", {8}, 0, 0).data(96).bytes).is_ok());
  for (const uint32_t alignment : {0u, 1u, 3u, 4u, 33u, 48u, 0xFFFFFFFFu}) {
    expect_refused(Raw().header(0, 1).key("general.alignment", 4).put(alignment), "expected a power of two");
  }
  expect_refused(Raw().header(0, 1).key("general.alignment", 5).put(int32_t{-32}), "non-negative");
  expect_refused(Raw().header(0, 1).key("general.alignment", 8).string("32"), "general.alignment");
  const auto huge =
      Raw().header(1, 1).key("general.alignment", 10).put(uint64_t{1} << 63).tensor("t", {8}, 0, 0).data(32);
  expect_refused(huge, "truncated");
}

TEST(ParserG07, RandomIntervalsAgreeWithABitmap) {
  std::mt19937 random(7);
  int n_accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    const auto n_tensors = 1 + random() % 4;
    const size_t n_units = 8;  // of 32 bytes
    std::vector<int> used(n_units, 0);
    bool sound = true;
    Raw raw = Raw().header(n_tensors, 0);
    size_t last = 0;
    for (uint64_t i = 0; i < n_tensors; ++i) {
      const size_t start = random() % (n_units + 1), length = 1 + random() % 4;
      raw.tensor(std::string(1, static_cast<char>('a' + i)), {length * 8}, 0, start * 32);
      for (size_t unit = start; unit < start + length; ++unit) {
        if (unit >= n_units || used[unit]++ != 0) sound = false;
      }
      last = std::max(last, start + length);
    }
    if (last < n_units) sound = false;  // bytes too many
    ASSERT_EQ(parse(raw.data(n_units * 32).bytes).is_ok(), sound);
    n_accepted += sound ? 1 : 0;
  }
  EXPECT_GT(n_accepted, 100);
}

// Not for a particular fault: no damage may make the parser misbehave.
TEST(Parser, DamagedFilesNeverCrash) {
  const std::string whole = small_file();
  std::mt19937 random(1);
  constexpr uint64_t kNasty[] = {
      0, 1, 0x7F, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF, uint64_t{1} << 60, uint64_t{1} << 63, ~uint64_t{0}};
  for (size_t at = 0; at + 8 <= whole.size(); ++at) {
    for (const uint64_t nasty : kNasty) {
      for (const size_t width : {1, 4, 8}) {
        std::string damaged = whole;
        damaged.replace(at, width, reinterpret_cast<const char*>(&nasty), width);
        (void)parse(damaged);
      }
    }
  }
  for (int round = 0; round < 50'000; ++round) {
    std::string damaged = whole;
    const auto n_changes = 1 + random() % 8;
    for (uint64_t i = 0; i < n_changes; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    (void)parse(damaged);
  }
}

}  // namespace
}  // namespace da::gguf
