// Functions that every template can call.
#include <algorithm>
#include <array>
#include <cstdio>

#include "chat/jinja/interpreter.h"

namespace da::chat::jinja {
namespace {

constexpr BigInt kMaxRange = 100'000;  // as in Jinja's sandbox

Value global_range(NativeCall& call) {
  for (size_t i = 0; i < 3; ++i) {
    if (call.has(i) && !call.arg(i).is_integral()) {
      return call.arg(i).is_undefined() ? call.in.fail_undefined(call.arg(i))
                                        : call.in.fail_type("integer", call.arg(i));
    }
  }
  BigInt start = call.has(1) ? call.arg(0).as_int() : 0;
  BigInt stop = call.has(1) ? call.arg(1).as_int() : call.arg(0).as_int();
  BigInt step = call.has(2) ? call.arg(2).as_int() : 1;
  if (step == 0) {
    return call.in.fail("range() arg 3 must not be zero");
  }
  BigInt distance = 0;
  BigInt stride = step > 0 ? step : -step;
  bool overflow =
      step > 0 ? __builtin_sub_overflow(stop, start, &distance) : __builtin_sub_overflow(start, stop, &distance);
  BigInt count = distance <= 0 ? 0 : (distance - 1) / stride + 1;
  if (overflow || count > kMaxRange) {
    return call.in.fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).",
                        ErrorCode::kResourceExhausted);
  }
  std::vector<Value> items;
  items.reserve(static_cast<size_t>(count));
  for (BigInt i = 0; i < count; ++i) {
    items.push_back(Value::of_int(start + i * step));
  }
  call.in.step(static_cast<uint64_t>(count) / 8);
  Value range = call.in.list(std::move(items), SeqType::kRange);
  if (call.in.ok()) {
    range.seq()->range[0] = start;
    range.seq()->range[1] = stop;
    range.seq()->range[2] = step;
  }
  return range;
}

// dict(mapping or pairs, key=value…), also the base of namespace().
Dict* make_dict(NativeCall& call) {
  Dict* dict = call.in.arena().make<Dict>();
  if (call.raw.positional.size() > 1) {
    call.in.fail("dict expected at most 1 argument");
    return dict;
  }
  if (call.raw.positional.size() == 1) {
    const Value& source = call.raw.positional[0];
    if (source.kind == Kind::kDict) {
      for (const auto& [key, value] : source.dict()->entries) {
        dict->set(key, value);
      }
    } else {
      std::vector<Value> pairs;
      if (!call.in.iterate(source, pairs)) {
        return dict;
      }
      for (const Value& entry : pairs) {
        std::vector<Value> pair;
        if (!call.in.iterate(entry, pair) || pair.size() != 2) {
          call.in.fail("dict expects pairs of key and value");
          return dict;
        }
        if (!call.in.hashable(pair[0])) {
          return dict;
        }
        dict->set(pair[0], pair[1]);
      }
    }
  }
  for (const auto& [name, value] : call.raw.named) {
    dict->set(Value::of_text(name), value);
  }
  return dict;
}

Value global_dict(NativeCall& call) {
  Dict* dict = make_dict(call);
  return call.in.ok() ? call.in.dict_value(dict) : Value();
}

Value global_namespace(NativeCall& call) {
  Dict* dict = make_dict(call);
  if (!call.in.ok()) {
    return {};
  }
  Value value = call.in.dict_value(dict);
  return call.in.ok() ? Value::of_object(Kind::kNamespace, value.object) : Value();
}

Value global_raise(NativeCall& call) {
  return call.in.fail(std::string(call.in.str(call.arg(0))), ErrorCode::kInvalidArgument);
}

// ISO 8601 year and week: a week belongs to the year of its Thursday.
std::pair<int, int> iso_week(const CivilTime& time) {
  CivilTime thursday = time.plus_days(3 - (time.weekday() + 6) % 7);
  return {thursday.year, thursday.day_of_year() / 7 + 1};
}

// strftime of the C locale.
std::string format_time(const CivilTime& time, std::string_view format) {
  static constexpr std::array<const char*, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                       "Thursday", "Friday", "Saturday"};
  static constexpr std::array<const char*, 12> kMonths = {"January",   "February", "March",    "April",
                                                          "May",       "June",     "July",     "August",
                                                          "September", "October",  "November", "December"};
  auto number = [](const char* pattern, int value) {
    char buffer[16];
    std::snprintf(buffer, sizeof(buffer), pattern, value);
    return std::string(buffer);
  };
  std::string day = kDays[static_cast<size_t>(time.weekday())];
  std::string month = kMonths[static_cast<size_t>(time.month - 1)];
  int hour12 = time.hour % 12 == 0 ? 12 : time.hour % 12;
  int day_index = time.day_of_year();
  int monday_first = (time.weekday() + 6) % 7;
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      out += format[i];
      continue;
    }
    char verb = format[++i];
    bool bare = false;
    if (verb == '-' && i + 1 < format.size()) {
      bare = true;
      verb = format[++i];
    }
    std::string piece;
    switch (verb) {
      case 'Y':
        piece = std::to_string(time.year);
        break;
      case 'C':
        piece = number("%02d", time.year / 100);
        break;
      case 'y':
        piece = number("%02d", time.year % 100);
        break;
      case 'm':
        piece = number("%02d", time.month);
        break;
      case 'd':
        piece = number("%02d", time.day);
        break;
      case 'e':
        piece = number("%2d", time.day);
        break;
      case 'H':
        piece = number("%02d", time.hour);
        break;
      case 'k':
        piece = number("%2d", time.hour);
        break;
      case 'I':
        piece = number("%02d", hour12);
        break;
      case 'l':
        piece = number("%2d", hour12);
        break;
      case 'M':
        piece = number("%02d", time.minute);
        break;
      case 'S':
        piece = number("%02d", time.second);
        break;
      case 'f':
        piece = "000000";
        break;
      case 'j':
        piece = number("%03d", day_index + 1);
        break;
      case 'p':
        piece = time.hour < 12 ? "AM" : "PM";
        break;
      case 'P':
        piece = time.hour < 12 ? "am" : "pm";
        break;
      case 'A':
        piece = day;
        break;
      case 'a':
        piece = day.substr(0, 3);
        break;
      case 'B':
        piece = month;
        break;
      case 'b':
      case 'h':
        piece = month.substr(0, 3);
        break;
      case 'w':
        piece = std::to_string(time.weekday());
        break;
      case 'u':
        piece = std::to_string(monday_first + 1);
        break;
      case 'U':
        piece = number("%02d", (day_index + 7 - time.weekday()) / 7);
        break;
      case 'W':
        piece = number("%02d", (day_index + 7 - monday_first) / 7);
        break;
      case 'V':
        piece = number("%02d", iso_week(time).second);
        break;
      case 'G':
        piece = std::to_string(iso_week(time).first);
        break;
      case 'D':
      case 'x':
        piece = format_time(time, "%m/%d/%y");
        break;
      case 'F':
        piece = format_time(time, "%Y-%m-%d");
        break;
      case 'T':
      case 'X':
        piece = format_time(time, "%H:%M:%S");
        break;
      case 'R':
        piece = format_time(time, "%H:%M");
        break;
      case 'r':
        piece = format_time(time, "%I:%M:%S %p");
        break;
      case 'c':
        piece = format_time(time, "%a %b %e %H:%M:%S %Y");
        break;
      case 'n':
        piece = "\n";
        break;
      case 't':
        piece = "\t";
        break;
      case 'Z':
      case 'z':
        break;
      case '%':
        piece = "%";
        break;
      default:
        piece = std::string("%") + verb;
    }
    if (bare) {
      size_t digits = piece.find_first_not_of("0 ");
      piece = digits == std::string::npos ? piece.substr(piece.empty() ? 0 : piece.size() - 1) : piece.substr(digits);
    }
    out += piece;
  }
  return out;
}

Value global_strftime_now(NativeCall& call) {
  if (!call.arg(0).is_string()) {
    return call.in.fail_type("string", call.arg(0));
  }
  std::string_view format = call.arg(0).str();
  call.in.step(format.size());
  return call.in.ok() ? call.in.text(format_time(call.in.now(), format)) : Value();
}

Value global_cycler(NativeCall& call) {
  if (call.raw.positional.empty()) {
    return call.in.fail("at least one item has to be provided");
  }
  Callable* cycler = call.in.arena().make<Callable>();
  cycler->type = CallableType::kCycler;
  cycler->name = "cycler";
  cycler->items = std::move(call.raw.positional);
  return Value::of_object(Kind::kCallable, cycler);
}

Value cycler_next(NativeCall& call) {
  Callable& cycler = *call.self.callable();
  Value value = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  return value;
}

Value cycler_reset(NativeCall& call) {
  call.self.callable()->position = 0;
  return Value::none();
}

Value global_joiner(NativeCall& call) {
  Callable* joiner = call.in.arena().make<Callable>();
  joiner->type = CallableType::kJoiner;
  joiner->name = "joiner";
  joiner->self = call.has(0) ? call.arg(0) : Value::of_text(", ");
  return Value::of_object(Kind::kCallable, joiner);
}

// Placeholder text. The reference draws words at random; one fixed sentence serves as well.
Value global_lipsum(NativeCall& call) {
  BigInt count = call.has(0) && call.arg(0).is_integral() ? std::clamp<BigInt>(call.arg(0).as_int(), 0, 100) : 5;
  bool html = !call.has(1) || truthy(call.arg(1));
  std::string out;
  for (BigInt i = 0; i < count; ++i) {
    out += i > 0 ? (html ? "\n" : "\n\n") : "";
    out += html ? "<p>" : "";
    out += "Lorem ipsum dolor sit amet, consectetuer adipiscing elit, sed diam nonummy nibh euismod tincidunt.";
    out += html ? "</p>" : "";
  }
  return call.in.text(std::move(out), html);
}

constexpr NativeSpec kGlobals[] = {
    {"range", "start,stop,step", 1, global_range},
    {"dict", "*", 0, global_dict},
    {"namespace", "*", 0, global_namespace},
    {"raise_exception", "message", 1, global_raise},
    {"strftime_now", "format", 1, global_strftime_now},
    {"cycler", "*", 0, global_cycler},
    {"joiner", "sep", 0, global_joiner},
    {"lipsum", "n,html,min,max", 0, global_lipsum},
    // Methods of a cycler; no template can write a name that begins with a space.
    {" next", "", 0, cycler_next},
    {" reset", "", 0, cycler_reset},
};

}  // namespace

NativeTable global_natives() { return {kGlobals, std::size(kGlobals)}; }

}  // namespace da::chat::jinja
