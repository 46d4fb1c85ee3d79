// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/users/hosts.h"

#include "daemon/config/credential_file.h"
#include "protocol/base/address.h"
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk::tools {
namespace {

constexpr std::size_t kMostOfName = 253, kMostOfLabel = 63; // RFC 1035, section 2.3.4

bool is_letter_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_digits(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_host_name(std::string_view host) {
    if (host.ends_with('.'))
        host.remove_suffix(1);
    if (host.empty() || host.size() > kMostOfName)
        return false;
    for (std::size_t at = 0; at <= host.size();) {
        const std::string_view label = host.substr(at, host.find('.', at) - at);
        if (label.empty() || label.size() > kMostOfLabel || label.front() == '-' || label.back() == '-' ||
            !std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; }))
            return false;
        at += label.size() + 1;
    }
    return true;
}

// What is wrong with it, and what to write instead.
std::pair<std::string, std::string> fault_of(const std::string& host) {
    if (host.empty())
        return {"is empty", "write a name or an address"};
    if (const auto scheme = host.find("://"); scheme != host.npos) {
        std::string name = host.substr(scheme + 3);
        name = name.substr(0, name.find_first_of("/:?#"));
        return {"is an URL", is_host_name(name) ? "write " + name : "write the host alone"};
    }
    if (host.find_first_of(" \t\n\r") != host.npos)
        return {"has blanks in it", "one host for each --host: --host a --host b"};
    if (const auto at = host.find('@'); at != host.npos)
        return {"names a login too",
                is_host_name(host.substr(at + 1)) ? "write " + host.substr(at + 1) : "write the host alone"};
    if (host.front() == '[')
        return {"has brackets", "write the address alone, without brackets and port"};
    if (const auto colon = host.find(':'); colon != host.npos && is_digits(host.substr(colon + 1)))
        return {"has a port", "write " + host.substr(0, colon) +
                                  "; ports belong to services, and \"port\" of the "
                                  "configuration is the knock port"};
    if (host.find('/') != host.npos)
        return {Prefix::parse(host) ? "is a network" : "has a \"/\" in it", "write a name or one address"};
    if (host.find(',') != host.npos)
        return {"has a comma in it", "one host for each --host: --host a --host b"};
    if (host.size() > kMostOfName)
        return {"is too long", "a name has 253 characters at most"};
    return {"is neither a name nor an address", "letters, digits, \"-\" and \".\", as in server.example.net"};
}

} // namespace

Result<void> check_host(const std::string& host, const std::string& option) {
    // 192.0.2.300 would be a name, which no name server has.
    const bool looks_like_address = is_digits(host.substr(host.rfind('.') + 1));
    if (Address::parse(host) || (is_host_name(host) && !looks_like_address))
        return {};
    if (looks_like_address && is_host_name(host))
        return Error{option + " " + in_quotes(host) + " is not an address", "four numbers from 0 to 255", Exit::usage};
    const auto [what, hint] = fault_of(host);
    return Error{option + " " + in_quotes(host) + " " + what, as_line(hint), Exit::usage};
}

Result<void> check_hosts(const std::vector<std::string>& hosts, const std::string& server) {
    if (hosts.size() > config::kMaxHosts)
        return Error{"these are more than " + std::to_string(config::kMaxHosts) + " hosts", {}, Exit::usage};
    for (const std::string& host : hosts)
        if (auto good = check_host(host, "--host"); !good)
            return good;
    return server.empty() ? Result<void>() : check_host(server, "--server");
}

} // namespace xk::tools
