// quantize: a model file in another file type.
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <optional>

#include "cli/commands.h"
#include "cli/terminal.h"
#include "gguf/gguf.h"
#include "quant/mix.h"
#include "quant/model_writer.h"
#include "store/store.h"

namespace da::cli {
namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t stop_wanted = 0;

// Ctrl-C ends the work at the next piece, so that the unfinished file is removed.
void stop_on_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_wanted = 1; };
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// "[#####.....]  50%  1.2 GB of 2.4 GB  210 MB/s  blk.12.ffn_down.weight"
std::string bar(const quant::QuantizeProgress& progress, double seconds) {
  constexpr int kCells = 24;
  const double share = progress.bytes_total == 0 ? 1.0
                                                 : static_cast<double>(progress.bytes_done) /
                                                       static_cast<double>(progress.bytes_total);
  const auto n_full = static_cast<size_t>(share * kCells);
  std::string text = "[" + std::string(n_full, '#') + std::string(kCells - n_full, '.') + "] ";
  text += std::to_string(static_cast<int>(share * 100)) + "%  " + human_bytes(progress.bytes_done) + " of " +
          human_bytes(progress.bytes_total);
  if (seconds > 0.5) text += "  " + human_bytes(static_cast<uint64_t>(static_cast<double>(progress.bytes_done) / seconds)) + "/s";
  return text + "  " + std::string(progress.tensor);
}

Status check_target(const QuantizeFileOptions& options) {
  struct stat info {};
  if (lstat(options.out.c_str(), &info) != 0) return Status::ok();
  if (S_ISDIR(info.st_mode)) return {ErrorCode::kInvalidArgument, "write " + options.out + ": is a directory"};
  if (options.force) return Status::ok();
  return {ErrorCode::kInvalidArgument, "write " + options.out + ": the file exists (--force replaces it)"};
}

// Tensors of each type, by name.
Json type_counts(const std::vector<gguf::TensorType>& types) {
  std::map<std::string, int> counts;
  for (const gguf::TensorType type : types) ++counts[std::string(gguf::tensor_type_info(type).name)];
  return counts;
}

Status run_quantize(const QuantizeFileOptions& options) {
  DA_ASSIGN_OR_RETURN(const quant::Mix* mix, quant::find_mix(options.type));
  DA_RETURN_IF_ERROR(check_target(options));
  const store::Store store(store::Store::default_root(), {{"starter", bundled_model_path()}});
  DA_ASSIGN_OR_RETURN(const store::ModelInfo model, store.resolve(options.in));
  DA_ASSIGN_OR_RETURN(const auto file, gguf::File::open(model.gguf_path));
  std::optional<quant::Importance> importance;
  if (!options.imatrix.empty()) {
    DA_ASSIGN_OR_RETURN(importance, quant::Importance::open(options.imatrix));
  }
  DA_ASSIGN_OR_RETURN(const auto types, quant::choose_types(*file, *mix, importance.has_value()));
  const auto begin = Clock::now();
  ProgressLine line(!options.json);
  const quant::QuantizeOptions work{.n_threads = options.threads,
                                    .allow_requantize = options.allow_requantize,
                                    .importance = importance.has_value() ? &*importance : nullptr,
                                    .progress = [&](const quant::QuantizeProgress& progress) {
                                      line.show(bar(progress, seconds_since(begin)));
                                      return stop_wanted == 0;
                                    }};
  DA_ASSIGN_OR_RETURN(const auto writer, quant::model_writer(*file, mix, work));
  stop_on_signals();
  DA_RETURN_IF_ERROR(writer->write(options.out));
  line.clear();
  const uint64_t out_bytes = writer->size_bytes();
  if (options.json) {
    print_json({{"in", model.gguf_path},
                {"out", options.out},
                {"type", mix->name},
                {"in_bytes", file->size_bytes()},
                {"out_bytes", out_bytes},
                {"tensors", types.size()},
                {"tensor_types", type_counts(types)},
                {"seconds", seconds_since(begin)}});
  } else {
    std::printf("%s: %s, %s to %s in %.1f s\n", options.out.c_str(), std::string(mix->name).c_str(),
                human_bytes(file->size_bytes()).c_str(), human_bytes(out_bytes).c_str(), seconds_since(begin));
  }
  return Status::ok();
}

}  // namespace

int quantize(const QuantizeFileOptions& options) {
  const Status status = run_quantize(options);
  return status.is_ok() ? 0 : fail(status);
}

}  // namespace da::cli
