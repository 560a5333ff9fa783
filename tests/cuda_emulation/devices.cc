#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

#include "cuda_emulation/state.h"

namespace da::cuda_emulation {
namespace {

std::string make_uuid(int index) {
  std::string uuid(16, '\x5A');
  uuid[15] = static_cast<char>(index + 1);
  return uuid;
}

std::string uuid_text(const std::string& uuid) {
  std::string text = "GPU-";
  for (size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", static_cast<unsigned char>(uuid[i]));
    text += hex;
  }
  return text;
}

// As the driver reads the variable: in the order named, up to the first name that is none.
std::vector<int> visible_devices(const std::vector<DeviceOptions>& devices) {
  std::vector<int> present;
  for (size_t i = 0; i < devices.size(); ++i) {
    if (!devices[i].gone) present.push_back(static_cast<int>(i));
  }
  const char* names = std::getenv("CUDA_VISIBLE_DEVICES");
  if (names == nullptr) return present;
  std::vector<int> visible;
  std::istringstream in(names);
  for (std::string name; std::getline(in, name, ',');) {
    int found = -1;
    for (size_t i = 0; i < present.size(); ++i) {
      if (name == std::to_string(i) || (name.starts_with("GPU-") && uuid_text(make_uuid(present[i])).starts_with(name)))
        found = present[i];
    }
    if (found < 0) break;
    visible.push_back(found);
  }
  return visible;
}

// "2x256 gone:1"
void read_devices(const std::string& text, Options& options) {
  std::istringstream words(text);
  std::string word;
  int count = 0, mib = 0;
  if (!(words >> word) || std::sscanf(word.c_str(), "%dx%d", &count, &mib) != 2) return;
  options.devices.resize(static_cast<size_t>(count), {.memory_bytes = static_cast<size_t>(mib) << 20});
  while (words >> word) {
    size_t index = 0;
    if (std::sscanf(word.c_str(), "gone:%zu", &index) == 1) options.devices.at(index).gone = true;
    if (std::sscanf(word.c_str(), "broken:%zu", &index) == 1) options.devices.at(index).broken = true;
    if (word == "driver_fails") options.driver_fails = true;
  }
}

void configure_from_environment() {
  Options options;
  options.devices.clear();
  if (const char* gpus = std::getenv("DEEPANALYZE_EMULATED_GPUS"); gpus != nullptr) {
    std::string text = gpus;
    if (text.starts_with('@')) {
      std::ifstream file(text.substr(1));
      std::getline(file, text);
    }
    read_devices(text, options);
  }
  configure(options);
  char what[16] = {};
  int at = 0;
  if (const char* fault = std::getenv("DEEPANALYZE_EMULATED_FAULT");
      fault != nullptr && std::sscanf(fault, "%15[^:]:%d", what, &at) == 2) {
    if (std::strcmp(what, "kernel") == 0) fault_kernel(at);
    if (std::strcmp(what, "hang") == 0) hang_kernel(at);
    if (std::strcmp(what, "lost") == 0) lose_device_at_kernel(at);
    if (std::strcmp(what, "allocation") == 0) fail_allocation(at);
    if (std::strcmp(what, "exhausted") == 0) exhaust_at_allocation(at);
  }
}

}  // namespace

State& state() {
  static State instance;
  const std::lock_guard lock(instance.mutex);
  if (!instance.configured) {
    instance.configured = true;
    configure_from_environment();
  }
  return instance;
}

int& current_device() {
  thread_local int device = 0;
  return device;
}

void configure(const Options& options) {
  State& s = state();
  const std::lock_guard lock(s.mutex);
  s.devices.clear();
  for (const int index : visible_devices(options.devices)) {
    const DeviceOptions& device = options.devices[static_cast<size_t>(index)];
    s.devices.push_back({.options = device,
                         .uuid = make_uuid(index),
                         .sticky = device.broken ? cudaErrorDevicesUnavailable : cudaSuccess});
  }
  s.driver_fails = options.driver_fails;
  s.seed = options.seed;
  s.peer_access = options.peer_access;
  s.corrupt_peer_copies = s.corrupt_uploads = false;
  s.n_allocations = s.n_waits = 0;
  s.exhaust_at = 0;
  s.fail_allocation = s.fault_kernel = s.hang_kernel = s.lose_kernel = 0;
  s.n_kernels = s.n_graph_launches = 0;
  s.last_fault.clear();
  s.last_error = cudaSuccess;
  current_device() = 0;
}

void set_seed(uint64_t seed) { state().seed = seed; }
void fail_allocation(int n) { state().fail_allocation = n; }
void exhaust_at_allocation(int n) { state().exhaust_at = n; }
void fault_kernel(int n) { state().fault_kernel = n; }
void hang_kernel(int n) { state().hang_kernel = n; }
void lose_device_at_kernel(int n) { state().lose_kernel = n; }
void lose_device(int device) { state().devices.at(static_cast<size_t>(device)).sticky = cudaErrorDevicesUnavailable; }
void corrupt_peer_copies(bool corrupt) { state().corrupt_peer_copies = corrupt; }
void corrupt_uploads(bool corrupt) { state().corrupt_uploads = corrupt; }
void occupy(int device, size_t bytes) { state().devices.at(static_cast<size_t>(device)).occupied = bytes; }
size_t used_bytes(int device) { return state().devices.at(static_cast<size_t>(device)).used; }
uint64_t n_kernels() { return state().n_kernels; }
uint64_t n_graph_launches() { return state().n_graph_launches; }
uint64_t n_allocations() { return state().n_allocations; }
uint64_t n_waits() { return state().n_waits; }
std::string last_fault() { return state().last_fault; }

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess && error != cudaErrorNotReady) state().last_error = error;
  return error;
}

cudaError_t usable(int device) {
  State& s = state();
  if (device < 0 || static_cast<size_t>(device) >= s.devices.size())
    return s.devices.empty() ? cudaErrorNoDevice : cudaErrorInvalidDevice;
  return s.devices[static_cast<size_t>(device)].sticky;
}

bool due(int& countdown) { return countdown > 0 && --countdown == 0; }

bool refuses_allocation() {
  State& s = state();
  ++s.n_allocations;
  const bool exhausted = s.exhaust_at > 0 && (s.exhaust_at == 1 || --s.exhaust_at == 1);
  return due(s.fail_allocation) || exhausted;
}

}  // namespace da::cuda_emulation

using namespace da::cuda_emulation;  // NOLINT(google-build-using-namespace): the API's functions are global

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInsufficientDriver:
      return "cudaErrorInsufficientDriver";
    case cudaErrorDevicesUnavailable:
      return "cudaErrorDevicesUnavailable";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorPeerAccessAlreadyEnabled:
      return "cudaErrorPeerAccessAlreadyEnabled";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorSystemDriverMismatch:
      return "cudaErrorSystemDriverMismatch";
    case cudaErrorUnknown:
      return "cudaErrorUnknown";
  }
  return "unrecognized error code";
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }
cudaError_t cudaPeekAtLastError() { return state().last_error; }
cudaError_t cudaGetLastError() { return std::exchange(state().last_error, cudaSuccess); }
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  const std::lock_guard lock(state().mutex);
  if (state().driver_fails) return result(cudaErrorUnknown);
  *count = static_cast<int>(state().devices.size());
  return result(*count == 0 ? cudaErrorNoDevice : cudaSuccess);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int index) {
  const std::lock_guard lock(state().mutex);
  if (index < 0 || static_cast<size_t>(index) >= state().devices.size()) return result(cudaErrorInvalidDevice);
  const Device& device = state().devices[static_cast<size_t>(index)];
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "Emulated GPU %d", device.uuid[15]);
  std::memcpy(properties->uuid.bytes, device.uuid.data(), 16);
  properties->totalGlobalMem = device.options.memory_bytes;
  properties->sharedMemPerBlock = 48 << 10;
  properties->sharedMemPerBlockOptin = 99 << 10;
  properties->major = device.options.major;
  properties->minor = device.options.minor;
  properties->multiProcessorCount = 4;
  properties->pciBusID = index + 1;
  properties->memoryBusWidth = 64;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  const std::lock_guard lock(state().mutex);
  if (const cudaError_t error = usable(device); error != cudaSuccess) return result(error);
  current_device() = device;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = current_device();
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  const std::lock_guard lock(state().mutex);
  return result(drain_device(current_device()));
}
// Stricter than the real one: nothing may be left on the device.
cudaError_t cudaDeviceReset() {
  const std::lock_guard lock(state().mutex);
  if (const cudaError_t error = usable(current_device()); error != cudaSuccess) return result(error);
  return result(state().devices[static_cast<size_t>(current_device())].used == 0 ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  *can = state().peer_access ? 1 : 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned) {
  const std::lock_guard lock(state().mutex);
  if (const cudaError_t error = usable(peer); error != cudaSuccess) return result(error);
  return result(state().peer_access ? cudaSuccess : cudaErrorInvalidDevice);
}
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total_bytes) {
  const std::lock_guard lock(state().mutex);
  if (const cudaError_t error = usable(current_device()); error != cudaSuccess) return result(error);
  const Device& device = state().devices[static_cast<size_t>(current_device())];
  *total_bytes = device.options.memory_bytes;
  *free_bytes = *total_bytes - std::min(*total_bytes, device.used + device.occupied);
  return cudaSuccess;
}
