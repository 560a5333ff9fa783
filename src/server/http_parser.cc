#include "server/http_parser.h"

#include <strings.h>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace da::server {
namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

bool is_field(std::string_view name, std::string_view wanted) {
  return name.size() == wanted.size() && strncasecmp(name.data(), wanted.data(), wanted.size()) == 0;
}

}  // namespace

struct HttpParser::Impl final : http::basic_parser<true> {
  explicit Impl(const ParserLimits& parser_limits) : limits(parser_limits) {
    header_limit(static_cast<std::uint32_t>(limits.head_bytes));
    body_limit(boost::none);  // the connection counts the body, it knows the route's limit
  }

  void fail(int status, std::string message) {
    if (!fault) fault = HttpError{status, std::move(message)};
  }
  void fail(int status, std::string message, error_code& ec) {
    fail(status, std::move(message));
    ec = http::error::bad_value;
  }

  void on_request_impl(http::verb, boost::core::string_view method, boost::core::string_view target_text,
                       int http_version, error_code& ec) override {
    version = http_version;
    request.method.assign(method.data(), method.size());
    target.assign(target_text.data(), target_text.size());
    if (target.size() > limits.target_bytes) {
      fail(414, "request target is longer than " + std::to_string(limits.target_bytes) + " bytes", ec);
    }
  }
  void on_response_impl(int, boost::core::string_view, int, error_code&) override {}
  void on_field_impl(http::field, boost::core::string_view name, boost::core::string_view value,
                     error_code& ec) override {
    if (request.headers.size() >= limits.fields) {
      fail(431, "more than " + std::to_string(limits.fields) + " header fields", ec);
      return;
    }
    request.headers.push_back({{name.data(), name.size()}, {value.data(), value.size()}});
  }
  void on_header_impl(error_code& ec) override {
    size_t n_hosts = 0, n_lengths = 0, n_encodings = 0;
    for (const Header& header : request.headers) {
      if (is_field(header.name, "host")) ++n_hosts;
      if (is_field(header.name, "content-length")) {
        ++n_lengths;
        // Beast takes a list of equal lengths; we do not.
        if (header.value.find_first_not_of("0123456789") != std::string::npos)
          return fail(400, "malformed Content-Length", ec);
      }
      if (is_field(header.name, "expect")) expects_continue = is_field(header.value, "100-continue");
      if (is_field(header.name, "transfer-encoding")) {
        ++n_encodings;
        if (!is_field(header.value, "chunked")) return fail(400, "transfer encoding is not 'chunked'", ec);
      }
    }
    if (n_hosts > 1 || (n_hosts == 0 && version >= 11)) return fail(400, "exactly one Host field is required", ec);
    if (n_lengths > 1) return fail(400, "more than one Content-Length", ec);
    if (n_encodings > 1 || (n_encodings == 1 && (n_lengths == 1 || version < 11))) {
      return fail(400, "contradictory length of the body", ec);
    }
    parse_target(ec);
    request.has_body = n_encodings == 1 || content_length().value_or(0) > 0;
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(boost::core::string_view piece, error_code&) override {
    body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_chunk_header_impl(std::uint64_t, boost::core::string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, boost::core::string_view piece, error_code&) override {
    body.append(piece.data(), piece.size());
    return piece.size();
  }
  void on_finish_impl(error_code&) override {}

  // In the head, of which `bytes` is all that came so far. Beast would wait for more.
  bool has_bare_line_feed(std::string_view bytes) {
    for (size_t at = bytes.find('\n', scanned_bytes); at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
      if (at == 0 || bytes[at - 1] != '\r') return true;
      if (at >= 3 && bytes[at - 3] == '\r' && bytes[at - 2] == '\n') return false;  // the head's end
    }
    scanned_bytes = bytes.size();
    return false;
  }

  void parse_target(error_code& ec) {
    if (target == "*" && request.method == "OPTIONS") {
      request.raw_path = request.path = target;
      return;
    }
    const auto parsed = boost::urls::parse_origin_form(target);
    if (parsed.has_error()) return fail(400, "request target is not an absolute path", ec);
    const std::string encoded(parsed->encoded_path().data(), parsed->encoded_path().size());
    request.raw_path = encoded;
    request.path = parsed->path();
    for (const auto& parameter : parsed->params()) request.query.emplace_back(parameter.key, parameter.value);
  }

  ParserLimits limits;
  Request request;
  std::string target;
  int version = 11;
  bool expects_continue = false;
  size_t scanned_bytes = 0;
  std::string body;
  std::optional<HttpError> fault;
};

HttpParser::HttpParser(const ParserLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
HttpParser::~HttpParser() { wipe(impl_->body); }

size_t HttpParser::put(std::string_view bytes) {
  if (impl_->fault || bytes.empty() || impl_->is_done()) return 0;
  const bool was_head = !impl_->is_header_done();
  if (was_head && impl_->has_bare_line_feed(bytes)) {
    impl_->fail(400, "malformed HTTP request: a line does not end in CR LF");
    return 0;
  }
  error_code ec;
  const size_t used = impl_->put(boost::asio::const_buffer(bytes.data(), bytes.size()), ec);
  if (ec == http::error::header_limit) {
    impl_->fail(431, "request head is longer than " + std::to_string(impl_->limits.head_bytes) + " bytes");
  } else if (ec == http::error::bad_version) {
    impl_->fail(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  } else if (ec && ec != http::error::need_more) {
    impl_->fail(400, "malformed HTTP request: " + ec.message());
  } else if (was_head && impl_->is_header_done()) {
    // Beast unfolds continued field lines; a proxy before us may not, and then the two read different requests.
    const std::string_view head = bytes.substr(0, used);
    if (head.find("\n ") != std::string_view::npos || head.find("\n\t") != std::string_view::npos) {
      impl_->fail(400, "folded header field");
    }
  }
  return impl_->fault ? 0 : used;
}

const std::optional<HttpError>& HttpParser::error() const { return impl_->fault; }
bool HttpParser::head_done() const { return impl_->is_header_done(); }
bool HttpParser::body_done() const { return impl_->is_done(); }
Request HttpParser::take_request() { return std::move(impl_->request); }
std::optional<uint64_t> HttpParser::content_length() const {
  const auto length = impl_->content_length();
  return length ? std::optional<uint64_t>(*length) : std::nullopt;
}
bool HttpParser::chunked() const { return impl_->chunked(); }
bool HttpParser::keep_alive() const { return impl_->keep_alive(); }
bool HttpParser::http_1_0() const { return impl_->version < 11; }
bool HttpParser::expects_continue() const { return impl_->expects_continue; }
std::string HttpParser::take_body() { return std::exchange(impl_->body, {}); }

}  // namespace da::server
