#include "server/urgency.h"

#include <algorithm>

#include "server/app.h"
#include "server/ollama_common.h"

namespace da::server {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kMostDeadline = std::chrono::hours(24 * 7);

// A field of the body, else of the head, as text; nullopt: neither.
std::optional<std::string> text_of(const Fields& fields, const char* key, const Request& request, const char* header) {
  if (const Json* value = fields.find(key); value != nullptr) return value->is_string() ? value->get<std::string>() : value->dump();
  const std::string* field = request.header(header);
  return field != nullptr ? std::optional(*field) : std::nullopt;
}

Result<int> parse_priority(const std::string& text) {
  if (text == "high" || text == "1") return 1;
  if (text == "normal" || text == "0") return 0;
  if (text == "low" || text == "-1") return -1;
  return {ErrorCode::kInvalidArgument, "invalid priority: expected \"high\", \"normal\" or \"low\""};
}

Result<milliseconds> parse_deadline(const std::string& text) {
  const bool plain = text.find_first_not_of("0123456789.") == std::string::npos;
  const auto duration = ollama::parse_go_duration(plain ? text + "s" : text);
  const auto ms = duration.is_ok() ? std::chrono::duration_cast<milliseconds>(*duration) : milliseconds(0);
  if (ms.count() > 0 && ms <= kMostDeadline) return ms;
  return {ErrorCode::kInvalidArgument, "invalid deadline: expected seconds or a duration like \"30s\", at most a week"};
}

}  // namespace

Result<Urgency> read_urgency(const App& app, const Fields& fields, const Request& request) {
  Urgency urgency;
  if (const auto text = text_of(fields, "priority", request, "x-deepanalyze-priority")) {
    DA_ASSIGN_OR_RETURN(urgency.priority, parse_priority(*text));
  }
  if (const auto text = text_of(fields, "deadline", request, "x-deepanalyze-deadline")) {
    DA_ASSIGN_OR_RETURN(urgency.deadline, parse_deadline(*text));
  }
  const milliseconds limit = app.request_timeout();
  if (limit.count() > 0) urgency.deadline = urgency.deadline ? std::min(*urgency.deadline, limit) : limit;
  return urgency;
}

}  // namespace da::server
