#include <algorithm>
#include <array>
#include <optional>

#include "analysis/analysis.h"
#include "analysis/markdown_text.h"
#include "analysis/protocol.h"

namespace da::analysis {
namespace {

using Json = nlohmann::ordered_json;

struct Words {
  const char *title, *viewpoints, *facts, *sentiment, *no_facts, *evidence, *colon, *separator;
  const char *time, *subject, *action, *result, *figures;
  const char *tone, *attitude, *polarity, *intensity, *confidence;
  std::array<const char*, 3> kinds;
  std::array<const char*, 4> polarities;
  std::array<const char*, 3> confidences;
};

constexpr Words kChinese = {
    "深度分析报告", "核心观点", "关键信息", "潜在情感", "文中没有可以核对的事实。", "依据", "：", "、",
    "时间", "主体", "行为", "结果", "数据",
    "表面语气", "内在态度", "倾向", "强度", "把握",
    {"立场", "判断", "主张"}, {"正面", "负面", "中性", "混合"}, {"低", "中", "高"}};
constexpr Words kEnglish = {
    "Deep analysis report", "Core viewpoints", "Key information", "Underlying sentiment", "The text holds no facts that could be checked.", "Evidence", ": ", ", ",
    "Time", "Subject", "Action", "Result", "Figures",
    "Surface tone", "Underlying attitude", "Polarity", "Intensity", "Confidence",
    {"Stance", "Judgement", "Claim"}, {"positive", "negative", "neutral", "mixed"}, {"low", "medium", "high"}};

// A string member, or "" if it is not there or something else.
std::string text_of(const Json& item, const char* key) {
  const auto found = item.is_object() ? item.find(key) : item.end();
  return item.is_object() && found != item.end() && found->is_string() ? found->get<std::string>() : std::string();
}

const Json* member(const Json& item, const char* key) {
  if (!item.is_object()) return nullptr;
  const auto found = item.find(key);
  return found == item.end() ? nullptr : &*found;
}

std::string quote_of(const Json& item) {
  const Json* evidence = member(item, "evidence");
  return evidence == nullptr ? std::string() : text_of(*evidence, "quote");
}

template <size_t n>
std::string word_for(const std::array<std::string_view, n>& codes, const std::array<const char*, n>& words, const std::string& code) {
  const auto found = std::find(codes.begin(), codes.end(), code);
  return found == codes.end() ? markdown_line(code) : words[static_cast<size_t>(found - codes.begin())];
}

std::string bold(const std::string& text) { return std::string("**").append(text).append("**"); }

void add_viewpoints(std::string& out, const Json& list, const Words& w) {
  out.append("\n## ").append(w.viewpoints).append("\n");
  for (const Json& item : list) {
    const std::string kind = text_of(item, "kind"), statement = text_of(item, "statement"), quote = quote_of(item);
    if (kind.empty() && quote.empty()) continue;
    out.append("\n- ");
    if (!kind.empty()) out.append(bold(word_for(kKinds, w.kinds, kind))).append(statement.empty() ? "" : w.colon);
    out.append(markdown_line(statement)).append("\n");
    if (!quote.empty()) out.append("\n").append(markdown_quote(quote, "  ")).append("\n");
  }
}

void add_facts(std::string& out, const Json& list, const Words& w, bool complete) {
  out.append("\n## ").append(w.facts).append("\n\n");
  if (list.empty()) {
    if (complete) out.append(w.no_facts).append("\n");
    return;
  }
  out.append("| # ");
  for (const char* head : {w.time, w.subject, w.action, w.result, w.figures}) out.append("| ").append(head).append(" ");
  out.append("|\n| --- | --- | --- | --- | --- | --- |\n");
  for (size_t i = 0; i < list.size(); ++i) {
    out.append("| ").append(std::to_string(i + 1));
    for (const char* key : {"time", "subject", "action", "result"}) {
      const std::string text = text_of(list[i], key);
      out.append(" | ").append(text.empty() ? "—" : markdown_line(text));
    }
    std::string figures;
    if (const Json* values = member(list[i], "figures"); values != nullptr && values->is_array()) {
      for (const Json& figure : *values) {
        if (!figure.is_string()) continue;
        figures.append(figures.empty() ? "" : w.separator).append(markdown_line(figure.get<std::string>()));
      }
    }
    out.append(" | ").append(figures.empty() ? "—" : figures).append(" |\n");
  }
  out.append("\n").append(w.evidence).append(w.colon == std::string_view(": ") ? ":" : w.colon).append("\n");
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string number = std::to_string(i + 1) + ". ";
    // The quote is indented as far as the number is wide, so that it belongs to the list's item.
    std::string quote = markdown_quote(quote_of(list[i]), std::string(number.size(), ' '));
    quote.replace(0, number.size(), number);
    out.append("\n").append(quote).append("\n");
  }
}

void add_sentiment(std::string& out, const Json& item, const Words& w) {
  out.append("\n## ").append(w.sentiment).append("\n\n");
  const auto line = [&](const char* name, const std::string& value) {
    if (!value.empty()) out.append("- ").append(bold(name)).append(w.colon).append(value).append("\n");
  };
  line(w.tone, markdown_line(text_of(item, "surface_tone")));
  line(w.attitude, markdown_line(text_of(item, "underlying_attitude")));
  line(w.polarity, word_for(kPolarities, w.polarities, text_of(item, "polarity")));
  const Json* intensity = member(item, "intensity");
  if (intensity != nullptr && intensity->is_number_integer()) {
    const auto value = std::clamp<int64_t>(intensity->get<int64_t>(), 0, kMaxIntensity);
    std::string dots;
    for (int i = 0; i < kMaxIntensity; ++i) dots.append(i < value ? "●" : "○");
    line(w.intensity, dots + " " + std::to_string(value) + "/" + std::to_string(kMaxIntensity));
  }
  line(w.confidence, word_for(kConfidences, w.confidences, text_of(item, "confidence")));
  if (const std::string quote = quote_of(item); !quote.empty()) out.append("\n").append(markdown_quote(quote, "")).append("\n");
}

}  // namespace

std::string to_markdown(const nlohmann::ordered_json& result) {
  const Words& w = text_of(result, "language") == "zh" ? kChinese : kEnglish;
  std::string out = std::string("# ").append(w.title).append("\n");
  const Json* sentiment = member(result, "underlying_sentiment");
  const Json* viewpoints = member(result, "core_viewpoints");
  const Json* facts = member(result, "key_information");
  if (viewpoints != nullptr && viewpoints->is_array()) add_viewpoints(out, *viewpoints, w);
  if (facts != nullptr && facts->is_array()) add_facts(out, *facts, w, sentiment != nullptr);
  if (sentiment != nullptr) add_sentiment(out, *sentiment, w);
  return out;
}

}  // namespace da::analysis
