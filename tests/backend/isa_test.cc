#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "backend/cpu/cpu_backend.h"

namespace da::backend {
namespace {

// The kernel's own list of what the CPU has, independent of the code under test.
std::vector<std::string> cpu_flags() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    if (!line.starts_with("flags")) continue;
    std::istringstream words(line.substr(line.find(':') + 1));
    return {std::istream_iterator<std::string>(words), {}};
  }
  return {};
}

bool has(const std::vector<std::string>& flags, std::initializer_list<const char*> wanted) {
  return std::all_of(wanted.begin(), wanted.end(),
                     [&](const char* flag) { return std::find(flags.begin(), flags.end(), flag) != flags.end(); });
}

TEST(Isa, EachSetRunsWhereTheCpuHasIt) {
  const auto flags = cpu_flags();
  EXPECT_EQ(cpu_isa_supported("avx2"), has(flags, {"avx2", "fma", "f16c"}));
  EXPECT_EQ(cpu_isa_supported("avxvnni"), has(flags, {"avx2", "fma", "f16c", "avx_vnni"}));
  EXPECT_EQ(cpu_isa_supported("avx512vnni"),
            has(flags, {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni"}));
  EXPECT_TRUE(cpu_isa_supported("scalar"));
}

TEST(Isa, AnOverrideIsObeyedOrRefused) {
  for (const std::string_view name : cpu_isa_names()) {
    auto backend = make_cpu_backend({.n_threads = 1, .isa = std::string(name)});
    if (cpu_isa_supported(name)) {
      ASSERT_TRUE(backend.is_ok());
      EXPECT_NE((*backend)->description().find(name), std::string::npos) << (*backend)->description();
    } else {
      EXPECT_EQ(backend.code(), ErrorCode::kUnsupported);
    }
  }
  const auto unknown = make_cpu_backend({.isa = "avx1024"});
  EXPECT_EQ(unknown.code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(unknown.status().message().find("scalar"), std::string::npos) << unknown.status().message();
}

}  // namespace
}  // namespace da::backend
