// SPDX-License-Identifier: MIT
//
// The log: lines on standard error, by spdlog. Under systemd each line begins with its priority for journald
// (sd-daemon(3)), otherwise with the time in UTC and the level. Errors of the lower floors are returned as values and
// logged once by their caller.
#pragma once

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <fmt/core.h>

#include <string>

namespace xk::log {

enum class Level { debug, info, warn, error, critical };

// Writes one line. Bytes that could move a terminal's cursor or begin another line are escaped.
void write(Level level, fmt::string_view format, fmt::format_args values);

// The same, with the format checked by the compiler (fmt's syntax). These templates do not include spdlog's header,
// because it adds a second to the compilation of each source that logs.
template <typename... Values>
void debug(fmt::format_string<Values...> format, Values&&... values) {
    write(Level::debug, format, fmt::make_format_args(values...));
}
template <typename... Values>
void info(fmt::format_string<Values...> format, Values&&... values) {
    write(Level::info, format, fmt::make_format_args(values...));
}
template <typename... Values>
void warn(fmt::format_string<Values...> format, Values&&... values) {
    write(Level::warn, format, fmt::make_format_args(values...));
}
template <typename... Values>
void error(fmt::format_string<Values...> format, Values&&... values) {
    write(Level::error, format, fmt::make_format_args(values...));
}
template <typename... Values>
void critical(fmt::format_string<Values...> format, Values&&... values) {
    write(Level::critical, format, fmt::make_format_args(values...));
}

// To be called first in main(), and before any sandbox: the time zone is read here.
void begin(const char* program, bool verbose);

// Writes one line for each line of the message, and one for the hint.
void error(const Error& error);

// "2026-11-21T10:20:30Z"
std::string utc(WallTime t);

} // namespace xk::log
