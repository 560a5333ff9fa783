#include <gtest/gtest.h>

#include "analysis/analysis.h"
#include "analysis/markdown_text.h"

namespace da::analysis {
namespace {

using Json = nlohmann::ordered_json;

Json report(const char* language) {
  Json result = Json::parse(R"JSON({"core_viewpoints":[
    {"evidence":{"quote":"15-20万元价格带\n首次突破48%","start":0,"end":18},"kind":"judgement","statement":"中端是主战场。"},
    {"evidence":{"quote":"# <b>x</b> [a](http://x/y)","start":20,"end":40},"kind":"stance","statement":"R&D | *cost* $5"}],
   "key_information":[
    {"evidence":{"quote":"比亚迪以42.7万辆居首","start":50,"end":62},"time":"2024年Q2","subject":"比亚迪","action":"居首","result":"","figures":["42.7万辆","35.7%"]},
    {"evidence":{"quote":"- a\r\n\r\n1. b","start":70,"end":80},"time":"","subject":"a|b","action":"two\nlines","result":"me@x.org","figures":[]}],
   "underlying_sentiment":{"evidence":{"quote":"值得注意的是","start":90,"end":96},"surface_tone":"客观","underlying_attitude":"审慎乐观","polarity":"mixed","intensity":3,"confidence":"medium"}})JSON");
  result["language"] = language;
  return result;
}

TEST(Markdown, Chinese) {
  EXPECT_EQ(to_markdown(report("zh")), R"(# 深度分析报告

## 核心观点

- **判断**：中端是主战场。

  > 15-20万元价格带
  > 首次突破48%

- **立场**：R&amp;D \| \*cost\* \$5

  > \# &lt;b&gt;x&lt;/b&gt; `[a](http://x/y)`

## 关键信息

| # | 时间 | 主体 | 行为 | 结果 | 数据 |
| --- | --- | --- | --- | --- | --- |
| 1 | 2024年Q2 | 比亚迪 | 居首 | — | 42.7万辆、35.7% |
| 2 | — | a\|b | two ↵ lines | `me@x.org` | — |

依据：

1. > 比亚迪以42.7万辆居首

2. > \- a
   >
   > 1\. b

## 潜在情感

- **表面语气**：客观
- **内在态度**：审慎乐观
- **倾向**：混合
- **强度**：●●●○○ 3/5
- **把握**：中

> 值得注意的是
)");
}

TEST(Markdown, English) {
  const std::string text = to_markdown(report("en"));
  EXPECT_EQ(text.substr(0, text.find("\n\n  >")), "# Deep analysis report\n\n## Core viewpoints\n\n- **Judgement**: 中端是主战场。");
  EXPECT_NE(text.find("## Key information\n\n| # | Time | Subject | Action | Result | Figures |\n"), std::string::npos) << text;
  EXPECT_NE(text.find("42.7万辆, 35.7% |\n"), std::string::npos);
  EXPECT_NE(text.find("\nEvidence:\n\n1. > "), std::string::npos);
  EXPECT_NE(text.find("## Underlying sentiment\n\n- **Surface tone**: 客观\n- **Underlying attitude**: 审慎乐观\n- **Polarity**: mixed\n- **Intensity**: ●●●○○ 3/5\n- **Confidence**: medium\n\n> 值得注意的是\n"),
            std::string::npos);
}

TEST(Markdown, PartialAndOddResults) {
  EXPECT_EQ(to_markdown(Json::parse(R"({"language":"zh"})")), "# 深度分析报告\n");
  EXPECT_EQ(to_markdown(Json::parse(R"({"language":"en","core_viewpoints":[{"evidence":{"quote":"ab"}}],"key_information":[]})")),
            "# Deep analysis report\n\n## Core viewpoints\n\n- \n\n  > ab\n\n## Key information\n\n");
  EXPECT_NE(to_markdown(Json::parse(R"({"language":"zh","key_information":[],"underlying_sentiment":{}})")).find("没有可以核对的事实"), std::string::npos);
  for (const char* text : {"null", "[]", "3", R"({"core_viewpoints":[1,null,{"evidence":3,"kind":[]}],"key_information":[[],{"figures":[1]},{"evidence":{}}],"underlying_sentiment":4})",
                           R"({"core_viewpoints":{},"key_information":"x","underlying_sentiment":{"intensity":900000000000}})"}) {
    EXPECT_FALSE(to_markdown(Json::parse(text)).empty());
  }
}

TEST(Markdown, NothingForeignBecomesMarkup) {
  EXPECT_EQ(markdown_line("![a](b) <img src=x onerror=1> [c]: d"), "!\\[a\\](b) &lt;img src\\=x onerror\\=1&gt; \\[c\\]: d");
  EXPECT_EQ(markdown_line("`x` **y** ~z~ _w_ \\ ^"), "\\`x\\` \\*\\*y\\*\\* \\~z\\~ \\_w\\_ \\\\ \\^");
  EXPECT_EQ(markdown_line("见https://a.b/c?d=e。WWW.x.y 好"), "见`https://a.b/c?d=e`。`WWW.x.y` 好");
  EXPECT_EQ(markdown_line("`@` a@``b|"), "`` `@` `` ```a@``b\\|```");
  EXPECT_EQ(markdown_line("&lt; &#60;"), "&amp;lt; &amp;#60;");
  EXPECT_EQ(markdown_line("a\r\nb\nc\rd\xE2\x80\xA8" "e"), "a ↵ b ↵ c ↵ d ↵ e");
  EXPECT_EQ(markdown_line("x\tz\x01"), "x z ");
  EXPECT_EQ(markdown_line("a\xE2\x80\xAE" "b"), "a⟦U+202E⟧b");
  EXPECT_EQ(markdown_quote("    code\n\n+ x\n--- \n12) y\n===", ""), "> code\n>\n> \\+ x\n> \\--- \n> 12\\) y\n> \\=\\=\\=");
  EXPECT_EQ(markdown_quote("-5%\n3.5\n#1\n## x\n:--\n-:\n-", ""), "> -5%\n> 3.5\n> #1\n> \\## x\n> \\:--\n> \\-:\n> \\-");
  EXPECT_EQ(markdown_quote("", " "), " >");
  EXPECT_EQ(markdown_line(""), "");
}

}  // namespace
}  // namespace da::analysis
