#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "base/utf8.h"
#include "runner/option_table.h"
#include "store/store.h"

namespace da::store {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxModelfileBytes = size_t{16} << 20;

constexpr std::string_view kUnknownCommand =
    R"(command must be one of "from", "license", "template", "system", "adapter", "draft", "renderer", "parser", )"
    R"("parameter", "message", or "requires")";
constexpr std::array<std::string_view, 11> kCommands = {"from",     "license", "template",  "system",  "adapter", "draft",
                                                        "renderer", "parser",  "parameter", "message", "requires"};

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (is_blank(text.front()) || text.front() == '\n')) text.remove_prefix(1);
  while (!text.empty() && (is_blank(text.back()) || text.back() == '\n')) text.remove_suffix(1);
  return text;
}

std::string from_utf16(std::string_view bytes, bool big_endian) {
  const auto unit = [&](size_t at) {
    const auto first = static_cast<unsigned char>(bytes[at]);
    const auto second = static_cast<unsigned char>(bytes[at + 1]);
    return static_cast<char32_t>(big_endian ? first << 8 | second : second << 8 | first);
  };
  std::string text;
  for (size_t at = 0; at + 1 < bytes.size(); at += 2) {
    char32_t code_point = unit(at);
    if (code_point >= 0xD800 && code_point < 0xDC00 && at + 3 < bytes.size()) {
      const char32_t low = unit(at + 2);
      if (low >= 0xDC00 && low < 0xE000) {
        code_point = 0x10000 + ((code_point - 0xD800) << 10) + (low - 0xDC00);
        at += 2;
      }
    }
    utf8::append(text, code_point >= 0xD800 && code_point < 0xE000 ? U'\xFFFD' : code_point);
  }
  return text;
}

// UTF-8 with \n line ends and without control characters.
std::string normalised(std::string_view text) {
  std::string decoded;
  if (text.starts_with("\xFE\xFF") || text.starts_with("\xFF\xFE")) {
    decoded = from_utf16(text.substr(2), text[0] == '\xFE');
    text = decoded;
  } else if (text.starts_with("\xEF\xBB\xBF")) {
    text.remove_prefix(3);
  }
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\r') {
      if (i + 1 == text.size() || text[i + 1] != '\n') result += '\n';
    } else if (c == '\t' || c == '\n' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F)) {
      result += c;
    }
  }
  return result;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Status error(std::string_view what) const {
    return {ErrorCode::kInvalidArgument, "(line " + std::to_string(line_) + "): " + std::string(what)};
  }

  // Skips blank lines and comments; false at the end of the file.
  bool next_instruction() {
    while (at_ < text_.size()) {
      if (is_blank(text_[at_]) || text_[at_] == '\n') {
        advance();
      } else if (text_[at_] == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else {
        return true;
      }
    }
    return false;
  }

  // The characters up to the next blank or line end.
  std::string_view word() {
    const size_t begin = at_;
    while (at_ < text_.size() && !is_blank(text_[at_]) && text_[at_] != '\n') ++at_;
    return text_.substr(begin, at_ - begin);
  }

  bool at_end() const { return at_ == text_.size(); }
  bool at_line_end() const { return at_end() || text_[at_] == '\n'; }
  void skip_blanks() {
    while (!at_end() && is_blank(text_[at_])) ++at_;
  }

  // To the end of the line, or to the line that ends with the quote it began with.
  Result<std::string> value() {
    skip_blanks();
    std::string_view quote;
    if (text_.substr(at_).starts_with(R"(""")")) {
      quote = R"(""")";
    } else if (!at_end() && text_[at_] == '"') {
      quote = "\"";
    }
    const size_t begin = at_;
    while (true) {
      while (!at_line_end()) ++at_;
      std::string_view raw = text_.substr(begin, at_ - begin);
      while (!raw.empty() && is_blank(raw.back())) raw.remove_suffix(1);
      if (quote.empty()) return std::string(trim(raw));
      if (raw.size() >= 2 * quote.size() && raw.ends_with(quote)) {
        return std::string(raw.substr(quote.size(), raw.size() - 2 * quote.size()));
      }
      if (at_end()) return {ErrorCode::kInvalidArgument, "unexpected EOF"};
      advance();
    }
  }

 private:
  void advance() {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
};

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

Status set_parameter(const std::string& name, const std::string& text, nlohmann::ordered_json& parameters) {
  const auto invalid = [&](std::string_view type) {
    return Status(ErrorCode::kInvalidArgument, "invalid " + std::string(type) + " value [" + text + "]");
  };
  if (std::find(runner::kRemovedOptions.begin(), runner::kRemovedOptions.end(), name) != runner::kRemovedOptions.end()) {
    return Status::ok();
  }
  const runner::OptionRow* row = runner::find_option(name);
  if (row == nullptr) return {ErrorCode::kInvalidArgument, "unknown parameter '" + name + "'"};
  switch (row->type) {
    case runner::OptionType::kInteger: {
      int64_t number = 0;
      if (!parse_number(text, number)) return invalid("int");
      parameters[name] = number;
      break;
    }
    case runner::OptionType::kFloat: {
      double number = 0;
      if (!parse_number(text, number) || !(number >= -1e30 && number <= 1e30)) return invalid("float");
      parameters[name] = number;
      break;
    }
    case runner::OptionType::kBoolean: {
      if (text != "true" && text != "false" && text != "1" && text != "0") return invalid("bool");
      parameters[name] = text == "true" || text == "1";
      break;
    }
    case runner::OptionType::kText:
      parameters[name] = text;
      break;
    case runner::OptionType::kStrings:
      parameters[name].push_back(text);
      break;
  }
  return Status::ok();
}

Result<std::string> resolve_from(const std::string& value, const std::string& directory) {
  if (value.empty()) return {ErrorCode::kInvalidArgument, "no FROM line"};
  std::string path = value;
  if (path == "~" || path.starts_with("~/")) {
    const char* home = std::getenv("HOME");
    path = (home != nullptr ? home : "") + path.substr(1);
  } else if (!path.starts_with('/')) {
    path = directory + "/" + path;
  }
  std::error_code error;
  if (fs::is_directory(path, error)) {
    // A folder that happens to have a model's name does not hide the model.
    if (!value.starts_with('/') && !value.starts_with('.') && !value.starts_with('~')) return value;
    return {ErrorCode::kUnsupported, "FROM " + value + ": a directory; only GGUF files are supported"};
  }
  if (!fs::is_regular_file(path, error)) return value;
  const fs::path absolute = fs::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

}  // namespace

Result<CreateRequest> parse_modelfile(std::string_view raw_text, const std::string& directory) {
  if (raw_text.size() > kMaxModelfileBytes) return {ErrorCode::kInvalidArgument, "Modelfile longer than 16 MiB"};
  const std::string text = normalised(raw_text);
  Scanner scanner(text);
  CreateRequest request;
  bool has_from = false;
  while (scanner.next_instruction()) {
    std::string command(scanner.word());
    std::transform(command.begin(), command.end(), command.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (std::find(kCommands.begin(), kCommands.end(), command) == kCommands.end()) return scanner.error(kUnknownCommand);
    if (scanner.at_end()) return {ErrorCode::kInvalidArgument, "unexpected EOF"};
    if (scanner.at_line_end()) return scanner.error(kUnknownCommand);
    std::string name;
    if (command == "parameter" || command == "message") {
      scanner.skip_blanks();
      name = scanner.word();
      if (command == "message" && name != "system" && name != "user" && name != "assistant") {
        return scanner.error(R"(message role must be one of "system", "user", or "assistant")");
      }
      scanner.skip_blanks();
      if (scanner.at_line_end()) return {ErrorCode::kInvalidArgument, "unexpected EOF: " + name};
    }
    DA_ASSIGN_OR_RETURN(std::string value, scanner.value());
    if (command == "from") {
      has_from = true;
      DA_ASSIGN_OR_RETURN(request.from, resolve_from(value, directory));
    } else if (command == "template") {
      request.go_template = std::move(value);
    } else if (command == "system") {
      request.system = std::move(value);
    } else if (command == "license") {
      request.license += (request.license.empty() ? "" : "\n") + value;
    } else if (command == "parameter") {
      const Status status = set_parameter(name, value, request.parameters);
      if (!status.is_ok()) return status;
    } else if (command == "message") {
      request.messages.push_back({{"role", name}, {"content", std::move(value)}});
    } else if (command == "adapter") {
      return {ErrorCode::kUnsupported, "ADAPTER is not supported: merge the adapter into the GGUF file first"};
    } else if (command == "draft") {
      return {ErrorCode::kUnsupported, "DRAFT is not supported"};
    }
    // RENDERER, PARSER and REQUIRES name parts of another program: the templates do their work here.
  }
  if (!has_from) return {ErrorCode::kInvalidArgument, "no FROM line"};
  return request;
}

namespace {

std::string quoted(const std::string& value) {
  const bool plain = !value.empty() && value.find('\n') == value.npos && !is_blank(value.front()) &&
                     !is_blank(value.back()) && value.front() != '"';
  if (plain) return value;
  const std::string_view quote = value.find('"') == value.npos ? R"(")" : R"(""")";
  return std::string(quote) + value + std::string(quote);
}

std::string parameter_text(const nlohmann::ordered_json& value) {
  if (value.is_string()) return quoted(value.get<std::string>());
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace

std::string to_modelfile(const ModelInfo& info) {
  std::string text = "# Modelfile generated by \"deepanalyze show\"\n";
  text += "# To build a new Modelfile based on this, replace FROM with:\n# FROM " + info.name + "\n\n";
  text += "FROM " + info.gguf_path + "\n";
  if (!info.go_template.empty()) text += "TEMPLATE " + quoted(info.go_template) + "\n";
  if (!info.system.empty()) text += "SYSTEM " + quoted(info.system) + "\n";
  for (const auto& [name, value] : info.parameters.items()) {
    if (value.is_array()) {
      for (const auto& element : value) text += "PARAMETER " + name + " " + parameter_text(element) + "\n";
    } else if (!value.is_null()) {
      text += "PARAMETER " + name + " " + parameter_text(value) + "\n";
    }
  }
  if (!info.license.empty()) text += "LICENSE " + quoted(info.license) + "\n";
  for (const auto& message : info.messages) {
    text += "MESSAGE " + message["role"].get<std::string>() + " " + quoted(message["content"].get<std::string>()) + "\n";
  }
  return text;
}

}  // namespace da::store
