// Rows from another device: straight across where that works, through the host where not.
#include <algorithm>
#include <cstring>

#include "backend/cuda/cuda_backend_impl.h"

namespace da::backend::cuda {

// Whether copies from `source`'s device come out right here; tried once. Some machines report peer access and copy
// wrongly, and wrong rows would be worse than slow ones.
Result<bool> CudaBackend::peer_works(CudaBackend& source) {
  const int32_t device = source.options_.device;
  const auto known = std::find_if(peers_.begin(), peers_.end(), [&](const auto& peer) { return peer.first == device; });
  if (known != peers_.end()) return known->second;
  int can = 0;
  DA_RETURN_IF_ERROR(launcher_.use());
  DA_CUDA_RETURN_IF_ERROR(cudaDeviceCanAccessPeer(&can, options_.device, device));
  bool works = can != 0;
  if (works) {
    constexpr uint64_t kBytes = 64 << 10;
    DA_ASSIGN_OR_RETURN(const PinnedMemory host, PinnedMemory::allocate(2 * kBytes, "peer test"));
    for (uint64_t i = 0; i < kBytes; ++i) *host.as<uint8_t>(i) = static_cast<uint8_t>(i * 31 + i / 251);
    DA_ASSIGN_OR_RETURN(const DeviceMemory here, DeviceMemory::allocate(ledger_, kBytes, "peer test"));
    DA_RETURN_IF_ERROR(source.launcher_.use());
    DA_ASSIGN_OR_RETURN(const DeviceMemory there, DeviceMemory::allocate(source.ledger_, kBytes, "peer test"));
    DA_CUDA_RETURN_IF_ERROR(
        cudaMemcpyAsync(there.data(), host.as<void>(), kBytes, cudaMemcpyHostToDevice, source.stream_));
    DA_RETURN_IF_ERROR(source.wait());
    DA_RETURN_IF_ERROR(launcher_.use());
    DA_CUDA_RETURN_IF_ERROR(cudaMemcpyPeerAsync(here.data(), options_.device, there.data(), device, kBytes, stream_));
    DA_CUDA_RETURN_IF_ERROR(
        cudaMemcpyAsync(host.as<void>(kBytes), here.data(), kBytes, cudaMemcpyDeviceToHost, stream_));
    DA_RETURN_IF_ERROR(wait());
    works = std::memcmp(host.as<void>(), host.as<void>(kBytes), kBytes) == 0;
  }
  peers_.emplace_back(device, works);
  return works;
}

Status CudaBackend::receive(Backend& source, const Activation& in, Activation& out) {
  auto* peer = dynamic_cast<CudaBackend*>(&source);
  if (peer == nullptr || peer->options_.device == options_.device) return Backend::receive(source, in, out);
  const auto works = peer_works(*peer);
  if (!works.is_ok()) {
    launcher_.fail(works.status());
    return works.status();
  }
  if (!*works) return Backend::receive(source, in, out);
  DA_CHECK(in.width == out.width && in.n_rows <= out.max_rows);
  launcher_.flush();
  DA_RETURN_IF_ERROR(launcher_.status());
  peer->launcher_.flush();
  DA_RETURN_IF_ERROR(peer->launcher_.status());
  out.n_rows = in.n_rows;
  // What the other device cannot do is its failure, not this one's.
  const auto computed = [&]() -> Status {
    DA_RETURN_IF_ERROR(peer->launcher_.use());
    return peer->done_.record(peer->stream_);
  };
  peer->launcher_.fail(computed());
  DA_RETURN_IF_ERROR(peer->launcher_.status());
  const auto copy = [&]() -> Status {
    DA_RETURN_IF_ERROR(launcher_.use());
    DA_CUDA_RETURN_IF_ERROR(cudaStreamWaitEvent(stream_, peer->done_.get(), 0));
    const uint64_t bytes = static_cast<uint64_t>(in.n_rows * mine(in).stride) * sizeof(float);
    DA_CUDA_RETURN_IF_ERROR(
        cudaMemcpyPeerAsync(mine(out).values, options_.device, mine(in).values, peer->options_.device, bytes, stream_));
    // The other device must not write its rows anew before they are here.
    DA_RETURN_IF_ERROR(done_.record(stream_));
    DA_RETURN_IF_ERROR(peer->launcher_.use());
    DA_CUDA_RETURN_IF_ERROR(cudaStreamWaitEvent(peer->stream_, done_.get(), 0));
    return Status::ok();
  };
  const Status copied = copy();
  launcher_.fail(copied);
  quantize(mine(out));
  return launcher_.status();
}

}  // namespace da::backend::cuda
