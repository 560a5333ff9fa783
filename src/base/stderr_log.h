#pragma once

#include <atomic>
#include <memory>
#include <string_view>

#include "base/log.h"

namespace da {

// kText: time=… level=… msg=… key=value; kJson: one object a line with the same keys, values as text.
enum class LogFormat { kText, kJson };

// As in base/log.h, in a form that may be chosen.
Logger stderr_logger(std::shared_ptr<const std::atomic<LogLevel>> minimum, LogFormat format);

// DEEPANALYZE_LOG_FORMAT's "text" and "json".
inline LogFormat log_format_of(std::string_view text) { return text == "json" ? LogFormat::kJson : LogFormat::kText; }

}  // namespace da
