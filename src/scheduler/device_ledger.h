#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

namespace da::scheduler {

// The memory of GPUs in our own books: what runners hold and what loads under way were promised. How much there is for
// all of them together is known from the runners, who find out what is free before they load; so nothing is known
// before the first has loaded.
class DeviceLedger {
 public:
  using InstanceId = uint64_t;

  // What `instance` found free on a device before it took anything.
  void found(InstanceId instance, const std::string& uuid, uint64_t free_bytes) {
    Device& device = devices_[uuid];
    device.room_bytes = free_bytes;
    for (const auto& [other, bytes] : device.held) device.room_bytes += other == instance ? 0 : bytes;
    device.held.try_emplace(instance, 0);
  }
  // What it holds now.
  void hold(InstanceId instance, const std::string& uuid, uint64_t bytes) { devices_[uuid].held[instance] = bytes; }
  // `uuid`: on that device alone; "": on any.
  void promise(InstanceId instance, uint64_t bytes, const std::string& uuid = "") { promised_[instance] = {bytes, uuid}; }
  void loaded(InstanceId instance) { promised_.erase(instance); }
  // Its process has ended, and with it all it held.
  void settle(InstanceId instance) {
    promised_.erase(instance);
    for (auto& [uuid, device] : devices_) device.held.erase(instance);
  }

  // It is not there, until a runner finds it again.
  void lost(const std::string& uuid) {
    if (const auto device = devices_.find(uuid); device != devices_.end()) device->second.room_bytes = 0;
  }

  // Of all devices together (a model's layers go to them in turn), or of the one named.
  uint64_t room_bytes(const std::string& only = "") const {
    uint64_t sum = 0;
    for (const auto& [uuid, device] : devices_) sum += is_meant(uuid, only) ? device.room_bytes : 0;
    return sum;
  }
  // What was promised on any device may come to lie on the one named.
  uint64_t free_bytes(const std::string& only = "") const {
    uint64_t free = 0, promised = 0;
    for (const auto& [uuid, device] : devices_) {
      if (is_meant(uuid, only)) free += device.room_bytes - std::min(device.room_bytes, device.held_bytes());
    }
    for (const auto& [instance, promise] : promised_) {
      if (promise.uuid.empty() || is_meant(promise.uuid, only)) promised += promise.bytes;
    }
    return free - std::min(free, promised);
  }
  // Held or promised, anywhere or on the one named.
  bool uses_devices(InstanceId instance, const std::string& only = "") const {
    if (const auto found = promised_.find(instance); found != promised_.end() && found->second.bytes > 0) {
      if (found->second.uuid.empty() || is_meant(found->second.uuid, only)) return true;
    }
    return std::any_of(devices_.begin(), devices_.end(), [&](const auto& entry) {
      const auto held = entry.second.held.find(instance);
      return is_meant(entry.first, only) && held != entry.second.held.end() && held->second > 0;
    });
  }
  // Nothing of an instance that is gone is left.
  bool knows(InstanceId instance) const {
    return promised_.contains(instance) || std::any_of(devices_.begin(), devices_.end(), [&](const auto& entry) {
      return entry.second.held.contains(instance);
    });
  }

  struct Device {
    uint64_t room_bytes = 0;
    std::map<InstanceId, uint64_t> held;
    uint64_t held_bytes() const {
      uint64_t sum = 0;
      for (const auto& [instance, bytes] : held) sum += bytes;
      return sum;
    }
  };
  const std::map<std::string, Device>& devices() const { return devices_; }

 private:
  struct Promise {
    uint64_t bytes = 0;
    std::string uuid;
  };
  static bool is_meant(const std::string& uuid, const std::string& only) { return only.empty() || uuid == only; }

  std::map<std::string, Device> devices_;   // by UUID
  std::map<InstanceId, Promise> promised_;
};

}  // namespace da::scheduler
