#include <gtest/gtest.h>

#include <string>

#include "store/store.h"
#include "store/temp_dir.h"

namespace da::store {
namespace {

std::string error_of(std::string_view text) {
  const auto request = parse_modelfile(text, "/nowhere");
  return request.is_ok() ? "" : request.status().message();
}

TEST(Modelfile, AllInstructions) {
  const auto request = parse_modelfile(
      "# a comment\r\n"
      "from llama3:8b\n"
      "\n"
      "PARAMETER temperature 0.25\n"
      "PARAMETER num_ctx 4096\n"
      "PARAMETER use_mmap false\n"
      "parameter stop <|a|>\n"
      "PARAMETER stop \"<|b|> \"\n"
      "PARAMETER mirostat 1\n"
      "TEMPLATE \"\"\"{{ .Prompt }}\n# not a comment\n\"quoted\" \"\"\"\n"
      "SYSTEM \"two\nlines\"\n"
      "MESSAGE user hello there\n"
      "MESSAGE assistant \"\"\"hi\"\"\"\n"
      "LICENSE one\n"
      "LICENSE two\n"
      "REQUIRES 0.14.0\n",
      "/nowhere");
  ASSERT_TRUE(request.is_ok()) << request.status().message();
  EXPECT_EQ(request->from, "llama3:8b");
  EXPECT_EQ(request->parameters.dump(), R"({"temperature":0.25,"num_ctx":4096,"use_mmap":false,"stop":["<|a|>","<|b|> "]})");
  EXPECT_EQ(request->go_template, "{{ .Prompt }}\n# not a comment\n\"quoted\" ");
  EXPECT_EQ(request->system, "two\nlines");
  EXPECT_EQ(request->messages.dump(), R"([{"role":"user","content":"hello there"},{"role":"assistant","content":"hi"}])");
  EXPECT_EQ(request->license, "one\ntwo");
}

TEST(Modelfile, Errors) {
  EXPECT_EQ(error_of(""), "no FROM line");
  EXPECT_EQ(error_of("SYSTEM x"), "no FROM line");
  EXPECT_TRUE(error_of("FROM x\nBOGUS y").starts_with(R"((line 2): command must be one of "from", "license", )"));
  EXPECT_TRUE(error_of("FROM x\n\nSYSTEM\nPARAMETER a b").starts_with("(line 3): command must be one of"));
  EXPECT_EQ(error_of("FROM"), "unexpected EOF");
  EXPECT_EQ(error_of("FROM x\nSYSTEM \"\"\"open"), "unexpected EOF");
  EXPECT_EQ(error_of("FROM x\nSYSTEM \"\"\""), "unexpected EOF");
  EXPECT_EQ(error_of("FROM x\nPARAMETER seed"), "unexpected EOF: seed");
  EXPECT_EQ(error_of("FROM x\nMESSAGE tool hi"), R"((line 2): message role must be one of "system", "user", or "assistant")");
  EXPECT_EQ(error_of("FROM x\nPARAMETER seed 1.5"), "invalid int value [1.5]");
  EXPECT_EQ(error_of("FROM x\nPARAMETER top_p x"), "invalid float value [x]");
  EXPECT_EQ(error_of("FROM x\nPARAMETER top_p inf"), "invalid float value [inf]");
  EXPECT_EQ(error_of("FROM x\nPARAMETER use_mmap maybe"), "invalid bool value [maybe]");
  EXPECT_EQ(error_of("FROM x\nPARAMETER bogus 1"), "unknown parameter 'bogus'");
  EXPECT_TRUE(error_of("FROM x\nADAPTER ./lora.gguf").starts_with("ADAPTER is not supported"));
}

TEST(Modelfile, FromPathBesideTheFile) {
  const test::TempDir dir;
  test::write_file(dir / "x.gguf", "");
  EXPECT_EQ(parse_modelfile("FROM ./x.gguf", dir.path())->from, dir / "x.gguf");
  EXPECT_EQ(parse_modelfile("FROM x.gguf", dir.path())->from, dir / "x.gguf");
  EXPECT_EQ(parse_modelfile("FROM " + (dir / "x.gguf"), "/")->from, dir / "x.gguf");
  EXPECT_EQ(parse_modelfile("FROM y.gguf", dir.path())->from, "y.gguf");
  EXPECT_EQ(parse_modelfile("FROM .", dir.path()).code(), ErrorCode::kUnsupported);
}

TEST(Modelfile, ByteOrderMarks) {
  EXPECT_EQ(parse_modelfile("\xEF\xBB\xBF" "FROM x", "")->from, "x");
  EXPECT_EQ(parse_modelfile(std::string_view("\xFF\xFE" "F\0R\0O\0M\0 \0x\0", 14), "")->from, "x");
  EXPECT_EQ(parse_modelfile(std::string_view("\xFE\xFF" "\0F\0R\0O\0M\0 \0x\0\n\0S\0Y\0S\0T\0E\0M\0 \x6D\xF1", 32), "")->system, "深");
}

TEST(Modelfile, WrittenTextParsesBack) {
  ModelInfo info;
  info.name = "m:latest";
  info.gguf_path = "/models/m";
  info.go_template = "{{ if .System }}\"{{ .System }}\"\n{{ end }}{{ .Prompt }}";
  info.system = " kept spaces ";
  info.license = "MIT\nno warranty";
  info.parameters = {{"temperature", 0.5}, {"stop", {"<|x|>", " y "}}, {"seed", 7}};
  info.messages = {{{"role", "user"}, {"content", "a\nb"}}, {{"role", "assistant"}, {"content", "c"}}};
  const auto request = parse_modelfile(to_modelfile(info), "/nowhere");
  ASSERT_TRUE(request.is_ok()) << request.status().message();
  EXPECT_EQ(request->from, "/models/m");
  EXPECT_EQ(request->go_template, info.go_template);
  EXPECT_EQ(request->system, info.system);
  EXPECT_EQ(request->license, info.license);
  EXPECT_EQ(request->parameters, info.parameters);
  EXPECT_EQ(request->messages, info.messages);
}

// Any bytes: an answer or an error, no crash.
TEST(Modelfile, AnyPrefixAndMutation) {
  const std::string text = "FROM x\nPARAMETER stop \"a\"\nTEMPLATE \"\"\"{{ .P }}\n\"\"\"\nMESSAGE user hi\n";
  for (size_t size = 0; size <= text.size(); ++size) {
    for (const char c : {'"', '\n', '\0', ' ', '#', '\xFF'}) {
      std::string mutated = text.substr(0, size) + c + text.substr(size / 2);
      (void)parse_modelfile(mutated, "/nowhere").is_ok();
    }
  }
}

}  // namespace
}  // namespace da::store
