#include "server/caller.h"

#include <array>
#include <cstdio>
#include <random>
#include <string_view>

#include "store/digest.h"

namespace da::server {
namespace {

// The key of "Bearer KEY"; "": there is none.
std::string_view bearer_key(std::string_view field) {
  constexpr std::string_view kScheme = "bearer ";
  if (field.size() <= kScheme.size()) return {};
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = field[i] >= 'A' && field[i] <= 'Z' ? static_cast<char>(field[i] - 'A' + 'a') : field[i];
    if (c != kScheme[i]) return {};
  }
  field.remove_prefix(kScheme.size());
  while (field.starts_with(' ')) field.remove_prefix(1);
  while (field.ends_with(' ')) field.remove_suffix(1);
  return field;
}

}  // namespace

std::string caller_of(const Request& request, const std::string& address, const std::string& salt) {
  const std::string* field = request.header("authorization");
  const std::string_view key = field != nullptr ? bearer_key(*field) : std::string_view();
  if (key.empty()) return address;
  store::Sha256 hash;
  hash.update(salt);
  hash.update(key);
  return "key:" + hash.finish_hex().substr(0, 32);
}

std::string make_salt() {
  std::random_device random;
  std::string salt;
  for (int i = 0; i < 8; ++i) {
    std::array<char, 9> digits{};
    std::snprintf(digits.data(), digits.size(), "%08x", random());
    salt += digits.data();
  }
  return salt;
}

}  // namespace da::server
