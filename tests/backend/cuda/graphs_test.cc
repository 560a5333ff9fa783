// Decode steps replayed as CUDA graphs give what the kernels one by one give; and how far the kernels for few and for
// many rows may lie apart.
#include <gtest/gtest.h>

#include <cmath>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/model_step.h"
#include "cuda_emulation/emulation.h"

namespace da::backend::cuda {
namespace {

using backend::test::SmallModel;
namespace emulation = cuda_emulation;

std::vector<float> step(SmallModel& model, const std::vector<int32_t>& rows, const std::vector<int32_t>& first) {
  const auto view = model.backend().read_rows(model.forward(rows, first));
  EXPECT_TRUE(view.is_ok()) << view.status().message();
  std::vector<float> out;
  for (int64_t i = 0; view.is_ok() && i < view->n_rows; ++i)
    out.insert(out.end(), view->row(i).begin(), view->row(i).end());
  return out;
}

std::vector<std::vector<float>> conversation(bool graphs) {
  emulation::configure({});
  SmallModel model;
  EXPECT_TRUE(model.load(std::move(make_cuda_backend({.n_threads = 1, .graphs = graphs})).value()).is_ok());
  std::vector<std::vector<float>> out = {step(model, {5, 2}, {0, 0})};
  for (int32_t i = 0; i < 6; ++i) out.push_back(step(model, {1, 1}, {5 + i, 2 + i}));
  for (int32_t i = 0; i < 3; ++i) out.push_back(step(model, {1}, {11 + i}));
  out.push_back(step(model, {1, 1}, {14, 8}));  // back to a shape seen before
  return out;
}

TEST(CudaGraphs, ReplayedStepsAreTheSame) {
  const auto plain = conversation(false);
  EXPECT_EQ(emulation::n_graph_launches(), 0U);
  const uint64_t n_kernels = emulation::n_kernels();
  const auto replayed = conversation(true);
  EXPECT_EQ(emulation::n_kernels(), n_kernels);
  // Of each shape the first step runs as it is; graphs from the second on: 5 of 6, 2 of 3, and the last.
  EXPECT_EQ(emulation::n_graph_launches(), 8U);
  EXPECT_EQ(plain, replayed);
}

TEST(CudaGraphs, TheOrderOfThreadsChangesNothing) {
  std::vector<std::vector<float>> first;
  for (const uint64_t seed : {11, 12, 13}) {
    emulation::configure({.devices = {emulation::DeviceOptions{}}, .seed = seed});
    SmallModel model;
    ASSERT_TRUE(model.load(std::move(make_cuda_backend({.n_threads = 1})).value()).is_ok());
    const std::vector<std::vector<float>> out = {step(model, {9, 2}, {0, 0}), step(model, {1, 1}, {9, 2})};
    if (first.empty()) first = out;
    EXPECT_EQ(first, out) << "seed " << seed;
  }
}

TEST(CudaGraphs, RowsAloneAndInCompanyLieCloseTogether) {
  emulation::configure({});
  SmallModel model;
  ASSERT_TRUE(model.load(std::move(make_cuda_backend({.n_threads = 1})).value()).is_ok());
  const auto together = step(model, {12}, {0});
  std::vector<float> alone;
  for (int32_t i = 0; i < 12; ++i) alone = step(model, {1}, {i});
  ASSERT_EQ(together.size(), alone.size());
  double error = 0, power = 0;
  for (size_t i = 0; i < alone.size(); ++i) {
    error += std::pow(static_cast<double>(alone[i]) - static_cast<double>(together[i]), 2);
    power += std::pow(static_cast<double>(together[i]), 2);
  }
  EXPECT_LE(error / power, 1e-6);
}

}  // namespace
}  // namespace da::backend::cuda
