#include <cstdio>
#include <fstream>

#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/local_server.h"
#include "cli/terminal.h"

namespace da::cli {
namespace {

using Json = nlohmann::ordered_json;

// What the stream has told so far. On a terminal the report is printed as it grows: the part that can no longer change
// (all but the last line) at once, the rest when it is complete.
class Follower {
 public:
  explicit Follower(const AnalyzeOptions& options) : options_(options), progress_(!options.quiet) {}

  bool take(std::string_view line) {
    if (!line.starts_with("data:")) return true;
    Json event = Json::parse(line.substr(5), nullptr, false);
    if (!event.is_object()) return true;
    const std::string status = event.value("status", "");
    if (status == "queued") progress_.show("queued");
    if (status == "loading") show_share("loading " + event.value("model", ""), event.value("bytes_done", 0ULL), event.value("bytes_total", 0ULL));
    if (status == "reading") show_share("reading", event.value("tokens_done", 0ULL), event.value("tokens_total", 0ULL));
    if (status == "writing") progress_.show("writing, " + std::to_string(event.value("generated_tokens", 0ULL)) + " tokens");
    if (status == "error") error_ = {ErrorCode::kUnavailable, event.value("error", "the analysis failed")};
    if (status == "cancelled") error_ = {ErrorCode::kCancelled, "cancelled"};
    if (status == "complete") complete_ = std::move(event);
    return complete_.is_null() && error_.is_ok();
  }

  Result<Json> finish() {
    progress_.clear();
    if (!error_.is_ok()) return error_;
    if (complete_.is_null()) return Status(ErrorCode::kUnavailable, "the server ended the stream before the report was complete");
    return complete_;
  }

 private:
  void show_share(const std::string& what, uint64_t done, uint64_t total) {
    progress_.show(total == 0 ? what : what + " " + std::to_string(100 * done / total) + " %");
  }

  const AnalyzeOptions& options_;
  ProgressLine progress_;
  Json complete_;
  Status error_;
};

Status analyze_file(const AnalyzeOptions& options) {
  DA_ASSIGN_OR_RETURN(const std::string text, read_input(options.file));
  if (const auto bad = utf8::find_invalid(text)) {
    return {ErrorCode::kInvalidArgument, options.file + ": not UTF-8 at byte " + std::to_string(*bad)};
  }
  catch_interrupt();
  std::unique_ptr<LocalServer> local;
  DA_ASSIGN_OR_RETURN(ApiClient client, connect_or_start(local));
  Json request = {{"text", text}, {"language", options.language}};
  if (!options.model.empty()) request["model"] = options.model;
  DA_ASSIGN_OR_RETURN(const Json task, client.call("POST", "/api/analyze", request));
  Follower follower(options);
  DA_RETURN_IF_ERROR(client.stream("GET", "/api/stream?task_id=" + task.value("task_id", ""), nullptr, [&](std::string_view line) { return follower.take(line); }));
  DA_ASSIGN_OR_RETURN(const Json done, follower.finish());
  std::string report = options.json ? done["result"].dump(2) + "\n" : done.value("report", "");
  if (!report.ends_with('\n')) report += '\n';
  if (options.output.empty()) {
    std::fwrite(report.data(), 1, report.size(), stdout);
    std::fflush(stdout);
  } else {
    std::ofstream file(options.output, std::ios::binary);
    if (!(file << report) || !file.flush()) return {ErrorCode::kIo, "write " + options.output + " failed"};
  }
  if (!options.quiet) {
    for (const Json& warning : done.value("warnings", Json::array())) {
      if (warning.is_string()) std::fprintf(stderr, "Warning: %s\n", warning.get<std::string>().c_str());
    }
    const Json stats = done.value("stats", Json::object());
    std::fprintf(stderr, "%s: first token after %.2f s, %.0f tokens/s, %.2f s in all\n", stats.value("model", "").c_str(),
                 stats.value("time_to_first_token_ms", 0.0) / 1000, stats.value("tokens_per_second", 0.0), stats.value("total_ms", 0.0) / 1000);
  }
  return Status::ok();
}

}  // namespace

int analyze(const AnalyzeOptions& options) {
  const Status status = analyze_file(options);
  return status.is_ok() ? 0 : fail(status);
}

}  // namespace da::cli
