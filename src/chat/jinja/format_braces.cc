// "{0.name!r:>8}".format(…), as in Python.
#include <algorithm>

#include "base/utf8.h"
#include "chat/jinja/format_text.h"
#include "chat/jinja/interpreter.h"
#include "chat/jinja/markup.h"

namespace da::chat::jinja {
namespace {

class BraceFormatter {
 public:
  BraceFormatter(Interpreter& in, const Value& format, const Arguments& arguments)
      : in_(in), format_(format), arguments_(arguments) {}

  Value run() {
    std::string out;
    if (!expand(format_.str(), out, 2)) {
      return in_.fail("bad format string");
    }
    return in_.text(std::move(out), format_.markup);
  }

 private:
  bool expand(std::string_view text, std::string& out, int levels) {
    if (levels == 0) {
      in_.fail("Max string recursion exceeded");
      return false;
    }
    while (!text.empty()) {
      size_t mark = text.find_first_of("{}");
      out += text.substr(0, mark);
      if (mark == std::string_view::npos) {
        return true;
      }
      char brace = text[mark];
      if (mark + 1 < text.size() && text[mark + 1] == brace) {
        out += brace;
        text.remove_prefix(mark + 2);
        continue;
      }
      if (brace == '}') {
        in_.fail("Single '}' encountered in format string");
        return false;
      }
      text.remove_prefix(mark + 1);
      size_t end = 0;
      for (int depth = 1; end < text.size(); ++end) {
        depth += text[end] == '{' ? 1 : text[end] == '}' ? -1 : 0;
        if (depth == 0) {
          break;
        }
      }
      if (end == text.size()) {
        in_.fail("expected '}' before end of string");
        return false;
      }
      if (!field(text.substr(0, end), out, levels) || !in_.step() || out.size() > in_.max_text_bytes()) {
        return false;
      }
      text.remove_prefix(end + 1);
    }
    return true;
  }

  // name[!conversion][:spec]
  bool field(std::string_view body, std::string& out, int levels) {
    size_t mark = 0;
    for (bool bracket = false; mark < body.size() && (bracket || (body[mark] != '!' && body[mark] != ':')); ++mark) {
      bracket = body[mark] == '[' || (bracket && body[mark] != ']');
    }
    Value value;
    if (!lookup(body.substr(0, mark), value)) {
      return false;
    }
    std::string_view rest = body.substr(mark);
    if (!rest.empty() && rest[0] == '!') {
      char conversion = rest.size() > 1 ? rest[1] : '\0';
      if (conversion != 'r' && conversion != 's' && conversion != 'a') {
        in_.fail("Unknown conversion specifier");
        return false;
      }
      std::string text;
      if (!(conversion == 's' ? append_str(text, value, in_.max_text_bytes())
                              : append_repr(text, value, in_.max_text_bytes()))) {
        return false;
      }
      value = in_.text(std::move(text));
      rest.remove_prefix(2);
      if (!rest.empty() && rest[0] != ':') {
        in_.fail("expected ':' after conversion specifier");
        return false;
      }
    }
    std::string spec;
    if (!rest.empty() && !expand(rest.substr(1), spec, levels - 1)) {
      return false;
    }
    return write(value, spec, out);
  }

  bool lookup(std::string_view path, Value& value) {
    size_t end = std::min(path.find_first_of(".["), path.size());
    std::string_view name = path.substr(0, end);
    bool digits = std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits) {
      size_t index = name.empty()      ? next_++
                     : name.size() < 7 ? static_cast<size_t>(std::stoul(std::string(name)))
                                       : ~size_t{0};
      if (index >= arguments_.positional.size()) {
        in_.fail("Replacement index out of range for positional args tuple");
        return false;
      }
      value = arguments_.positional[index];
    } else {
      auto found = std::find_if(arguments_.named.begin(), arguments_.named.end(),
                                [&](const auto& entry) { return entry.first == name; });
      if (found == arguments_.named.end()) {
        in_.fail("format: no argument of that name");
        return false;
      }
      value = found->second;
    }
    for (path.remove_prefix(end); !path.empty() && in_.ok();) {
      if (path[0] == '.') {
        end = std::min(path.find_first_of(".[", 1), path.size());
        value = in_.attribute(value, path.substr(1, end - 1));
        path.remove_prefix(end);
        continue;
      }
      end = path.find(']');
      if (end == std::string_view::npos) {
        in_.fail("Missing ']' in format string");
        return false;
      }
      std::string_view key = path.substr(1, end - 1);
      bool index = !key.empty() && key.size() < 10 &&
                   std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
      value = in_.item(value, index ? Value::of_int(std::stoi(std::string(key))) : Value::of_text(key));
      path.remove_prefix(end + 1);
    }
    return in_.ok();
  }

  // [[fill]align][sign][#][0][width][grouping][.precision][type]
  bool parse(std::string_view text, FormatSpec& spec) {
    auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
    size_t fill = text.empty() ? 0 : utf8::decode_one(text).length;
    if (fill > 0 && fill < text.size() && is_align(text[fill])) {
      spec.fill = text.substr(0, fill);
      spec.align = text[fill];
      text.remove_prefix(fill + 1);
    } else if (!text.empty() && is_align(text[0])) {
      spec.align = text[0];
      text.remove_prefix(1);
    }
    auto skip = [&](char c) {
      bool found = !text.empty() && text[0] == c;
      text.remove_prefix(found);
      return found;
    };
    auto digits = [&] {
      long long number = 0;
      while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
        number = std::min(number * 10 + (text[0] - '0'), 1'000'000'000LL);
        text.remove_prefix(1);
      }
      return number;
    };
    for (char c : {'+', '-', ' '}) {
      if (skip(c)) {
        spec.sign = c;
        break;
      }
    }
    spec.alternate = skip('#');
    if (skip('0') && spec.align == '\0') {
      spec.fill = "0";
      spec.align = '=';
    }
    spec.width = digits();
    spec.grouping = skip(',') ? ',' : skip('_') ? '_' : '\0';
    if (skip('.')) {
      spec.precision = static_cast<int>(std::min(digits(), 500LL));
    }
    if (!text.empty()) {
      spec.type = text[0];
      text.remove_prefix(1);
    }
    return text.empty();
  }

  bool write(const Value& value, std::string_view text, std::string& out) {
    FormatSpec spec;
    if (!parse(text, spec)) {
      in_.fail("Invalid format specifier");
      return false;
    }
    if (value.is_number() && (value.kind != Kind::kBool || spec.type != '\0')) {
      return append_number(in_, out, value, spec);
    }
    if (value.is_string() || value.kind == Kind::kBool || text.empty()) {
      std::string shown;
      if (!append_str(shown, value, in_.max_text_bytes())) {
        return false;
      }
      if (format_.markup && !value.markup) {
        std::string escaped;
        append_escaped(escaped, shown);
        shown = std::move(escaped);
      }
      if (spec.type != '\0' && spec.type != 's') {
        in_.fail(std::string("Unknown format code '") + spec.type + "' for object of type 'str'");
        return false;
      }
      spec.align = spec.align == '=' ? '<' : spec.align;
      return append_aligned(in_, out, shown, spec, '<');
    }
    in_.fail("unsupported format string passed to " + std::string(type_name(value)));
    return false;
  }

  Interpreter& in_;
  const Value& format_;
  const Arguments& arguments_;
  size_t next_ = 0;
};

}  // namespace

Value format_braces(Interpreter& in, const Value& format, const Arguments& arguments) {
  return BraceFormatter(in, format, arguments).run();
}

}  // namespace da::chat::jinja
