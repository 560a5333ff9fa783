#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

// The wire of src/runner/protocol.md: a 32-bit little-endian byte count and one JSON object.
namespace da::runner {

inline constexpr size_t kMaxFrameBytes = size_t{64} << 20;
inline constexpr int kMaxJsonDepth = 128;

// Blocks for the next frame's payload. nullopt: the peer closed between frames. Errors: kIo; kCorruptData (a frame that
// is cut off or longer than kMaxFrameBytes).
Result<std::optional<std::string>> read_frame(int fd);
// Blocks until all is written. Errors: kResourceExhausted (too long, nothing was sent), kIo.
Status write_frame(int fd, std::string_view payload);

// Parses a payload, keeping the order of members. Errors: kCorruptData for what is no JSON object or is nested deeper
// than kMaxJsonDepth (whoever writes, copies or frees it recurses). No text of the payload is in the message.
Result<nlohmann::ordered_json> parse_payload(std::string_view payload);
// The text of `message`; invalid UTF-8 becomes U+FFFD.
std::string to_payload(const nlohmann::ordered_json& message);

}  // namespace da::runner
