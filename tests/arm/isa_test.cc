// The processor that qemu plays, and what it should choose, are named by tools/test-arm.sh.
#include <gtest/gtest.h>

#include <cstdlib>

#include "backend/cpu/cpu_backend.h"

namespace da::backend {
namespace {

TEST(Isa, TheBestThatTheProcessorHasIsChosen) {
  const char* best = std::getenv("DA_BEST_ISA");
  ASSERT_NE(best, nullptr);
  const auto backend = make_cpu_backend({.n_threads = 1});
  ASSERT_TRUE(backend.is_ok());
  EXPECT_TRUE((*backend)->description().starts_with("CPU " + std::string(best) + ",")) << (*backend)->description();
}

TEST(Isa, MatrixProductsAreRefusedWhereTheyAreMissing) {
  const bool has_them = std::getenv("DA_BEST_ISA") == std::string_view("neon_i8mm");
  EXPECT_EQ(cpu_isa_supported("neon_i8mm"), has_them);
  const auto backend = make_cpu_backend({.n_threads = 1, .isa = "neon_i8mm"});
  EXPECT_EQ(backend.is_ok(), has_them);
  if (!has_them) EXPECT_EQ(backend.code(), ErrorCode::kUnsupported);
  EXPECT_TRUE(cpu_isa_supported("neon"));
}

}  // namespace
}  // namespace da::backend
