#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runner/gpu_report.h"

namespace da::scheduler {

// What is done when a GPU that was there is lost, or fails.
enum class GpuLoss {
  kOthers,  // models run on the GPUs that are left (and the CPU beside them, where they do not fit); on the CPU alone
            // never
  kCpu,     // on the CPU alone too
  kRefuse,  // nothing that would use GPUs is loaded until all are there again
};

// Which GPUs there are, as runners have seen them, and which of them are lost or have failed. Pure: what runners and
// probes say goes in, with the time.
class GpuWatch {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Gpu {
    std::string uuid, name;
    std::string trouble;  // why it cannot be used; "": it can
    TimePoint since{};    // of trouble, or of its end
    int64_t n_faults = 0;
    bool is_sound() const { return trouble.empty(); }
  };
  // What is another than before. uuid "": the driver itself.
  struct Change {
    std::string uuid, name, trouble;  // "": there again
  };

  // A runner looked at all that the driver shows: whatever was there before and is not now is lost.
  std::vector<Change> saw_all(const runner::GpuReport& report, TimePoint now);
  // One of them failed in use.
  std::vector<Change> failed(const runner::GpuSight& sight, TimePoint now);
  // A probe of what is in trouble: the UUID, or "" for the driver, and what came of it.
  std::vector<Change> probed(const std::string& uuid, const Result<runner::GpuReport>& report, TimePoint now);

  // In the order in which they were first seen: the driver's, so that an index keeps its meaning when one is lost.
  const std::vector<Gpu>& gpus() const { return gpus_; }
  // "": not known.
  std::string uuid_of(int index) const;
  const std::string& why_none() const { return none_; }
  const std::string& driver_trouble() const { return driver_trouble_; }
  bool is_degraded() const { return !troubled().empty(); }
  std::vector<std::string> troubled() const;  // UUIDs; "" for the driver
  // Whether a model may be loaded that would use GPUs. Error: kUnavailable, beginning with kDegraded.
  Status may_load(GpuLoss policy) const;

  // When to look whether what is in trouble is there again: soon at first, then ever more seldom.
  std::optional<TimePoint> next_probe() const { return next_probe_; }
  void probing() { next_probe_.reset(); }  // `probed_all` follows
  void probed_all(TimePoint now);

 private:
  Gpu& entry_of(const std::string& uuid, const std::string& name);
  void note(Gpu& gpu, const std::string& trouble, TimePoint now, std::vector<Change>& changes);
  void note_driver(const std::string& trouble, std::vector<Change>& changes);
  void plan_probe(TimePoint now, bool anew);

  std::vector<Gpu> gpus_;
  std::string none_, driver_trouble_;
  std::optional<TimePoint> next_probe_;
  std::chrono::seconds probe_interval_{0};
};

inline constexpr const char* kDegraded = "degraded: ";

}  // namespace da::scheduler
