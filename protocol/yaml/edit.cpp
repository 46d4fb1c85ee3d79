// SPDX-License-Identifier: MIT
#include "protocol/yaml/edit.h"

#include "protocol/base/quote.h"
#include "protocol/yaml/document.h"
#include "protocol/yaml/tree.h"

#include <algorithm>
#include <memory>

namespace xk::yaml {
namespace {

using TreePointer = std::shared_ptr<const Tree>;

TreePointer parse(std::string_view text, const std::string& file) {
    Faults ignored;
    return parse_tree(text, file, ignored);
}

// The value of a key of the outermost mapping.
const Node* value_of(const Node& mapping, std::string_view key) {
    for (std::size_t i = 0; i + 1 < mapping.items.size(); i += 2)
        if (mapping.items[i]->is(Kind::scalar) && mapping.items[i]->text == key)
            return mapping.items[i + 1];
    return nullptr;
}

const Node* node_of_key(const Node& mapping, std::string_view key) {
    for (std::size_t i = 0; i + 1 < mapping.items.size(); i += 2)
        if (mapping.items[i]->is(Kind::scalar) && mapping.items[i]->text == key)
            return mapping.items[i];
    return nullptr;
}

// The end of the quoted or bracketed text that begins at `from`; npos where it has none.
std::size_t end_of_quotes(std::string_view line, std::size_t from) {
    const char quote = line[from];
    for (std::size_t i = from + 1; i < line.size(); ++i) {
        if (quote == '"' && line[i] == '\\')
            ++i;
        else if (line[i] == quote && quote == '\'' && i + 1 < line.size() && line[i + 1] == quote)
            ++i;
        else if (line[i] == quote)
            return i + 1;
    }
    return line.npos;
}

std::size_t end_of_brackets(std::string_view line, std::size_t from) {
    std::size_t depth = 0;
    for (std::size_t i = from; i < line.size(); ++i) {
        if (line[i] == '"' || line[i] == '\'') {
            i = end_of_quotes(line, i);
            if (i == line.npos)
                return i;
            --i;
        } else if (line[i] == '[' || line[i] == '{') {
            ++depth;
        } else if ((line[i] == ']' || line[i] == '}') && --depth == 0) {
            return i + 1;
        }
    }
    return line.npos;
}

// The end of the value that begins at `from`: before white space and a comment, or at the end of the line.
std::size_t end_of_value(std::string_view line, std::size_t from) {
    if (line[from] == '"' || line[from] == '\'')
        return end_of_quotes(line, from);
    if (line[from] == '[' || line[from] == '{')
        return end_of_brackets(line, from);
    const auto comment = line.find(" #", from);
    const auto last = line.substr(0, comment).find_last_not_of(" \t\r");
    return last + 1;
}

// A value in one line with nothing behind it: no comment, anchor, alias or tag.
bool is_one_value(std::string_view value) {
    return !value.empty() && std::string_view(" \t&*!#").find(value.front()) == value.npos &&
           value.find('\n') == value.npos && end_of_value(value, 0) == value.size();
}

// The file's text with one edit. Nothing where the edit would be a guess.
class Line {
  public:
    Line(const std::string& text, const Node& key) {
        for (int line = 1; line < key.line && begin_ != text.npos; ++line)
            begin_ = text.find('\n', begin_) + 1;
        end_ = std::min(text.find('\n', begin_), text.size());
        line_ = std::string_view(text).substr(begin_, end_ - begin_);
    }
    std::size_t begin() const { return begin_; }
    std::size_t end() const { return end_; }

    // Finds the value behind "key:". False unless it is the whole value, with only spaces or a comment behind it.
    bool find_value(std::string_view key, const Node& value) {
        if (!line_.starts_with(std::string(key) + ":"))
            return false;
        const auto first = line_.find_first_not_of(" \t", key.size() + 1);
        if (first == line_.npos || line_[first] == '#' || line_[first] == '\r')
            return false;
        const auto last = end_of_value(line_, first);
        if (last == line_.npos)
            return false;
        const auto rest = line_.find_first_not_of(" \t\r", last);
        comment_ = rest != line_.npos;
        if (comment_ && line_[rest] != '#')
            return false;
        first_ = begin_ + first;
        last_ = begin_ + last;
        const TreePointer alone = parse(line_.substr(0, last), {});
        return alone && alone->root().is(Kind::mapping) && alone->root().items.size() == 2 &&
               same_content(*alone->root().items[1], value);
    }
    std::size_t first() const { return first_; }
    std::size_t last() const { return last_; }
    bool has_comment() const { return comment_; }

  private:
    std::string_view line_;
    std::size_t begin_ = 0, end_ = 0, first_ = 0, last_ = 0;
    bool comment_ = false;
};

std::optional<std::string> apply(const std::string& text, const Tree& tree, const Edit& edit) {
    const Node* const key = node_of_key(tree.root(), edit.key);
    if (key == nullptr) {
        std::string longer = text;
        if (edit.value)
            longer += (text.ends_with('\n') ? "" : "\n") + edit.key + ": " + *edit.value + "\n";
        return longer;
    }
    Line line(text, *key);
    if (key->column != 1 || !line.find_value(edit.key, *value_of(tree.root(), edit.key)))
        return std::nullopt;
    if (edit.value)
        return text.substr(0, line.first()) + *edit.value + text.substr(line.last());
    if (line.has_comment())
        return std::nullopt;
    return text.substr(0, line.begin()) + text.substr(std::min(line.end() + 1, text.size()));
}

// Whether `after` is `before` with this edit and nothing else.
bool is_edited(const Node& before, const Node& after, const Edit& edit) {
    if (!after.is(Kind::mapping))
        return false;
    const Node* const value = value_of(after, edit.key);
    if ((value != nullptr) != edit.value.has_value())
        return false;
    if (value != nullptr) {
        const TreePointer wanted = parse("k: " + *edit.value, {});
        if (!wanted || !is_one_value(*edit.value) || !same_content(*wanted->root().items.at(1), *value))
            return false;
    }
    std::size_t others = 0;
    for (std::size_t i = 0; i + 1 < before.items.size(); i += 2) {
        const Node& key = *before.items[i];
        if (!key.is(Kind::scalar))
            return false;
        if (key.text == edit.key)
            continue;
        ++others;
        const Node* const same = value_of(after, key.text);
        if (same == nullptr || !same_content(*before.items[i + 1], *same))
            return false;
    }
    return after.items.size() == 2 * (others + (value != nullptr ? 1 : 0));
}

Error by_hand(const std::string& file, const Node* key, const Edit& edit) {
    const std::string where = file + (key != nullptr ? ":" + std::to_string(key->line) : "");
    return Error{as_line(where) + ": \"" + edit.key + "\" cannot be changed without a change to what stands around it",
                 edit.value ? "write by hand, in a line of its own: " + edit.key + ": " + *edit.value
                            : "take \"" + edit.key + "\" out by hand",
                 Exit::configuration};
}

} // namespace

Result<std::string> edit_mapping(std::string_view text, const std::string& file, const std::vector<Edit>& edits) {
    std::string now(text);
    for (const Edit& edit : edits) {
        Faults faults;
        const TreePointer before = parse_tree(now, file, faults);
        if (!before)
            return faults.error();
        const Node* const key = before->root().is(Kind::mapping) ? node_of_key(before->root(), edit.key) : nullptr;
        if (!before->root().is(Kind::mapping) || before->has_aliases)
            return by_hand(file, key, edit);
        auto edited = apply(now, *before, edit);
        const TreePointer after = edited ? parse(*edited, file) : nullptr;
        if (!after || !is_edited(before->root(), after->root(), edit))
            return by_hand(file, key, edit);
        now = *std::move(edited);
    }
    return now;
}

} // namespace xk::yaml
