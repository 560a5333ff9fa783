#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "placement/gpus.h"

// What a runner found of GPUs, on its way to the server (protocol.md).
namespace da::runner {

struct GpuSight {
  std::string uuid, name;   // uuid "" of one that the driver could not even describe
  std::string fault;        // why it cannot be used; "": it was opened and tried
};
struct GpuReport {
  std::vector<GpuSight> gpus;   // all the driver shows, in its order
  std::string none;             // why there are none to be used
  std::string driver_fault;     // the driver is there and fails: what there is cannot be known
};

nlohmann::ordered_json gpu_report_json(uint64_t id, const placement::Gpus& gpus);
// [{"uuid", "name", "fault"}]
nlohmann::ordered_json gpu_faults_json(const std::vector<placement::UnusableGpu>& gpus);

// Of a message with "gpus", "none", "driver_fault", each of which may be missing. What a runner says may be anything:
// what is no GPU is left out, texts are cut and their control characters replaced, so that they can be shown.
GpuReport read_gpu_report(const nlohmann::json& message);

// What a process of its own, sealed as runners are, finds: of the GPU with `uuid` alone, or of all ("") this one may see.
// Waits for it, at most `limit` or until `give_up` says so (asked ten times a second). Errors: kUnavailable, kIo. The
// process dies with the calling thread.
Result<GpuReport> probe_gpus(const std::string& uuid, std::chrono::milliseconds limit, const std::function<bool()>& give_up);

}  // namespace da::runner
