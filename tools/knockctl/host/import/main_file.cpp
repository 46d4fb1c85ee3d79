// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/import/main_file.h"

#include "protocol/base/quote.h"
#include "protocol/yaml/document.h"
#include "protocol/yaml/edit.h"
#include "tools/knockctl/host/import/lines.h"

#include <algorithm>
#include <set>

namespace xk::tools::takeover {
namespace {

// Names of services in the text, those with a long form too. Nothing where it cannot be read.
std::optional<std::multiset<std::string>> service_names(std::string_view text, const std::string& file) {
    yaml::Faults faults;
    auto main = yaml::read(std::string(text), file, faults);
    auto services = main ? main->section("services") : std::nullopt;
    if (!services)
        return std::nullopt;
    std::multiset<std::string> names;
    for (const yaml::Scalar& key : services->keys())
        names.insert(key.value);
    return names;
}

std::string item_of(const std::pair<std::string, PortRange>& service) {
    return "\"" + service.first + "\": " + service.second.text();
}

// Where the line "services:" ends, and the rest of that line. Nothing where no line begins so.
std::optional<std::pair<std::size_t, std::string_view>> find_services(std::string_view text) {
    std::size_t begin = 0;
    while (begin < text.size()) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        const std::string_view line = text.substr(begin, end - begin);
        if (line.starts_with("services:"))
            return std::pair(end, line.substr(9));
        begin = end + 1;
    }
    return std::nullopt;
}

// The blanks before the first line of the mapping.
std::string indentation_behind(std::string_view text) {
    for (const std::string_view line : split(text, "\n"))
        if (const auto word = trimmed(line); !word.empty() && word.front() != '#')
            return std::string(line.substr(0, line.find_first_not_of(' ')));
    return {};
}

// Behind "services:" in lines of their own, or behind "{".
std::optional<std::string> insert_services(std::string_view text,
                                           const std::vector<std::pair<std::string, PortRange>>& services) {
    const auto found = find_services(text);
    if (!found)
        return std::nullopt;
    const auto [end, rest] = *found;
    const std::string_view value = trimmed(rest);
    std::string added;
    if (value.empty() || value.front() == '#') {
        const std::string blanks = indentation_behind(text.substr(end));
        if (blanks.empty())
            return std::nullopt;
        for (const auto& service : services)
            added += "\n" + blanks + item_of(service);
        return std::string(text.substr(0, end)) + added + std::string(text.substr(end));
    }
    if (value.front() != '{')
        return std::nullopt;
    const std::size_t brace = end - rest.size() + rest.find('{') + 1;
    const bool is_empty = trimmed(text.substr(brace)).starts_with('}');
    for (std::size_t i = 0; i < services.size(); ++i)
        added += item_of(services[i]) + (i + 1 < services.size() || !is_empty ? ", " : "");
    return std::string(text.substr(0, brace)) + added + std::string(text.substr(brace));
}

Result<std::string> add_services(std::string_view text, const std::string& file,
                                 const std::vector<std::pair<std::string, PortRange>>& services) {
    const auto before = service_names(text, file);
    const auto changed = insert_services(text, services);
    if (before && changed) {
        auto wanted = *before;
        for (const auto& [name, port] : services)
            wanted.insert(name);
        if (service_names(*changed, file) == wanted)
            return *changed;
    }
    std::string lines;
    for (const auto& service : services)
        lines += (lines.empty() ? "" : ", ") + item_of(service);
    return Error{in_quotes(file) + " has its services in a form that is not changed by a program",
                 "write under \"services:\" " + lines + ", and import again", Exit::configuration};
}

std::string legacy_value(std::uint16_t capyknock, std::uint16_t fwknop) {
    std::string value;
    if (capyknock != 0)
        value += "capyknock: {port: " + std::to_string(capyknock) + "}";
    if (fwknop != 0)
        value += (value.empty() ? "" : ", ") + ("fwknop: {port: " + std::to_string(fwknop) + "}");
    return "{" + value + "}";
}

} // namespace

Result<std::string> add_to_main(std::string_view text, const std::string& file, const config::Config& config,
                                const Additions& additions) {
    std::string changed(text);
    if (!additions.services.empty()) {
        auto added = add_services(changed, file, additions.services);
        if (!added)
            return added;
        changed = *std::move(added);
    }
    std::vector<yaml::Edit> edits;
    if (additions.capyknock_port || additions.fwknop_port)
        edits.push_back({"legacy", legacy_value(additions.capyknock_port.value_or(config.capyknock_port),
                                                additions.fwknop_port.value_or(config.fwknop_port))});
    if (additions.c_lock)
        edits.push_back({"c_lock", additions.c_lock});
    return edits.empty() ? Result(changed) : yaml::edit_mapping(changed, file, edits);
}

} // namespace xk::tools::takeover
