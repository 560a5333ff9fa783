#include <cmath>
#include <limits>

#include "chat/jinja/interpreter.h"
#include "chat/jinja/markup.h"

namespace da::chat::jinja {
namespace {

// Python's // and %: rounded towards minus infinity, the remainder has the divisor's sign.
BigInt floor_divide(BigInt left, BigInt right) {
  BigInt quotient = left / right;
  return (left % right != 0 && ((left < 0) != (right < 0))) ? quotient - 1 : quotient;
}

double float_modulo(double left, double right) {
  double rest = std::fmod(left, right);
  if (rest != 0 && (rest < 0) != (right < 0)) {
    return rest + right;
  }
  return rest == 0 ? std::copysign(0.0, right) : rest;
}

const char* symbol(Binary operation) {
  switch (operation) {
    case Binary::kAdd:
      return "+";
    case Binary::kSubtract:
      return "-";
    case Binary::kMultiply:
      return "*";
    case Binary::kDivide:
      return "/";
    case Binary::kFloorDivide:
      return "//";
    case Binary::kModulo:
      return "%";
    case Binary::kPower:
      return "**";
    case Binary::kEqual:
      return "==";
    case Binary::kNotEqual:
      return "!=";
    case Binary::kLess:
      return "<";
    case Binary::kLessEqual:
      return "<=";
    case Binary::kGreater:
      return ">";
    case Binary::kGreaterEqual:
      return ">=";
    case Binary::kIn:
      return "in";
    case Binary::kNotIn:
      return "not in";
  }
  return "?";
}

bool is_list_or_tuple(const Value& value) {
  return value.kind == Kind::kSeq && (value.seq()->type == SeqType::kList || value.seq()->type == SeqType::kTuple);
}

}  // namespace

Value Interpreter::binary(Binary operation, const Value& left, const Value& right) {
  if (operation == Binary::kModulo && left.is_string()) {
    return format_percent(left, right);
  }
  if (left.is_undefined() || right.is_undefined()) {
    return fail_undefined(left.is_undefined() ? left : right);
  }
  if (left.is_number() && right.is_number()) {
    return arithmetic(operation, left, right);
  }
  if (operation == Binary::kMultiply && (left.is_string() || is_list_or_tuple(left)) && right.is_integral()) {
    return repeat(left, right.as_int());
  }
  if (operation == Binary::kMultiply && (right.is_string() || is_list_or_tuple(right)) && left.is_integral()) {
    return repeat(right, left.as_int());
  }
  if (operation == Binary::kAdd) {
    return add(left, right);
  }
  return fail(std::string("unsupported operand types for ") + symbol(operation) + ": '" + std::string(type_name(left)) +
              "' and '" + std::string(type_name(right)) + "'");
}

Value Interpreter::add(const Value& left, const Value& right) {
  if (left.is_string() && right.is_string()) {
    std::string joined;
    joined.reserve(left.text.size + right.text.size);
    bool markup = left.markup || right.markup;
    if (markup) {
      append_escaped(joined, left.str(), left.markup);
      append_escaped(joined, right.str(), right.markup);
    } else {
      joined += left.str();
      joined += right.str();
    }
    return text(std::move(joined), markup);
  }
  if (is_list_or_tuple(left) && is_list_or_tuple(right) && left.seq()->type == right.seq()->type) {
    std::vector<Value> items = left.seq()->items;
    items.insert(items.end(), right.seq()->items.begin(), right.seq()->items.end());
    return step(items.size() / 8) ? list(std::move(items), left.seq()->type) : Value();
  }
  if (left.is_number() && right.is_number()) {
    return arithmetic(Binary::kAdd, left, right);
  }
  if (left.is_undefined() || right.is_undefined()) {
    return fail_undefined(left.is_undefined() ? left : right);
  }
  return fail("cannot add '" + std::string(type_name(left)) + "' and '" + std::string(type_name(right)) + "'");
}

Value Interpreter::repeat(const Value& value, BigInt count) {
  size_t size = value.is_string() ? value.text.size : value.seq()->items.size();
  if (count <= 0 || size == 0) {
    return value.is_string() ? Value::of_text({}, value.markup) : list({}, value.seq()->type);
  }
  if (count > static_cast<BigInt>(max_output_bytes_ / size)) {
    return fail("repetition grows beyond the limit", ErrorCode::kResourceExhausted);
  }
  if (value.is_string()) {
    std::string repeated;
    repeated.reserve(size * static_cast<size_t>(count));
    for (BigInt i = 0; i < count; ++i) {
      repeated += value.str();
    }
    return text(std::move(repeated), value.markup);
  }
  if (!reserve(size * static_cast<size_t>(count) * sizeof(Value))) {
    return {};
  }
  std::vector<Value> items;
  items.reserve(size * static_cast<size_t>(count));
  for (BigInt i = 0; i < count; ++i) {
    items.insert(items.end(), value.seq()->items.begin(), value.seq()->items.end());
  }
  return list(std::move(items), value.seq()->type);
}

Value Interpreter::arithmetic(Binary operation, const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) {
    return integer_arithmetic(operation, left.as_int(), right.as_int());
  }
  return float_arithmetic(operation, left.as_double(), right.as_double());
}

Value Interpreter::integer_arithmetic(Binary operation, BigInt left, BigInt right) {
  BigInt result = 0;
  bool overflow = false;
  bool divides = operation == Binary::kDivide || operation == Binary::kFloorDivide || operation == Binary::kModulo;
  if (divides && right == 0) {
    return fail("division by zero");
  }
  // The one quotient that does not fit.
  constexpr BigInt kMin = BigInt(1) << 126;
  if (divides && right == -1 && left < -kMin) {
    return fail("integer overflow");
  }
  switch (operation) {
    case Binary::kAdd:
      overflow = __builtin_add_overflow(left, right, &result);
      break;
    case Binary::kSubtract:
      overflow = __builtin_sub_overflow(left, right, &result);
      break;
    case Binary::kMultiply:
      overflow = __builtin_mul_overflow(left, right, &result);
      break;
    case Binary::kDivide:
      return Value::of_float(static_cast<double>(left) / static_cast<double>(right));
    case Binary::kFloorDivide:
      result = floor_divide(left, right);
      break;
    case Binary::kModulo:
      result = left - floor_divide(left, right) * right;
      break;
    case Binary::kPower: {
      if (right < 0) {
        return float_arithmetic(operation, static_cast<double>(left), static_cast<double>(right));
      }
      result = 1;
      if (left == 0 || left == 1 || left == -1) {
        result = right == 0 ? 1 : (left == -1 && right % 2 == 0) ? 1 : left;
        break;
      }
      for (BigInt i = 0; i < right && !overflow; ++i) {
        overflow = __builtin_mul_overflow(result, left, &result);
      }
      break;
    }
    default:
      return fail("not an arithmetic operator", ErrorCode::kInternal);
  }
  return overflow ? fail("integer overflow") : Value::of_int(result);
}

Value Interpreter::float_arithmetic(Binary operation, double left, double right) {
  bool divides = operation == Binary::kDivide || operation == Binary::kFloorDivide || operation == Binary::kModulo;
  if (divides && right == 0) {
    return fail("division by zero");
  }
  switch (operation) {
    case Binary::kAdd:
      return Value::of_float(left + right);
    case Binary::kSubtract:
      return Value::of_float(left - right);
    case Binary::kMultiply:
      return Value::of_float(left * right);
    case Binary::kDivide:
      return Value::of_float(left / right);
    case Binary::kFloorDivide: {
      double quotient = (left - float_modulo(left, right)) / right;
      double floored = std::floor(quotient);
      return Value::of_float(quotient - floored > 0.5 ? floored + 1 : floored);
    }
    case Binary::kModulo:
      return Value::of_float(float_modulo(left, right));
    case Binary::kPower: {
      double power = std::pow(left, right);
      if (left == 0 && right < 0) {
        return fail("0.0 cannot be raised to a negative power");
      }
      if (std::isnan(power) && !std::isnan(left) && !std::isnan(right)) {
        return fail("complex numbers are not supported");
      }
      return Value::of_float(power);
    }
    default:
      return fail("not an arithmetic operator", ErrorCode::kInternal);
  }
}

// -1, 0, 1, or 2 for "neither" (NaN); fails on types that have no order.
int Interpreter::order(const Value& left, const Value& right, Binary operation) {
  if (left.is_number() && right.is_number()) {
    if (left.is_integral() && right.is_integral()) {
      return left.as_int() < right.as_int() ? -1 : left.as_int() > right.as_int();
    }
    double a = left.as_double();
    double b = right.as_double();
    return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2;
  }
  if (left.is_string() && right.is_string()) {
    // Byte order of UTF-8 is the order of code points.
    scan(std::min(left.text.size, right.text.size));
    int difference = left.str().compare(right.str());
    return difference < 0 ? -1 : difference > 0;
  }
  if (is_list_or_tuple(left) && is_list_or_tuple(right) && left.seq()->type == right.seq()->type) {
    const auto& a = left.seq()->items;
    const auto& b = right.seq()->items;
    if (++depth_ > 2 * options_.limits.max_depth + 2000) {
      --depth_;
      fail("values nest too deeply", ErrorCode::kResourceExhausted);
      return 2;
    }
    int result = a.size() < b.size() ? -1 : a.size() > b.size();
    for (size_t i = 0; i < a.size() && i < b.size() && step(); ++i) {
      if (!equal(a[i], b[i])) {
        result = order(a[i], b[i], operation);
        break;
      }
    }
    --depth_;
    return result;
  }
  if (left.is_undefined() || right.is_undefined()) {
    fail_undefined(left.is_undefined() ? left : right);
  } else {
    fail(std::string("'") + symbol(operation) + "' not supported between '" + std::string(type_name(left)) + "' and '" +
         std::string(type_name(right)) + "'");
  }
  return 2;
}

bool Interpreter::less(const Value& left, const Value& right) { return order(left, right, Binary::kLess) == -1; }

bool Interpreter::contains(const Value& container, const Value& value) {
  switch (container.kind) {
    case Kind::kString:
      if (!value.is_string()) {
        fail("'in <string>' requires a string, found '" + std::string(type_name(value)) + "'");
        return false;
      }
      scan(container.text.size);
      return container.str().find(value.str()) != std::string_view::npos;
    case Kind::kDict:
      return hashable(value) && container.dict()->find(value) != nullptr;
    case Kind::kUndefined:
    case Kind::kSeq: {
      std::vector<Value> items;
      if (container.kind == Kind::kSeq && container.seq()->type != SeqType::kIterator) {
        const auto& all = container.seq()->items;
        step(all.size() / 8);
        for (const Value& part : all) {
          if (equal(part, value)) {
            return true;
          }
        }
        return false;
      }
      if (!iterate(container, items)) {
        return false;
      }
      for (const Value& part : items) {
        if (equal(part, value)) {
          return true;
        }
      }
      return false;
    }
    case Kind::kNone:
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
    case Kind::kNamespace:
    case Kind::kCallable:
    case Kind::kLoop:
      break;
  }
  fail("argument of type '" + std::string(type_name(container)) + "' is not iterable");
  return false;
}

bool Interpreter::compare(Binary operation, const Value& left, const Value& right) {
  switch (operation) {
    case Binary::kEqual:
    case Binary::kNotEqual: {
      scan(left.is_string() ? left.text.size : 0);
      step(left.kind == Kind::kSeq ? left.seq()->items.size() / 8 : 0);
      return equal(left, right) == (operation == Binary::kEqual);
    }
    case Binary::kLess:
      return order(left, right, operation) == -1;
    case Binary::kGreater:
      return order(left, right, operation) == 1;
    case Binary::kLessEqual: {
      int result = order(left, right, operation);
      return result == -1 || result == 0;
    }
    case Binary::kGreaterEqual: {
      int result = order(left, right, operation);
      return result == 1 || result == 0;
    }
    case Binary::kIn:
      return contains(right, left);
    case Binary::kNotIn:
      return !contains(right, left);
    default:
      fail("not a comparison", ErrorCode::kInternal);
      return false;
  }
}

}  // namespace da::chat::jinja
