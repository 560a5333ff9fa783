#include "analysis/json_stream.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace da::analysis {
namespace {

using Json = nlohmann::ordered_json;
using Value = JsonStream::Value;

// What the stream holds, as far as it goes.
Json to_json(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kString: return value.text;
    case Value::Kind::kArray: {
      Json list = Json::array();
      for (const auto& item : value.items) list.push_back(to_json(*item));
      return list;
    }
    case Value::Kind::kObject: {
      Json object = Json::object();
      for (const auto& [key, item] : value.members) object[key] = to_json(*item);
      return object;
    }
    case Value::Kind::kNull:
    case Value::Kind::kBoolean:
    case Value::Kind::kNumber: return Json::parse(value.text);
  }
  return nullptr;
}

bool sound(std::string_view text) {
  JsonStream stream;
  stream.push(text);
  stream.push(" ");  // lets a number at the top end
  return stream.complete();
}

TEST(JsonStream, AgreesWithAWholeReader) {
  for (const char* text : {R"({"a":[1,-2.5e3,true,null,"x\n\"\\\/\u00e9\ud83d\ude00"],"b":{},"":[]})", "[]", "{}", "12", R"("s")", "[[[]],{\"a\":{\"b\":[{}]}}]",
                           " { \"a\" : [ 1 , 2 ] } \n", "-0", "[0.5,1E+2]"}) {
    ASSERT_TRUE(sound(text)) << text;
    JsonStream stream;
    for (const char c : std::string(text) + " ") stream.push({&c, 1});
    EXPECT_EQ(to_json(*stream.root()), Json::parse(text)) << text;
  }
  for (const char* text : {"[1,]", "{\"a\":1,}", "{a:1}", "[01]", "[1.]", "[+1]", "[tru]", "\"a\nb\"", "[\"\\x\"]", "[\"\\ud83d\"]", "[\"\\ude00\"]", "[\"\\ud83d\\n\"]", "[1}", "{\"a\" 1}",
                           "[] []", "", "]", "[\"a\"", "{\"a\":}", "[1e]", "nulll", "[,1]", "{,}"}) {
    EXPECT_FALSE(sound(text)) << text;
  }
  EXPECT_FALSE(sound(std::string(40, '[') + std::string(40, ']')));
}

TEST(JsonStream, AgreesOnSpoiltTexts) {
  std::mt19937_64 random(31);
  const std::string good = R"({"a":[1,-2.5e3,true,null,"x\n\"é"],"b":{"c":[]},"d":"\u00e9"})";
  for (int i = 0; i < 30000; ++i) {
    std::string text = good;
    for (size_t k = 1 + random() % 3; k > 0; --k) {
      const size_t at = random() % text.size();
      if (random() % 2) {
        text[at] = "{}[],:\"\\0e-.tn "[random() % 15];
      } else {
        text.erase(at, 1 + random() % 2);
      }
      if (text.empty()) break;
    }
    // Characters torn apart are not this reader's matter, and it is stricter on nothing.
    if (text.find("é") == std::string::npos && text.find('\xC3') != std::string::npos) continue;
    if (text.find('\xA9') != std::string::npos && text.find("é") == std::string::npos) continue;
    ASSERT_EQ(sound(text), Json::accept(text)) << text;
  }
}

TEST(JsonStream, MarksOpenEnds) {
  JsonStream stream;
  stream.push(R"({"list":[{"quote":"ab)");
  const Value* list = stream.root()->find("list");
  ASSERT_NE(list, nullptr);
  const Value* quote = list->items[0]->find("quote");
  EXPECT_EQ(quote->text, "ab");
  EXPECT_FALSE(quote->complete || list->complete || stream.root()->complete);
  stream.push(R"(c","n":1)");
  EXPECT_TRUE(quote->complete);
  EXPECT_FALSE(list->items[0]->find("n")->complete);
  stream.push("}]");
  EXPECT_TRUE(list->items[0]->find("n")->complete && list->items[0]->complete && list->complete);
  EXPECT_FALSE(stream.complete());
  stream.push("}");
  EXPECT_TRUE(stream.complete());
}

}  // namespace
}  // namespace da::analysis
