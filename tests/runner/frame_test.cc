#include "runner/frame.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "runner/outbox.h"

namespace da::runner {
namespace {

struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    a = UniqueFd(fds[0]);
    b = UniqueFd(fds[1]);
  }
  UniqueFd a, b;
};

TEST(Frame, RoundTripOfAnySize) {
  Pair pair;
  Outbox outbox(pair.a.get());
  for (const size_t size : {size_t{0}, size_t{1}, size_t{65536}, size_t{5} << 20}) {
    ASSERT_TRUE(outbox.push(std::string(size, 'x')));
    const auto payload = read_frame(pair.b.get());
    ASSERT_TRUE(payload.is_ok());
    EXPECT_EQ(payload->value().size(), size);
  }
}

TEST(Frame, EndsAndDamage) {
  const auto read_of = [](const std::string& bytes) {
    Pair pair;
    EXPECT_EQ(write(pair.a.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    pair.a.reset();
    return read_frame(pair.b.get());
  };
  const auto end = read_of("");
  ASSERT_TRUE(end.is_ok());
  EXPECT_FALSE(end->has_value());
  EXPECT_EQ(read_of(std::string("\x05\0", 2)).code(), ErrorCode::kCorruptData);
  EXPECT_EQ(read_of(std::string("\x05\0\0\0abcd", 8)).code(), ErrorCode::kCorruptData);
  EXPECT_EQ(read_of(std::string("\x01\0\0\x04", 4)).code(), ErrorCode::kCorruptData);   // 64 MiB + 1
  EXPECT_EQ(read_of(std::string("\xFF\xFF\xFF\xFF", 4)).code(), ErrorCode::kCorruptData);
  Pair pair;
  EXPECT_EQ(write_frame(pair.a.get(), std::string(kMaxFrameBytes + 1, 'x')).code(), ErrorCode::kResourceExhausted);
}

TEST(Frame, PayloadsAreObjectsOfBoundedDepth) {
  EXPECT_EQ((*parse_payload(R"({"b":1,"a":[2]})")).dump(), R"({"b":1,"a":[2]})");
  for (const std::string& text : {std::string(), std::string("[]"), std::string("1"), std::string("{"), std::string("{}x"),
                                 R"({"a":)" + std::string(200, '[') + std::string(200, ']') + "}"}) {
    EXPECT_EQ(parse_payload(text).code(), ErrorCode::kCorruptData) << text;
  }
  EXPECT_TRUE(parse_payload(R"({"a":")" + std::string(200, '[') + R"(\"[[["})").is_ok());
  EXPECT_EQ(to_payload({{"a", "\xFF"}}), "{\"a\":\"\xEF\xBF\xBD\"}");
}

TEST(Outbox, NeverBlocksAndEndsWithAPeerThatDoesNotRead) {
  Pair pair;
  {
    Outbox outbox(pair.a.get());
    int pushed = 0;
    while (outbox.push(std::string(size_t{32} << 20, 'x')) && pushed < 100) ++pushed;
    EXPECT_GE(pushed, 4);
    EXPECT_LT(pushed, 100);
    EXPECT_FALSE(outbox.push(std::string(kMaxFrameBytes + 1, 'x')));
    // The destructor must not wait for the reader.
    std::thread([&] { shutdown(pair.b.get(), SHUT_RD); }).join();
  }
}

}  // namespace
}  // namespace da::runner
