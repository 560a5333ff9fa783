#include "store/store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "gguf/writer.h"
#include "store/digest.h"
#include "store/manifest.h"
#include "store/temp_dir.h"

namespace da::store {
namespace {

using test::TempDir;

std::string sha256(std::string_view text) {
  Sha256 hash;
  hash.update(text);
  return hash.finish_hex();
}

std::string tiny_gguf(std::string_view jinja = "", uint32_t file_type = 7) {
  gguf::Writer writer;
  writer.add_string("general.architecture", "llama");
  writer.add_uint32("general.file_type", file_type);
  writer.add_uint32("llama.context_length", 512);
  writer.add_uint32("llama.embedding_length", 64);
  if (!jinja.empty()) writer.add_string("tokenizer.chat_template", jinja);
  const std::vector<float> values(2000, 0.5F);
  writer.add_tensor_f32("token_embd.weight", {20, 100}, values);
  return *writer.serialize();
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() : store_(dir_ / "models", {{"starter", dir_ / "starter.gguf"}, {"absent", dir_ / "absent.gguf"}}) {
    test::write_file(dir_ / "x.gguf", tiny_gguf());
    test::write_file(dir_ / "starter.gguf", tiny_gguf("{{ messages }}<think></think>", 15));
  }
  Status create(std::string model, std::string from) {
    CreateRequest request;
    request.model = std::move(model);
    request.from = std::move(from);
    return store_.create(request, {});
  }
  size_t n_blobs() const {
    size_t n = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "models/blobs")) n += entry.is_regular_file() ? 1 : 0;
    return n;
  }
  TempDir dir_;
  Store store_;
};

TEST_F(StoreTest, CreateFromPathThenResolve) {
  CreateRequest request;
  request.model = "Mine:v1";
  request.from = dir_ / "x.gguf";
  request.system = "be brief";
  request.go_template = "{{ .Prompt }}{{ .Tools }}";
  request.license = "MIT";
  request.parameters = {{"temperature", 0.5}, {"stop", {"<|end|>"}}};
  request.messages = {{{"role", "user"}, {"content", "hi"}}};
  std::vector<std::string> statuses;
  const Status status = store_.create(request, [&](std::string_view text, uint64_t, uint64_t) { statuses.emplace_back(text); });
  ASSERT_TRUE(status.is_ok()) << status.message();
  EXPECT_EQ(statuses.front(), "parsing GGUF");
  EXPECT_EQ(statuses[statuses.size() - 2], "writing manifest");
  EXPECT_EQ(statuses.back(), "success");

  const auto info = store_.resolve("mINE:V1");
  ASSERT_TRUE(info.is_ok()) << info.status().message();
  EXPECT_EQ(info->name, "Mine:v1");
  EXPECT_EQ(info->gguf_path, store_.blob_path("sha256:" + sha256(tiny_gguf())));
  EXPECT_EQ(info->system, "be brief");
  EXPECT_EQ(info->license, "MIT");
  EXPECT_EQ(info->go_template, request.go_template);
  EXPECT_EQ(info->parameters, request.parameters);
  EXPECT_EQ(info->messages, request.messages);
  EXPECT_EQ(info->family, "llama");
  EXPECT_EQ(info->parameter_size, "2K");
  EXPECT_EQ(info->parameter_count, 2000U);
  EXPECT_EQ(info->quantization_level, "Q8_0");
  EXPECT_EQ(info->context_length, 512U);
  EXPECT_EQ(info->embedding_length, 64U);
  EXPECT_EQ(info->capabilities, (std::vector<std::string>{"completion", "tools"}));
  const std::string manifest = test::read_file(dir_ / "models/manifests/registry.ollama.ai/library/Mine/v1");
  EXPECT_EQ(info->digest, sha256(manifest));
  EXPECT_EQ(info->size_bytes, parse_manifest(manifest, "")->size_bytes());
  EXPECT_EQ(n_blobs(), 7U);   // weights, template, system, license, messages, params, config: no temporary file left

  // On one file system the weights are not copied.
  struct stat source {}, blob {};
  stat((dir_ / "x.gguf").c_str(), &source);
  stat(info->gguf_path.c_str(), &blob);
  EXPECT_TRUE(source.st_ino == blob.st_ino || blob.st_nlink == 1);
}

TEST_F(StoreTest, CreateFromModelOverlays) {
  CreateRequest base;
  base.model = "base";
  base.from = dir_ / "x.gguf";
  base.system = "old";
  base.license = "MIT";
  base.parameters = {{"temperature", 0.5}, {"stop", {"a", "b"}}};
  ASSERT_TRUE(store_.create(base, {}).is_ok());
  CreateRequest over;
  over.model = "over";
  over.from = "BASE";
  over.system = "new";
  over.license = "extra";
  over.parameters = {{"stop", {"c"}}, {"seed", 1}};
  ASSERT_TRUE(store_.create(over, {}).is_ok());
  const auto info = store_.resolve("over");
  ASSERT_TRUE(info.is_ok());
  EXPECT_EQ(info->system, "new");
  EXPECT_EQ(info->license, "MIT\nextra");
  EXPECT_EQ(info->parameters.dump(), R"({"temperature":0.5,"stop":["c"],"seed":1})");
  EXPECT_EQ(info->quantization_level, "Q8_0");
  EXPECT_EQ(store_.resolve("base")->system, "old");
}

TEST_F(StoreTest, ReplacingAModelDropsWhatOnlyItUsed) {
  CreateRequest request;
  request.model = "m";
  request.from = dir_ / "x.gguf";
  request.system = "first";
  ASSERT_TRUE(store_.create(request, {}).is_ok());
  const std::string first = store_.blob_path("sha256:" + sha256("first"));
  EXPECT_TRUE(std::filesystem::exists(first));
  request.system = "second";
  ASSERT_TRUE(store_.create(request, {}).is_ok());
  EXPECT_FALSE(std::filesystem::exists(first));
  EXPECT_EQ(store_.resolve("m")->system, "second");
}

TEST_F(StoreTest, RemoveKeepsSharedBlobs) {
  ASSERT_TRUE(create("a", dir_ / "x.gguf").is_ok());
  ASSERT_TRUE(store_.copy("a", "user/b:c").is_ok());
  EXPECT_EQ(store_.list()->size(), 3U);   // and the starter
  ASSERT_TRUE(store_.remove("A").is_ok());
  EXPECT_EQ(store_.resolve("a").code(), ErrorCode::kNotFound);
  EXPECT_TRUE(store_.resolve("user/b:c").is_ok());
  EXPECT_EQ(n_blobs(), 2U);
  ASSERT_TRUE(store_.remove("user/b:c").is_ok());
  EXPECT_EQ(n_blobs(), 0U);
  EXPECT_TRUE(std::filesystem::exists(dir_ / "models/manifests"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "models/manifests/registry.ollama.ai"));
  EXPECT_EQ(store_.remove("a").message(), "model 'a' not found");
  EXPECT_TRUE(std::filesystem::exists(dir_ / "x.gguf"));
}

TEST_F(StoreTest, BuiltInModels) {
  auto info = store_.resolve("Starter");
  ASSERT_TRUE(info.is_ok()) << info.status().message();
  EXPECT_TRUE(info->built_in);
  EXPECT_EQ(info->gguf_path, dir_ / "starter.gguf");
  EXPECT_EQ(info->quantization_level, "Q4_K_M");
  EXPECT_EQ(info->digest, sha256(test::read_file(dir_ / "starter.gguf")));
  EXPECT_EQ(info->capabilities, (std::vector<std::string>{"completion", "thinking"}));
  EXPECT_EQ(store_.list()->size(), 1U);
  EXPECT_EQ(store_.list()->front().name, "starter:latest");
  EXPECT_EQ(store_.resolve("absent").code(), ErrorCode::kNotFound);
  EXPECT_EQ(store_.remove("starter").code(), ErrorCode::kUnsupported);
  // A stored model of the same name stands in front of it.
  ASSERT_TRUE(create("starter", dir_ / "x.gguf").is_ok());
  EXPECT_EQ(store_.resolve("starter")->quantization_level, "Q8_0");
  EXPECT_EQ(store_.list()->size(), 1U);
  ASSERT_TRUE(store_.remove("starter").is_ok());
  EXPECT_EQ(store_.resolve("starter")->quantization_level, "Q4_K_M");
  ASSERT_TRUE(store_.copy("starter", "kept").is_ok());
  EXPECT_EQ(store_.resolve("kept")->quantization_level, "Q4_K_M");
}

TEST_F(StoreTest, PathsServeAsNames) {
  const auto info = store_.resolve(dir_ / "x.gguf");
  ASSERT_TRUE(info.is_ok());
  EXPECT_EQ(info->name, dir_ / "x.gguf");
  EXPECT_EQ(info->digest, "");
  EXPECT_EQ(info->capabilities, std::vector<std::string>{"completion"});
  EXPECT_EQ(store_.resolve(dir_ / "y.gguf").status().message(), "model '" + (dir_ / "y.gguf") + "' not found");
  EXPECT_EQ(store_.resolve("y.gguf").code(), ErrorCode::kNotFound);
  EXPECT_EQ(store_.resolve("a b").status().message(), "invalid model name");
  test::write_file(dir_ / "broken.gguf", "not a gguf");
  EXPECT_EQ(store_.resolve(dir_ / "broken.gguf").code(), ErrorCode::kCorruptData);
}

TEST_F(StoreTest, UploadsAndFiles) {
  const std::string bytes = tiny_gguf();
  const std::string digest = "sha256:" + sha256(bytes);
  EXPECT_FALSE(*store_.has_blob(digest));
  {
    auto upload = store_.begin_upload();
    ASSERT_TRUE(upload.is_ok());
    ASSERT_TRUE(upload->append(std::as_bytes(std::span(bytes))).is_ok());
    ASSERT_TRUE(upload->finish(digest).is_ok());
  }
  EXPECT_TRUE(*store_.has_blob("sha256-" + digest.substr(7)));
  EXPECT_EQ(store_.has_blob("sha256:../x").code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(store_.blob_path("sha256:../x"), "");
  {
    auto upload = store_.begin_upload();
    ASSERT_TRUE(upload->append(std::as_bytes(std::span(std::string_view("other")))).is_ok());
    EXPECT_EQ(upload->finish(digest).message(), "digest mismatch, expected \"" + digest + "\", got \"sha256:" + sha256("other") + "\"");
  }
  { auto unfinished = store_.begin_upload(); }
  EXPECT_EQ(n_blobs(), 2U);
  CreateRequest request;
  request.model = "up";
  request.files = {{"model.gguf", digest}};
  ASSERT_TRUE(store_.create(request, {}).is_ok());
  EXPECT_EQ(store_.resolve("up")->quantization_level, "Q8_0");
  for (const std::string name : {"/model.gguf", "../m.gguf", "a/../../m.gguf", ""}) {
    request.files = {{name, digest}};
    EXPECT_EQ(store_.create(request, {}).message(), "file path must be relative") << name;
  }
  request.files = {{"m.gguf", "sha256:zz"}};
  EXPECT_EQ(store_.create(request, {}).message(), "invalid digest format");
  request.files.clear();
  EXPECT_EQ(store_.create(request, {}).message(), "neither 'from' or 'files' was specified");
}

TEST_F(StoreTest, CreateQuantizes) {
  test::write_file(dir_ / "f32.gguf", tiny_gguf("", 0));
  std::vector<std::string> statuses;
  uint64_t last_done = 0, last_total = 0;
  const auto watch = [&](std::string_view status, uint64_t done, uint64_t total) {
    if (statuses.empty() || statuses.back() != status) statuses.emplace_back(status);
    if (status.starts_with("quantizing")) std::tie(last_done, last_total) = std::tie(done, total);
  };
  CreateRequest request;
  request.model = "small";
  request.from = dir_ / "f32.gguf";
  request.quantize = "q8_0";
  ASSERT_TRUE(store_.create(request, watch).is_ok());
  EXPECT_NE(std::find(statuses.begin(), statuses.end(), "quantizing F32 model to Q8_0"), statuses.end());
  EXPECT_EQ(last_done, 8000U);
  EXPECT_EQ(last_done, last_total);
  EXPECT_EQ(store_.resolve("small")->quantization_level, "Q8_0");
  EXPECT_EQ(n_blobs(), 2U) << "the weights and the config, and nothing of the way there";
  // From a model of the store: the weights are replaced, the rest stays.
  ASSERT_TRUE(create("big", dir_ / "f32.gguf").is_ok());
  request = {};
  request.model = "half";
  request.from = "big";
  request.system = "Be brief";
  request.quantize = "F16";
  ASSERT_TRUE(store_.create(request, {}).is_ok());
  EXPECT_EQ(store_.resolve("half")->quantization_level, "F16");
  EXPECT_EQ(store_.resolve("half")->system, "Be brief");
  // Rounded weights are not rounded again.
  request.from = "small";
  request.quantize = "Q4_0";
  EXPECT_EQ(store_.create(request, {}).message(), "quantization is only supported for F16, BF16 and F32 models");
  request.quantize = "Q4_Z";
  EXPECT_EQ(store_.create(request, {}).code(), ErrorCode::kInvalidArgument);
}

std::string part_gguf(uint32_t number, uint32_t count) {
  gguf::Writer writer;
  if (number == 0) {
    writer.add_string("general.architecture", "llama");
    writer.add_uint32("general.file_type", 0);
  }
  writer.add_uint32("split.no", number);
  writer.add_uint32("split.count", count);
  writer.add_tensor_f32("t" + std::to_string(number), {10}, std::vector<float>(10, static_cast<float>(number)));
  return *writer.serialize();
}

TEST_F(StoreTest, G12SplitModelsAreJoined) {
  const std::string names[] = {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"};
  CreateRequest uploaded;
  uploaded.model = "uploaded";
  for (uint32_t i = 0; i < 2; ++i) {
    const std::string bytes = part_gguf(i, 2);
    test::write_file(dir_ / names[i], bytes);
    auto upload = store_.begin_upload();
    ASSERT_TRUE(upload->append(std::as_bytes(std::span(bytes))).is_ok());
    ASSERT_TRUE(upload->finish("sha256:" + sha256(bytes)).is_ok());
    uploaded.files.emplace_back(names[1 - i], "sha256:" + sha256(part_gguf(1 - i, 2)));  // in any order
  }
  ASSERT_TRUE(create("local", dir_ / names[0]).is_ok());
  const auto made = store_.create(uploaded, {});
  ASSERT_TRUE(made.is_ok()) << made.message();
  const auto local = store_.resolve("local"), up = store_.resolve("uploaded");
  ASSERT_TRUE(local.is_ok() && up.is_ok()) << local.status().message() << up.status().message();
  EXPECT_EQ(local->gguf_path, up->gguf_path);
  EXPECT_EQ(local->parameter_count, 20U);
  const auto file = gguf::File::open(local->gguf_path);
  ASSERT_TRUE(file.is_ok());
  EXPECT_EQ((*file)->find("split.count"), nullptr);
  // As a path, without a copy.
  EXPECT_EQ(store_.resolve(dir_ / names[0])->parameter_count, 20U);
  EXPECT_EQ(store_.resolve(dir_ / names[0])->size_bytes, part_gguf(0, 2).size() + part_gguf(1, 2).size());
  // Parts that do not belong together, or not all of them.
  std::swap(uploaded.files[0].second, uploaded.files[1].second);
  EXPECT_EQ(store_.create(uploaded, {}).code(), ErrorCode::kCorruptData);
  uploaded.files.pop_back();
  EXPECT_FALSE(store_.create(uploaded, {}).is_ok());
  uploaded.files.emplace_back("other.gguf", uploaded.files[0].second);
  EXPECT_EQ(store_.create(uploaded, {}).code(), ErrorCode::kUnsupported);
  std::filesystem::remove(dir_ / names[1]);
  EXPECT_EQ(create("incomplete", dir_ / names[0]).code(), ErrorCode::kNotFound);
}

TEST_F(StoreTest, G13AdaptersAndProjectorsAreNoModels) {
  for (const char* type : {"adapter", "mmproj", "projector"}) {
    gguf::Writer writer;
    writer.add_string("general.architecture", "clip");
    writer.add_string("general.type", type);
    writer.add_tensor_f32("t", {4}, std::vector<float>(4));
    test::write_file(dir_ / "other.gguf", *writer.serialize());
    const Status refused = create("other", dir_ / "other.gguf");
    EXPECT_EQ(refused.code(), ErrorCode::kUnsupported);
    EXPECT_NE(refused.message().find("an adapter or projector, not a model"), std::string::npos) << refused.message();
    EXPECT_EQ(store_.resolve(dir_ / "other.gguf").code(), ErrorCode::kUnsupported);
    std::filesystem::remove(dir_ / "other.gguf");
  }
}

TEST_F(StoreTest, DamagedManifestsAreRefusedAndSkipped) {
  ASSERT_TRUE(create("good", dir_ / "x.gguf").is_ok());
  const std::string folder = dir_ / "models/manifests/registry.ollama.ai/library/bad/";
  const std::string hex(64, '0');
  const std::string layer = R"({"mediaType":"application/vnd.ollama.image.model","digest":"sha256:)" + hex + R"(","size":1})";
  std::string many = R"({"config":)" + layer + R"(,"layers":[)";
  for (int i = 0; i < 5000; ++i) many += layer + (i + 1 < 5000 ? "," : "]}");
  const std::vector<std::string> broken = {
      "", "{}", "[]", "{\"config\":1,\"layers\":[]}", R"({"config":)" + layer + R"(,"layers":[]})", many,
      R"({"config":)" + layer + R"(,"layers":[{"mediaType":"x","digest":"sha256:../../etc","size":1}]})",
      R"({"config":)" + layer + R"(,"layers":[{"mediaType":"x","digest":"sha256:)" + hex + R"(","size":-1}]})",
      std::string(100000, '['), R"({"config":)" + layer + R"(,"layers":[)" + layer + "]}"};
  for (size_t i = 0; i < broken.size(); ++i) {
    test::write_file(folder + "t" + std::to_string(i), broken[i]);
    const auto info = store_.resolve("bad:t" + std::to_string(i));
    EXPECT_EQ(info.code(), ErrorCode::kCorruptData) << i << " " << info.status().message();
  }
  test::write_file(folder + "not a name", "{}");
  EXPECT_EQ(store_.list()->size(), 2U);
  // What a damaged manifest uses is unknown, so removing another model leaves all blobs.
  const size_t before = n_blobs();
  ASSERT_TRUE(store_.remove("good").is_ok());
  EXPECT_EQ(n_blobs(), before);
}

TEST_F(StoreTest, ConcurrentCreatesAndRemovesLeaveAWholeStore) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      Store other(dir_ / "models");   // as another process would
      for (int round = 0; round < 10; ++round) {
        CreateRequest request;
        request.model = std::string("m").append(std::to_string(i));
        request.from = dir_ / "x.gguf";
        request.system = std::string("s").append(std::to_string(round % 3));
        const Status status = other.create(request, {});
        EXPECT_TRUE(status.is_ok() || status.code() == ErrorCode::kUnavailable) << status.message();
        if (round % 2 == 0) (void)other.remove(request.model).is_ok();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto models = store_.list();
  for (const auto& model : *models) EXPECT_TRUE(std::filesystem::exists(model.gguf_path));
  for (const auto& entry : std::filesystem::directory_iterator(dir_ / "models/blobs")) {
    EXPECT_EQ(entry.path().filename().string().size(), 71U) << entry.path();
  }
}

TEST_F(StoreTest, ParametersOfAHostileBlobAreBounded) {
  EXPECT_TRUE(parse_parameters(R"({"a":1,"b":[1,"x"],"c":null})", "m").is_ok());
  EXPECT_EQ(parse_parameters(R"({"a":{"b":1}})", "m").code(), ErrorCode::kCorruptData);
  EXPECT_EQ(parse_parameters(R"({"a":[[1]]})", "m").code(), ErrorCode::kCorruptData);
  EXPECT_EQ(parse_messages(R"([{"role":"user"}])", "m").code(), ErrorCode::kCorruptData);
  EXPECT_EQ(parse_messages(R"([{"role":"user","content":"x","y":[[[]]]}])", "m")->dump(), R"([{"role":"user","content":"x"}])");
}

TEST_F(StoreTest, ScrubTakesOldTemporariesOnly) {
  const std::string blobs = dir_ / "models/blobs/";
  test::write_file(blobs + "sha256-12345", "x");
  test::write_file(blobs + "sha256-" + std::string(64, '1'), "x");
  ASSERT_TRUE(store_.scrub().is_ok());
  EXPECT_EQ(n_blobs(), 2U);   // young: somebody may be writing it
}

}  // namespace
}  // namespace da::store
