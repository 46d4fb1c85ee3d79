// SPDX-License-Identifier: MIT
#include "daemon/log.h"

#include "protocol/base/quote.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <ctime>
#include <sstream>

namespace xk::log {
namespace {

// "%*" in the pattern: the syslog priority of the level, as sd-daemon(3) requires.
class Priority : public spdlog::custom_flag_formatter {
  public:
    void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& to) override {
        const char digit = message.level >= spdlog::level::critical ? '2'
                           : message.level == spdlog::level::err    ? '3'
                           : message.level == spdlog::level::warn   ? '4'
                           : message.level == spdlog::level::info   ? '6'
                                                                    : '7';
        to.push_back(digit);
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Priority>(); }
};

// "%~" in the pattern: the message. Bytes that could move a terminal's cursor or begin another line are escaped.
class Text : public spdlog::custom_flag_formatter {
  public:
    void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& to) override {
        const std::string line = as_line({message.payload.data(), message.payload.size()});
        to.append(line.data(), line.data() + line.size());
    }
    std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Text>(); }
};

spdlog::level::level_enum level_of(Level level) {
    switch (level) {
    case Level::debug:
        return spdlog::level::debug;
    case Level::info:
        return spdlog::level::info;
    case Level::warn:
        return spdlog::level::warn;
    case Level::error:
        return spdlog::level::err;
    case Level::critical:
        break;
    }
    return spdlog::level::critical;
}

} // namespace

void write(Level level, fmt::string_view format, fmt::format_args values) {
    const auto own = level_of(level);
    if (spdlog::default_logger_raw()->should_log(own))
        spdlog::default_logger_raw()->log(own, fmt::vformat(format, values));
}

void begin(const char* program, bool verbose) {
    ::tzset();
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    formatter->add_flag<Priority>('*');
    formatter->add_flag<Text>('~');
    formatter->set_pattern(std::getenv("JOURNAL_STREAM") != nullptr ? "<%*>%~" : "%Y-%m-%dT%H:%M:%S.%eZ %n %l: %~");
    auto logger = std::make_shared<spdlog::logger>(program, std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_formatter(std::move(formatter));
    logger->set_level(verbose ? spdlog::level::debug : spdlog::level::info);
    // A log that cannot be written must not end the daemon.
    logger->set_error_handler([](const std::string&) {});
    spdlog::set_default_logger(std::move(logger));
}

void error(const Error& error) {
    std::istringstream lines(error.message);
    for (std::string line; std::getline(lines, line);)
        log::error("{}", line);
    if (!error.hint.empty())
        log::error("hint: {}", error.hint);
}

std::string utc(WallTime t) {
    const std::time_t seconds =
        std::chrono::system_clock::to_time_t(std::chrono::time_point_cast<std::chrono::system_clock::duration>(t));
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

} // namespace xk::log
