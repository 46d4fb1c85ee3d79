// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/last_good.h"

#include "protocol/base/fd.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <sstream>

namespace xk {
namespace {

constexpr const char* kHead = "xknock-ruleset 1";
constexpr std::size_t kMaxLine = 256;
// Room for a line for each of 256 networks, and for each port of 256 services with 16 ports and a published one.
constexpr std::size_t kMaxSize = 2 * 1024 * 1024;

std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return !text.empty() && code == std::errc{} && end == text.data() + text.size() && value != 0 && value <= 65535
               ? std::optional(value)
               : std::nullopt;
}

bool parse_address(std::string_view text, Address& four, Address& six) {
    const auto address = Address::parse(text);
    if (!address || !address->is_grantable())
        return false;
    Address& place = address->is_v4() ? four : six;
    if (place != Address{})
        return false;
    place = *address;
    return true;
}

bool parse_protected_port(std::istringstream& words, nft::ProtectedPort& port) {
    std::string word;
    if (!(words >> word))
        return false;
    const auto ports = PortRange::parse(word);
    if (!ports)
        return false;
    port.ports = *ports;
    while (words >> word) {
        const auto equals = word.find('=');
        const std::string_view value = equals == word.npos ? "" : std::string_view(word).substr(equals + 1);
        const std::string_view key = std::string_view(word).substr(0, equals);
        const auto n = number(value);
        if (word == "cut" && !port.cut)
            port.cut = true;
        else if (key == "at"   ? !parse_address(value, port.target4, port.target6)
                 : key == "to" ? !parse_address(value, port.to4, port.to6)
                               : !n || (key != "port" && key != "max"))
            return false;
        else if (key == "port")
            port.to_port = static_cast<std::uint16_t>(*n);
        else if (key == "max")
            port.max_connections = *n;
    }
    const bool leads_on = port.to4 != Address{} || port.to6 != Address{};
    return leads_on == (port.to_port != 0) && (port.is_local() || !leads_on) &&
           (port.ports.is_single() || (port.is_local() && !leads_on && port.max_connections == 0));
}

bool parse_line(const std::string& line, nft::RulesetSpec& spec) {
    std::istringstream words(line);
    std::string what, value, more;
    words >> what;
    if (what == "guard")
        return parse_protected_port(words, spec.protected_ports.emplace_back());
    words >> value;
    if (words >> more)
        return false;
    if (what == "owned" || what == "closed") {
        (what == "owned" ? spec.owned : spec.closed) = true;
        return value.empty();
    }
    if (what == "silent") {
        const auto port = Endpoint::parse(value);
        if (!port || port->protocol != IpProtocol::udp)
            return false;
        spec.silent_ports.push_back(port->port);
        return true;
    }
    const auto network = what == "allow" ? Prefix::parse(value) : Result<Prefix>(Error{});
    if (!network || network->length == 0 || (network->is_v4() && network->length == 96))
        return false;
    spec.allow.push_back(*network);
    return true;
}

} // namespace

std::string last_good_text(const nft::RulesetSpec& spec) {
    std::ostringstream out;
    out << kHead << '\n' << (spec.owned ? "owned\n" : "") << (spec.closed ? "closed\n" : "");
    for (const std::uint16_t port : spec.silent_ports)
        out << "silent " << Endpoint{IpProtocol::udp, port}.text() << '\n';
    for (const Prefix& network : spec.allow)
        out << "allow " << network.text() << '\n';
    for (const nft::ProtectedPort& port : spec.protected_ports) {
        out << "guard " << port.ports.text();
        for (const Address& target : {port.target4, port.target6})
            if (target != Address{})
                out << " at=" << target.text();
        for (const Address& to : {port.to4, port.to6})
            if (to != Address{})
                out << " to=" << to.text();
        if (port.to_port != 0)
            out << " port=" << port.to_port;
        if (port.max_connections != 0)
            out << " max=" << port.max_connections;
        out << (port.cut ? " cut\n" : "\n");
    }
    out << "end\n";
    return out.str();
}

Result<nft::RulesetSpec> parse_last_good(std::string_view text) {
    nft::RulesetSpec spec;
    std::istringstream lines{std::string(text)};
    std::string line;
    const Error senseless{"makes no sense", "the next good start writes it anew"};
    if (!std::getline(lines, line) || line != kHead)
        return senseless;
    while (std::getline(lines, line) && line != "end")
        if (line.size() > kMaxLine || !parse_line(line, spec))
            return senseless;
    if (line != "end" || std::getline(lines, line) || text.back() != '\n' || spec.protected_ports.empty())
        return senseless;
    return spec;
}

Result<std::optional<nft::RulesetSpec>> read_last_good(const std::string& directory) {
    const std::string file = last_good_file(directory);
    struct stat info {};
    if (::lstat(file.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return std::optional<nft::RulesetSpec>();
    FileRules rules;
    // The owner of the directory can put any file there. No other user but root may write this one.
    if (::lstat(directory.c_str(), &info) == 0)
        rules.owner = info.st_uid;
    rules.secret = true;
    rules.max_size = kMaxSize;
    const auto text = read_checked(file, rules);
    if (!text)
        return text.error();
    auto spec = parse_last_good(*text);
    if (!spec)
        return Error{in_quotes(file) + " " + spec.error().message, spec.error().hint};
    return std::optional(*std::move(spec));
}

Result<void> write_last_good(const std::string& directory, const nft::RulesetSpec& spec) {
    const std::string text = last_good_text(spec);
    FileRules rules;
    rules.secret = true;
    rules.max_size = kMaxSize;
    if (const auto there = read_checked(last_good_file(directory), rules); there && *there == text)
        return {};
    return write_file(last_good_file(directory), text, 0600, true);
}

Result<void> forget_last_good(const std::string& directory) {
    const std::string file = last_good_file(directory);
    if (::unlink(file.c_str()) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return {};
        return os_error("removing " + in_quotes(file));
    }
    const Fd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0)
        return os_error("removing " + in_quotes(file));
    return {};
}

} // namespace xk
