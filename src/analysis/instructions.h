#pragma once

#include <string>
#include <string_view>

#include "analysis/analysis.h"

// What a model that was not trained for the protocol is told.
namespace da::analysis {

// The protocol in the report's language.
std::string_view system_message(Language language);
// The text as data, between marks that do not occur in it.
std::string user_message(std::string_view text, Language language);

}  // namespace da::analysis
