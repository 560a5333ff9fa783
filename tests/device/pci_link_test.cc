#include "device/pci_link.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "store/temp_dir.h"

namespace da::device {
namespace {

class PciLinkTest : public testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    const std::filesystem::path path = root() + "/sys/bus/pci/devices/0000:01:00.0/" + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << "\n";
  }
  std::string root() { return dir_ / "root"; }
  test::TempDir dir_;
};

TEST_F(PciLinkTest, IsWhatTheKernelSays) {
  EXPECT_FALSE(pci_link("0000:01:00.0", root())) << "nothing is known";
  write("current_link_speed", "2.5 GT/s PCIe");
  write("current_link_width", "8");
  write("max_link_speed", "16.0 GT/s PCIe");
  write("max_link_width", "16");
  const auto link = pci_link("0000:01:00.0", root());
  ASSERT_TRUE(link);
  EXPECT_EQ(link->generation, 1);
  EXPECT_EQ(link->width, 8);
  EXPECT_EQ(link->max_generation, 4);
  EXPECT_EQ(link->max_width, 16);
  EXPECT_EQ(describe(*link), "PCIe 1.0 x8 of 4.0 x16");
  for (const auto& [speed, generation] :
       {std::pair{"5.0 GT/s PCIe", 2}, {"8.0 GT/s PCIe", 3}, {"32.0 GT/s PCIe", 5}, {"64.0 GT/s PCIe", 6}}) {
    write("current_link_speed", speed);
    EXPECT_EQ(pci_link("0000:01:00.0", root())->generation, generation) << speed;
  }
  EXPECT_EQ(describe({.generation = 5, .width = 16, .max_generation = 5, .max_width = 16}), "PCIe 5.0 x16");
}

TEST_F(PciLinkTest, WhatIsUnknownStaysSo) {
  write("current_link_speed", "Unknown");
  write("current_link_width", "63");
  write("max_link_speed", "8.0 GT/s PCIe");
  write("max_link_width", "255");
  const auto link = pci_link("0000:01:00.0", root());
  ASSERT_TRUE(link);
  EXPECT_EQ(link->width, 0);
  EXPECT_EQ(describe(*link), "PCIe 3.0");
  EXPECT_FALSE(pci_link("", root()));
  EXPECT_FALSE(pci_link("../../../etc", root()));
  EXPECT_EQ(nvidia_driver_version(root()), "");
}

}  // namespace
}  // namespace da::device
