#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct evp_md_ctx_st;

namespace da::store {

// A running SHA-256. Move-only.
class Sha256 {
 public:
  Sha256();
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text.data(), text.size()))); }
  // The 64 lower-case hex digits; the object is spent afterwards.
  std::string finish_hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// The 64 hex digits of "sha256:<hex>" or "sha256-<hex>". Errors: kInvalidArgument ("invalid digest format") for any
// other length, alphabet or case, so that a digest can never name a file outside the blobs folder.
Result<std::string> parse_digest(std::string_view digest);

}  // namespace da::store
