#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"

namespace da::backend {
namespace {

TEST(KvPool, GrowsWithinWhatWasReserved) {
  auto backend = std::move(make_cpu_backend({.n_threads = 1})).value();
  // 3 layers: 2 heads, keys of 8, values of 20 (kept as 32); 1 head, keys and values of 16; none.
  const KvSpec spec{.layers = {{2, 8, 20}, {1, 16, 16}, {}}, .type = KvType::kF16, .max_pages = 1000000};
  auto pool = backend->make_kv_pool(spec);
  ASSERT_TRUE(pool.is_ok());
  EXPECT_EQ((*pool)->page_bytes, (2U * (8 + 32) + 1 * (16 + 16)) * 32 * 2);
  EXPECT_EQ((*pool)->n_pages, 0);
  EXPECT_TRUE((*pool)->grow(5).is_ok());
  EXPECT_TRUE((*pool)->grow(3).is_ok());
  EXPECT_EQ((*pool)->n_pages, 5);
  const Status too_many = (*pool)->grow(1000001);
  EXPECT_EQ(too_many.code(), ErrorCode::kResourceExhausted);
  EXPECT_NE(too_many.message().find("1000001"), std::string::npos) << too_many.message();
}

TEST(KvPool, MoreThanTheAddressSpaceIsAnError) {
  auto backend = std::move(make_cpu_backend({.n_threads = 1})).value();
  const KvSpec spec{.layers = std::vector<KvLayer>(1000, {.n_kv_heads = 100, .key_dim = 1024, .value_dim = 1024}),
                    .type = KvType::kF32,
                    .max_pages = 1 << 30};
  EXPECT_EQ(backend->make_kv_pool(spec).code(), ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace da::backend
