#pragma once

#include <span>
#include <string_view>

namespace da::cli {

struct UiFile {
  std::string_view path;    // "/index.html"
  std::string_view bytes;
};

// The web page's files, compiled in; empty if ui/ was not built.
std::span<const UiFile> ui_files();

}  // namespace da::cli
