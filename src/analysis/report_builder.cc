#include <algorithm>
#include <set>
#include <unordered_map>

#include "analysis/analysis.h"
#include "analysis/json_stream.h"
#include "analysis/protocol.h"
#include "analysis/source_text.h"
#include "base/utf8.h"

namespace da::analysis {
namespace {

using Json = nlohmann::ordered_json;
using Value = JsonStream::Value;
using Kind = JsonStream::Value::Kind;

constexpr const char* kListParts[] = {"core_viewpoints", "key_information"};
constexpr const char* kSentiment = "underlying_sentiment";

const Value* member(const Value* object, std::string_view key, Kind kind) {
  const Value* value = object != nullptr && object->is(Kind::kObject) ? object->find(key) : nullptr;
  return value != nullptr && value->is(kind) ? value : nullptr;
}

template <size_t n>
bool is_one_of(const std::array<std::string_view, n>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::optional<int> intensity_of(const Value& number) {
  if (number.text.size() != 1) return std::nullopt;
  const int value = number.text[0] - '0';
  return value >= kMinIntensity && value <= kMaxIntensity ? std::optional(value) : std::nullopt;
}

// True while `item` says nothing that `earlier` does not: equal, or still a beginning of it.
bool repeats(const Value& item, const Value& earlier) {
  if (item.kind != earlier.kind) return false;
  if (item.complete ? item.text != earlier.text : !earlier.text.starts_with(item.text)) return false;
  const auto agree = [&](const auto& children, const auto& others, const auto& value_of) {
    if (children.size() > others.size() || (item.complete && children.size() != others.size())) return false;
    for (size_t i = 0; i < children.size(); ++i) {
      if (!repeats(value_of(children[i]), value_of(others[i]))) return false;
    }
    return true;
  };
  return agree(item.items, earlier.items, [](const auto& child) -> const Value& { return *child; }) &&
         agree(item.members, earlier.members, [](const auto& child) -> const Value& { return *child.second; });
}

Status breaks(const std::string& where, std::string_view what) {
  return {ErrorCode::kCorruptData, "the model's answer at \"" + where + "\": " + std::string(what)};
}

// The answer against the schema, so that a report is sound even where decoding was not bound to it.
class Check {
 public:
  Status all(const Value& root) {
    if (!root.is(Kind::kObject)) return breaks("", "expected an object");
    DA_RETURN_IF_ERROR(list(root, "core_viewpoints", kMinViewpoints, kMaxViewpoints));
    DA_RETURN_IF_ERROR(list(root, "key_information", 0, kMaxFacts));
    for (size_t i = 0; i < member(&root, "core_viewpoints", Kind::kArray)->items.size(); ++i) {
      const Value& item = *member(&root, "core_viewpoints", Kind::kArray)->items[i];
      const std::string at = std::string("/core_viewpoints/").append(std::to_string(i));
      DA_RETURN_IF_ERROR(texts(item, at, {"quote", "kind", "statement"}));
      if (!is_one_of(kKinds, item.find("kind")->text)) return breaks(at + "/kind", "not one of the kinds");
    }
    for (size_t i = 0; i < member(&root, "key_information", Kind::kArray)->items.size(); ++i) {
      const Value& item = *member(&root, "key_information", Kind::kArray)->items[i];
      const std::string at = std::string("/key_information/").append(std::to_string(i));
      DA_RETURN_IF_ERROR(texts(item, at, {"quote", "time", "subject", "action", "result"}));
      DA_RETURN_IF_ERROR(list(item, "figures", 0, kMaxFigures));
      for (const auto& figure : item.find("figures")->items) {
        if (!figure->is(Kind::kString)) return breaks(at + "/figures", "expected strings");
      }
    }
    return sentiment(member(&root, kSentiment, Kind::kObject));
  }

 private:
  Status sentiment(const Value* item) {
    const std::string at = std::string("/").append(kSentiment);
    if (item == nullptr) return breaks(at, "expected an object");
    DA_RETURN_IF_ERROR(texts(*item, at, {"quote", "surface_tone", "underlying_attitude", "polarity", "confidence"}));
    if (!is_one_of(kPolarities, item->find("polarity")->text)) return breaks(at + "/polarity", "not one of the polarities");
    if (!is_one_of(kConfidences, item->find("confidence")->text)) return breaks(at + "/confidence", "not one of the degrees");
    const Value* intensity = member(item, "intensity", Kind::kNumber);
    if (intensity == nullptr || !intensity_of(*intensity)) return breaks(at + "/intensity", "expected a whole number from 1 to 5");
    return Status::ok();
  }
  Status list(const Value& object, const char* key, size_t min, size_t max) {
    const Value* list = member(&object, key, Kind::kArray);
    const std::string at = std::string("/").append(key);
    if (list == nullptr) return breaks(at, "expected a list");
    if (list->items.size() < min || list->items.size() > max) {
      return breaks(at, std::to_string(list->items.size()) + " items, expected " + std::to_string(min) + " to " + std::to_string(max));
    }
    return Status::ok();
  }
  Status texts(const Value& item, const std::string& at, std::initializer_list<const char*> keys) {
    for (const char* key : keys) {
      if (member(&item, key, Kind::kString) == nullptr) return breaks(at + "/" + key, "expected a string");
    }
    return Status::ok();
  }
};

}  // namespace

struct ReportBuilder::Impl {
  SourceText source;
  Language language;
  JsonStream stream;
  utf8::Assembler assembler;
  // What was found for each complete quote, by the place it stands at; and whether a time or figure is in the text.
  std::unordered_map<const Value*, std::optional<SourceText::Place>> quotes;
  std::unordered_map<const Value*, bool> copies;
  std::set<std::pair<uint32_t, uint32_t>> cited;
  int rejected = 0;

  Impl(std::string_view text, Language l) : source(text), language(l) {}

  const std::vector<std::unique_ptr<Value>>& items_of(const char* part) const {
    static const std::vector<std::unique_ptr<Value>> kNone;
    const Value* list = member(stream.root(), part, Kind::kArray);
    return list == nullptr ? kNone : list->items;
  }

  void resolve_new() {
    for (const char* part : kListParts) {
      for (const auto& item : items_of(part)) resolve_item(item.get());
    }
    resolve_item(member(stream.root(), kSentiment, Kind::kObject));
  }

  void resolve_item(const Value* item) {
    const Value* quote = member(item, "quote", Kind::kString);
    if (quote != nullptr && quote->complete && !quotes.contains(quote)) {
      const auto place = locate(quote->text);
      rejected += place ? 0 : 1;
      quotes.emplace(quote, place);
    }
    const Value* time = member(item, "time", Kind::kString);
    if (time != nullptr) resolve_copy(*time);
    const Value* figures = member(item, "figures", Kind::kArray);
    if (figures == nullptr) return;
    for (const auto& figure : figures->items) resolve_copy(*figure);
  }

  void resolve_copy(const Value& value) {
    if (!value.is(Kind::kString) || !value.complete || value.text.empty() || copies.contains(&value)) return;
    copies.emplace(&value, source.contains(value.text));
  }

  // The first place not yet cited; the first of all if every one is.
  std::optional<SourceText::Place> locate(const std::string& quote) {
    std::optional<SourceText::Place> first = source.find(quote);
    for (auto place = first; place; place = source.find(quote, place->start + 1)) {
      if (cited.emplace(place->start, place->end).second) return place;
    }
    return first;
  }

  // The item's evidence; null if it has none (yet). A quote under way is shown without offsets: as it grows, its first
  // place in the text may change.
  Json evidence(const Value* item) const {
    const Value* quote = member(item, "quote", Kind::kString);
    if (quote == nullptr) return nullptr;
    if (!quote->complete) {
      const auto place = source.find(quote->text);
      return place ? Json{{"quote", place->quote}} : Json(nullptr);
    }
    const auto found = quotes.find(quote);
    if (found == quotes.end() || !found->second) return nullptr;
    return {{"quote", found->second->quote}, {"start", found->second->start}, {"end", found->second->end}};
  }

  static void add_text(Json& out, const Value* item, const char* key) {
    if (const Value* value = member(item, key, Kind::kString)) out[key] = value->text;
  }
  // A word of a closed set: only once it is whole.
  template <size_t n>
  static void add_word(Json& out, const Value* item, const char* key, const std::array<std::string_view, n>& words) {
    const Value* value = member(item, key, Kind::kString);
    if (value != nullptr && value->complete && is_one_of(words, value->text)) out[key] = value->text;
  }
  bool is_copy(const Value& value) const {
    const auto found = copies.find(&value);
    return found != copies.end() && found->second;
  }

  Json viewpoint(const Value* item, Json evidence_json) const {
    Json out = {{"evidence", std::move(evidence_json)}};
    add_word(out, item, "kind", kKinds);
    add_text(out, item, "statement");
    return out;
  }

  Json fact(const Value* item, Json evidence_json) const {
    Json out = {{"evidence", std::move(evidence_json)}};
    const Value* time = member(item, "time", Kind::kString);
    if (time != nullptr && time->complete) out["time"] = is_copy(*time) ? time->text : std::string();
    for (const char* key : {"subject", "action", "result"}) add_text(out, item, key);
    if (const Value* figures = member(item, "figures", Kind::kArray)) {
      out["figures"] = Json::array();
      for (const auto& figure : figures->items) {
        if (is_copy(*figure)) out["figures"].push_back(figure->text);
      }
    }
    return out;
  }

  Json sentiment(const Value* item, Json evidence_json) const {
    Json out = {{"evidence", std::move(evidence_json)}};
    add_text(out, item, "surface_tone");
    add_text(out, item, "underlying_attitude");
    add_word(out, item, "polarity", kPolarities);
    const Value* intensity = member(item, "intensity", Kind::kNumber);
    if (intensity != nullptr && intensity->complete) {
      if (const auto value = intensity_of(*intensity)) out["intensity"] = *value;
    }
    add_word(out, item, "confidence", kConfidences);
    return out;
  }

  Json result() const {
    Json out = {{"language", language_code(language)}};
    const Value* root = stream.root();
    for (const char* part : kListParts) {
      if (member(root, part, Kind::kArray) == nullptr) continue;
      out[part] = Json::array();
      const auto& items = items_of(part);
      for (size_t i = 0; i < items.size(); ++i) {
        const auto& item = items[i];
        // Small models say things twice; the second time adds nothing, and is not shown while it may be just that.
        if (std::any_of(items.begin(), items.begin() + static_cast<ptrdiff_t>(i), [&](const auto& earlier) { return repeats(*item, *earlier); })) continue;
        Json found = evidence(item.get());
        if (found.is_null()) continue;
        out[part].push_back(part == kListParts[0] ? viewpoint(item.get(), std::move(found)) : fact(item.get(), std::move(found)));
      }
    }
    const Value* item = member(root, kSentiment, Kind::kObject);
    if (Json found = evidence(item); !found.is_null()) out[kSentiment] = sentiment(item, std::move(found));
    return out;
  }
};

ReportBuilder::ReportBuilder(std::string source_text, Language language) : impl_(std::make_unique<Impl>(source_text, language)) {}
ReportBuilder::~ReportBuilder() = default;

void ReportBuilder::push(std::string_view model_text) {
  impl_->stream.push(impl_->assembler.push(model_text));
  impl_->resolve_new();
}

nlohmann::ordered_json ReportBuilder::partial_result() const { return impl_->result(); }
int ReportBuilder::rejected_quotes() const { return impl_->rejected; }

Result<nlohmann::ordered_json> ReportBuilder::finish() const {
  const JsonStream& stream = impl_->stream;
  const std::string read = std::to_string(stream.bytes_read());
  if (stream.failed()) return Status(ErrorCode::kCorruptData, "the model's answer is not JSON from byte " + read + " on");
  if (!stream.complete()) {
    return Status(ErrorCode::kCorruptData, "the model's answer is incomplete: it ends after " + read + " bytes, before the report does (a larger num_predict may help)");
  }
  DA_RETURN_IF_ERROR(Check().all(*stream.root()));
  return impl_->result();
}

}  // namespace da::analysis
