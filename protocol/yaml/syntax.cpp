// SPDX-License-Identifier: MIT
#include "protocol/yaml/syntax.h"

#include "protocol/base/quote.h"

#include <algorithm>
#include <optional>
#include <vector>

namespace xk::yaml {
namespace {

// A place in the text, from 1.
struct At {
    int line = 0, column = 0;
};

struct Opened {
    char with; // [ { " or '
    At at;
};

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

bool is_blank_or_comment(std::string_view line) {
    const auto first = line.find_first_not_of(" \t\r");
    return first == line.npos || line[first] == '#';
}

// Follows brackets and quotes as YAML does (YAML 1.2, 7.3 and 7.4), as far as our files need it. A quote is one only
// where a value can begin, and "#" begins a comment only behind a space.
class Brackets {
  public:
    void feed(std::string_view text) {
        for (const char c : text)
            take(c);
    }
    // The innermost one that is open now.
    std::optional<Opened> open() const { return open_.empty() ? std::nullopt : std::optional(open_.back()); }

  private:
    void take(char c) {
        const bool is_quoted = !open_.empty() && (open_.back().with == '"' || open_.back().with == '\'');
        if (comment_)
            comment_ = c != '\n';
        else if (is_quoted)
            take_quoted(c);
        else
            take_plain(c);
        if (c != ' ' && c != '\t')
            value_begins_ = c == '\n' || (!is_quoted && (c == '[' || c == '{' || c == ',' || c == ':' || c == '-'));
        at_.column = c == '\n' ? 1 : at_.column + 1;
        at_.line += c == '\n';
        before_ = c;
    }
    void take_quoted(char c) {
        if (escaped_)
            escaped_ = false;
        else if (c == '\\' && open_.back().with == '"')
            escaped_ = true;
        else if (c == open_.back().with)
            open_.pop_back(); // '' in a text closes and opens again
    }
    void take_plain(char c) {
        const bool is_bracket = c == '[' || c == '{', is_quote = c == '"' || c == '\'';
        if (c == '#' && (before_ == ' ' || before_ == '\t' || before_ == '\n'))
            comment_ = true;
        else if ((is_bracket && (value_begins_ || !open_.empty())) || (is_quote && (value_begins_ || before_ == c)))
            open_.push_back({c, at_});
        else if ((c == ']' || c == '}') && !open_.empty())
            open_.pop_back();
    }

    std::vector<Opened> open_;
    At at_{1, 1};
    char before_ = '\n';
    bool value_begins_ = true, comment_ = false, escaped_ = false;
};

// The bracket or quote that is still open where a line begins that can only be a key of the outermost mapping ("port:
// 3" at the first column), or at the end of the text.
std::optional<Opened> never_closed(std::string_view text) {
    Brackets brackets;
    for (const std::string_view line : lines_of(text)) {
        const auto end = line.find_first_of(": \t#");
        const bool begins_key = end != line.npos && end > 0 && line[end] == ':' &&
                                line.substr(0, end).find_first_of("[]{},\"'-") == line.npos;
        if (begins_key && brackets.open())
            break;
        brackets.feed(line);
        brackets.feed("\n");
    }
    return brackets.open();
}

std::size_t indent_of(std::string_view line) { return line.find_first_not_of(' '); }

std::string spaces(std::size_t n) { return std::to_string(n) + (n == 1 ? " space" : " spaces"); }

// What is wrong with the indentation of line `at`, as a message and a hint; empty where it fits to the lines before it.
std::pair<std::string, std::string> indentation_fault(const std::vector<std::string_view>& lines, std::size_t at) {
    std::vector<std::size_t> levels;
    for (std::size_t i = 0; i < at; ++i) {
        if (is_blank_or_comment(lines[i]))
            continue;
        const std::size_t indent = indent_of(lines[i]);
        while (!levels.empty() && levels.back() >= indent)
            levels.pop_back();
        levels.push_back(indent);
    }
    const std::size_t indent = indent_of(lines[at]);
    if (levels.empty() || std::ranges::find(levels, indent) != levels.end())
        return {};
    const auto below = std::ranges::upper_bound(levels, indent); // the next deeper level
    const std::size_t meant = below != levels.end() ? *below : levels.back();
    return {"this line is indented by " + spaces(indent) + ", which fits to no line before it",
            "indent it by " + spaces(meant) + ", as its neighbours"};
}

// "port:22" at the begin of a line.
bool lacks_space(std::string_view line) {
    const auto first = line.find_first_not_of(" -");
    const auto colon = line.find(':');
    if (first == line.npos || colon == line.npos || colon + 1 >= line.size())
        return false;
    return line[colon + 1] != ' ' && line[colon + 1] != '\r' &&
           line.substr(first, colon - first).find_first_of(" [{\"'#") == line.npos;
}

} // namespace

bool is_closed(std::string_view text, const Place& place) {
    const auto lines = lines_of(text);
    const auto line = static_cast<std::size_t>(place.line - 1), column = static_cast<std::size_t>(place.column - 1);
    if (line >= lines.size() || column >= lines[line].size())
        return true;
    const char quote = lines[line][column];
    if (quote != '"' && quote != '\'')
        return true;
    const std::string_view rest = text.substr(static_cast<std::size_t>(lines[line].data() - text.data()) + column);
    for (std::size_t i = 1; i < rest.size(); ++i) {
        const bool is_escape = quote == '"' ? rest[i] == '\\' : rest.substr(i, 2) == "\'\'";
        if (is_escape)
            ++i;
        else if (rest[i] == quote)
            return true;
    }
    return false;
}

void explain_syntax(std::string_view text, const Place& place, const std::string& message, Faults& faults) {
    const auto lines = lines_of(text);
    const auto add = [&](At at, const std::string& what, const std::string& hint) {
        faults.add({place.file, at.line, at.column}, what, hint);
    };
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto first = lines[i].find_first_not_of(' ');
        if (!is_blank_or_comment(lines[i]) && first != std::string_view::npos && lines[i][first] == '\t')
            return add({static_cast<int>(i) + 1, static_cast<int>(first) + 1}, "a tab indents this line",
                       "YAML is indented by spaces");
    }
    if (const auto open = never_closed(text))
        return add(open->at, "this " + std::string(1, open->with) + " is never closed", "");
    const auto at = static_cast<std::size_t>(std::max(place.line, 1)) - 1;
    for (std::size_t i : {at, at - 1}) {
        if (i >= lines.size() || is_blank_or_comment(lines[i]))
            continue;
        if (lacks_space(lines[i]))
            return add({static_cast<int>(i) + 1, static_cast<int>(lines[i].find(':')) + 1},
                       "a colon behind a key needs a space behind it", "");
        const auto [what, hint] = indentation_fault(lines, i);
        if (!what.empty())
            return add({static_cast<int>(i) + 1, static_cast<int>(indent_of(lines[i])) + 1}, what, hint);
    }
    faults.add(place, message);
}

} // namespace xk::yaml
