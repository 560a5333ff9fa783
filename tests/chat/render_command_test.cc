#include "chat/render_command.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace da::chat {
namespace {

class RenderCommand : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    return path_.string();
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::filesystem::path path_ = std::filesystem::path(testing::TempDir()) / "deepanalyze_render_command_test.tmpl";
};

TEST_F(RenderCommand, Jinja) {
  std::string path = write("{{ x }}{{ tools is none }}{{ documents is none }}");
  auto text = render_file(path, "jinja", R"({"x": 1})");
  ASSERT_TRUE(text.is_ok()) << text.status().message();
  EXPECT_EQ(*text, "1TrueTrue");
  EXPECT_EQ(render_file(path, "jinja", "[]").code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(render_file(path, "jinja", "{").code(), ErrorCode::kInvalidArgument);
}

TEST_F(RenderCommand, GoTextAndChat) {
  std::string path = write("{{ len .Messages }}{{ .Prompt }}");
  auto text = render_file(path, "go", R"({"Messages": [], "Prompt": "p"})");
  ASSERT_TRUE(text.is_ok()) << text.status().message();
  EXPECT_EQ(*text, "0p");
  text = render_file(path, "go", R"({"messages": [{"role": "user", "content": "a"}]})");
  ASSERT_TRUE(text.is_ok());
  EXPECT_EQ(*text, "1<no value>");
}

TEST_F(RenderCommand, SaysWhatIsWrong) {
  EXPECT_EQ(render_file("/nonexistent/template", "jinja", "{}").code(), ErrorCode::kNotFound);
  EXPECT_EQ(render_file(write("x"), "perl", "{}").status().message(),
            "render: unknown engine 'perl', expected jinja or go");
  EXPECT_EQ(render_file(write("{{ raise_exception('stop') }}"), "jinja", "{}").status().message(),
            "template line 1: stop");
  EXPECT_TRUE(render_file(write(""), "jinja", "{}").is_ok());
}

}  // namespace
}  // namespace da::chat
