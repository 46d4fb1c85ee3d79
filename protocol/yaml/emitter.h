// SPDX-License-Identifier: MIT
//
// Writes one mapping as YAML that read() reads back unchanged. A value that some reader of YAML might not take for a
// text is quoted: "1e3", "no" and "22" stay texts. yaml-cpp does the quoting; only emitter.cpp includes it.
#pragma once

#include "protocol/base/result.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace YAML {
class Emitter;
}

namespace xk::yaml {

// The form of a value.
enum class Style {
    bare, // as it is: a number, a truth, a duration, a date, one of a few words of ours
    name, // without quotes where no reader can take it for anything but a text
    text, // in double quotes
};

class Emitter {
  public:
    Emitter();
    ~Emitter();
    Emitter(const Emitter&) = delete;
    Emitter& operator=(const Emitter&) = delete;

    // Keys are our own words or names (is_name()).
    void scalar(std::string_view key, std::string_view value, Style style);
    void list(std::string_view key, const std::vector<std::string>& values, Style style);
    // Everything up to end() becomes a mapping below `key`; with `on_one_line` as {a: b, c: d}.
    void begin(std::string_view key, bool on_one_line);
    void end();

    // The whole text, with a line end. An error where a value is not UTF-8, because it could not be read back.
    Result<std::string> text() const;

  private:
    void value(std::string_view text, Style style);

    std::unique_ptr<YAML::Emitter> out_;
    bool is_utf8_ = true;
};

// Whether every byte belongs to a character of UTF-8 (RFC 3629 section 4).
bool is_utf8(std::string_view text);

} // namespace xk::yaml
