#include <array>

#include "engine/grammar/pattern.h"

// JSON Schema's formats as patterns. Some are narrower than the format (shorter names, fewer forms): what they write is
// always valid.
namespace da::grammar {
namespace {

#define DA_TIME "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
// Days by month, and the 29th of February by the calendar's rule.
#define DA_DATE                                                                                               \
  "(\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))" \
  "|(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)"
#define DA_LABEL "[A-Za-z0-9](-?[A-Za-z0-9]){0,20}"
#define DA_HOST DA_LABEL "(\\." DA_LABEL "){0,3}"
#define DA_OCTET "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define DA_H "[0-9A-Fa-f]{1,4}"
#define DA_PCHAR "([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"
#define DA_ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}"

struct Format {
  std::string_view name, pattern;
};

constexpr auto kFormats = std::to_array<Format>({
    {"date", "^" DA_DATE "$"},
    {"time", "^" DA_TIME "$"},
    {"date-time", "^" DA_DATE "T" DA_TIME "$"},
    {"duration",
     "^P(\\d{1,6}W|(\\d{1,6}Y(\\d{1,6}M(\\d{1,6}D)?)?|\\d{1,6}M(\\d{1,6}D)?|\\d{1,6}D)"
     "(T(\\d{1,6}H(\\d{1,6}M(\\d{1,6}S)?)?|\\d{1,6}M(\\d{1,6}S)?|\\d{1,6}S))?"
     "|T(\\d{1,6}H(\\d{1,6}M(\\d{1,6}S)?)?|\\d{1,6}M(\\d{1,6}S)?|\\d{1,6}S))$"},
    {"email", "^" DA_ATOM "(\\." DA_ATOM "){0,2}@" DA_LABEL "(\\." DA_LABEL "){1,3}$"},
    {"hostname", "^" DA_HOST "$"},
    {"uuid", "^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"},
    {"ipv4", "^" DA_OCTET "(\\." DA_OCTET "){3}$"},
    {"ipv6", "^((" DA_H ":){7}" DA_H "|(" DA_H ":){1,7}:|(" DA_H ":){1,6}:" DA_H "|(" DA_H ":){1,5}(:" DA_H
             "){1,2}|(" DA_H ":){1,4}(:" DA_H "){1,3}|(" DA_H ":){1,3}(:" DA_H "){1,4}|(" DA_H ":){1,2}(:" DA_H
             "){1,5}|" DA_H ":(:" DA_H "){1,6}|:((:" DA_H "){1,7}|:))$"},
    {"uri", "^[A-Za-z][A-Za-z0-9+.-]{0,15}://" DA_HOST "(:[1-9]\\d{0,3})?(/" DA_PCHAR "*)*(\\?(" DA_PCHAR
            "|[/?])*)?(#(" DA_PCHAR "|[/?])*)?$"},
    {"json-pointer", "^(/([^~/]|~[01])*)*$"},
    {"byte", "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"},
});

}  // namespace

std::string_view Pattern::of_format(std::string_view format) {
  for (const Format& known : kFormats) {
    if (known.name == format) return known.pattern;
  }
  return {};
}

}  // namespace da::grammar
