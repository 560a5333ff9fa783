#include "store/model_details.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <map>

namespace da::store {
namespace {

// general.file_type: the numbers of GGUF's file types, by the names users know.
std::string_view file_type_name(uint64_t file_type) {
  switch (file_type) {
    case 0: return "F32";
    case 1: return "F16";
    case 2: return "Q4_0";
    case 3: return "Q4_1";
    case 7: return "Q8_0";
    case 8: return "Q5_0";
    case 9: return "Q5_1";
    case 10: return "Q2_K";
    case 11: return "Q3_K_S";
    case 12: return "Q3_K_M";
    case 13: return "Q3_K_L";
    case 14: return "Q4_K_S";
    case 15: return "Q4_K_M";
    case 16: return "Q5_K_S";
    case 17: return "Q5_K_M";
    case 18: return "Q6_K";
    case 19: return "IQ2_XXS";
    case 20: return "IQ2_XS";
    case 21: return "Q2_K_S";
    case 22: return "IQ3_XS";
    case 23: return "IQ3_XXS";
    case 24: return "IQ1_S";
    case 25: return "IQ4_NL";
    case 26: return "IQ3_S";
    case 27: return "IQ3_M";
    case 28: return "IQ2_S";
    case 29: return "IQ2_M";
    case 30: return "IQ4_XS";
    case 31: return "IQ1_M";
    case 32: return "BF16";
    case 36: return "TQ1_0";
    case 37: return "TQ2_0";
    case 38: return "MXFP4";
    case 39: return "NVFP4";
    case 40: return "Q1_0";
    case 41: return "Q2_0";
  }
  return "";
}

// Where the file does not say: the type that most of its weights have.
std::string prevailing_type(const gguf::File& file) {
  std::map<std::string_view, uint64_t> values_of;
  for (const gguf::Tensor& tensor : file.tensors()) values_of[gguf::tensor_type_info(tensor.type).name] += tensor.n_values();
  const auto most = std::max_element(values_of.begin(), values_of.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == values_of.end() ? "unknown" : std::string(most->first);
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// `field` as a template action reads it, so that prose outside {{ }} does not count.
bool go_template_uses(std::string_view text, std::string_view field) {
  while (true) {
    const size_t open = text.find("{{");
    if (open == text.npos) return false;
    const size_t close = text.find("}}", open);
    const std::string_view action = text.substr(open, close == text.npos ? text.npos : close - open);
    for (size_t at = action.find(field); at != action.npos; at = action.find(field, at + 1)) {
      const size_t end = at + field.size();
      if (end == action.size() || !std::isalnum(static_cast<unsigned char>(action[end]))) return true;
    }
    if (close == text.npos) return false;
    text.remove_prefix(close + 2);
  }
}

}  // namespace

std::string parameter_size_text(uint64_t count) {
  char text[32];
  const auto number = static_cast<double>(count);
  if (count >= 1'000'000'000) {
    std::snprintf(text, sizeof text, "%.1fB", number / 1e9);
  } else if (count >= 1'000'000) {
    std::snprintf(text, sizeof text, "%.1fM", number / 1e6);
  } else if (count >= 1'000) {
    std::snprintf(text, sizeof text, "%.0fK", number / 1e3);
  } else {
    std::snprintf(text, sizeof text, "%.0f", number);
  }
  return text;
}

Result<ModelDetails> read_details(const gguf::File& file) {
  ModelDetails details;
  details.family = file.architecture();
  // Tensor sizes come from a stranger's file: their sum may wrap, which costs a wrong number in a table and no more.
  for (const gguf::Tensor& tensor : file.tensors()) details.parameter_count += tensor.n_values();
  details.parameter_size = parameter_size_text(details.parameter_count);
  const gguf::Value* file_type = file.find("general.file_type");
  if (file_type != nullptr) {
    DA_ASSIGN_OR_RETURN(const uint64_t number, file.get_uint("general.file_type"));
    details.quantization_level = file_type_name(number);
  }
  if (details.quantization_level.empty()) details.quantization_level = prevailing_type(file);
  DA_ASSIGN_OR_RETURN(details.context_length, file.get_uint_or(details.family + ".context_length", 0));
  DA_ASSIGN_OR_RETURN(details.embedding_length, file.get_uint_or(details.family + ".embedding_length", 0));
  details.pools = file.find(details.family + ".pooling_type") != nullptr;
  if (const auto type = file.get_string("general.type"); type.is_ok()) details.is_model = *type == "model";
  if (const auto jinja = file.get_string("tokenizer.chat_template"); jinja.is_ok()) {
    details.jinja_tools = contains(*jinja, "tools") || contains(*jinja, "tool_call");
    details.jinja_thinking = contains(*jinja, "</think>");
  }
  return details;
}

std::vector<std::string> capabilities(const ModelDetails& details, std::string_view go_template,
                                      const std::vector<std::string>& declared) {
  std::vector<std::string> result{details.pools ? "embedding" : "completion"};
  if (!details.pools) {
    const bool by_go = !go_template.empty();
    if (by_go ? go_template_uses(go_template, ".Tools") : details.jinja_tools) result.emplace_back("tools");
    if (by_go && go_template_uses(go_template, ".Suffix")) result.emplace_back("insert");
    const bool harmony = details.family == "gpt-oss" || details.family == "gptoss";
    if (harmony || (by_go ? go_template_uses(go_template, ".Thinking") : details.jinja_thinking)) {
      result.emplace_back("thinking");
    }
  }
  for (const std::string& capability : declared) {
    if (std::find(result.begin(), result.end(), capability) == result.end()) result.push_back(capability);
  }
  return result;
}

}  // namespace da::store
