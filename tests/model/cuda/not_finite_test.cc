// Fault U08 on GPUs.
#include "engine/not_finite.h"

#include <gtest/gtest.h>

#include "model/cuda/devices.h"
#include "support/gpu_notes.h"

namespace da::model {
namespace {

TEST(NotFiniteOnGpu, ARequestWithoutNumbersHarmsNoOther) {
  test::reset_gpus();
  engine::test::check_not_finite([] { return on_one(test::make_gpu(0)); });
  if (!HasFailure()) test::note_gpu("faults injected", "U08", "a request without numbers on one GPU");
}

TEST(NotFiniteOnGpu, NorAcrossTwo) {
  test::reset_gpus();
  engine::test::check_not_finite([] {
    Placement placement;
    placement.push_back({test::make_gpu(0), 1});
    placement.push_back({test::make_gpu(1), 0});
    return placement;
  });
  if (!HasFailure()) test::note_gpu("faults injected", "U08", "a request without numbers on two GPUs");
}

}  // namespace
}  // namespace da::model
