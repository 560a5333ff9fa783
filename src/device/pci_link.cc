#include "device/pci_link.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>

namespace da::device {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "16.0 GT/s PCIe" is generation 4: twice the rate for each from 2.5 on.
int generation_of(const std::string& speed) {
  double rate = 0;
  if (std::from_chars(speed.data(), speed.data() + speed.size(), rate).ec != std::errc() || rate < 2.5) return 0;
  int generation = 1;
  for (double next = 5.0; next <= rate && generation < 9; next = next < 8.0 ? 8.0 : next * 2) ++generation;
  return generation;
}

int number_of(const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  // An unknown width is written as 63 or 255.
  return error == std::errc() && number > 0 && number <= 32 ? number : 0;
}

std::string rate(int generation, int width) {
  return std::to_string(generation) + ".0" + (width > 0 ? " x" + std::to_string(width) : "");
}

}  // namespace

std::optional<PciLink> pci_link(const std::string& pci_address, const std::string& root) {
  const bool is_address = !pci_address.empty() &&
                          std::all_of(pci_address.begin(), pci_address.end(),
                                      [](unsigned char c) { return std::isxdigit(c) != 0 || c == ':' || c == '.'; });
  if (!is_address) return std::nullopt;
  const std::string folder = root + "/sys/bus/pci/devices/" + pci_address + "/";
  const PciLink link{.generation = generation_of(first_line(folder + "current_link_speed")),
                     .width = number_of(first_line(folder + "current_link_width")),
                     .max_generation = generation_of(first_line(folder + "max_link_speed")),
                     .max_width = number_of(first_line(folder + "max_link_width"))};
  if (link.generation == 0 && link.max_generation == 0) return std::nullopt;
  return link;
}

std::string nvidia_driver_version(const std::string& root) { return first_line(root + "/sys/module/nvidia/version"); }

std::string describe(const PciLink& link) {
  if (link.generation == 0) return "PCIe " + rate(link.max_generation, link.max_width);
  const bool is_less = link.generation < link.max_generation || link.width < link.max_width;
  return "PCIe " + rate(link.generation, link.width) +
         (is_less ? " of " + rate(link.max_generation, link.max_width) : "");
}

}  // namespace da::device
