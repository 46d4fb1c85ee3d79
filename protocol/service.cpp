// SPDX-License-Identifier: MIT
#include "protocol/service.h"

#include "protocol/base/bytes.h"
#include "protocol/base/quote.h"

#include <sodium.h>

#include <charconv>
#include <optional>

namespace xk {

std::string_view name_of(IpProtocol protocol) {
    switch (protocol) {
    case IpProtocol::tcp:
        return "tcp";
    case IpProtocol::udp:
        return "udp";
    case IpProtocol::sctp:
        return "sctp";
    case IpProtocol::none:
        break;
    }
    return "none";
}

bool is_known(IpProtocol protocol) {
    switch (protocol) {
    case IpProtocol::none:
    case IpProtocol::tcp:
    case IpProtocol::udp:
    case IpProtocol::sctp:
        return true;
    }
    return false;
}

namespace {

std::optional<PortRange> read_range(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos)
        return std::nullopt;
    const std::string_view name = text.substr(0, slash);
    const char* const last = text.data() + text.size();
    PortRange range;
    auto [end, code] = std::from_chars(text.data() + slash + 1, last, range.first);
    range.last = range.first;
    if (code == std::errc{} && end != last && *end == '-') {
        const auto second = std::from_chars(end + 1, last, range.last);
        end = second.ptr;
        code = second.ec;
    }
    for (const auto protocol : {IpProtocol::tcp, IpProtocol::udp, IpProtocol::sctp})
        if (name == name_of(protocol) && code == std::errc{} && end == last && range.first != 0 &&
            range.first <= range.last) {
            range.protocol = protocol;
            return range;
        }
    return std::nullopt;
}

// "tcp/22" for "22/tcp", as others write it; empty where it is not that.
std::string turned_round(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == text.npos)
        return {};
    const std::string turned = std::string(text.substr(slash + 1)) + "/" + std::string(text.substr(0, slash));
    return read_range(turned) ? turned : std::string();
}

} // namespace

Result<PortRange> PortRange::parse(std::string_view text) {
    if (const auto range = read_range(text))
        return *range;
    if (const auto turned = turned_round(text); !turned.empty())
        return Error{in_quotes(text) + " is the wrong way round", "write " + turned};
    return Error{in_quotes(text) + " is not a protocol and a port or a range of ports",
                 "write tcp/22, udp/51820 or tcp/27015-27030"};
}

std::string PortRange::text() const { return begin().text() + (is_single() ? "" : "-" + std::to_string(last)); }

Result<Endpoint> Endpoint::parse(std::string_view text) {
    if (const auto range = PortRange::parse(text); range && range->is_single() && text.find('-') == text.npos)
        return range->begin();
    if (const auto turned = turned_round(text); !turned.empty())
        return Error{in_quotes(text) + " is the wrong way round", "write " + turned};
    return Error{in_quotes(text) + " is not a protocol and a port", "write tcp/22, udp/51820 or sctp/5000"};
}

std::string Endpoint::text() const { return std::string(name_of(protocol)) + "/" + std::to_string(port); }

ServiceId service_id(std::string_view name) {
    const std::string input = "xknock/1 service " + std::string(name);
    Bytes<32> hash;
    crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(input.data()), input.size(),
                       nullptr, 0);
    const auto id = load_be<std::uint32_t>(field<0, 4>(std::span<const std::uint8_t, 32>(hash)));
    return id == 0 ? 1 : id;
}

Result<ServiceSpec> parse_service_spec(std::string_view text) {
    ServiceSpec wish;
    if (text.find('/') == text.npos) {
        wish.service = service_id(text);
        return wish;
    }
    const auto at = text.find('@');
    auto endpoint = Endpoint::parse(text.substr(0, at));
    if (!endpoint)
        return endpoint.error();
    wish.endpoint = *endpoint;
    if (at == text.npos)
        return wish;
    auto target = Address::parse(text.substr(at + 1));
    if (!target)
        return target.error();
    if (!target->is_grantable())
        return Error{target->text() + " is not the address of a host behind the server", {}};
    wish.target = *target;
    return wish;
}

} // namespace xk
