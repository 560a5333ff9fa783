#include "chat/render_options.h"

#include <chrono>
#include <ctime>

namespace da::chat {
namespace {

std::chrono::sys_days to_days(const CivilTime& time) {
  return std::chrono::sys_days(std::chrono::year(time.year) / std::chrono::month(static_cast<unsigned>(time.month)) /
                               std::chrono::day(static_cast<unsigned>(time.day)));
}

}  // namespace

CivilTime CivilTime::now() {
  std::time_t seconds = std::time(nullptr);
  std::tm local{};
  if (localtime_r(&seconds, &local) == nullptr) {
    return {};
  }
  return {local.tm_year + 1900, local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec};
}

CivilTime CivilTime::plus_days(int days) const {
  std::chrono::year_month_day date(to_days(*this) + std::chrono::days(days));
  CivilTime moved = *this;
  moved.year = static_cast<int>(date.year());
  moved.month = static_cast<int>(static_cast<unsigned>(date.month()));
  moved.day = static_cast<int>(static_cast<unsigned>(date.day()));
  return moved;
}

int CivilTime::weekday() const { return static_cast<int>(std::chrono::weekday(to_days(*this)).c_encoding()); }

int CivilTime::day_of_year() const { return static_cast<int>((to_days(*this) - to_days({year, 1, 1})).count()); }

}  // namespace da::chat
