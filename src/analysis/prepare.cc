#include <algorithm>

#include "analysis/analysis.h"
#include "analysis/instructions.h"
#include "analysis/protocol.h"
#include "analysis/source_text.h"
#include "base/utf8.h"
#include "base/white_space.h"

namespace da::analysis {
namespace {

Status check_text(const std::string& text) {
  if (text.empty()) return {ErrorCode::kInvalidArgument, "text: empty (0 characters)"};
  if (const auto offset = utf8::find_invalid(text)) {
    return {ErrorCode::kInvalidArgument, "text: not UTF-8 at byte " + std::to_string(*offset) + " of " + std::to_string(text.size())};
  }
  if (const size_t nul = text.find('\0'); nul != std::string::npos) {
    return {ErrorCode::kInvalidArgument, "text: a NUL character at byte " + std::to_string(nul) + " of " + std::to_string(text.size())};
  }
  const std::vector<char32_t> points = utf8::to_code_points(text);
  if (std::all_of(points.begin(), points.end(), utf8::is_blank)) {
    return {ErrorCode::kInvalidArgument, "text: only white space (" + std::to_string(points.size()) + " characters, none visible), as good as empty"};
  }
  return Status::ok();
}

}  // namespace

Result<Prepared> prepare(const Request& request, std::string_view protocol, const nlohmann::json& options) {
  if (request.language != "auto" && request.language != "zh" && request.language != "en") {
    return Status(ErrorCode::kInvalidArgument, "language: expected \"auto\", \"zh\" or \"en\"");
  }
  DA_RETURN_IF_ERROR(check_text(request.text));
  if (!options.is_object() && !options.is_null()) return Status(ErrorCode::kInvalidArgument, "options: expected an object");

  Prepared out;
  const bool compact = protocol == kCompactProtocol;
  const Language of_text = detect_language(request.text);
  const Language wanted = request.language == "auto" ? of_text : request.language == "zh" ? Language::kChinese : Language::kEnglish;
  out.language = compact ? of_text : wanted;
  if (out.language != wanted) {
    out.warnings.push_back(of_text == Language::kChinese ? "这个模型只能用文本本身的语言写报告，因此报告用中文。"
                                                         : "This model writes its report in the language of the text, so the report is in English.");
  }
  if (!compact && !protocol.empty()) {
    out.warnings.push_back("The model was trained for protocol \"" + std::string(protocol) + "\", which is not known here; it gets the general instructions.");
  }

  const std::string text = text_for_model(request.text);
  nlohmann::json messages = nlohmann::json::array();
  if (compact) {
    messages.push_back({{"role", "user"}, {"content", text}});
  } else {
    messages.push_back({{"role", "system"}, {"content", system_message(out.language)}});
    messages.push_back({{"role", "user"}, {"content", user_message(text, out.language)}});
  }
  nlohmann::json merged = {{"temperature", 0}, {"num_predict", 4096}};
  if (options.is_object()) merged.update(options);
  out.runner_request = {{"op", "generate"}, {"messages", std::move(messages)}, {"format", protocol_schema(compact)}, {"source", text}, {"options", std::move(merged)}};
  return out;
}

}  // namespace da::analysis
