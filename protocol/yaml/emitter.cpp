// SPDX-License-Identifier: MIT
#include "protocol/yaml/emitter.h"

#include <yaml-cpp/emitter.h>
#include <yaml-cpp/emittermanip.h>

#include <algorithm>

namespace xk::yaml {
namespace {

// A word that every reader of YAML takes for a text: it begins with a letter, consists of these characters, and is not
// one of the words that have another meaning in YAML 1.1.
bool is_plain(std::string_view text) {
    constexpr std::string_view kMeaning[] = {"y", "yes", "n", "no", "true", "false", "on", "off", "null", "nan", "inf"};
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const auto is_fine = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_'; };
    if (text.empty() || text.size() > 64 || !is_letter(text.front()) || !std::ranges::all_of(text, is_fine))
        return false;
    std::string lower(text);
    for (char& c : lower)
        c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return std::ranges::find(kMeaning, lower) == std::end(kMeaning);
}

// The bytes that follow this first one of a character, and what the first of them may be.
struct Lead {
    std::size_t more;
    unsigned char low, high;
};
bool lead_of(unsigned char first, Lead& lead) {
    if (first < 0x80)
        lead = {0, 0, 0};
    else if (first >= 0xc2 && first <= 0xdf)
        lead = {1, 0x80, 0xbf};
    else if (first >= 0xe0 && first <= 0xef)
        lead = {2, static_cast<unsigned char>(first == 0xe0 ? 0xa0 : 0x80),
                static_cast<unsigned char>(first == 0xed ? 0x9f : 0xbf)};
    else if (first >= 0xf0 && first <= 0xf4)
        lead = {3, static_cast<unsigned char>(first == 0xf0 ? 0x90 : 0x80),
                static_cast<unsigned char>(first == 0xf4 ? 0x8f : 0xbf)};
    else
        return false;
    return true;
}

} // namespace

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        Lead lead{};
        if (!lead_of(static_cast<unsigned char>(text[i]), lead) || text.size() - i <= lead.more)
            return false;
        for (std::size_t n = 0; n < lead.more; ++n, lead.low = 0x80, lead.high = 0xbf) {
            const auto next = static_cast<unsigned char>(text[++i]);
            if (next < lead.low || next > lead.high)
                return false;
        }
    }
    return true;
}

Emitter::Emitter() : out_(std::make_unique<YAML::Emitter>()) { *out_ << YAML::BeginMap; }
Emitter::~Emitter() = default;

void Emitter::scalar(std::string_view key, std::string_view text, Style style) {
    *out_ << YAML::Key << std::string(key) << YAML::Value;
    value(text, style);
}

void Emitter::list(std::string_view key, const std::vector<std::string>& values, Style style) {
    *out_ << YAML::Key << std::string(key) << YAML::Value << YAML::Flow << YAML::BeginSeq;
    for (const std::string& text : values)
        value(text, style);
    *out_ << YAML::EndSeq;
}

void Emitter::begin(std::string_view key, bool on_one_line) {
    *out_ << YAML::Key << std::string(key) << YAML::Value;
    if (on_one_line)
        *out_ << YAML::Flow;
    *out_ << YAML::BeginMap;
}

void Emitter::end() { *out_ << YAML::EndMap; }

void Emitter::value(std::string_view text, Style style) {
    // yaml-cpp would replace what is not UTF-8 by another character.
    is_utf8_ = is_utf8_ && is_utf8(text);
    if (style == Style::text || (style == Style::name && !is_plain(text)))
        *out_ << YAML::DoubleQuoted;
    *out_ << std::string(text);
}

Result<std::string> Emitter::text() const {
    if (!is_utf8_)
        return Error{"a text is not UTF-8", {}};
    *out_ << YAML::EndMap;
    if (!out_->good())
        return Error{out_->GetLastError(), {}};
    return std::string(out_->c_str(), out_->size()) + "\n";
}

} // namespace xk::yaml
