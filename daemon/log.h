// SPDX-License-Identifier: MIT
//
// The log: lines on standard error, by spdlog. Under systemd each begins with its priority (sd-daemon(3)),
// so that journald files it; otherwise with the time in UTC and the level. Only wiring code logs; errors of the
// floors below travel up as values and are logged once.
#pragma once

#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <spdlog/spdlog.h>

#include <string>

namespace xk::log {

// To be called first in main(), and before any sandbox: the time zone is read here.
void begin(const char* program, bool verbose);

// One line for the message (or for each of its lines) and one for the hint.
void error(const Error& error);

// "2026-11-21T10:20:30Z"
std::string utc(WallTime t);

} // namespace xk::log
