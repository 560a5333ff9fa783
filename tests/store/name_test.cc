#include <gtest/gtest.h>

#include <string>

#include "store/digest.h"
#include "store/model_details.h"
#include "store/store.h"

namespace da::store {
namespace {

std::string parts(std::string_view text) {
  const auto name = ModelName::parse(text);
  return name.is_ok() ? name->host + " " + name->name_space + " " + name->model + " " + name->tag : name.status().message();
}

TEST(ModelName, FillsInWhatIsMissing) {
  EXPECT_EQ(parts("llama3"), "registry.ollama.ai library llama3 latest");
  EXPECT_EQ(parts("llama3:8b"), "registry.ollama.ai library llama3 8b");
  EXPECT_EQ(parts("user/m:7b"), "registry.ollama.ai user m 7b");
  EXPECT_EQ(parts("hf.co/org/repo.x:Q4_K_M"), "hf.co org repo.x Q4_K_M");
  EXPECT_EQ(parts("localhost:5000/a/b"), "localhost:5000 a b latest");
  EXPECT_EQ(parts("https://a/b/c:d"), "a b c d");
}

TEST(ModelName, RefusesWhatCouldLeaveTheStore) {
  const std::string invalid = "invalid model name";
  for (const std::string text :
       {"", ":", "a:", "/a", "a/", "a//b", "..", "a:..", "../a", "a/../b", "a/b/c/d", ".hidden", "a b", "a\n", "ä", "ftp://a/b/c",
        "a/b.c/d", "a@sha256:00", "a:b:c/d:", "-a", "a\\b", "%2e%2e", "host:80/ns"}) {
    // The last one is host-less: "host:80" would have to be a namespace.
    EXPECT_EQ(parts(text), invalid) << text;
  }
  EXPECT_EQ(parts(std::string("a\0b", 3)), invalid);
  EXPECT_EQ(parts(std::string(81, 'a')), invalid);
  EXPECT_NE(parts(std::string(80, 'a')), invalid);
}

TEST(ModelName, ShowsTheShortestForm) {
  for (const std::string text : {"llama3:8b", "user/m:7b", "hf.co/org/repo:Q4_K_M", "hf.co/library/x:latest"}) {
    EXPECT_EQ(ModelName::parse(text)->display(), text);
  }
  EXPECT_EQ(ModelName::parse("registry.ollama.ai/library/x")->display(), "x:latest");
}

TEST(Digest, OnlyOneForm) {
  const std::string hex(64, 'a');
  EXPECT_EQ(*parse_digest("sha256:" + hex), hex);
  EXPECT_EQ(*parse_digest("sha256-" + hex), hex);
  for (const std::string& text : {std::string(), hex, "sha256:" + hex.substr(1), "sha256:" + hex + "a", "sha512:" + hex,
                                 "sha256/" + hex, "sha256:" + std::string(64, 'A'), "sha256:" + std::string(64, 'g'),
                                 "sha256:../" + hex.substr(3), "sha256:" + hex.substr(1) + std::string(1, '\0')}) {
    EXPECT_EQ(parse_digest(text).code(), ErrorCode::kInvalidArgument) << text;
  }
}

TEST(Digest, KnownValue) {
  Sha256 hash;
  hash.update("abc");
  EXPECT_EQ(hash.finish_hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Details, ParameterSizes) {
  EXPECT_EQ(parameter_size_text(8'030'261'248), "8.0B");
  EXPECT_EQ(parameter_size_text(5'213'184), "5.2M");
  EXPECT_EQ(parameter_size_text(292'800), "293K");
  EXPECT_EQ(parameter_size_text(12), "12");
}

TEST(Details, Capabilities) {
  using List = std::vector<std::string>;
  ModelDetails details;
  EXPECT_EQ(capabilities(details, "", {}), List{"completion"});
  details.jinja_tools = details.jinja_thinking = true;
  EXPECT_EQ(capabilities(details, "", {}), (List{"completion", "tools", "thinking"}));
  EXPECT_EQ(capabilities(details, "{{ .Prompt }} about .Tools", {"vision"}), (List{"completion", "vision"}));
  EXPECT_EQ(capabilities(details, "{{ if .Suffix }}x{{ end }}{{ range .Messages }}{{ .Thinking }}{{end}}{{ .Tools}}", {}),
            (List{"completion", "tools", "insert", "thinking"}));
  EXPECT_EQ(capabilities(details, "{{ .ToolsX }}", {}), List{"completion"});
  details.pools = true;
  EXPECT_EQ(capabilities(details, "", {}), List{"embedding"});
}

}  // namespace
}  // namespace da::store
