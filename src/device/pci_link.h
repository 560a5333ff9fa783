#pragma once

#include <optional>
#include <string>

namespace da::device {

// How a device hangs on its machine, as the kernel describes it. Cards at rest run their link slower than they can.
struct PciLink {
  int generation = 0, width = 0;          // now: PCIe 4.0 x16 is 4 and 16; 0: not known
  int max_generation = 0, max_width = 0;  // of the card
};

// `pci_address` as "0000:01:00.0". Nothing where the kernel does not say (a virtual machine, a container without /sys).
// `root`: another root folder than "", for tests.
std::optional<PciLink> pci_link(const std::string& pci_address, const std::string& root = "");

// "580.65.06" of NVIDIA's kernel module; "": it is not loaded, or not to be seen.
std::string nvidia_driver_version(const std::string& root = "");

// "PCIe 4.0 x16", or with less in use than the card can do: "PCIe 1.0 x8 of 4.0 x16".
std::string describe(const PciLink& link);

}  // namespace da::device
