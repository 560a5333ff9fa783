#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// One function a command; each returns the process's exit status (0, or 1 after one line on stderr). `main.cc` turns the
// command line into these records.
namespace da::cli {

struct ServeOptions {
  std::string host;      // "" : OLLAMA_HOST or 127.0.0.1:11434
  int ui_port = -1;      // -1: DEEPANALYZE_UI_PORT or 3000
  std::string log_level; // debug, info, warn, error
  std::optional<int> gpu_layers;   // none: OLLAMA_GPU_LAYERS or -1
};
int serve(const ServeOptions& options);

struct ConfigOptions {
  std::vector<std::string> changes;   // name, or name=value; name= takes a change back
  bool json = false, explain = false;
};
int config(const ConfigOptions& options);

struct AnalyzeOptions {
  std::string file;      // path or "-"
  std::string model, language = "auto", output;
  bool json = false, quiet = false;
};
int analyze(const AnalyzeOptions& options);

struct RunOptions {
  std::string model;
  std::vector<std::string> prompt;
  std::string keep_alive, format, system;
  bool verbose = false;
  std::vector<std::string> parameters;   // key=value
};
int run(const RunOptions& options);

struct ListOptions {
  std::string prefix;
  bool json = false;
};
int list(const ListOptions& options);
int ps(const ListOptions& options);

struct ShowOptions {
  std::string model;
  bool json = false, license = false, modelfile = false, parameters = false, show_template = false, system = false, verbose = false;
};
int show(const ShowOptions& options);

struct CreateOptions {
  std::string model, file = "Modelfile", quantize;
};
int create(const CreateOptions& options);
int remove_models(const std::vector<std::string>& models);
int copy_model(const std::string& source, const std::string& destination);
int stop_model(const std::string& model);

struct QuantizeFileOptions {
  std::string in, out, type, imatrix;
  bool force = false, allow_requantize = false, json = false;
  int threads = 0;
};
int quantize(const QuantizeFileOptions& options);

struct VersionOptions {
  bool json = false;
};
int version(const VersionOptions& options);

struct DevicesOptions {
  bool json = false;
};
int devices(const DevicesOptions& options);

struct TokenizeOptions {
  std::string model;
  bool special = false, bos = false;
};
int tokenize(const TokenizeOptions& options);
int detokenize(const std::string& model);

struct EvalOptions {
  std::string what, model, tokens, out, isa;
  std::string pooling = "none";   // of embed
  int threads = 0;
  int gpu_layers = 0;  // 0: the CPU alone
};
int eval(const EvalOptions& options);

struct BenchOptions {
  std::string model, synthetic, folder, keep, isa;
  bool map_weights = false, pin_threads = false;
  std::vector<std::string> analysis;
  std::vector<int> prompt = {512}, gen = {64}, depth = {0}, streams = {1};
  int threads = 0, repeat = 3, loads = 1;
  bool peaks = true, from_stdin = false, json = false;
};
int bench_model(const BenchOptions& options);

struct RenderOptions {
  std::string file, engine = "jinja";
};
int render(const RenderOptions& options);

}  // namespace da::cli
