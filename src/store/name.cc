#include <algorithm>
#include <string_view>

#include "store/store.h"

namespace da::store {
namespace {

constexpr std::string_view kDefaultHost = "registry.ollama.ai";
constexpr std::string_view kDefaultNamespace = "library";
constexpr std::string_view kDefaultTag = "latest";

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

// A part becomes a folder name, so the alphabet is what keeps a name inside the store: it starts with a word
// character, hence is never "." or "..".
bool is_part(std::string_view part, size_t max_length, std::string_view also) {
  if (part.empty() || part.size() > max_length || !is_word(part[0])) return false;
  return std::all_of(part.begin() + 1, part.end(), [also](char c) { return is_word(c) || also.find(c) != also.npos; });
}

}  // namespace

Result<ModelName> ModelName::parse(std::string_view text) {
  const Status invalid(ErrorCode::kInvalidArgument, "invalid model name");
  if (const size_t scheme = text.find("://"); scheme != text.npos) {
    if (text.substr(0, scheme) != "https" && text.substr(0, scheme) != "http") return invalid;
    text.remove_prefix(scheme + 3);
  }
  ModelName name{std::string(kDefaultHost), std::string(kDefaultNamespace), "", std::string(kDefaultTag)};
  const size_t last_slash = text.rfind('/');
  const size_t colon = text.rfind(':');
  if (colon != text.npos && (last_slash == text.npos || colon > last_slash)) {
    name.tag = text.substr(colon + 1);
    text = text.substr(0, colon);
  }
  if (last_slash == text.npos) {
    name.model = text;
  } else {
    name.model = text.substr(last_slash + 1);
    std::string_view rest = text.substr(0, last_slash);
    const size_t slash = rest.rfind('/');
    if (slash == rest.npos) {
      name.name_space = rest;
    } else {
      name.name_space = rest.substr(slash + 1);
      name.host = rest.substr(0, slash);
    }
  }
  if (!is_part(name.host, 350, "-.:") || !is_part(name.name_space, 80, "-") || !is_part(name.model, 80, "-.") ||
      !is_part(name.tag, 80, "-.")) {
    return invalid;
  }
  return name;
}

std::string ModelName::display() const {
  std::string text;
  if (host != kDefaultHost) text += host + "/";
  if (!text.empty() || name_space != kDefaultNamespace) text += name_space + "/";
  return text + model + ":" + tag;
}

}  // namespace da::store
