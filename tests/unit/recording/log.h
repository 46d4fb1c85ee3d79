// SPDX-License-Identifier: MIT
#pragma once

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <string>

namespace xk::test {

// What is logged while it lives, "level text" a line.
class CapturedLog {
  public:
    CapturedLog() {
        auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_st>(out_));
        logger->set_pattern("%l %v");
        spdlog::set_default_logger(std::move(logger));
    }
    ~CapturedLog() { spdlog::set_default_logger(std::make_shared<spdlog::logger>("none")); }
    CapturedLog(const CapturedLog&) = delete;
    CapturedLog& operator=(const CapturedLog&) = delete;

    std::ostream& stream() { return out_; }
    std::string text() const { return out_.str(); }
    std::size_t lines() const {
        const std::string all = text();
        return static_cast<std::size_t>(std::count(all.begin(), all.end(), '\n'));
    }
    bool has(const std::string& part) const { return text().find(part) != std::string::npos; }

  private:
    std::ostringstream out_;
};

} // namespace xk::test
