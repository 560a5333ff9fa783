#include "runner/frame.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>

namespace da::runner {
namespace {

// False at the end of the stream before `size` bytes came; `got` says how many did.
Result<bool> read_exactly(int fd, char* data, size_t size, size_t& got) {
  got = 0;
  while (got < size) {
    const ssize_t n = read(fd, data + got, size - got);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == ECONNRESET) return false;
      return {ErrorCode::kIo, std::string("read a frame: ") + std::strerror(errno)};
    }
    if (n == 0) return false;
    got += static_cast<size_t>(n);
  }
  return true;
}

bool nested_too_deep(std::string_view json) {
  int depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxJsonDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

Result<std::optional<std::string>> read_frame(int fd) {
  std::array<unsigned char, 4> header{};
  size_t got = 0;
  DA_ASSIGN_OR_RETURN(const bool has_header, read_exactly(fd, reinterpret_cast<char*>(header.data()), header.size(), got));
  if (!has_header && got == 0) return std::optional<std::string>();
  const Status cut_off(ErrorCode::kCorruptData, "read a frame: the peer closed in the middle of it");
  if (!has_header) return cut_off;
  uint32_t size = 0;
  for (size_t i = 0; i < header.size(); ++i) size |= static_cast<uint32_t>(header[i]) << (8 * i);
  if (size > kMaxFrameBytes) {
    return {ErrorCode::kCorruptData, "read a frame: " + std::to_string(size) + " bytes, at most " + std::to_string(kMaxFrameBytes)};
  }
  // Grown as the bytes come, so that a header alone cannot make us take memory.
  std::string payload;
  while (payload.size() < size) {
    const size_t part = std::min<size_t>(size - payload.size(), size_t{1} << 20);
    const size_t begin = payload.size();
    payload.resize(begin + part);
    DA_ASSIGN_OR_RETURN(const bool whole, read_exactly(fd, payload.data() + begin, part, got));
    if (!whole) return cut_off;
  }
  return std::optional<std::string>(std::move(payload));
}

Status write_frame(int fd, std::string_view payload) {
  if (payload.size() > kMaxFrameBytes) {
    return {ErrorCode::kResourceExhausted,
            "write a frame: " + std::to_string(payload.size()) + " bytes, at most " + std::to_string(kMaxFrameBytes)};
  }
  std::string frame;
  frame.reserve(payload.size() + 4);
  for (int i = 0; i < 4; ++i) frame += static_cast<char>((payload.size() >> (8 * i)) & 0xFF);
  frame += payload;
  for (size_t done = 0; done < frame.size();) {
    const ssize_t n = write(fd, frame.data() + done, frame.size() - done);
    if (n < 0) {
      if (errno == EINTR) continue;
      return {ErrorCode::kIo, std::string("write a frame: ") + std::strerror(errno)};
    }
    done += static_cast<size_t>(n);
  }
  return Status::ok();
}

Result<nlohmann::ordered_json> parse_payload(std::string_view payload) {
  if (nested_too_deep(payload)) return {ErrorCode::kCorruptData, "message is nested too deep"};
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(payload, nullptr, false);
  if (!json.is_object()) return {ErrorCode::kCorruptData, "message is not a JSON object"};
  return json;
}

std::string to_payload(const nlohmann::ordered_json& message) {
  return message.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace da::runner
