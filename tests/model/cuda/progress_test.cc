// Progress of a load on a GPU: told for every chunk that goes over, not only for every tensor; and a load that is no
// longer wanted ends between two chunks.
#include <gtest/gtest.h>

#include "backend/device_backend.h"
#include "gguf/writer.h"
#include "model/cuda/devices.h"
#include "model/weight_loader.h"

namespace da::model {
namespace {

// One matrix of 20 MiB: three chunks of 8 MiB.
class ProgressOnGpu : public testing::Test {
 protected:
  void SetUp() override {
    const std::vector<std::byte> values(size_t{kRows} * kWidth * 2);
    gguf::Writer writer;
    writer.add_string("general.architecture", "llama");
    writer.add_tensor("big", gguf::TensorType::kF16, {kWidth, kRows}, values);
    bytes_ = std::move(writer.serialize()).value();
    file_ = std::move(gguf::File::parse(std::as_bytes(std::span(bytes_)), "big")).value();
    test::reset_gpus();
    gpu_ = test::make_gpu(0);
  }
  static constexpr uint64_t kWidth = 1024, kRows = 10 * 1024;
  std::string bytes_;
  std::shared_ptr<const gguf::File> file_;
  std::unique_ptr<backend::Backend> gpu_;
};

TEST_F(ProgressOnGpu, IsToldForEachChunk) {
  std::vector<uint64_t> told;
  const LoadProgress progress = [&](uint64_t done, uint64_t total) {
    EXPECT_EQ(total, 2 * kRows * kWidth + 100);
    told.push_back(done);
    return true;
  };
  LoadState state{.file = *file_, .progress = progress, .bytes_total = 2 * kRows * kWidth + 100, .bytes_done = 100};
  const uint64_t before = gpu_->device_bytes();
  const auto weight = WeightLoader(state, *gpu_).matrix("big");
  ASSERT_TRUE(weight.is_ok()) << weight.status().message();
  constexpr uint64_t kChunk = 8 << 20;
  EXPECT_EQ(told,
            (std::vector<uint64_t>{100 + kChunk, 100 + 2 * kChunk, 100 + 2 * kRows * kWidth, 100 + 2 * kRows * kWidth}))
      << "the last is the tensor's own";
  const auto& device = dynamic_cast<const backend::DeviceBackend&>(*gpu_);
  EXPECT_EQ(device.bytes_by_kind().weights, 20U << 20);
  EXPECT_EQ(device.bytes_by_kind().total(), gpu_->device_bytes());
  EXPECT_EQ(gpu_->device_bytes() - before, 20U << 20);
}

TEST_F(ProgressOnGpu, ALoadThatIsNotWantedEndsAfterAChunk) {
  int n = 0;
  const LoadProgress progress = [&](uint64_t, uint64_t) { return ++n < 2; };
  LoadState state{.file = *file_, .progress = progress, .bytes_total = 2 * kRows * kWidth};
  const uint64_t before = gpu_->device_bytes();
  EXPECT_EQ(WeightLoader(state, *gpu_).matrix("big").code(), ErrorCode::kCancelled);
  EXPECT_EQ(n, 2);
  EXPECT_EQ(gpu_->device_bytes(), before) << "what was taken is given back";
}

}  // namespace
}  // namespace da::model
