// run MODEL [PROMPT…]: one answer to the words or the piped text, or a conversation at a terminal. No history is kept on disk.
#include <histedit.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <string>

#include "cli/commands.h"
#include "cli/local_server.h"
#include "cli/terminal.h"

namespace da::cli {
namespace {

using Json = nlohmann::ordered_json;

// "key=value" with the value as JSON where it is JSON, else as a string.
Result<Json> parse_parameters(const std::vector<std::string>& parameters) {
  Json options = Json::object();
  for (const std::string& parameter : parameters) {
    const size_t equals = parameter.find('=');
    if (equals == std::string::npos || equals == 0) return Status(ErrorCode::kInvalidArgument, "--parameter " + parameter + ": expected name=value");
    const std::string value = parameter.substr(equals + 1);
    Json json = Json::parse(value, nullptr, false);
    options[parameter.substr(0, equals)] = json.is_discarded() ? Json(value) : std::move(json);
  }
  return options;
}

class Conversation {
 public:
  Conversation(ApiClient client, const RunOptions& options, Json parameters)
      : client_(std::move(client)), options_(options), parameters_(std::move(parameters)), messages_(Json::array()) {
    if (!options.system.empty()) messages_.push_back({{"role", "system"}, {"content", options.system}});
  }

  // Sends the user's words and prints the answer as it comes. A cancelled answer stays in the conversation as far as it went.
  Status ask(const std::string& text) {
    messages_.push_back({{"role", "user"}, {"content", text}});
    Json body = {{"model", options_.model}, {"messages", messages_}, {"options", parameters_}};
    if (!options_.keep_alive.empty()) body["keep_alive"] = options_.keep_alive;
    if (!options_.format.empty()) {
      Json schema = Json::parse(options_.format, nullptr, false);
      body["format"] = schema.is_object() ? std::move(schema) : Json(options_.format);
    }
    std::string answer;
    Json last;
    const Status status = client_.stream("POST", "/api/chat", body, [&](std::string_view line) {
      Json event = Json::parse(line, nullptr, false);
      if (!event.is_object()) return true;
      const std::string piece = event.value("message", Json::object()).value("content", "");
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
      answer += piece;
      if (event.value("done", false)) last = std::move(event);
      return true;
    });
    std::puts("");
    messages_.push_back({{"role", "assistant"}, {"content", answer}});
    if (status.is_ok() && options_.verbose) print_statistics(last);
    return status;
  }

  // Loads the model before the first question, so that the prompt appears when it can be answered.
  Status load() {
    ProgressLine progress;
    progress.show("loading " + options_.model);
    Json body = {{"model", options_.model}};
    if (!options_.keep_alive.empty()) body["keep_alive"] = options_.keep_alive;
    return client_.call("POST", "/api/generate", body).status();
  }

  void clear() {
    while (messages_.size() > (options_.system.empty() ? 0U : 1U)) messages_.erase(messages_.size() - 1);
  }

 private:
  static void print_statistics(const Json& done) {
    const auto seconds = [&](const char* key) { return done.value(key, 0.0) / 1e9; };
    const double prompt = done.value("prompt_eval_count", 0.0), generated = done.value("eval_count", 0.0);
    std::fprintf(stderr, "total %.2f s, load %.2f s, prompt %.0f tokens at %.1f tokens/s, answer %.0f tokens at %.1f tokens/s\n", seconds("total_duration"),
                 seconds("load_duration"), prompt, prompt / std::max(seconds("prompt_eval_duration"), 1e-9), generated,
                 generated / std::max(seconds("eval_duration"), 1e-9));
  }

  ApiClient client_;
  const RunOptions& options_;
  Json parameters_, messages_;
};

constexpr const char* kHelp =
    "  /clear       forget the conversation\n"
    "  /bye         leave (so does Ctrl-D)\n"
    "  /? /help     this\n"
    "  \"\"\"          begin and end a message of several lines\n"
    "  Ctrl-C       stop the answer\n";

char* prompt_text(EditLine* editor) {
  static char first[] = ">>> ", next[] = "... ";
  void* in_block = nullptr;
  el_get(editor, EL_CLIENTDATA, &in_block);
  return *static_cast<bool*>(in_block) ? next : first;
}

Status converse(Conversation& conversation) {
  DA_RETURN_IF_ERROR(conversation.load());
  bool in_block = false;
  EditLine* editor = el_init("deepanalyze", stdin, stdout, stderr);
  History* lines = history_init();  // of this session only
  HistEvent event;
  history(lines, &event, H_SETSIZE, 200);
  el_set(editor, EL_CLIENTDATA, &in_block);
  el_set(editor, EL_PROMPT, &prompt_text);
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_HIST, history, lines);
  el_set(editor, EL_SIGNAL, 0);
  std::fputs("Send a message (/? for help)\n", stderr);
  std::string block;
  int count = 0;
  while (true) {
    const char* raw = el_gets(editor, &count);
    if (raw == nullptr || count <= 0) {
      if (!interrupted()) break;
      clear_interrupt();
      std::puts("");
      continue;
    }
    std::string line(raw, static_cast<size_t>(count));
    while (line.ends_with('\n')) line.pop_back();
    if (in_block || line.starts_with("\"\"\"")) {
      const bool opens = !in_block;
      const size_t from = opens ? 3 : 0, close = line.find("\"\"\"", from);
      block += line.substr(from, close == std::string::npos ? std::string::npos : close - from);
      in_block = close == std::string::npos;
      if (in_block) {
        block += '\n';
        continue;
      }
      line = std::exchange(block, {});
    } else if (line == "/bye" || line == "/exit") {
      break;
    } else if (line == "/clear") {
      conversation.clear();
      continue;
    } else if (line == "/?" || line == "/help") {
      std::fputs(kHelp, stdout);
      continue;
    } else if (line.starts_with('/')) {
      std::fprintf(stderr, "Unknown command '%s'. Type /? for help\n", line.c_str());
      continue;
    }
    if (line.find_first_not_of(" \t\n") == std::string::npos) continue;
    history(lines, &event, H_ENTER, line.c_str());
    const Status status = conversation.ask(line);
    if (status.code() == ErrorCode::kCancelled) {
      clear_interrupt();
    } else if (!status.is_ok()) {
      (void)fail(status);
    }
  }
  history_end(lines);
  el_end(editor);
  return Status::ok();
}

Status run_model(const RunOptions& options) {
  DA_ASSIGN_OR_RETURN(Json parameters, parse_parameters(options.parameters));
  std::string prompt;
  for (const std::string& word : options.prompt) prompt += (prompt.empty() ? "" : " ") + word;
  const bool piped = isatty(STDIN_FILENO) == 0;
  if (piped) {
    DA_ASSIGN_OR_RETURN(const std::string input, read_input("-"));
    prompt += (prompt.empty() || input.empty() ? "" : "\n\n") + input;
  }
  catch_interrupt();
  std::unique_ptr<LocalServer> local;
  DA_ASSIGN_OR_RETURN(ApiClient client, connect_or_start(local));
  Conversation conversation(std::move(client), options, std::move(parameters));
  if (!piped && prompt.empty()) return converse(conversation);
  if (prompt.find_first_not_of(" \t\r\n") == std::string::npos) return {ErrorCode::kInvalidArgument, "the prompt is empty"};
  return conversation.ask(prompt);
}

}  // namespace

int run(const RunOptions& options) {
  const Status status = run_model(options);
  return status.is_ok() ? 0 : fail(status);
}

}  // namespace da::cli
