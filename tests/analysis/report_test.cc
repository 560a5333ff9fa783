#include <gtest/gtest.h>

#include <random>

#include "analysis/analysis.h"
#include "base/utf8.h"
#include "engine/grammar/grammar.h"

namespace da::analysis {
namespace {

using Json = nlohmann::ordered_json;

const std::string kText = "一月卖出3辆，二月卖出3辆。大家都说好，就是没人再来。";
const std::string kAnswer =
    R"({"core_viewpoints":[{"quote":"大家都说好","kind":"stance","statement":"表面\"称好\"。"},{"quote":"卖出3辆","kind":"claim","statement":"甲"}],)"
    R"("key_information":[{"quote":"卖出3辆","time":"二月","subject":"","action":"卖出","result":"","figures":["3辆"]},{"quote":"卖出3辆","time":"","subject":"","action":"","result":"","figures":[]}],)"
    R"("underlying_sentiment":{"quote":"就是没人再来","surface_tone":"平和","underlying_attitude":"失望","polarity":"negative","intensity":4,"confidence":"high"}})";

Json finished(const std::string& text, const std::string& answer) {
  ReportBuilder builder(text, detect_language(text));
  builder.push(answer);
  auto result = builder.finish();
  EXPECT_TRUE(result.is_ok()) << result.status().message();
  return result.is_ok() ? *result : Json();
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

// Every quote stands in the text at its offsets.
void expect_evidence(const std::string& text, const Json& result) {
  const auto points = utf8::to_code_points(text);
  const auto check = [&](const Json& item) {
    const Json& evidence = item["evidence"];
    ASSERT_TRUE(evidence.contains("start")) << evidence;
    const size_t start = evidence["start"], end = evidence["end"];
    ASSERT_LE(end, points.size());
    EXPECT_EQ(utf8::from_code_points({points.begin() + static_cast<ptrdiff_t>(start), points.begin() + static_cast<ptrdiff_t>(end)}), evidence["quote"].get<std::string>());
  };
  for (const Json& item : result["core_viewpoints"]) check(item);
  for (const Json& item : result["key_information"]) check(item);
  if (result.contains("underlying_sentiment")) check(result["underlying_sentiment"]);
}

// Whether `later` holds all of `earlier`: texts continued, lists and objects grown, the rest equal.
bool grown(const Json& earlier, const Json& later) {
  if (earlier.type() != later.type()) return false;
  if (earlier.is_string()) return later.get<std::string>().starts_with(earlier.get<std::string>());
  if (earlier.is_array()) {
    if (later.size() < earlier.size()) return false;
    for (size_t i = 0; i < earlier.size(); ++i) {
      if (!grown(earlier[i], later[i])) return false;
    }
    return true;
  }
  if (!earlier.is_object()) return earlier == later;
  for (const auto& [key, value] : earlier.items()) {
    if (!later.contains(key) || !grown(value, later[key])) return false;
  }
  return true;
}

TEST(Report, TheApisShape) {
  const Json result = finished(kText, kAnswer);
  expect_evidence(kText, result);
  EXPECT_EQ(result.dump(),
            R"({"language":"zh","core_viewpoints":[{"evidence":{"quote":"大家都说好","start":14,"end":19},"kind":"stance","statement":"表面\"称好\"。"},)"
            R"({"evidence":{"quote":"卖出3辆","start":2,"end":6},"kind":"claim","statement":"甲"}],)"
            R"("key_information":[{"evidence":{"quote":"卖出3辆","start":9,"end":13},"time":"二月","subject":"","action":"卖出","result":"","figures":["3辆"]},)"
            R"({"evidence":{"quote":"卖出3辆","start":2,"end":6},"time":"","subject":"","action":"","result":"","figures":[]}],)"
            R"("underlying_sentiment":{"evidence":{"quote":"就是没人再来","start":20,"end":26},"surface_tone":"平和","underlying_attitude":"失望","polarity":"negative","intensity":4,"confidence":"high"}})");
}

TEST(Report, SaysNothingTwice) {
  const std::string text = "销量上升，价格上升。";
  const std::string up = R"({"quote":"销量上升","kind":"claim","statement":"作者认为销量上升"})", price = R"({"quote":"价格上升","kind":"claim","statement":"作者认为价格上升"})";
  const std::string near = R"({"quote":"销量上升","kind":"claim","statement":"作者认为销量大涨"})";
  const std::string fact = R"({"quote":"销量上升","time":"","subject":"销量","action":"上升","result":"","figures":[]})";
  const std::string answer = R"({"core_viewpoints":[)" + up + "," + price + "," + up + "," + near + R"(],"key_information":[)" + fact + "," + fact +
                             R"(],"underlying_sentiment":{"quote":"价格上升","surface_tone":"平静","underlying_attitude":"中立","polarity":"neutral","intensity":1,"confidence":"high"}})";
  ReportBuilder builder(text, Language::kChinese);
  Json last = builder.partial_result();
  for (const char c : answer) {
    builder.push(std::string_view(&c, 1));
    const Json now = builder.partial_result();
    ASSERT_TRUE(grown(last, now)) << last << "\n" << now;
    last = now;
  }
  EXPECT_EQ(last["core_viewpoints"].size(), 3U);
  EXPECT_EQ(last["core_viewpoints"][2]["statement"], "作者认为销量大涨");
  EXPECT_EQ(last["key_information"].size(), 1U);
  EXPECT_TRUE(builder.finish().is_ok());
}

TEST(Report, GrowsAndNeverTakesBack) {
  std::mt19937_64 random(41);
  for (int round = 0; round < 20; ++round) {
    ReportBuilder builder(kText, Language::kChinese);
    Json last = builder.partial_result();
    EXPECT_EQ(last.dump(), R"({"language":"zh"})");
    for (size_t at = 0; at < kAnswer.size();) {
      // Pieces of any size: characters are torn apart too.
      const size_t n = std::min(kAnswer.size() - at, 1 + random() % (round == 0 ? 1 : 9));
      builder.push(std::string_view(kAnswer).substr(at, n));
      at += n;
      const Json now = builder.partial_result();
      ASSERT_TRUE(grown(last, now)) << last << "\n" << now;
      EXPECT_FALSE(to_markdown(now).empty());
      EXPECT_NO_THROW((void)now.dump());
      EXPECT_EQ(builder.finish().is_ok(), at == kAnswer.size());
      last = now;
    }
    EXPECT_EQ(last, finished(kText, kAnswer));
    EXPECT_EQ(builder.rejected_quotes(), 0);
  }
}

TEST(Report, AnUnfinishedQuoteHasNoOffsets) {
  ReportBuilder builder(kText, Language::kChinese);
  builder.push(R"({"core_viewpoints":[{"quote":"大家)");
  EXPECT_EQ(builder.partial_result().dump(), R"({"language":"zh","core_viewpoints":[{"evidence":{"quote":"大家"}}]})");
  builder.push("\xE9");
  EXPECT_EQ(builder.partial_result()["core_viewpoints"][0]["evidence"].dump(), R"({"quote":"大家"})");
  builder.push("\x83\xBD\",\"kind\":\"sta");
  EXPECT_EQ(builder.partial_result()["core_viewpoints"][0].dump(), R"({"evidence":{"quote":"大家都","start":14,"end":17}})");
}

TEST(Report, QuotesThatAreNotThereAreLeftOut) {
  ReportBuilder builder(kText, Language::kChinese);
  std::string answer = replaced(kAnswer, "\"大家都说好\"", "\"大家都说坏\"");
  answer = replaced(answer, "\"二月\"", "\"五月\"");
  answer = replaced(answer, "[\"3辆\"]", "[\"3辆\",\"9辆\"]");
  answer = replaced(answer, "\"就是没人再来\"", "\"从没人来\"");
  builder.push(answer);
  EXPECT_EQ(builder.rejected_quotes(), 2);  // a time and a figure are only blanked
  const auto result = builder.finish();
  ASSERT_TRUE(result.is_ok());
  EXPECT_EQ((*result)["core_viewpoints"].size(), 1u);
  EXPECT_EQ((*result)["key_information"][0]["time"], "");
  EXPECT_EQ((*result)["key_information"][0]["figures"], Json::array({"3辆"}));
  EXPECT_FALSE(result->contains("underlying_sentiment"));
  expect_evidence(kText, *result);
}

TEST(Report, FinishChecksEverything) {
  const std::vector<std::pair<std::string, std::string>> faults = {
      {"\"kind\":\"stance\"", "\"kind\":\"other\""}, {"\"intensity\":4", "\"intensity\":6"},      {"\"intensity\":4", "\"intensity\":\"4\""},
      {"\"intensity\":4", "\"intensity\":4.0"},      {"\"negative\"", "\"bad\""},                  {"\"high\"", "\"sure\""},
      {"\"figures\":[\"3辆\"]", "\"figures\":[3]"},  {"\"figures\":[\"3辆\"]", "\"figures\":1"},   {"\"figures\":[\"3辆\"]", "\"figures\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\"]"},
      {"\"action\":\"卖出\",", ""},                  {"\"core_viewpoints\":[", "\"other\":["},      {"{\"quote\":\"大家", "1,{\"quote\":\"大家"},
      {"\"surface_tone\":\"平和\",", ""},            {"}}", "}"},                                   {"}}", "}}}"},
      {"\"statement\":\"甲\"", "\"statement\":\"\\x\""}, {"\"time\":\"二月\"", "\"time\":null"}};
  for (const auto& [what, by] : faults) {
    ReportBuilder builder(kText, Language::kChinese);
    builder.push(replaced(kAnswer, what, by));
    (void)to_markdown(builder.partial_result());
    const auto result = builder.finish();
    EXPECT_FALSE(result.is_ok()) << by;
    EXPECT_EQ(result.code(), ErrorCode::kCorruptData) << by;
    EXPECT_EQ(result.status().message().find("卖出"), std::string::npos) << "messages hold no text";
  }
  ReportBuilder empty("a", Language::kEnglish);
  EXPECT_EQ(empty.finish().code(), ErrorCode::kCorruptData);
  ReportBuilder list("a", Language::kEnglish);
  list.push("[]");
  EXPECT_EQ(list.finish().code(), ErrorCode::kCorruptData);
}

// Whatever the model's bytes are, nothing crashes and what comes out can be sent.
TEST(Report, SurvivesAnyBytes) {
  std::mt19937_64 random(42);
  for (int round = 0; round < 3000; ++round) {
    std::string answer = kAnswer;
    for (size_t k = random() % 6; k > 0; --k) {
      const size_t at = random() % answer.size();
      if (random() % 2) {
        answer[at] = static_cast<char>(random());
      } else {
        answer.erase(at, random() % 40);
      }
      if (answer.empty()) break;
    }
    ReportBuilder builder(kText, Language::kChinese);
    builder.push(std::string_view(answer).substr(0, random() % (answer.size() + 1)));
    const Json result = builder.partial_result();
    EXPECT_NO_THROW((void)result.dump());
    EXPECT_NO_THROW((void)to_markdown(result).size());
    (void)builder.finish();
  }
}

// A model that writes at random under the grammar still gives a sound report with exact evidence, whatever the text.
TEST(Report, GrammarAndBuilderAgree) {
  std::mt19937_64 random(43);
  const std::vector<std::string> texts = {kText, "a", "！！！。。。", "\xEF\xBB\xBFline one\r\nline two\r\n\r\n", "他说：“价格\\n涨了”，\n又说 \"no\ttabs\"。", "e\xCC\x81\xF0\x9F\x98\x80\xE2\x80\x8D\xF0\x9F\x91\xA9 end",
                                          "\xCC\x81", "<script>alert(1)</script> ![x](http://x/y) | **粗**", std::string(50, '\n') + "x \x01\x7F y", [] { std::string s; for (int i = 0; i < 200; ++i) s += "一样的一行。\n"; return s; }()};
  for (const std::string& text : texts) {
    for (const char* protocol : {"", "compact-1"}) {
      const auto prepared = prepare({text, "auto"}, protocol, nlohmann::json::object());
      ASSERT_TRUE(prepared.is_ok()) << prepared.status().message();
      const auto grammar = grammar::Grammar::from_json_schema(prepared->runner_request["format"].dump(), prepared->runner_request["source"].get<std::string>());
      ASSERT_TRUE(grammar.is_ok()) << grammar.status().message();
      grammar::Matcher matcher(*grammar);
      ReportBuilder builder(text, prepared->language);
      Json last = builder.partial_result();
      for (int step = 0; !matcher.can_end(); ++step) {
        ASSERT_LT(step, 20000);
        std::vector<char> next;
        const std::string forced = matcher.forced(1);
        if (!forced.empty()) next.push_back(forced[0]);
        for (int byte = 1; byte < 256 && forced.empty(); ++byte) {
          const char c = static_cast<char>(byte);
          if (grammar::Matcher(matcher).accept({&c, 1})) next.push_back(c);
        }
        ASSERT_FALSE(next.empty());
        char c = next[random() % next.size()];
        if (random() % 5 == 0) {
          for (const char close : {'"', ']', '}'}) c = std::find(next.begin(), next.end(), close) != next.end() ? close : c;
        }
        ASSERT_TRUE(matcher.accept({&c, 1}));
        builder.push({&c, 1});
      }
      const auto result = builder.finish();
      ASSERT_TRUE(result.is_ok()) << result.status().message();
      EXPECT_EQ(builder.rejected_quotes(), 0);
      EXPECT_TRUE(result->contains("underlying_sentiment"));
      expect_evidence(text, *result);
    }
  }
}

}  // namespace
}  // namespace da::analysis
