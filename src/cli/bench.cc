// bench: how fast a model runs here, and how near that is to what the machine can do.
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "backend/cpu/peaks.h"
#include "base/cpu_limits.h"
#include "cli/bench/analysis.h"
#include "cli/bench/measure.h"
#include "cli/bench/report.h"
#include "cli/bench/subject.h"
#include "cli/bench/synthetic.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "store/store.h"

namespace da::cli {
namespace {

using namespace bench;
using Json = nlohmann::ordered_json;

volatile std::sig_atomic_t stop_wanted = 0;

// While a model is written to a path of the user's, Ctrl-C must take it away again. Later the default is right: a
// temporary file has no name.
void stop_on_signals(bool on) {
  struct sigaction action {};
  action.sa_handler = on ? [](int) { stop_wanted = 1; } : SIG_DFL;
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
}

Result<UniqueFd> open_model(const BenchOptions& options, ProgressLine& line) {
  if (!options.synthetic.empty()) {
    stop_on_signals(true);
    auto file =
        write_synthetic({.spec = options.synthetic,
                         .folder = options.folder,
                         .keep = options.keep,
                         .n_threads = options.threads,
                         .progress = [&](double share) {
                           line.show("writing the model  " + std::to_string(static_cast<int>(share * 100)) + "%");
                           return stop_wanted == 0;
                         }});
    stop_on_signals(false);
    return file;
  }
  const store::Store store(store::Store::default_root(), {{"starter", bundled_model_path()}});
  DA_ASSIGN_OR_RETURN(const store::ModelInfo model, store.resolve(options.model));
  UniqueFd file(open(model.gguf_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return {ErrorCode::kIo, "open " + model.gguf_path + ": " + std::strerror(errno)};
  return file;
}

// {"test": "prompt" or "generate", "tokens": n, "depth": n, "streams": n}
Result<Case> parse_case(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  const auto number = [&](const char* name, int least) {
    const auto found = json.is_object() ? json.find(name) : json.end();
    if (found == json.end()) return least;
    return found->is_number_integer() && *found >= least && *found <= 1 << 20 ? found->get<int>() : -1;
  };
  const std::string test = json.is_object() ? json.value("test", "") : "";
  Case what{test == "prompt" ? CaseKind::kPrompt : CaseKind::kGenerate, number("tokens", 2), number("depth", 0),
            number("streams", 1)};
  if ((test == "prompt" || test == "generate") && what.n_tokens > 0 && what.depth >= 0 && what.streams > 0) return what;
  return {ErrorCode::kInvalidArgument, "bench: a line on standard input is no test"};
}

void print_line(const Json& json) {
  std::puts(json.dump().c_str());
  std::fflush(stdout);
}

// One run for each line on standard input, when it comes: so that another program can alternate engines. "read" is what
// memory gives at that moment.
Status answer_lines(Measurer& measurer, const Report& report) {
  print_line(to_json(report));
  for (std::string text; std::getline(std::cin, text);) {
    if (const Json json = Json::parse(text, nullptr, false); json.is_object() && json.value("test", "") == "read") {
      print_line({{"bytes_per_s", backend::measure_read_peak(report.n_threads)}});
      continue;
    }
    DA_ASSIGN_OR_RETURN(const Case what, parse_case(text));
    DA_RETURN_IF_ERROR(measurer.prepare(what));
    DA_ASSIGN_OR_RETURN(const Sample sample, measurer.run(what));
    print_line({{"seconds", sample.seconds}, {"tokens", sample.n_tokens}});
  }
  return Status::ok();
}

std::vector<Case> list_cases(const BenchOptions& options) {
  std::vector<Case> cases;
  for (const int depth : options.depth) {
    for (const int n : options.prompt) {
      if (n > 0) cases.push_back({.kind = CaseKind::kPrompt, .n_tokens = n, .depth = depth});
    }
    for (const int streams : options.streams) {
      for (const int n : options.gen) {
        if (n > 0) cases.push_back({CaseKind::kGenerate, std::max(n, 2), depth, streams});
      }
    }
  }
  return cases;
}

engine::EngineOptions engine_options(const BenchOptions& options, const std::vector<Case>& cases) {
  constexpr int32_t kRoomTokens = 128;  // warm-up, slack, whole pages
  engine::EngineOptions engine;
  int32_t deepest = 0;
  engine.max_sequences = 1;
  for (const Case& what : cases) {
    deepest = std::max(deepest, what.depth + what.n_tokens);
    engine.max_sequences = std::max(engine.max_sequences, what.streams);
  }
  engine.context_tokens = deepest + kRoomTokens;
  engine.n_threads = options.threads;
  engine.isa = options.isa;
  engine.map_weights = options.map_weights;
  engine.pin_threads = options.pin_threads;
  engine.retained_tokens = int64_t{engine.max_sequences} * engine.context_tokens;  // what was computed stays
  return engine;
}

// A peak is what the machine can do; what else ran on it during a measurement only took away.
backend::CpuPeaks best_of(const backend::CpuPeaks& a, const backend::CpuPeaks& b) {
  return {std::max(a.read_bytes_per_s, b.read_bytes_per_s), std::max(a.int8_ops_per_s, b.int8_ops_per_s),
          std::max(a.bf16_ops_per_s, b.bf16_ops_per_s), std::max(a.f32_ops_per_s, b.f32_ops_per_s)};
}

Status run_analysis(const BenchOptions& options) {
  ProgressLine line(!options.json);
  DA_ASSIGN_OR_RETURN(const UniqueFd fd, open_model(options, line));
  DA_ASSIGN_OR_RETURN(std::shared_ptr<const gguf::File> file, gguf::File::open_fd(fd.get(), options.model));
  line.show("analysing");
  DA_ASSIGN_OR_RETURN(const auto rows, measure_analysis(std::move(file), {.files = options.analysis,
                                                                          .repeat = options.repeat,
                                                                          .n_threads = options.threads,
                                                                          .isa = options.isa}));
  line.clear();
  options.json ? print_json(to_json(rows)) : print(rows);
  return Status::ok();
}

Status run_bench(const BenchOptions& options) {
  ProgressLine line(!options.json && !options.from_stdin);
  Report report{.model = options.synthetic.empty() ? options.model : "synthetic " + options.synthetic,
                .n_threads = options.threads > 0 ? options.threads : available_cpus()};
  DA_ASSIGN_OR_RETURN(const UniqueFd file, open_model(options, line));
  const std::vector<Case> cases = list_cases(options);
  if (cases.empty() && !options.keep.empty()) return Status::ok();  // it was only to be written
  line.show("measuring the machine");
  if (options.peaks) report.peaks = backend::measure_cpu_peaks(options.threads);
  line.show("loading");
  DA_ASSIGN_OR_RETURN(const Subject subject,
                      load_subject(file.get(), report.model, engine_options(options, cases), options.loads));
  report.subject = &subject;
  report.description = subject.description;
  Measurer measurer(*subject.engine, subject.n_vocab);
  DA_RETURN_IF_ERROR(measurer.warm_up());
  if (options.from_stdin) return answer_lines(measurer, report);
  for (const Case& what : cases) {
    line.show(name_of(what) + "  getting ready");
    DA_RETURN_IF_ERROR(measurer.prepare(what));
    Row row{.what = what};
    for (int i = 0; i < options.repeat; ++i) {
      line.show(name_of(what) + "  run " + std::to_string(i + 1) + " of " + std::to_string(options.repeat));
      DA_ASSIGN_OR_RETURN(const Sample sample, measurer.run(what));
      row.samples.push_back(sample);
    }
    report.rows.push_back(std::move(row));
  }
  report.memory = process_memory();
  line.show("measuring the machine again");
  if (options.peaks) report.peaks = best_of(report.peaks, backend::measure_cpu_peaks(options.threads));
  line.clear();
  options.json ? print_json(to_json(report)) : print(report);
  return Status::ok();
}

}  // namespace

int bench_model(const BenchOptions& options) {
  if (options.model.empty() == options.synthetic.empty()) {
    std::fprintf(stderr, "Error: bench: expected MODEL or --synthetic SHAPE:TYPE\n");
    return 2;
  }
  const Status status = options.analysis.empty() ? run_bench(options) : run_analysis(options);
  return status.is_ok() ? 0 : fail(status);
}

}  // namespace da::cli
