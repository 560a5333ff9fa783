// What the backend does when the device does not do its part: no memory, memory taken by others, faults in kernels, a
// device that hangs, vanishes or computes wrongly, copies between devices that go wrong.
#include <gtest/gtest.h>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/model_step.h"
#include "backend/device_backend.h"
#include "cuda_emulation/emulation.h"
#include "support/gpu_notes.h"

namespace da::backend::cuda {
namespace {

using backend::test::SmallModel;
namespace emulation = cuda_emulation;

Status load(SmallModel& model, const CudaOptions& options = {.n_threads = 1}) {
  auto backend = make_cuda_backend(options);
  if (!backend.is_ok()) return backend.status();
  return model.load(std::move(*backend));
}

void note_fault(const std::string& number, const std::string& what) {
  if (!testing::Test::HasFailure()) da::test::note_gpu("faults injected", number, what);
}

TEST(CudaFaults, EachAllocationOfALoadMayFail) {
  int failures = 0;
  for (int n = 1;; ++n) {
    ASSERT_LT(n, 200);
    emulation::configure({});
    emulation::fail_allocation(n);
    Status status;
    {
      SmallModel model;
      status = load(model);
      if (status.is_ok()) {  // that many allocations a load has
        emulation::fail_allocation(0);
        EXPECT_TRUE(model.backend().read_rows(model.forward({3}, {0})).is_ok());
      }
    }
    EXPECT_EQ(emulation::used_bytes(0), 0U) << "after the failure of allocation " << n;
    if (status.is_ok()) break;
    note_fault("U01", "allocation " + std::to_string(n) + " of a load");
    ++failures;
    EXPECT_EQ(status.code(), ErrorCode::kResourceExhausted) << status.message();
    EXPECT_NE(status.message().find("bytes"), std::string::npos) << status.message();
  }
  EXPECT_GT(failures, 20);
}

// Everything is reserved at load: a step allocates nothing and waits once, at its end.
TEST(CudaFaults, AStepAllocatesNothingAndWaitsOnce) {
  emulation::configure({});
  SmallModel model;
  ASSERT_TRUE(load(model).is_ok());
  emulation::exhaust_at_allocation(1);
  const uint64_t n_allocations = emulation::n_allocations();
  for (int32_t step = 0; step < 6; ++step) {
    const uint64_t n_waits = emulation::n_waits();
    const Activation& logits = step == 0 ? model.forward({3, 5}, {0, 0}) : model.forward({1, 1}, {2 + step, 4 + step});
    EXPECT_EQ(emulation::n_waits(), n_waits);
    EXPECT_TRUE(model.backend().read_rows(logits).is_ok());
    EXPECT_EQ(emulation::n_waits(), n_waits + 1);
  }
  EXPECT_EQ(emulation::n_allocations(), n_allocations);
  note_fault("U02", "no allocation succeeds in a step");
}

// What is booked is what the device gave, and more only by what its pages are rounded to.
TEST(CudaFaults, TheLedgerIsTheDevices) {
  emulation::configure({});
  SmallModel model;
  ASSERT_TRUE(load(model).is_ok());
  const uint64_t booked = model.backend().device_bytes(), given = emulation::used_bytes(0);
  EXPECT_LE(given, booked);
  EXPECT_LE(booked - given, 2U << 20);
  SmallModel counted;
  ASSERT_TRUE(load(counted, {.count_only = true}).is_ok());
  EXPECT_EQ(counted.backend().device_bytes(), booked);
  EXPECT_EQ(emulation::used_bytes(0), given) << "counting takes nothing";
}

TEST(CudaFaults, MemoryTakenByAnotherProcessIsNamed) {
  emulation::configure({.devices = {{.memory_bytes = 64 << 20}}});
  emulation::occupy(0, 50 << 20);
  SmallModel model;
  const Status status = load(model);
  EXPECT_EQ(status.code(), ErrorCode::kResourceExhausted);
  EXPECT_NE(status.message().find("are free"), std::string::npos) << status.message();
  note_fault("U05", "memory taken between plan and load");
}

TEST(CudaFaults, AFaultSticks) {
  for (int kind = 0; kind < 3; ++kind) {
    emulation::configure({});
    SmallModel model;
    ASSERT_TRUE(load(model, {.n_threads = 1, .step_deadline_ms = 50}).is_ok());
    ASSERT_TRUE(model.backend().read_rows(model.forward({2}, {0})).is_ok());
    EXPECT_TRUE(dynamic_cast<const DeviceBackend&>(model.backend()).fault().is_ok());
    if (kind == 0) emulation::fault_kernel(4);
    if (kind == 1) emulation::hang_kernel(4);
    if (kind == 2) emulation::lose_device_at_kernel(4);
    const Status first = model.backend().read_rows(model.forward({1}, {2})).status();
    EXPECT_EQ(first.code(), ErrorCode::kUnavailable) << first.message();
    const char* names[] = {"cudaErrorIllegalAddress", "did not end within 50 ms", "cudaErrorDevicesUnavailable"};
    EXPECT_NE(first.message().find(names[kind]), std::string::npos) << first.message();
    const auto& device = dynamic_cast<const DeviceBackend&>(model.backend());
    EXPECT_EQ(device.fault().message(), first.message()) << "it knows that it is to blame";
    const Status second = model.backend().read_rows(model.forward({1}, {3})).status();
    EXPECT_EQ(second.message(), first.message()) << "the first failure is the one reported";
    std::vector<int32_t> largest(1);
    EXPECT_EQ(model.backend().argmax(model.forward({1}, {4}), largest).code(), ErrorCode::kUnavailable);
    const char* numbers[] = {"U03", "U07", "U04"};
    note_fault(numbers[kind], "in a step of the backend");
  }
}

TEST(CudaFaults, ADeviceThatComputesWronglyIsRefused) {
  emulation::configure({});
  emulation::corrupt_uploads(true);
  const auto backend = make_cuda_backend({.n_threads = 1});
  EXPECT_EQ(backend.code(), ErrorCode::kUnavailable);
  EXPECT_NE(backend.status().message().find("computes wrongly"), std::string::npos) << backend.status().message();
  note_fault("U09", "a device that computes wrongly");
}

TEST(CudaFaults, NoDeviceIsOneLine) {
  emulation::configure({.devices = {}});
  const auto gpus = list_gpus();
  EXPECT_EQ(gpus.code(), ErrorCode::kUnavailable);
  EXPECT_EQ(gpus.status().message(), "no GPU: the driver shows none");
  EXPECT_EQ(make_cuda_backend({}).code(), ErrorCode::kUnavailable);
  emulation::configure({.devices = {{.memory_bytes = 64 << 20, .major = 7, .minor = 5}}});
  EXPECT_EQ(make_cuda_backend({}).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(make_cuda_backend({.device = 1}).code(), ErrorCode::kInvalidArgument);
  note_fault("U06", "no device");
  note_fault("U06", "a device too old");
}

// U04: a device that is there and cannot be used, one that the driver does not show, and a driver that fails are told
// apart.
TEST(CudaFaults, WhatIsLostIsListedAsSuch) {
  emulation::configure({.devices = {{}, {.broken = true}, {.gone = true}, {}}});
  const auto gpus = list_gpus();
  ASSERT_TRUE(gpus.is_ok()) << gpus.status().message();
  ASSERT_EQ(gpus->size(), 3U);
  EXPECT_EQ((*gpus)[0].fault, "");
  EXPECT_NE((*gpus)[1].fault.find("cudaErrorDevicesUnavailable"), std::string::npos) << (*gpus)[1].fault;
  EXPECT_EQ((*gpus)[2].name, "Emulated GPU 4");
  EXPECT_EQ(make_cuda_backend({.device = 1}).code(), ErrorCode::kUnavailable);
  emulation::configure({.driver_fails = true});
  EXPECT_EQ(list_gpus().code(), ErrorCode::kIo) << "no machine without GPUs";
  for (const char* what : {"listed, and cannot be opened", "not listed any more", "the driver fails"})
    note_fault("U04", what);
}

// The other device's failure is not this one's.
TEST(CudaFaults, TheDeviceThatFailedIsToBlame) {
  emulation::configure({.devices = std::vector<emulation::DeviceOptions>(2)});
  const auto first = std::move(make_cuda_backend({.device = 0, .n_threads = 1})).value();
  const auto second = std::move(make_cuda_backend({.device = 1, .n_threads = 1})).value();
  const auto from = std::move(first->make_activation(40, 3, {})).value();
  const auto to = std::move(second->make_activation(40, 3, {})).value();
  const auto values = cpu::test::random_floats(120, 1);
  ASSERT_TRUE(first->write_rows({values.data(), 3, 40, 40}, *from).is_ok());
  ASSERT_TRUE(second->receive(*first, *from, *to).is_ok());
  ASSERT_TRUE(second->read_rows(*to).is_ok());
  emulation::lose_device(0);
  EXPECT_EQ(second->receive(*first, *from, *to).code(), ErrorCode::kUnavailable);
  EXPECT_EQ(dynamic_cast<const DeviceBackend&>(*first).fault().code(), ErrorCode::kUnavailable);
  EXPECT_TRUE(dynamic_cast<const DeviceBackend&>(*second).fault().is_ok());
  note_fault("U04", "one of two in a step");
}

TEST(CudaFaults, RowsCrossDevicesWhateverTheirLink) {
  for (int link = 0; link < 3; ++link) {  // a sound one, one that corrupts, none
    emulation::configure({.devices = std::vector<emulation::DeviceOptions>(2), .peer_access = link != 2});
    emulation::corrupt_peer_copies(link == 1);
    const auto first = std::move(make_cuda_backend({.device = 0, .n_threads = 1})).value();
    const auto second = std::move(make_cuda_backend({.device = 1, .n_threads = 1})).value();
    const auto from = std::move(first->make_activation(40, 3, {})).value();
    const auto to = std::move(second->make_activation(40, 3, {})).value();
    const auto values = cpu::test::random_floats(120, 1);
    ASSERT_TRUE(first->write_rows({values.data(), 3, 40, 40}, *from).is_ok());
    first->scale(2.0F, *from);
    ASSERT_TRUE(second->receive(*first, *from, *to).is_ok());
    first->scale(2.0F, *from);  // must not reach the rows on their way
    second->scale(0.5F, *to);
    const auto view = second->read_rows(*to);
    ASSERT_TRUE(view.is_ok()) << view.status().message();
    for (size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(view->row(static_cast<int64_t>(i) / 40)[i % 40], values[i]) << "link " << link;
    ASSERT_TRUE(first->read_rows(*from).is_ok());
    EXPECT_EQ(first->read_rows(*from)->row(0)[0], 4.0F * values[0]);
    if (link > 0) note_fault("U09", link == 1 ? "copies between devices that corrupt" : "no copies between devices");
  }
}

}  // namespace
}  // namespace da::backend::cuda
