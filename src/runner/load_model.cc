#include <algorithm>
#include <memory>
#include <numeric>
#include <utility>

#include "engine/load.h"
#include "gguf/gguf.h"
#include "placement/place.h"
#include "runner/chat_format.h"
#include "runner/client.h"
#include "runner/serve.h"

namespace da::runner {
namespace {

// Memory left for what is not weights or keys and values: work buffers, the vocabulary, the texts of requests.
constexpr uint64_t kOtherBytes = 256ULL << 20;

// Room for this many tokens is kept on the GPUs before layers go there, where the user asks for no certain context.
constexpr int32_t kPlannedContextTokens = 8192;
// Loads again with fewer layers on the GPUs when their memory turns out to be short, this often.
constexpr int kMaxPlans = 3;
constexpr uint64_t kReserveStep = 256ULL << 20;

// The pool is as large as its users may ever want, or as memory allows; pages are committed as they fill, so that room
// nobody uses costs nothing.
void size_pool(const LoadRequest& request, LoadedModel& loaded, engine::EngineOptions& options, int32_t own_context) {
  const int32_t wanted = request.options.num_ctx > 0 ? request.options.num_ctx : own_context;
  loaded.context_tokens = std::min(wanted, own_context);
  options.context_tokens = own_context;
  options.pool_tokens = std::max<int64_t>(int64_t{loaded.context_tokens} * options.max_sequences, own_context);
}

// The same within what the devices of a plan have.
engine::EngineOptions fit_pool(const LoadRequest& request, const placement::Placed& placed, engine::EngineOptions options) {
  if (placed.max_pages > 0) options.pool_tokens = std::min(options.pool_tokens, int64_t{placed.max_pages} * backend::kPageTokens);
  if (request.available_bytes > 0 && placed.host_weight_bytes > 0) {
    const uint64_t taken = placed.host_weight_bytes + kOtherBytes;
    options.kv_max_bytes = request.available_bytes > taken ? request.available_bytes - taken : 1;
  }
  return options;
}

placement::PlaceOptions place_options(const LoadRequest& request, const engine::EngineOptions& options,
                                      int32_t usual_context_tokens) {
  placement::PlaceOptions place;
  place.wishes.gpu_layers = request.options.num_gpu;
  place.wishes.reserve_bytes += request.gpu_reserve_bytes;
  place.only_gpu = request.options.main_gpu;
  if (place.only_gpu >= 0) place.only_uuid = request.options.main_gpu_uuid;
  place.cpu.n_threads = options.n_threads;
  place.cpu.map_weights = options.map_weights;
  place.cpu.pin_threads = options.pin_threads;
  const int32_t planned = request.options.num_ctx > 0 ? usual_context_tokens
                                                      : std::min(usual_context_tokens, kPlannedContextTokens);
  const auto pages = [](int64_t tokens) { return static_cast<int32_t>((tokens + backend::kPageTokens - 1) / backend::kPageTokens); };
  place.meter = {.max_rows = std::max(options.batch_tokens, options.max_sequences),
                 .max_logit_rows = engine::most_logit_rows(options),
                 .whole_text_rows = options.context_tokens,
                 .kv_type = options.kv_type,
                 .max_pages = pages(options.pool_tokens),
                 .n_pages = pages(planned)};
  return place;
}

// Plans and loads. Another program may take memory between the two: then once more, with less on the GPUs.
Status load_engine(const LoadRequest& request, const std::shared_ptr<const gguf::File>& file, const engine::EngineOptions& options,
                   const LoadProgress& progress, LoadedModel& loaded) {
  if (request.gpus != nullptr && !request.gpus->fault.is_ok()) {
    if (!request.options.cpu_if_gpus_fail) return request.gpus->fault;
    loaded.warnings.push_back("no GPU can be used (" + request.gpus->fault.message() + "); the model runs on the CPU, as gpu_loss allows");
  }
  placement::PlaceOptions place = place_options(request, options, loaded.context_tokens);
  for (int plan = 1;; ++plan) {
    DA_ASSIGN_OR_RETURN(placement::Placed placed, placement::place(*file, request.gpus, place));
    auto engine = engine::load_engine(file, std::move(placed.stages), fit_pool(request, placed, options), progress);
    if (engine.is_ok()) {
      loaded.engine = std::move(*engine);
      loaded.tokenizer = loaded.engine->tokenizer();
      loaded.placement = placed.why;
      loaded.n_gpu_layers = placed.n_gpu_layers;
      loaded.gpus = std::move(placed.gpus);
      return Status::ok();
    }
    if (engine.code() != ErrorCode::kResourceExhausted || placed.n_gpu_layers == 0) return engine.status();
    if (plan == kMaxPlans) return engine.status().with_context("load (" + placed.why + ")");
    loaded.warnings.push_back("the plan did not hold (" + engine.status().message() + "); made a new one");
    place.wishes.reserve_bytes += kReserveStep;
  }
}

// As many requests at once as memory holds a quarter of the usual context for, and no less than kLeastContextTokens:
// pages are shared, so that one may have far more while others have less.
int32_t places(const engine::Engine& engine, int32_t context_tokens, int32_t most) {
  const int64_t pool_tokens = int64_t{engine.stats().pages_max} * backend::kPageTokens;
  const int64_t each = std::min(context_tokens, std::max(context_tokens / 4, engine::kLeastContextTokens));
  return static_cast<int32_t>(std::clamp<int64_t>(pool_tokens / std::max<int64_t>(each, 1), 1, most));
}

// How the model wants a conversation written: its own template, and what an analysis asks it.
void read_chat_format(const gguf::File& file, LoadedModel& loaded) {
  const tokenizer::Tokenizer& tokenizer = *loaded.tokenizer;
  const auto written = [&tokenizer](tokenizer::TokenId id) {
    return id >= 0 && id < tokenizer.n_tokens() ? std::string(tokenizer.written(id)) : std::string();
  };
  loaded.compile_go = compile_go;
  if (const auto source = file.get_string("tokenizer.chat_template"); source.is_ok()) {
    auto render = compile_jinja(*source, written(tokenizer.bos()), written(tokenizer.eos()));
    if (render.is_ok()) {
      loaded.render = std::move(*render);
      loaded.template_source = *source;
    } else {
      loaded.warnings.push_back("the model's chat template is not usable (" + render.status().message() + "); text goes in as it is");
    }
  } else {
    loaded.warnings.emplace_back("the model has no chat template; text goes in as it is");
  }
  if (const auto protocol = file.get_string("deepanalyze.protocol"); protocol.is_ok()) loaded.protocol = *protocol;
}

Result<LoadedModel> load_model(const LoadRequest& request, const LoadProgress& progress) {
  std::vector<int> fds(static_cast<size_t>(request.n_model_files));
  std::iota(fds.begin(), fds.end(), request.model_fd);
  DA_ASSIGN_OR_RETURN(std::shared_ptr<const gguf::File> file, gguf::File::open_fds(fds, request.name));
  LoadedModel loaded;

  engine::EngineOptions options;
  options.max_sequences = request.options.num_parallel;
  options.kv_type = request.options.kv_type;
  options.map_weights = request.options.use_mmap;
  options.pin_threads = request.options.pin_threads;
  DA_ASSIGN_OR_RETURN(const uint64_t own, file->get_uint_or(std::string(file->architecture()) + ".context_length", 0));
  options.on_device_lost = request.on_device_lost;
  options.n_threads = request.options.num_thread > 0 ? request.options.num_thread : request.n_cpus;
  size_pool(request, loaded, options, own == 0 ? kUsualContextTokens : static_cast<int32_t>(std::min<uint64_t>(own, 1 << 27)));
  DA_RETURN_IF_ERROR(load_engine(request, file, options, progress, loaded));
  read_chat_format(*file, loaded);
  if (options.map_weights)
    loaded.warnings.emplace_back("weights are left in the file (use_mmap) and packed anew at every product: less memory, slower answers");
  for (std::string& warning : loaded.engine->model_warnings()) loaded.warnings.push_back(std::move(warning));
  loaded.engine->set_latency_target(std::chrono::milliseconds(request.options.latency_target_ms));
  const int32_t fits = loaded.engine->context_tokens();
  if (fits < loaded.context_tokens) {
    loaded.warnings.push_back("memory allows a context of " + std::to_string(fits) + " tokens, not " + std::to_string(loaded.context_tokens));
    loaded.context_tokens = fits;
  } else if (request.options.num_ctx == 0 && loaded.context_tokens < engine::kLeastContextTokens) {
    loaded.warnings.push_back("the model's own context is only " + std::to_string(loaded.context_tokens) + " tokens");
  }
  loaded.n_places = places(*loaded.engine, loaded.context_tokens, options.max_sequences);
  return loaded;
}

}  // namespace

int runner_main(int argc, char** argv) { return serve(argc, argv, load_model); }

}  // namespace da::runner
