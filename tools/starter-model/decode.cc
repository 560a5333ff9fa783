#include "decode.h"

#include <algorithm>
#include <map>

namespace {

enum class Slot { kStart, kViewQuote, kStatement, kFactQuote, kTime, kSubject, kAction, kResult, kFigure, kMoodQuote,
                  kTone, kAttitude, kIntensity, kConfidence, kEnd };

// Which value a slot holds: a run of the source (may be empty or not), free text, a digit, or nothing.
enum class Value { kNone, kCopy, kCopyOrEmpty, kFree, kDigit };

struct SlotRule {
  Value value;
  std::vector<std::pair<int, Slot>> next;  // pieces that end the slot
};

// The engine's bounds on lengths, here in tokens: a value that loops is cut off.
size_t max_length(Slot slot) {
  if (slot == Slot::kViewQuote || slot == Slot::kFactQuote || slot == Slot::kMoodQuote) return 300;
  if (slot == Slot::kStatement) return 240;
  if (slot == Slot::kTime) return 60;
  if (slot == Slot::kFigure) return 40;
  return slot == Slot::kSubject ? 100 : 160;
}

std::map<Slot, SlotRule> slot_rules(const Vocab& v) {
  const std::string facts = "],\"key_information\":[", mood = "],\"underlying_sentiment\":{\"quote\":\"";
  auto piece = [&](const std::string& text, Slot slot) { return std::pair<int, Slot>(v.id(text), slot); };
  std::map<Slot, SlotRule> rules;
  rules[Slot::kStart] = {Value::kNone, {piece("{\"core_viewpoints\":[{\"quote\":\"", Slot::kViewQuote)}};
  rules[Slot::kViewQuote] = {Value::kCopy, {}};
  for (const char* kind : {"stance", "judgement", "claim"})
    rules[Slot::kViewQuote].next.push_back(
        piece(std::string("\",\"kind\":\"") + kind + "\",\"statement\":\"", Slot::kStatement));
  rules[Slot::kStatement] = {Value::kFree,
                             {piece("\"},{\"quote\":\"", Slot::kViewQuote),
                              piece("\"}" + facts + "{\"quote\":\"", Slot::kFactQuote),
                              piece("\"}" + facts + mood, Slot::kMoodQuote)}};
  rules[Slot::kFactQuote] = {Value::kCopy, {piece("\",\"time\":\"", Slot::kTime)}};
  rules[Slot::kTime] = {Value::kCopyOrEmpty, {piece("\",\"subject\":\"", Slot::kSubject)}};
  rules[Slot::kSubject] = {Value::kCopyOrEmpty, {piece("\",\"action\":\"", Slot::kAction)}};
  rules[Slot::kAction] = {Value::kCopyOrEmpty, {piece("\",\"result\":\"", Slot::kResult)}};
  rules[Slot::kResult] = {Value::kCopyOrEmpty,
                          {piece("\",\"figures\":[\"", Slot::kFigure),
                           piece("\",\"figures\":[]},{\"quote\":\"", Slot::kFactQuote),
                           piece("\",\"figures\":[]}" + mood, Slot::kMoodQuote)}};
  rules[Slot::kFigure] = {Value::kCopy,
                          {piece("\",\"", Slot::kFigure), piece("\"]},{\"quote\":\"", Slot::kFactQuote),
                           piece("\"]}" + mood, Slot::kMoodQuote)}};
  rules[Slot::kMoodQuote] = {Value::kCopy, {piece("\",\"surface_tone\":\"", Slot::kTone)}};
  rules[Slot::kTone] = {Value::kFree, {piece("\",\"underlying_attitude\":\"", Slot::kAttitude)}};
  rules[Slot::kAttitude] = {Value::kFree, {}};
  for (const char* polarity : {"positive", "negative", "neutral", "mixed"})
    rules[Slot::kAttitude].next.push_back(
        piece(std::string("\",\"polarity\":\"") + polarity + "\",\"intensity\":", Slot::kIntensity));
  rules[Slot::kIntensity] = {Value::kDigit, {piece(",\"confidence\":\"", Slot::kConfidence)}};
  rules[Slot::kConfidence] = {Value::kNone, {}};
  for (const char* level : {"low", "medium", "high"})
    rules[Slot::kConfidence].next.push_back(piece(std::string(level) + "\"}}", Slot::kEnd));
  rules[Slot::kEnd] = {Value::kNone, {piece("<|end|>", Slot::kEnd)}};
  return rules;
}

}  // namespace

std::vector<int> decode_report(Decoder& decoder, const Vocab& v, const std::vector<int>& prompt, int max_tokens) {
  const std::map<Slot, SlotRule> rules = slot_rules(v);
  std::vector<int> source(prompt.begin() + 2, prompt.end() - 1);
  for (int& token : source) {  // what each token becomes inside a JSON string
    if (token == v.id("\"")) token = v.id("\\\"");
    else if (token == v.id("\\")) token = v.id("\\\\");
    else if (token == v.id("<0x0A>")) token = v.id("\\n");
  }
  std::vector<int> free_tokens;
  for (int t = 0; t < int(v.pieces.size()); t++)
    if (v.types[size_t(t)] == kNormal && v.pieces[size_t(t)].find_first_of("\"\\") == std::string::npos)
      free_tokens.push_back(t);

  decoder.reset();
  for (size_t i = 0; i + 1 < prompt.size(); i++) decoder.step(prompt[i]);
  std::vector<int> out;
  std::vector<size_t> ends;  // places in the source where the value copied so far ends
  size_t value_len = 0;
  std::map<Slot, int> n_entered;  // the protocol's limits: 6 viewpoints, 12 facts, 6 figures a fact
  const std::map<Slot, int> limits = {{Slot::kViewQuote, 6}, {Slot::kFactQuote, 12}, {Slot::kFigure, 6}};
  Slot slot = Slot::kStart;
  int token = prompt.back();
  while (int(out.size()) < max_tokens) {
    const std::vector<float>& logits = decoder.step(token);
    const SlotRule& rule = rules.at(slot);
    int best = -1;
    auto consider = [&](int t) {
      if (best < 0 || logits[size_t(t)] > logits[size_t(best)]) best = t;
    };
    const bool full = value_len >= max_length(slot);
    const bool copy = !full && (rule.value == Value::kCopy || rule.value == Value::kCopyOrEmpty);
    if (copy && value_len == 0) for (int t : source) consider(t);
    if (copy && value_len > 0) for (size_t e : ends) if (e < source.size()) consider(source[e]);
    if (rule.value == Value::kFree && !full) for (int t : free_tokens) consider(t);
    if (rule.value == Value::kDigit && value_len == 0) for (char d = '1'; d <= '5'; d++) consider(v.id(std::string(1, d)));
    const bool may_end = rule.value == Value::kNone || rule.value == Value::kCopyOrEmpty || value_len > 0;
    if (may_end)
      for (const auto& [piece, next] : rule.next)
        if (!limits.count(next) || n_entered[next] < limits.at(next)) consider(piece);
    token = best;
    out.push_back(token);
    const auto hit = std::find_if(rule.next.begin(), rule.next.end(), [&](const auto& n) { return n.first == token; });
    if (may_end && hit != rule.next.end()) {
      if (slot == Slot::kEnd) break;
      slot = hit->second;
      n_entered[slot]++;
      if (slot == Slot::kFactQuote) n_entered[Slot::kFigure] = 0;
      value_len = 0;
      continue;
    }
    std::vector<size_t> moved;
    if (value_len == 0) {
      for (size_t i = 0; i < source.size(); i++) if (source[i] == token) moved.push_back(i + 1);
    } else {
      for (size_t e : ends) if (e < source.size() && source[e] == token) moved.push_back(e + 1);
    }
    ends = moved;
    value_len++;
  }
  return out;
}

std::string detokenize(const Vocab& vocab, const std::vector<int>& tokens) {
  std::string out;
  for (int t : tokens) out += vocab.text(t);
  return out;
}
