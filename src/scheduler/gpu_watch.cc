#include "scheduler/gpu_watch.h"

#include <algorithm>

namespace da::scheduler {
namespace {

constexpr std::chrono::seconds kFirstProbe(2), kSeldomProbe(60);
constexpr size_t kMostGpus = 64;

}  // namespace

GpuWatch::Gpu& GpuWatch::entry_of(const std::string& uuid, const std::string& name) {
  const auto found = std::find_if(gpus_.begin(), gpus_.end(), [&](const Gpu& gpu) { return gpu.uuid == uuid; });
  if (found != gpus_.end()) return *found;
  gpus_.push_back({.uuid = uuid, .name = name, .trouble = "", .since = {}});
  return gpus_.back();
}

void GpuWatch::note(Gpu& gpu, const std::string& trouble, TimePoint now, std::vector<Change>& changes) {
  if (!trouble.empty() && gpu.is_sound()) ++gpu.n_faults;
  if (trouble.empty() == gpu.is_sound()) return;  // the first reason is the one that counts
  gpu.trouble = trouble;
  gpu.since = now;
  changes.push_back({gpu.uuid, gpu.name, trouble});
  plan_probe(now, !trouble.empty());
}

void GpuWatch::note_driver(const std::string& trouble, std::vector<Change>& changes) {
  if (trouble.empty() == driver_trouble_.empty()) return;
  driver_trouble_ = trouble;
  changes.push_back({"", "the driver", trouble});
}

std::vector<GpuWatch::Change> GpuWatch::saw_all(const runner::GpuReport& report, TimePoint now) {
  std::vector<Change> changes;
  none_ = report.none;
  note_driver(report.driver_fault, changes);
  if (!report.driver_fault.empty()) plan_probe(now, true);
  for (const runner::GpuSight& sight : report.gpus) {
    if (sight.uuid.empty() || gpus_.size() >= kMostGpus) continue;
    note(entry_of(sight.uuid, sight.name), sight.fault, now, changes);
  }
  for (Gpu& gpu : gpus_) {
    const bool shown =
        std::any_of(report.gpus.begin(), report.gpus.end(), [&](const auto& sight) { return sight.uuid == gpu.uuid; });
    if (!shown)
      note(gpu, report.driver_fault.empty() ? "the driver no longer shows it" : report.driver_fault, now, changes);
  }
  plan_probe(now, false);
  return changes;
}

std::vector<GpuWatch::Change> GpuWatch::failed(const runner::GpuSight& sight, TimePoint now) {
  std::vector<Change> changes;
  if (sight.uuid.empty() || sight.fault.empty() || gpus_.size() >= kMostGpus) return changes;
  note(entry_of(sight.uuid, sight.name), sight.fault, now, changes);
  return changes;
}

std::vector<GpuWatch::Change> GpuWatch::probed(const std::string& uuid, const Result<runner::GpuReport>& report,
                                               TimePoint now) {
  std::vector<Change> changes;
  if (!report.is_ok()) return changes;
  if (uuid.empty()) return saw_all(*report, now);
  for (const runner::GpuSight& sight : report->gpus) {
    if (sight.uuid == uuid && sight.fault.empty()) note(entry_of(uuid, sight.name), "", now, changes);
  }
  return changes;
}

std::string GpuWatch::uuid_of(int index) const {
  return index >= 0 && static_cast<size_t>(index) < gpus_.size() ? gpus_[static_cast<size_t>(index)].uuid : "";
}

std::vector<std::string> GpuWatch::troubled() const {
  std::vector<std::string> uuids;
  if (!driver_trouble_.empty()) uuids.emplace_back();
  for (const Gpu& gpu : gpus_) {
    if (!gpu.is_sound()) uuids.push_back(gpu.uuid);
  }
  return uuids;
}

Status GpuWatch::may_load(GpuLoss policy) const {
  if (!is_degraded() || policy == GpuLoss::kCpu) return Status::ok();
  const bool any_left = std::any_of(gpus_.begin(), gpus_.end(), [](const Gpu& gpu) { return gpu.is_sound(); });
  if (policy == GpuLoss::kOthers && any_left) return Status::ok();
  std::string why = kDegraded + driver_trouble_;
  for (const Gpu& gpu : gpus_) {
    if (!gpu.is_sound())
      why += std::string(why.ends_with(' ') ? "" : "; ") + gpu.name + " (" + gpu.uuid + "): " + gpu.trouble;
  }
  return {ErrorCode::kUnavailable, why + (any_left ? "; gpu_loss=others would use the GPUs that are left"
                                                   : "; gpu_loss=cpu or num_gpu 0 would use the CPU")};
}

void GpuWatch::plan_probe(TimePoint now, bool anew) {
  if (!is_degraded()) return next_probe_.reset();
  if (!anew && (next_probe_ || probe_interval_.count() > 0)) return;
  probe_interval_ = kFirstProbe;
  next_probe_ = now + probe_interval_;
}

void GpuWatch::probed_all(TimePoint now) {
  if (!is_degraded()) return next_probe_.reset();
  if (next_probe_) return;  // something else failed meanwhile
  probe_interval_ = std::min(kSeldomProbe, 2 * probe_interval_);
  next_probe_ = now + probe_interval_;
}

}  // namespace da::scheduler
