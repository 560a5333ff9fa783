// The tests of `is`.
#include "base/utf8.h"
#include "chat/jinja/interpreter.h"
#include "chat/unicode_text.h"

namespace da::chat::jinja {
namespace {

Value verdict(bool holds) { return Value::of_bool(holds); }

// value % divisor == rest
Value remainder_is(NativeCall& call, const Value& divisor, BigInt rest) {
  Value result = call.in.binary(Binary::kModulo, call.self, divisor);
  return call.in.ok() ? verdict(equal(result, Value::of_int(rest))) : Value();
}

Value test_odd(NativeCall& call) { return remainder_is(call, Value::of_int(2), 1); }
Value test_even(NativeCall& call) { return remainder_is(call, Value::of_int(2), 0); }
Value test_divisibleby(NativeCall& call) { return remainder_is(call, call.arg(0), 0); }
Value test_defined(NativeCall& call) { return verdict(!call.self.is_undefined()); }
Value test_undefined(NativeCall& call) { return verdict(call.self.is_undefined()); }
Value test_filter(NativeCall& call) {
  return verdict(call.self.is_string() && find_filter(call.self.str()) != nullptr);
}
Value test_test(NativeCall& call) { return verdict(call.self.is_string() && find_test(call.self.str()) != nullptr); }
Value test_none(NativeCall& call) { return verdict(call.self.is_none()); }
Value test_boolean(NativeCall& call) { return verdict(call.self.kind == Kind::kBool); }
Value test_false(NativeCall& call) { return verdict(call.self.kind == Kind::kBool && !call.self.boolean); }
Value test_true(NativeCall& call) { return verdict(call.self.kind == Kind::kBool && call.self.boolean); }
Value test_integer(NativeCall& call) { return verdict(call.self.kind == Kind::kInt); }
Value test_float(NativeCall& call) { return verdict(call.self.kind == Kind::kFloat); }
Value test_number(NativeCall& call) { return verdict(call.self.is_number()); }
Value test_string(NativeCall& call) { return verdict(call.self.is_string()); }
Value test_mapping(NativeCall& call) { return verdict(call.self.kind == Kind::kDict); }
Value test_callable(NativeCall& call) {
  return verdict(call.self.kind == Kind::kCallable || call.self.kind == Kind::kLoop || call.self.is_undefined());
}
Value test_escaped(NativeCall& call) { return verdict(call.self.markup); }
Value test_in(NativeCall& call) { return verdict(call.in.contains(call.arg(0), call.self)); }

Value test_sequence(NativeCall& call) {
  bool sized = call.self.is_string() || call.self.kind == Kind::kDict || call.self.is_undefined();
  if (call.self.kind == Kind::kSeq) {
    SeqType type = call.self.seq()->type;
    sized = type == SeqType::kList || type == SeqType::kTuple || type == SeqType::kRange;
  }
  return verdict(sized);
}

Value test_iterable(NativeCall& call) {
  return verdict(call.self.is_string() || call.self.kind == Kind::kDict || call.self.kind == Kind::kSeq ||
                 call.self.is_undefined() || call.self.kind == Kind::kLoop);
}

Value test_sameas(NativeCall& call) {
  const Value& a = call.self;
  const Value& b = call.arg(0);
  bool object = a.kind == Kind::kSeq || a.kind == Kind::kDict || a.kind == Kind::kNamespace ||
                a.kind == Kind::kCallable || a.kind == Kind::kLoop;
  return verdict(a.kind == b.kind && (object ? a.object == b.object : equal(a, b)));
}

// Cased characters, and all of them of one case.
bool all_cased(std::string_view text, bool lower) {
  bool any = false;
  for (char32_t c : utf8::to_code_points(text)) {
    if (lower ? unicode::is_upper(c) || unicode::is_title(c) : unicode::is_lower(c) || unicode::is_title(c)) {
      return false;
    }
    any = any || unicode::is_cased(c);
  }
  return any;
}
Value test_lower(NativeCall& call) { return verdict(all_cased(call.in.str(call.self), true)); }
Value test_upper(NativeCall& call) { return verdict(all_cased(call.in.str(call.self), false)); }

template <Binary Operation>
Value test_compare(NativeCall& call) {
  return verdict(call.in.compare(Operation, call.self, call.arg(0)));
}

constexpr NativeSpec kTests[] = {
    {"odd", "", 0, test_odd},
    {"even", "", 0, test_even},
    {"divisibleby", "num", 1, test_divisibleby},
    {"defined", "", 0, test_defined},
    {"undefined", "", 0, test_undefined},
    {"filter", "", 0, test_filter},
    {"test", "", 0, test_test},
    {"none", "", 0, test_none},
    {"boolean", "", 0, test_boolean},
    {"false", "", 0, test_false},
    {"true", "", 0, test_true},
    {"integer", "", 0, test_integer},
    {"float", "", 0, test_float},
    {"number", "", 0, test_number},
    {"string", "", 0, test_string},
    {"mapping", "", 0, test_mapping},
    {"sequence", "", 0, test_sequence},
    {"iterable", "", 0, test_iterable},
    {"callable", "", 0, test_callable},
    {"sameas", "other", 1, test_sameas},
    {"escaped", "", 0, test_escaped},
    {"in", "seq", 1, test_in},
    {"lower", "", 0, test_lower},
    {"upper", "", 0, test_upper},
    {"==", "other", 1, test_compare<Binary::kEqual>},
    {"eq", "other", 1, test_compare<Binary::kEqual>},
    {"equalto", "other", 1, test_compare<Binary::kEqual>},
    {"!=", "other", 1, test_compare<Binary::kNotEqual>},
    {"ne", "other", 1, test_compare<Binary::kNotEqual>},
    {">", "other", 1, test_compare<Binary::kGreater>},
    {"gt", "other", 1, test_compare<Binary::kGreater>},
    {"greaterthan", "other", 1, test_compare<Binary::kGreater>},
    {">=", "other", 1, test_compare<Binary::kGreaterEqual>},
    {"ge", "other", 1, test_compare<Binary::kGreaterEqual>},
    {"<", "other", 1, test_compare<Binary::kLess>},
    {"lt", "other", 1, test_compare<Binary::kLess>},
    {"lessthan", "other", 1, test_compare<Binary::kLess>},
    {"<=", "other", 1, test_compare<Binary::kLessEqual>},
    {"le", "other", 1, test_compare<Binary::kLessEqual>},
};

}  // namespace

NativeTable test_natives() { return {kTests, std::size(kTests)}; }

}  // namespace da::chat::jinja
