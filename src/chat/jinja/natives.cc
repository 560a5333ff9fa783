#include "chat/jinja/natives.h"

#include <algorithm>
#include <array>

namespace da::chat::jinja {
namespace {

const NativeSpec* find_in(NativeTable table, std::string_view name) {
  const NativeSpec* end = table.specs + table.count;
  const NativeSpec* found = std::find_if(table.specs, end, [&](const NativeSpec& spec) { return spec.name == name; });
  return found == end ? nullptr : found;
}

template <size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

const NativeSpec* find_filter(std::string_view name) {
  for (NativeTable table : {sequence_filters(), order_filters(), select_filters(), text_filters(), markup_filters(),
                            number_filters(), json_filters()}) {
    if (const NativeSpec* found = find_in(table, name)) {
      return found;
    }
  }
  return nullptr;
}

const NativeSpec* find_test(std::string_view name) { return find_in(test_natives(), name); }
const NativeSpec* find_global(std::string_view name) { return find_in(global_natives(), name); }

const NativeSpec* find_method(const Value& owner, std::string_view name) {
  switch (owner.kind) {
    case Kind::kString: {
      const NativeSpec* found = find_in(text_methods(), name);
      return found != nullptr ? found : find_in(text_query_methods(), name);
    }
    case Kind::kDict:
      return find_in(dict_methods(), name);
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      return find_in(number_methods(), name);
    case Kind::kSeq:
      if (owner.seq()->type == SeqType::kList) {
        return find_in(list_methods(), name);
      }
      return owner.seq()->type == SeqType::kTuple || owner.seq()->type == SeqType::kRange
                 ? find_in(tuple_methods(), name)
                 : nullptr;
    case Kind::kCallable: {
      // cycler.next, cycler.reset
      const NativeSpec* found = find_in(global_natives(), name == "next" ? " next" : name == "reset" ? " reset" : "");
      return owner.callable()->type == CallableType::kCycler ? found : nullptr;
    }
    case Kind::kUndefined:
    case Kind::kNone:
    case Kind::kNamespace:
    case Kind::kLoop:
      return nullptr;
  }
  return nullptr;
}

bool is_forbidden_method(const Value& owner, std::string_view name) {
  // Lists may be appended to and popped from: published templates do it, though Jinja's sandbox would not let them.
  static constexpr std::array<std::string_view, 6> kList = {"clear", "extend", "insert", "remove", "reverse", "sort"};
  static constexpr std::array<std::string_view, 5> kDict = {"clear", "pop", "popitem", "setdefault", "update"};
  if (owner.kind == Kind::kDict) {
    return is_one_of(kDict, name);
  }
  return owner.kind == Kind::kSeq && owner.seq()->type == SeqType::kList && is_one_of(kList, name);
}

}  // namespace da::chat::jinja
