// The arrows of the house: a room includes only rooms that stand above it in src/README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

// Room names in the order of the table in src/README.md.
std::vector<std::string> rooms_in_order() {
  std::vector<std::string> rooms;
  std::ifstream readme(fs::path(DEEPANALYZE_SOURCE_DIR) / "src/README.md");
  const std::regex row(R"(^\| `([a-z]+)/` \|.*)");
  for (std::string line; std::getline(readme, line);) {
    if (std::smatch match; std::regex_match(line, match, row)) rooms.push_back(match[1]);
  }
  return rooms;
}

// "room includes other" faults of one source line, or "".
std::string fault(const std::string& room, const std::string& line, const std::vector<std::string>& rooms) {
  static const std::regex include(R"re(^\s*#\s*include\s*"([a-z]+)/.*")re");
  std::smatch match;
  if (!std::regex_match(line, match, include)) return "";
  const std::string other = match[1];
  const auto place = [&](const std::string& name) { return std::find(rooms.begin(), rooms.end(), name) - rooms.begin(); };
  if (place(other) == static_cast<ptrdiff_t>(rooms.size())) return room + " includes the unknown room " + other;
  return place(other) > place(room) ? room + " includes " + other + ", which stands above it" : "";
}

TEST(House, RoomsIncludeOnlyRoomsBelowThem) {
  const auto rooms = rooms_in_order();
  ASSERT_GE(rooms.size(), 14U);
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(DEEPANALYZE_SOURCE_DIR) / "src")) {
    const std::string suffix = entry.path().extension().string();
    if (!entry.is_regular_file() || (suffix != ".h" && suffix != ".cc" && suffix != ".cu" && suffix != ".cuh")) continue;
    ++files;
    const std::string room = fs::relative(entry.path(), fs::path(DEEPANALYZE_SOURCE_DIR) / "src").begin()->string();
    ASSERT_NE(std::find(rooms.begin(), rooms.end(), room), rooms.end()) << room << " is not in src/README.md";
    std::ifstream source(entry.path());
    int number = 0;
    for (std::string line; std::getline(source, line);) {
      ++number;
      const std::string found = fault(room, line, rooms);
      EXPECT_EQ(found, "") << entry.path().string() << ":" << number;
    }
  }
  EXPECT_GT(files, 50U);
}

TEST(House, TheCheckSeesAWrongArrow) {
  const auto rooms = rooms_in_order();
  EXPECT_NE(fault("base", "#include \"gguf/gguf.h\"", rooms), "");
  EXPECT_NE(fault("gguf", "#include \"cellar/x.h\"", rooms), "");
  EXPECT_EQ(fault("gguf", "#include \"base/result.h\"", rooms), "");
}

TEST(House, FilesStayUnderAThousandLines) {
  for (const char* folder : {"src", "tests", "fuzz", "bench", "tools"}) {
    const fs::path root = fs::path(DEEPANALYZE_SOURCE_DIR) / folder;
    if (!fs::exists(root)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      const std::string suffix = entry.path().extension().string();
      if (entry.path().string().find("/node_modules/") != std::string::npos) continue;  // installed, not ours
      if (suffix != ".h" && suffix != ".cc" && suffix != ".py" && suffix != ".cu") continue;
      std::ifstream source(entry.path());
      const auto lines = std::count(std::istreambuf_iterator<char>(source), {}, '\n');
      EXPECT_LE(lines, 1000) << entry.path().string();
    }
  }
}

}  // namespace
