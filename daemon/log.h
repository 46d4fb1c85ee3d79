// SPDX-License-Identifier: MIT
//
// The log: lines on standard error, by spdlog. Under systemd each begins with its priority (sd-daemon(3)),
// so that journald files it; otherwise with the time in UTC and the level. Only wiring code logs; errors of the
// floors below travel up as values and are logged once.
#pragma once

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <fmt/core.h>

#include <string>

namespace xk::log {

enum class Level { debug, info, warn, error, critical };

// One line. What could move a terminal's cursor or begin another line is taken out of it.
void write(Level level, fmt::string_view format, fmt::format_args values);

// The same, with the format checked by the compiler (fmt's syntax). Here and not in spdlog's header, which takes every
// source that logs a second to compile.
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

// One line for the message (or for each of its lines) and one for the hint.
void error(const Error& error);

// "2026-11-21T10:20:30Z"
std::string utc(WallTime t);

} // namespace xk::log
