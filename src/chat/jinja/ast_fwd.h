#pragma once

namespace da::chat::jinja {
struct Expression;
struct Statement;
}  // namespace da::chat::jinja
