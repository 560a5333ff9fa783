// The command line: options to records, records to commands. The only file that includes CLI11.
#include <signal.h>

#include <CLI/CLI.hpp>

#include "base/version.h"
#include "cli/bench/synthetic.h"
#include "cli/commands.h"
#include "quant/mix.h"
#include "runner/client.h"

namespace {

using namespace da::cli;

constexpr const char* kFooter = R"(Environment:
  OLLAMA_HOST               address of the API (default 127.0.0.1:11434)
  OLLAMA_MODELS             folder of the models (default ~/.ollama/models)
  OLLAMA_KEEP_ALIVE         how long a model stays loaded (default 5m)
  OLLAMA_NUM_PARALLEL       requests a model answers at once (default 4)
  OLLAMA_MAX_LOADED_MODELS  models loaded at once (default 3)
  OLLAMA_MAX_QUEUE          requests that may wait (default 512)
  OLLAMA_CONTEXT_LENGTH     default context in tokens (default: the model's own)
  OLLAMA_KV_CACHE_TYPE      keys and values: f16, bf16, f32, q8_0, q4_0, or keys/values as q8_0/f16 (default f16)
  OLLAMA_ORIGINS            browser origins allowed beside the local ones
  DEEPANALYZE_UI_PORT       port of the web page (default 3000)
  DEEPANALYZE_LOG_LEVEL     debug, info, warn or error (default info)
  DEEPANALYZE_CONFIG        configuration file (default ~/.config/deepanalyze/config.json)
Wherever a model is named, a path to a GGUF file serves too.)";

// The status a chosen command left behind.
int exit_status = 0;

template <class Options, class Command>
void on_run(CLI::App* command, std::shared_ptr<Options> options, Command function) {
  command->callback([options, function] { exit_status = function(*options); });
}

void add_serving(CLI::App& app) {
  auto serve_options = std::make_shared<ServeOptions>();
  auto* command = app.add_subcommand("serve", "Start the server: model API and web page")->alias("start");
  command->add_option("--host", serve_options->host, "Address of the API, host:port (default: OLLAMA_HOST or 127.0.0.1:11434)");
  command->add_option("--ui-port", serve_options->ui_port, "Port of the web page (default: DEEPANALYZE_UI_PORT or 3000)")->check(CLI::Range(0, 65535));
  command->add_option("--log-level", serve_options->log_level, "debug, info, warn or error")->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  command->add_option("--gpu-layers", serve_options->gpu_layers, "Layers on GPUs of models that do not say (default: OLLAMA_GPU_LAYERS or -1, as many as fit; 99: all)")->check(CLI::Range(-1, 1 << 20));
  on_run(command, serve_options, serve);

  auto config_options = std::make_shared<ConfigOptions>();
  command = app.add_subcommand("config", "Show the running server's settings, or change them: config parallel=8 keep_alive=10m");
  command->add_option("SETTING", config_options->changes, "name to show, name=value to set, name= to take a change back");
  command->add_flag("--explain", config_options->explain, "Say where each value comes from and what it is for");
  command->add_flag("--json", config_options->json, "Print JSON");
  on_run(command, config_options, config);
}

void add_text_commands(CLI::App& app) {
  auto analyze_options = std::make_shared<AnalyzeOptions>();
  auto* command = app.add_subcommand("analyze", "Analyse a text: core viewpoints, key information, underlying sentiment");
  command->add_option("FILE", analyze_options->file, "UTF-8 text file, or - for standard input")->required();
  command->add_option("-m,--model", analyze_options->model, "Model name or GGUF file (default: the server's choice)");
  command->add_option("-l,--language", analyze_options->language, "Language of the report: auto, zh or en")->check(CLI::IsMember({"auto", "zh", "en"}));
  command->add_option("-o,--output", analyze_options->output, "Write the report to this file");
  command->add_flag("--json", analyze_options->json, "Print the structured result instead of Markdown");
  command->add_flag("-q,--quiet", analyze_options->quiet, "No progress and no timing on standard error");
  on_run(command, analyze_options, analyze);

  auto run_options = std::make_shared<RunOptions>();
  command = app.add_subcommand("run", "Talk to a model; with a prompt or piped text, answer once");
  command->add_option("MODEL", run_options->model, "Model name or GGUF file")->required();
  command->add_option("PROMPT", run_options->prompt, "Prompt");
  command->add_option("--keepalive", run_options->keep_alive, "How long the model stays loaded, e.g. 5m");
  command->add_option("--format", run_options->format, "json, or a JSON Schema");
  command->add_option("--system", run_options->system, "System message");
  command->add_option("-p,--parameter", run_options->parameters, "name=value, e.g. temperature=0")->allow_extra_args(false);
  command->add_flag("--verbose", run_options->verbose, "Print timings");
  on_run(command, run_options, run);
}

void add_model_commands(CLI::App& app) {
  const auto add_list = [&](const char* name, const char* alias, const char* help, int (*function)(const ListOptions&)) {
    auto options = std::make_shared<ListOptions>();
    auto* command = app.add_subcommand(name, help);
    if (alias != nullptr) command->alias(alias);
    command->add_option("PREFIX", options->prefix, "Only names that start so");
    command->add_flag("--json", options->json, "Print JSON");
    on_run(command, options, function);
  };
  add_list("list", "ls", "List the models on this machine", list);
  add_list("ps", nullptr, "List the loaded models", ps);

  auto show_options = std::make_shared<ShowOptions>();
  auto* command = app.add_subcommand("show", "Show a model's details");
  command->add_option("MODEL", show_options->model, "Model name or GGUF file")->required();
  auto* parts = command->add_option_group("part");
  parts->add_flag("--license", show_options->license, "Only the licence");
  parts->add_flag("--modelfile", show_options->modelfile, "Only the Modelfile");
  parts->add_flag("--parameters", show_options->parameters, "Only the parameters");
  parts->add_flag("--template", show_options->show_template, "Only the template");
  parts->add_flag("--system", show_options->system, "Only the system message");
  parts->require_option(0, 1);
  command->add_flag("-v,--verbose", show_options->verbose, "With the long metadata arrays");
  command->add_flag("--json", show_options->json, "Print JSON");
  on_run(command, show_options, show);

  auto create_options = std::make_shared<CreateOptions>();
  command = app.add_subcommand("create", "Create a model from a Modelfile");
  command->add_option("MODEL", create_options->model, "Name of the new model")->required();
  command->add_option("-f,--file", create_options->file, "Modelfile (default: ./Modelfile; - for standard input)");
  command->add_option("-q,--quantize", create_options->quantize, "Quantize the weights to this file type, e.g. Q4_K_M");
  on_run(command, create_options, create);

  auto quantize_options = std::make_shared<QuantizeFileOptions>();
  command = app.add_subcommand("quantize", "Write a model file in another file type, e.g. Q4_K_M");
  command->add_option("IN", quantize_options->in, "Model name or GGUF file; of a split model the first part")->required();
  command->add_option("OUT", quantize_options->out, "File to write")->required();
  command->add_option("TYPE", quantize_options->type, da::quant::mix_names())->required();
  command->add_option("--imatrix", quantize_options->imatrix, "Importance matrix of the model (either form of file): which inputs matter; types below 3 bits need one");
  command->add_flag("--force", quantize_options->force, "Replace OUT if it exists");
  command->add_flag("--allow-requantize", quantize_options->allow_requantize, "Take weights that are quantized already; this loses quality");
  command->add_option("--threads", quantize_options->threads, "Threads (default: all CPUs)")->check(CLI::Range(0, 4096));
  command->add_flag("--json", quantize_options->json, "No progress; print what was done as JSON");
  on_run(command, quantize_options, quantize);

  auto names = std::make_shared<std::vector<std::string>>();
  command = app.add_subcommand("rm", "Remove models");
  command->add_option("MODEL", *names, "Model names")->required();
  on_run(command, names, remove_models);

  auto pair = std::make_shared<std::pair<std::string, std::string>>();
  command = app.add_subcommand("cp", "Copy a model under another name");
  command->add_option("SOURCE", pair->first, "Model name")->required();
  command->add_option("DESTINATION", pair->second, "New name")->required();
  on_run(command, pair, [](const auto& names_of_copy) { return copy_model(names_of_copy.first, names_of_copy.second); });

  auto stopped = std::make_shared<std::string>();
  command = app.add_subcommand("stop", "Unload a model");
  command->add_option("MODEL", *stopped, "Model name")->required();
  on_run(command, stopped, stop_model);

  auto version_options = std::make_shared<VersionOptions>();
  command = app.add_subcommand("version", "Print the version of this program and of the running server");
  command->add_flag("--json", version_options->json, "Print JSON");
  on_run(command, version_options, version);

  auto devices_options = std::make_shared<DevicesOptions>();
  command = app.add_subcommand("devices", "List the processors and GPUs that models can run on");
  command->add_flag("--json", devices_options->json, "Print JSON");
  on_run(command, devices_options, devices);
}

void add_developer_commands(CLI::App& app) {
  auto tokenize_options = std::make_shared<TokenizeOptions>();
  auto* command = app.add_subcommand("tokenize", "UTF-8 text on standard input to a JSON array of token ids");
  command->add_option("MODEL", tokenize_options->model, "Model name or GGUF file")->required();
  command->add_flag("--special", tokenize_options->special, "Control tokens written in the text become tokens");
  command->add_flag("--bos", tokenize_options->bos, "Add what the model adds");
  on_run(command, tokenize_options, tokenize);

  auto model = std::make_shared<std::string>();
  command = app.add_subcommand("detokenize", "JSON array of token ids on standard input to the bytes");
  command->add_option("MODEL", *model, "Model name or GGUF file")->required();
  on_run(command, model, detokenize);

  auto* group = app.add_subcommand("eval", "Run token ids through a model once, for comparing engines")->require_subcommand(1);
  for (const char* what : {"logits", "embed"}) {
    auto eval_options = std::make_shared<EvalOptions>();
    eval_options->what = what;
    const bool is_embed = eval_options->what == "embed";
    command = group->add_subcommand(what, is_embed ? "Write float32 hidden states [n_tokens][n_embd], or one pooled vector"
                                                   : "Write float32 logits [n_tokens][n_vocab], little-endian");
    command->add_option("MODEL", eval_options->model, "Model name or GGUF file")->required();
    command->add_option("--tokens", eval_options->tokens, "Token ids, e.g. 1,2,3")->required();
    command->add_option("--out", eval_options->out, "File to write")->required();
    command->add_option("--isa", eval_options->isa, "Force an instruction set");
    command->add_option("--threads", eval_options->threads, "Threads (default: all CPUs)")->check(CLI::Range(0, 4096));
    command->add_option("--gpu-layers", eval_options->gpu_layers, "Layers on GPUs at most; -1: as many as fit (default: 0, the CPU alone)")->check(CLI::Range(-1, 100000));
    if (is_embed)
      command->add_option("--pooling", eval_options->pooling, "none (every token), mean, cls or last")->check(CLI::IsMember({"none", "mean", "cls", "last"}));
    on_run(command, eval_options, eval);
  }

  auto render_options = std::make_shared<RenderOptions>();
  command = app.add_subcommand("render", "Render a chat template with the JSON variables on standard input");
  command->add_option("FILE", render_options->file, "Template")->required();
  command->add_option("--engine", render_options->engine, "jinja or go")->check(CLI::IsMember({"jinja", "go"}));
  on_run(command, render_options, render);
}

void add_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  auto* command = app.add_subcommand("bench", "Measure a model's speed and memory here, and what the machine could do at most");
  auto* model = command->add_option("MODEL", options->model, "Model name or GGUF file");
  command->add_option("--synthetic", options->synthetic, "SHAPE:TYPE instead: random weights in a published model's shape. Shapes: " + da::cli::bench::shape_names() + "; types: " + da::quant::mix_names())->excludes(model);
  const auto add_list = [&](const char* name, std::vector<int>& values, int least, int most, const char* help) {
    command->add_option(name, values, help)->delimiter(',')->check(CLI::Range(least, most))->capture_default_str();
  };
  add_list("--prompt", options->prompt, 0, 1 << 20, "Tokens of a prompt, several for a sweep: 128,512; 0: no prompts");
  add_list("--gen", options->gen, 0, 1 << 20, "Tokens to generate; 0: none");
  add_list("--depth", options->depth, 0, 1 << 20, "Tokens in the KV cache before");
  add_list("--streams", options->streams, 1, 1024, "Requests that generate side by side");
  command->add_option("--analysis", options->analysis, "Analyse these documents instead, without guessed tokens and with them")->delimiter(',');
  command->add_option("--repeat", options->repeat, "Runs of each test; the median counts")->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_option("--loads", options->loads, "Times to load the model and to read its file, by turns; the median counts")->check(CLI::Range(1, 1000))->capture_default_str();
  command->add_option("--threads", options->threads, "Threads (default: all CPUs)")->check(CLI::Range(0, 4096));
  command->add_option("--isa", options->isa, "Force an instruction set");
  command->add_flag("--map-weights", options->map_weights, "Leave the weights in the file (the model option use_mmap)");
  command->add_flag("--pin-threads", options->pin_threads, "Keep each thread on one processor (the model option pin_threads)");
  command->add_option("--folder", options->folder, "Where the synthetic model is written for the time being (default: TMPDIR or /tmp)");
  command->add_option("--keep", options->keep, "Write the synthetic model to this file and leave it there");
  command->add_flag("!--no-peaks", options->peaks, "Leave out what the machine could do at most (takes two seconds)");
  command->add_flag("--stdin", options->from_stdin, "Run a test for each line of JSON on standard input; the lists above tell what to make room for");
  command->add_flag("--json", options->json, "Print JSON");
  on_run(command, options, bench_model);
}

int help_about(CLI::App& app, const std::string& topic) {
  const CLI::App* about = &app;
  if (!topic.empty()) {
    const auto commands = app.get_subcommands([&](const CLI::App* command) { return command->check_name(topic); });
    about = commands.empty() ? nullptr : commands.front();
  }
  if (about == nullptr) {
    std::fprintf(stderr, "Error: unknown command \"%s\" for \"deepanalyze help\"\n", topic.c_str());
    return 2;
  }
  std::fputs(about->help().c_str(), stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that goes away is an error of write(), not the end of the process.
  signal(SIGPIPE, SIG_IGN);
  if (argc > 1 && std::string_view(argv[1]) == "runner") return da::runner::runner_main(argc - 1, argv + 1);

  CLI::App app("Private text analysis and a local model server.", "deepanalyze");
  app.set_version_flag("-v,--version", std::string("deepanalyze version is ") + da::kVersion);
  app.footer(kFooter);
  app.require_subcommand(1);
  add_serving(app);
  add_text_commands(app);
  add_model_commands(app);
  add_developer_commands(app);
  add_bench(app);
  std::string topic;
  app.add_subcommand("help", "Help about a command")->add_option("COMMAND", topic, "Command");
  try {
    app.parse(argc, argv);
    if (app.got_subcommand("help")) return help_about(app, topic);
    return exit_status;
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    if (argc < 2) {
      std::fputs(app.help().c_str(), stdout);
      return 0;
    }
    if (argv[1][0] != '-' && app.get_subcommands([&](const CLI::App* command) { return command->check_name(argv[1]); }).empty()) {
      std::fprintf(stderr, "Error: unknown command \"%s\" ('deepanalyze --help' lists them)\n", argv[1]);
      return 2;
    }
    std::fprintf(stderr, "Error: %s (see 'deepanalyze %s--help')\n", error.what(), argv[1][0] == '-' ? "" : (std::string(argv[1]) + " ").c_str());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "Error: %s\n", error.what());
    return 1;
  }
}
