#include "server/fixture.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "gguf/writer.h"

namespace da::test {
namespace {

// Enough of a header for the store to tell what the model is.
void write_model(const std::string& path, const std::string& architecture, const std::string& chat_template,
                 bool pools) {
  gguf::Writer writer;
  writer.add_string("general.architecture", architecture);
  writer.add_string("general.name", "tiny");
  writer.add_uint32("general.file_type", 0);
  writer.add_uint32(architecture + ".context_length", 128);
  writer.add_uint32(architecture + ".embedding_length", 4);
  writer.add_uint32(architecture + ".block_count", 1);
  if (pools) writer.add_uint32(architecture + ".pooling_type", 1);
  const std::vector<std::string> vocabulary{"<s>", "</s>", "a"};
  writer.add_strings("tokenizer.ggml.tokens", vocabulary);
  if (!chat_template.empty()) writer.add_string("tokenizer.chat_template", chat_template);
  const std::vector<float> values(12, 0.5f);
  writer.add_tensor_f32("token_embd.weight", {4, 3}, values);
  const Status written = writer.write(path);
  if (!written.is_ok()) throw std::runtime_error(written.message());
}

}  // namespace

server::ServerConfig ServerTest::default_config() {
  server::ServerConfig config;
  config.version = "1.2.3";
  config.drain_grace = std::chrono::milliseconds(2000);
  config.static_files = {{"/index.html", "", "<!doctype html><title>page</title>"}, {"/app.js", "", "run()"}};
  config.origins = {"https://allowed.example"};
  return config;
}

void ServerTest::SetUp() {
  std::string pattern = (std::filesystem::temp_directory_path() / "server_test_XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
  store_ = std::make_unique<store::Store>(folder_ + "/models");
  write_model(folder_ + "/tiny.gguf", "llama", "{{ messages }}", false);
  write_model(folder_ + "/tooler.gguf", "llama",
              "{% if tools %}{{ tools }}{% endif %}{% if enable_thinking %}<think></think>{% endif %}{{ messages }}",
              false);
  write_model(folder_ + "/embedder.gguf", "bert", "", true);
  std::chrono::minutes age(0);
  for (const std::string name : {"tiny", "tooler", "embedder"}) {
    store::CreateRequest request;
    request.model = name;
    request.from = folder_ + "/" + name + ".gguf";
    if (name == "tiny") request.parameters = {{"temperature", 0.5}, {"stop", {"END"}}};
    const Status created = store_->create(request, [](std::string_view, uint64_t, uint64_t) {});
    ASSERT_TRUE(created.is_ok()) << created.message();
    // The list is by time, and the tests want one order: a minute between them.
    age -= std::chrono::minutes(1);
    std::filesystem::last_write_time(folder_ + "/models/manifests/registry.ollama.ai/library/" + name + "/latest",
                                     std::filesystem::file_time_type::clock::now() + age);
  }
  restart(default_config());
}

void ServerTest::restart(server::ServerConfig config) {
  server_.reset();
  config.api_port = config.ui_port = 0;
  settings_ = config.settings = std::make_shared<server::Config>();
  config.apply_settings = [this] { ++settings_applied_; };
  config.log = Logger([this](LogLevel, std::string_view message, std::initializer_list<LogField> fields) {
    const std::lock_guard lock(log_mutex_);
    log_ += message;
    for (const LogField& field : fields) log_ += " " + std::string(field.key) + "=" + field.value;
    log_ += "\n";
  });
  auto started = server::Server::start(std::move(config), *store_, scheduler_);
  ASSERT_TRUE(started.is_ok()) << started.status().message();
  server_ = std::move(*started);
}

void ServerTest::TearDown() {
  server_.reset();
  std::filesystem::remove_all(folder_);
}

std::string ServerTest::log() const {
  const std::lock_guard lock(log_mutex_);
  return log_;
}

HttpResponse ServerTest::post(std::string_view target, std::string_view body, std::string_view extra_headers) {
  HttpClient client(api());
  return client.request("POST", target, body, extra_headers);
}

HttpResponse ServerTest::get(std::string_view target) {
  HttpClient client(api());
  return client.request("GET", target);
}

}  // namespace da::test
