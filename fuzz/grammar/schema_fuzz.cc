// A schema and, after a zero byte, a source and what a model might write: compiling must be bounded and never crash, and
// from wherever the text leads the grammar must be able to go on.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "engine/grammar/grammar.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace da::grammar;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t first = input.find('\0');
  const std::string_view schema = input.substr(0, first);
  const std::string_view rest = first == std::string_view::npos ? std::string_view() : input.substr(first + 1);
  const std::string_view source = rest.substr(0, rest.find('\0'));
  const std::string_view text = source.size() < rest.size() ? rest.substr(source.size() + 1) : std::string_view();

  const auto grammar = Grammar::from_json_schema(schema, source);
  if (!grammar.is_ok()) return 0;
  static const TokenTrie trie({"{\"", "\":", "\"", "a", "\",\"", "}", "]", "[", "1", "\\", "\\u0", "\xE4", "\xB8", "\xAD", "true", ",", "\"}"});
  Matcher matcher(*grammar);
  for (size_t at = 0; at <= text.size(); ++at) {
    std::vector<uint64_t> mask(1);
    matcher.allowed_tokens(trie, mask, at % 2 == 0 ? Matcher::kUnlimited : static_cast<uint32_t>(at % 40));
    bool alive = matcher.can_end();
    for (int byte = 0; byte < 256 && !alive; ++byte) {
      Matcher copy(matcher);
      const char c = static_cast<char>(byte);
      alive = copy.accept({&c, 1});
    }
    if (!alive) std::abort();
    if (at == text.size()) break;
    (void)matcher.accept(text.substr(at, 1));
  }
  matcher.forced();
  return 0;
}
