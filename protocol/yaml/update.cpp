// SPDX-License-Identifier: MIT
#include "protocol/yaml/update.h"

#include "protocol/base/quote.h"
#include "protocol/yaml/document.h"
#include "protocol/yaml/tree.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>

namespace xk::yaml {
namespace {

// The lines of a text of write_fields(), by key. A value over several lines is left out, because it cannot be edited.
Result<std::vector<std::pair<std::string, std::string>>> values_of(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> values;
    while (!text.empty()) {
        const auto end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
        if (line.starts_with('#') || line.empty())
            continue;
        const auto colon = line.find(": ");
        if (colon == line.npos || line.front() == ' ')
            return Error{"a value over several lines is changed by hand only", {}};
        values.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
    return values;
}

bool is_same(const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
           a.st_ctim.tv_sec == b.st_ctim.tv_sec && a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

} // namespace

Result<std::vector<Edit>> edits_between(std::string_view now, std::string_view wanted) {
    const auto before = values_of(now), after = values_of(wanted);
    if (!before || !after)
        return before ? after.error() : before.error();
    std::vector<Edit> edits;
    const auto find = [](const auto& values, const std::string& key) {
        return std::ranges::find_if(values, [&](const auto& value) { return value.first == key; });
    };
    for (const auto& [key, value] : *before)
        if (find(*after, key) == after->end())
            edits.push_back({key, std::nullopt});
    for (const auto& [key, value] : *after)
        if (const auto known = find(*before, key); known == before->end() || known->second != value)
            edits.push_back({key, value});
    return edits;
}

Result<void> edit_file(const std::string& path, const FileRules& rules, const std::vector<Edit>& edits) {
    if (edits.empty())
        return {};
    auto fd = open_checked(path, rules);
    if (!fd)
        return fd.error();
    struct stat before {
    }, now{};
    if (::fstat(fd->get(), &before) != 0)
        return os_error(in_quotes(path));
    auto text = read_opened(*fd, path, rules);
    if (!text)
        return text.error();
    auto edited = edit_mapping(*text, path, edits);
    if (!edited)
        return edited.error();
    if (edited->size() > rules.max_size)
        return Error{in_quotes(path) + " would be larger than " + std::to_string(rules.max_size) + " bytes", {}};
    if (::lstat(path.c_str(), &now) != 0 || !is_same(before, now))
        return Error{in_quotes(path) + " was changed by somebody else meanwhile", "try again"};
    return write_file(path, *edited, before.st_mode & 07777, true, before.st_gid, true, before.st_uid);
}

} // namespace xk::yaml
