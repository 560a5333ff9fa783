#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "chat/output_parser.h"
#include "engine/engine.h"
#include "placement/gpus.h"
#include "runner/options.h"
#include "runner/prompt.h"
#include "tokenizer/tokenizer.h"

namespace da::runner {

// What a load yields. Without `render` the model has no chat template.
struct LoadedModel {
  std::shared_ptr<const tokenizer::Tokenizer> tokenizer;
  std::unique_ptr<engine::Engine> engine;
  Render render;
  std::string template_source;         // of `render`: tells how the model marks thinking and tool calls
  CompileGo compile_go;
  std::string protocol;                // metadata deepanalyze.protocol
  std::vector<std::string> warnings;   // for the ready message
  int32_t context_tokens = 0;          // of a request that names none; 0: the engine's, which is the most there is
  int32_t n_places = 0;                // requests at once that memory is good for; 0: not known
  std::string placement;               // what went where and why not more, in one line; "" without GPUs
  int32_t n_gpu_layers = 0;
  std::vector<placement::PlannedGpu> gpus;   // their backends live as long as the engine
};

struct LoadRequest {
  int model_fd = -1;      // of the model's first file; those of its other parts follow
  int n_model_files = 1;
  std::string name;
  LoadOptions options;
  // Found before the process was sealed.
  int32_t n_cpus = 1;
  uint64_t available_bytes = 0;   // memory; 0: not known
  placement::Gpus* gpus = nullptr;      // opened before the process was sealed; null: none were wanted
  uint64_t gpu_reserve_bytes = 0;       // of each, to be kept free beyond what is always
  std::function<void(const Status&)> on_device_lost;   // see EngineOptions
};
// Returning false stops the load.
using LoadProgress = std::function<bool(uint64_t bytes_done, uint64_t bytes_total)>;
using Loader = std::function<Result<LoadedModel>(const LoadRequest&, const LoadProgress&)>;
// Hands a message to the server; thread-safe, does not block.
using Send = std::function<void(const nlohmann::ordered_json&)>;

nlohmann::ordered_json error_message(uint64_t id, const Status& status);

// Serves requests on a loaded model. Every generate, embed and tokenize ends in exactly one done, tokens or error. These
// three are called on one thread, the others on any; answers are sent from that one and the engine's thread.
class Host {
 public:
  Host(LoadedModel model, Send send, Logger log);
  ~Host();

  void generate(uint64_t id, const nlohmann::ordered_json& request);
  void embed(uint64_t id, const nlohmann::ordered_json& request);
  void tokenize(uint64_t id, const nlohmann::ordered_json& request);
  void cancel(uint64_t id);
  void hold(uint64_t id, bool held);   // a generate whose reader lags behind
  void configure(const nlohmann::ordered_json& request);
  int32_t n_places() const { return model_.n_places; }
  const engine::Engine& engine() const { return *model_.engine; }
  int32_t context_tokens() const { return context_tokens_; }
  nlohmann::ordered_json stats() const;   // the stats message
  nlohmann::ordered_json gpus() const;    // the ready message's

 private:
  struct Running;

  Status start(uint64_t id, const nlohmann::ordered_json& request);
  Status start_embedding(uint64_t id, const nlohmann::ordered_json& request);
  Result<std::shared_ptr<const grammar::Grammar>> grammar_of(const nlohmann::ordered_json& request);
  void send_text(uint64_t id, const engine::Update& update, chat::OutputDelta delta);
  void on_update(uint64_t id, Running& running, const engine::Update& update);
  void send_stats(bool now);
  nlohmann::ordered_json with_lost_gpus(nlohmann::ordered_json message) const;

  Send send_;
  Logger log_;
  std::mutex mutex_;
  std::unordered_map<uint64_t, std::shared_ptr<Running>> running_;
  std::unordered_map<uint64_t, std::shared_ptr<class EmbedRun>> embedding_;
  PromptBuilder prompts_;
  int32_t context_tokens_;
  std::chrono::steady_clock::time_point stats_sent_;   // on the engine's thread
  std::shared_ptr<const grammar::Grammar> any_object_;   // made on first use
  LoadedModel model_;   // last: its engine's thread calls into all of the above
};

}  // namespace da::runner
