#include <algorithm>
#include <memory>
#include <utility>

#include "engine/load.h"
#include "gguf/gguf.h"
#include "runner/chat_format.h"
#include "runner/client.h"
#include "runner/serve.h"

namespace da::runner {
namespace {

// The context a request gets where nobody asked for one: pages are committed as they fill, so a long one costs little.
Result<int32_t> context_of(const gguf::File& file, int32_t wanted_tokens) {
  DA_ASSIGN_OR_RETURN(const uint64_t own, file.get_uint_or(std::string(file.architecture()) + ".context_length", 0));
  const int32_t limit = own == 0 ? kDefaultContextTokens : static_cast<int32_t>(std::min<uint64_t>(own, 1 << 30));
  return wanted_tokens > 0 ? std::min(wanted_tokens, limit) : std::min(kDefaultContextTokens, limit);
}

Result<LoadedModel> load_model(const LoadRequest& request, const LoadProgress& progress) {
  DA_ASSIGN_OR_RETURN(std::shared_ptr<const gguf::File> file, gguf::File::open_fd(request.model_fd, request.name));
  LoadedModel loaded;
  DA_ASSIGN_OR_RETURN(loaded.tokenizer, tokenizer::Tokenizer::from_gguf(*file));
  const tokenizer::Tokenizer& tokenizer = *loaded.tokenizer;
  const auto written = [&tokenizer](tokenizer::TokenId id) {
    return id >= 0 && id < tokenizer.n_tokens() ? std::string(tokenizer.written(id)) : std::string();
  };
  loaded.compile_go = compile_go;
  if (const auto source = file->get_string("tokenizer.chat_template"); source.is_ok()) {
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
  if (const auto protocol = file->get_string("deepanalyze.protocol"); protocol.is_ok()) loaded.protocol = *protocol;

  engine::EngineOptions options;
  DA_ASSIGN_OR_RETURN(options.context_tokens, context_of(*file, request.options.num_ctx));
  options.max_sequences = request.options.num_parallel;
  options.n_threads = request.options.num_thread > 0 ? request.options.num_thread : request.n_cpus;
  DA_ASSIGN_OR_RETURN(loaded.engine, engine::load_engine(file, loaded.tokenizer, options, progress));
  return loaded;
}

}  // namespace

int runner_main(int argc, char** argv) { return serve(argc, argv, load_model); }

}  // namespace da::runner
