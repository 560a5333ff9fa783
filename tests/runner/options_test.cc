#include "runner/options.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace da::runner {
namespace {

using Json = nlohmann::ordered_json;

RequestOptions parsed(std::string_view text) {
  auto options = parse_request_options(Json::parse(text));
  EXPECT_TRUE(options.is_ok()) << options.status().message();
  return *options;
}
std::string error_of(std::string_view text) { return parse_request_options(Json::parse(text)).status().message(); }

TEST(Options, DefaultsAreOllamas) {
  for (const std::string_view text : {"{}", "null", R"({"temperature":null,"unknown":[]})"}) {
    const RequestOptions options = parsed(text);
    EXPECT_FLOAT_EQ(options.sampling.temperature, 0.8F);
    EXPECT_EQ(options.sampling.top_k, 40);
    EXPECT_FLOAT_EQ(options.sampling.top_p, 0.9F);
    EXPECT_EQ(options.sampling.seed, -1);
    EXPECT_EQ(options.num_predict, -1);
    EXPECT_TRUE(options.stop.empty());
  }
  EXPECT_EQ(parsed(R"({"what":1,"tfs_z":2})").n_unknown, 2);
}

TEST(Options, AllNames) {
  const RequestOptions options = parsed(
      R"({"temperature":0.1,"top_k":2,"top_p":0.3,"min_p":0.4,"repeat_penalty":1.5,"repeat_last_n":6,"presence_penalty":0.7,
          "frequency_penalty":0.8,"seed":9,"num_predict":10,"num_ctx":11,"stop":["a","","b"],"num_thread":3,"use_mmap":true})");
  EXPECT_FLOAT_EQ(options.sampling.temperature, 0.1F);
  EXPECT_EQ(options.sampling.top_k, 2);
  EXPECT_FLOAT_EQ(options.sampling.top_p, 0.3F);
  EXPECT_FLOAT_EQ(options.sampling.min_p, 0.4F);
  EXPECT_FLOAT_EQ(options.sampling.repeat_penalty, 1.5F);
  EXPECT_EQ(options.sampling.repeat_last_n, 6);
  EXPECT_FLOAT_EQ(options.sampling.presence_penalty, 0.7F);
  EXPECT_FLOAT_EQ(options.sampling.frequency_penalty, 0.8F);
  EXPECT_EQ(options.sampling.seed, 9);
  EXPECT_EQ(options.num_predict, 10);
  EXPECT_EQ(options.num_ctx, 11);
  EXPECT_EQ(options.stop, (std::vector<std::string>{"a", "b"}));
}

TEST(Options, WrongTypesAreNamed) {
  EXPECT_EQ(error_of(R"({"temperature":"hot"})"), R"(option "temperature" must be of type float32)");
  EXPECT_EQ(error_of(R"({"top_k":"1"})"), R"(option "top_k" must be of type integer)");
  EXPECT_EQ(error_of(R"({"seed":true})"), R"(option "seed" must be of type integer)");
  EXPECT_EQ(error_of(R"({"use_mmap":1})"), R"(option "use_mmap" must be of type boolean)");
  EXPECT_EQ(error_of(R"({"stop":"x"})"), R"(option "stop" must be of type array)");
  EXPECT_EQ(error_of(R"({"stop":["x",1]})"), R"(option "stop" must be of an array of strings)");
  EXPECT_FALSE(parse_request_options(Json::array()).is_ok());
}

TEST(Options, NumbersAreTruncatedAndClamped) {
  EXPECT_EQ(parsed(R"({"top_k":2.9})").sampling.top_k, 2);
  EXPECT_EQ(parsed(R"({"num_predict":-2.9})").num_predict, -2);
  EXPECT_EQ(parsed(R"({"top_k":1e300})").sampling.top_k, std::numeric_limits<int32_t>::max());
  EXPECT_EQ(parsed(R"({"num_predict":99999999999})").num_predict, std::numeric_limits<int32_t>::max());
  EXPECT_EQ(parsed(R"({"num_predict":-99999999999})").num_predict, std::numeric_limits<int32_t>::min());
  EXPECT_EQ(parsed(R"({"seed":18446744073709551615})").sampling.seed, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(parsed(R"({"seed":1e19})").sampling.seed, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(parsed(R"({"top_k":-5})").sampling.top_k, 0);
  EXPECT_FLOAT_EQ(parsed(R"({"temperature":-1})").sampling.temperature, 0.0F);
  EXPECT_FLOAT_EQ(parsed(R"({"top_p":0})").sampling.top_p, 1.0F);
  EXPECT_FLOAT_EQ(parsed(R"({"repeat_penalty":0})").sampling.repeat_penalty, 1.0F);
}

TEST(Options, ForLoading) {
  const auto options = parse_load_options(Json::parse(R"({"num_ctx":1,"num_parallel":0,"num_thread":-3})"));
  ASSERT_TRUE(options.is_ok());
  EXPECT_EQ(options->num_ctx, 4);
  EXPECT_EQ(options->num_parallel, 1);
  EXPECT_EQ(options->num_thread, 0);
  EXPECT_EQ(options->num_gpu, -1);
  EXPECT_EQ(parse_load_options(Json::parse(R"({"num_gpu":-7,"main_gpu":2})"))->num_gpu, -1);
  EXPECT_EQ(parse_load_options(Json::parse(R"({"num_gpu":99})"))->num_gpu, 99);
  EXPECT_TRUE(parse_load_options(Json::parse(R"({"pin_threads":true})"))->pin_threads);
  EXPECT_FALSE(parse_load_options(Json::parse(R"({"use_mmap":true})"))->pin_threads);
  EXPECT_FALSE(parse_load_options(Json::parse(R"({"num_ctx":"big"})")).is_ok());
}

}  // namespace
}  // namespace da::runner
